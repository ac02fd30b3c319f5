from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from shapiq_spex.proxyspex import tree_fourier
from shapiq_spex.proxyspex.ensembles import Tree
from shapiq_spex.proxyspex.tree_fourier import trees_to_series
from shapiq_spex.spectral import all_coalitions


def random_tree(rng, n, depth):
    """Players are drawn with repetition, so paths meet them again and contradict themselves."""
    nodes = []

    def grow(level):
        place = len(nodes)
        nodes.append([-1, 0, 0, rng.normal()])
        if level < depth and rng.random() < 0.85:
            nodes[place][0] = int(rng.integers(n))
            nodes[place][1] = grow(level + 1)
            nodes[place][2] = grow(level + 1)
        return place

    grow(0)
    return Tree(*map(np.array, zip(*nodes, strict=True)))


def leaf(value):
    none = np.zeros(1, dtype=int)
    return Tree(none - 1, none, none, np.array([value]))


def caterpillar(players, values):
    """Asks one player after the other; a present one ends the walk."""
    depth = len(players)
    feature, absent, present = (np.zeros(2 * depth + 1, dtype=int) for _ in range(3))
    inner = 2 * np.arange(depth)
    feature[:] = -1
    feature[inner], absent[inner], present[inner] = players, inner + 2, inner + 1
    value = np.zeros(2 * depth + 1)
    value[[*(inner + 1), 2 * depth]] = values
    return Tree(feature, absent, present, value)


def brute_force(trees, n):
    """F(S) = 2^-n sum_x f(x) (-1)^|S and x|, term by term."""
    coalitions = all_coalitions(n)
    values = sum(tree.predict(coalitions) for tree in trees)
    signs = (-1.0) ** (coalitions.astype(int) @ coalitions.astype(int).T)
    return {
        tuple(np.flatnonzero(row).tolist()): float(f)
        for row, f in zip(coalitions, signs @ values / 2**n, strict=True)
    }


def assert_same(series, expected, max_degree=99):
    terms = series.terms()
    for players, value in expected.items():
        wanted = value if len(players) <= max_degree else 0.0
        assert terms.get(players, 0.0) == pytest.approx(wanted, abs=1e-12), players


@pytest.mark.parametrize(("n", "depth"), [(1, 3), (2, 5), (5, 4), (8, 6), (8, 9)])
@pytest.mark.parametrize("seed", [0, 1])
def test_random_trees_are_read_out_exactly(n, depth, seed):
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, n, depth) for _ in range(6)]
    assert_same(trees_to_series(trees, n), brute_force(trees, n))


def test_the_random_trees_do_meet_players_again():
    tree = random_tree(np.random.default_rng(0), 2, 5)
    assert (tree.feature >= 0).sum() > 3  # more questions than any tree without repetition


@pytest.mark.parametrize("max_degree", [0, 1, 2])
def test_a_degree_leaves_out_and_changes_nothing_else(max_degree):
    rng = np.random.default_rng(5)
    trees = [random_tree(rng, 7, 6) for _ in range(4)]
    series = trees_to_series(trees, 7, max_degree=max_degree)
    assert series.degrees.max() == max_degree
    assert_same(series, brute_force(trees, 7), max_degree)


def test_without_room_for_tables_leaves_are_read_one_by_one(monkeypatch):
    rng = np.random.default_rng(7)
    trees = [random_tree(rng, 8, 7) for _ in range(4)]
    monkeypatch.setattr(tree_fourier, "MAX_PAIRS", 0)
    assert_same(trees_to_series(trees, 8, max_degree=8), brute_force(trees, 8))


@pytest.mark.parametrize(
    ("room", "degree"), [(34, 1), (63, 1), (64, 2), (96, 2), (97, 3), (10**6, 6)]
)
def test_the_degree_chosen_is_the_largest_that_fits(monkeypatch, room, degree):
    # The leaves decide 1, 2, 3, 4, 5, 6 and 6 players. The last two share their players, and a
    # table where its 2^6 entries fit; where they do not, each counts.
    tree = caterpillar(np.arange(6), np.arange(7.0))
    sizes = [1, 2, 3, 4, 5, 6] + [6] * (room < 64)
    pairs = [sum(comb(p, d) for p in sizes for d in range(top + 1)) for top in range(7)]
    assert pairs[degree] <= room
    assert degree == 6 or pairs[degree + 1] > room
    monkeypatch.setattr(tree_fourier, "MAX_PAIRS", room)
    series = trees_to_series([tree], 6)
    assert series.degrees.max() == degree
    assert_same(series, brute_force([tree], 6), degree)


def test_a_deep_caterpillar_needs_no_table():
    rng = np.random.default_rng(2)
    n, values = 25, rng.normal(size=26)
    players = rng.permutation(n)
    series = trees_to_series([caterpillar(players, values)], n, max_degree=2)
    assert len(series) == 1 + n + comb(n, 2)
    place = np.argsort(players)  # the level at which each player is asked
    terms = series.terms()
    for chosen in [(), *combinations(range(n), 1), *combinations(range(n), 2)]:
        levels = place[list(chosen)]
        expected = 0.0
        for end in range(n + 1):  # the leaf where the player of this level is present
            if levels.max(initial=-1) <= min(end, n - 1):
                sign = -1.0 if end in levels else 1.0
                expected += sign * values[end] * 2.0 ** -min(end + 1, n)
        assert terms[chosen] == pytest.approx(expected, abs=1e-14)


def test_many_deep_trees_stay_within_bounds():
    rng = np.random.default_rng(3)
    trees = [caterpillar(rng.permutation(40)[:30], rng.normal(size=31)) for _ in range(20)]
    series = trees_to_series(trees, 40)
    assert 2 <= series.degrees.max() < 30
    assert series.terms()[()] == pytest.approx(
        sum((t.value[t.feature < 0] * 0.5 ** np.array([*range(1, 31), 30])).sum() for t in trees)
    )


def test_many_players_leave_room_for_fewer_sets(monkeypatch):
    tree = caterpillar(np.arange(6), np.arange(7.0))
    monkeypatch.setattr(tree_fourier, "MAX_ENTRIES", 62 * 100)
    assert trees_to_series([tree], 100).degrees.max() == 2
    assert trees_to_series([tree], 101).degrees.max() == 1


def test_degenerate_splits_vanish():
    both = Tree(np.array([0, -1, -1]), np.array([1, 0, 0]), np.array([1, 0, 0]), np.arange(3.0))
    assert trees_to_series([both], 1).terms() == {(): 1.0, (0,): 0.0}


def test_trees_of_one_leaf_and_no_trees():
    assert trees_to_series([leaf(1.5), leaf(2.0)], 3).terms() == {(): 3.5}
    assert len(trees_to_series([], 3)) == 0


def test_a_thousand_players():
    tree = caterpillar(np.array([1039, 0, 512]), np.array([4.0, 0.0, 0.0, 0.0]))
    assert trees_to_series([tree], 1040).terms() == pytest.approx(
        {(): 2.0, (1039,): -2.0} | dict.fromkeys(_others(), 0.0)
    )


def _others():
    players = (0, 512, 1039)
    return [s for d in (1, 2, 3) for s in combinations(players, d) if s != (1039,)]


def test_bad_input_is_refused():
    tree = caterpillar(np.array([3]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="trees on 3 players"):
        trees_to_series([tree], 3)
    with pytest.raises(ValueError, match="degree of at least 0"):
        trees_to_series([tree], 4, max_degree=-1)
