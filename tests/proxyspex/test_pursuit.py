"""Sparse games recovered set by set."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from math import comb

import numpy as np
import pytest

import naive
from shapiq_spex import ProxySPEX
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.proxyspex.process import Data
from shapiq_spex.proxyspex.pursuit import Search, least_squares, pursue
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.series import FourierSeries


def signs(n, m, seed=0):
    return 1 - 2 * (np.random.default_rng(seed).random((m, n)) < 0.5).astype(np.float32)


def random_sets(n, sizes, seed):
    """Sets none of which needs to have a subset in the game."""
    rng = np.random.default_rng(seed)
    sets = {tuple(sorted(rng.choice(n, size, replace=False).tolist())) for size in sizes}
    return weighted(n, sets, rng)


def grown_sets(n, count, seed, largest=5):
    """Sets of which most have one player more than another one."""
    rng = np.random.default_rng(seed)
    sets = {(int(player),) for player in rng.choice(n, max(count // 6, 1), replace=False)}
    while len(sets) < count:
        parent = sorted(sets)[rng.integers(len(sets))]
        new = tuple(sorted({*parent, int(rng.integers(n))}))
        sets |= {new} if len(new) <= largest else set()
    return weighted(n, sets, rng)


def weighted(n, sets, rng):
    """Coefficients of either sign and sizes of 0.5 to 1.5."""
    weights = rng.choice([-1, 1], len(sets)) * rng.uniform(0.5, 1.5, len(sets))
    return FourierSeries.from_terms(n, dict(zip(sorted(sets), weights.tolist(), strict=True)))


def error(found, game):
    """Squared error over all coalitions in units of the variance."""
    return ((found - game).coefficients ** 2).sum() / game.energy_by_order()[1:].sum()


def exactly(found, game):
    return found.exact and error(found.series, game) < 1e-20


@pytest.mark.parametrize(("n", "m"), [(50, 2000), (200, 2000), (1000, 2000)])
@pytest.mark.parametrize("seed", range(2))
def test_a_sparse_game_with_a_hierarchy_is_exact(n, m, seed):
    game = grown_sets(n, 50, seed)
    result = ProxySPEX(n=n, random_state=seed).recover(m, game)
    assert error(result.series, game) < 1e-20
    assert (result.r2, result.status) == (pytest.approx(1.0, abs=1e-12), "ok")


@pytest.mark.parametrize(
    ("n", "sizes", "m"), [(200, [1, 2] * 20, 1000), (60, [1, 2, 3, 3] * 10, 1000)]
)
@pytest.mark.parametrize("seed", range(2))
def test_small_sets_need_no_hierarchy(n, sizes, m, seed):
    game = random_sets(n, sizes, seed)
    assert error(ProxySPEX(n=n, random_state=seed).recover(m, game).series, game) < 1e-20


def test_triples_of_hundreds_of_players_are_looked_at_on_few_rows_first():
    """Of 400 players there are twice as many triples as sets are looked at in one search."""
    game = random_sets(400, [3] * 6, 0)
    z = signs(400, 1000)
    assert exactly(pursue(z, game(z < 0)), game)


@pytest.mark.parametrize("m", [200, 512, 1000, 4000])
def test_what_the_first_rows_show_is_looked_at_on_all(m):
    """The sets found by a naive double loop: they stand out of a few rows, and are there on all."""
    z, sets = signs(12, m), list(combinations(range(12), 3))
    rng = np.random.default_rng(1)
    rest = random_sets(12, [3] * 8, 3)(z < 0) + 4.0 * rng.normal(size=m)
    unit = (rest / (rest.std() * np.sqrt(m))).astype(np.float32)
    chance = np.sqrt(2 * np.log(len(sets)))
    few = unit[: max(512, m // 4)]
    some, every = (
        {s: abs(z[: len(u), list(s)].prod(axis=1) @ u) for s in sets}
        for u in (few / np.linalg.norm(few), unit)
    )
    expected = {s for s in sets if some[s] > chance - 2 and every[s] > chance - 0.5}
    assert naive_sets(Search(z)._all_of(3, unit)) == expected
    assert len(expected) > 0


def test_a_value_far_out_among_the_first_rows_lets_no_triple_through():
    """Its share of the spread of all rows alone would let every triple of 512 rows stand out."""
    z = signs(100, 5500)
    rest = 1e-3 * np.random.default_rng(0).normal(size=5500)
    rest[3] = 1.0
    unit = (rest / (rest.std() * np.sqrt(5500))).astype(np.float32)
    chance = np.sqrt(2 * np.log(comb(100, 3)))
    few = unit[:512] / np.linalg.norm(unit[:512])
    assert len(Search(z)._standing_out(3, few, chance - 2)) == 0
    assert len(Search(z)._standing_out(3, unit[:512] * np.sqrt(5500 / 512), chance - 2)) > 10**5


def test_large_sets_among_many_players_have_more_rivals_than_a_machine_number():
    n, chain = 100, [tuple(range(k)) for k in range(1, 21)]
    game = FourierSeries.from_terms(n, dict.fromkeys(chain, 1.0))
    z = signs(n, 600)
    y = game(z < 0) + 0.1 * np.random.default_rng(0).normal(size=600)
    found = pursue(z, y / y.std())
    strict = found.strict(Data(z, y / y.std()))
    assert comb(100, 20) > 2**64
    assert set(chain) <= strict.series.terms().keys()


def test_values_of_nothing_have_nothing_but_a_constant():
    found = pursue(signs(20, 100), np.zeros(100))
    assert found.exact
    assert found.strict(Data(signs(20, 100), np.zeros(100))) is found
    assert found.series.terms() == {(): 0.0}


def noisy(n, count, seed, m=1000):
    """Values of ``count`` sets of one to three players with a tenth as much noise."""
    game = random_sets(n, [1, 2, 3] * (count // 3), seed)
    z, rng = signs(n, m, seed), np.random.default_rng([seed, 1])
    noise = np.sqrt(0.1 * (game.coefficients**2).sum())
    values = game(z < 0) + noise * rng.normal(size=m)
    return game, z, values / values.std(), values.std(), noise


@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_sparse_game_is_found_too(seed):
    """Least squares on the true sets errs by noise s / m. A false set that slipped in stands out
    by some five deviations, so it errs like 25 of them; two may."""
    game, z, y, unit, noise = noisy(60, 30, seed)
    fit = GaussianProcess().fit(z < 0, y * unit, np.random.default_rng(0), lambda series: series)
    wrong = ((fit.series - game).coefficients ** 2).sum()
    assert wrong < noise**2 * (len(game) + 5 * np.sqrt(len(game)) + 2 * 25) / 1000
    at_best = 1 - noise**2 / unit**2
    assert at_best - 0.05 < fit.r2 < at_best + 0.02


def test_the_r2_of_a_sparse_series_is_that_of_the_finished_one():
    """Ends that are far out bend the series; 1000 values tell R² to about 0.02."""
    game, z, y, unit, noise = noisy(60, 30, 0)
    empty, full = game(np.array([[False] * 60, [True] * 60]))
    finish = partial(meet_ends, empty=empty, full=full + 80 * unit)
    fit = GaussianProcess().fit(z < 0, y * unit, np.random.default_rng(0), finish)
    bare = GaussianProcess().fit(z < 0, y * unit, np.random.default_rng(0), lambda one: one)
    wrong = ((fit.series - game).coefficients ** 2).sum() + noise**2
    assert fit.r2 < bare.r2 - 0.1
    assert fit.r2 == pytest.approx(1 - wrong / unit**2, abs=0.06)
    assert (fit.residuals**2).mean() == pytest.approx((1 - fit.r2) * unit**2, rel=1e-9)


def test_what_chance_may_have_found_is_not_strict():
    """Each set that is kept has a coefficient beyond the largest of as many draws as sets."""
    game, z, y, *_ = noisy(60, 30, 0)
    found = pursue(z, y, game + random_sets(60, [2, 3] * 10, 5))
    strict = found.strict(Data(z, y))
    assert len(found.series) > len(game) + 15
    assert len(strict.series) < len(game) + 3
    assert strict.strict(Data(z, y)) is strict
    assert strict.error == pytest.approx((strict.rest**2).sum() / (1000 - len(strict.series)))
    for players, value in strict.series.terms().items():
        chance = 2 * np.log(comb(60, len(players))) if players else 0
        assert abs(value) > np.sqrt(chance * strict.error / (1000 - len(strict.series)))


def test_the_choice_is_made_on_rows_that_the_search_never_saw():
    _, z, y, *_ = noisy(40, 12, 0, m=300)
    data, folds = Data(z, y), np.array_split(np.random.default_rng(0).permutation(300), 5)
    found, wrong = pursue(z, y), {"found": 0.0, "strict": 0.0}
    for out in folds:
        rest = np.setdiff1d(np.arange(300), out)
        one = pursue(z[rest], y[rest])
        wrong["found"] += ((y[out] - one.series(z[out] < 0)) ** 2).sum() / 300
        strict = one.strict(Data(z[rest], y[rest]))
        wrong["strict"] += ((y[out] - strict.series(z[out] < 0)) ** 2).sum() / 300
    best = min(wrong.values())
    assert found.error < best  # what it leaves of rows it saw would flatter it
    assert found.better_than(0.999 * best, data, folds) is None
    last, anew = found.better_than(1.001 * best, data, folds)
    assert wrong["strict"] < wrong["found"]
    assert last.series == found.strict(data).series
    first = data.without(folds[0])
    assert anew[0] == pursue(*first).strict(first).series


def test_a_game_of_many_small_terms_is_left_to_the_process():
    """sin of a sum: all of its many pairs and triples are small."""
    rng = np.random.default_rng(0)
    z = signs(20, 400)
    weights = rng.normal(size=20) / 4
    values = np.sin(z @ weights + 0.5)
    fit = GaussianProcess().fit(z < 0, values, rng, lambda series: series)
    other = signs(20, 2000, seed=1)
    truth = np.sin(other @ weights + 0.5)
    sparse = pursue(z, (values - values.mean()) / values.std()).series
    sparse = sparse * float(values.std()) + FourierSeries.constant(20, float(values.mean()))
    wrong = [((one(other < 0) - truth) ** 2).mean() for one in (fit.series, sparse)]
    assert wrong[0] < 0.5 * wrong[1]


def test_large_sets_without_a_hierarchy_need_few_players():
    few, many = (random_sets(n, [5] * 3, 0) for n in (25, 200))
    assert exactly(pursue(signs(25, 500), few(signs(25, 500) < 0)), few)
    assert not pursue(signs(200, 500), many(signs(200, 500) < 0)).exact


def test_known_sets_are_a_start():
    game = random_sets(200, [5] * 3, 0)
    z = signs(200, 500)
    assert exactly(pursue(z, game(z < 0), game.truncate(count=3)), game)


@pytest.mark.parametrize("seed", range(3))
def test_values_that_are_not_sparse_are_not_taken_for_it(seed):
    z = signs(30, 300, seed)
    rng = np.random.default_rng(seed)
    sparse = random_sets(30, [1, 2, 2], seed)(z < 0)
    for values in (rng.normal(size=300), sparse + 0.001 * rng.normal(size=300)):
        assert not pursue(z, values / values.std()).exact


@pytest.mark.parametrize("m", [5, 20, 33])
def test_few_values_prove_nothing(m):
    """Any three values of two sizes follow from some pair of so many players."""
    z = signs(100, m)
    assert not pursue(z, z[:, 3] * z[:, 4]).exact


def naive_search(z, rest, support):
    """The first kind of sets of which some are stronger than chance."""
    n = z.shape[1]
    pairs = set(naive.subsets(range(n), largest=2)) - set(naive.subsets(range(n), largest=1))
    steps = [tuple(sorted({*players} ^ {i})) for players in support for i in range(n)]
    kinds = [[(pairs, len(pairs), 0.5), (set(steps), len(steps), 0.8)]]
    for size in (3, 4, 5):
        sets = set(combinations(range(n), size))
        kinds.append([(sets, len(sets), 0.5)])
    for kind in kinds:
        found = set()
        for sets, count, lenient in kind:
            least = (np.sqrt(2 * np.log(count)) - lenient) * rest.std() / np.sqrt(len(z))
            found |= {s for s in sets if abs(z[:, list(s)].prod(axis=1) @ rest) / len(z) > least}
        if found:
            return found
    return set()


@pytest.mark.parametrize("sizes", [[1, 2, 3], [3, 4], [3, 3], [4], [5, 5], []])
@pytest.mark.parametrize("seed", range(3))
def test_the_search_finds_what_a_naive_one_finds(seed, sizes):
    z = signs(8, 400, seed)
    rng = np.random.default_rng(seed)
    rest = random_sets(8, sizes, seed)(z < 0) + 0.3 * rng.normal(size=400)
    for sets in [()], [(), (1, 2, 3), (4, 5, 6, 7)]:
        support = FourierSeries.from_terms(8, dict.fromkeys(sets, 0.0)).support
        assert naive_sets(Search(z).missing(rest, support)) == naive_search(z, rest, sets)


def naive_sets(rows):
    return {tuple(np.flatnonzero(row).tolist()) for row in rows}


def test_neighbours_of_the_support_have_one_player_more_or_less():
    z = signs(40, 500)
    support = FourierSeries.from_terms(40, {(): 0.0, (1, 2, 3, 4): 0.0}).support
    rest = z[:, [1, 2, 3, 4, 5]].prod(axis=1) + z[:, [1, 2, 4]].prod(axis=1)
    found = naive_sets(Search(z).missing(rest, support))
    assert {(1, 2, 3, 4, 5), (1, 2, 4)} <= found
    # Chance alone reaches sqrt(2 log 80) - 0.8 once in 32 times, and there are 80 neighbours.
    assert len(found) < 2 + 10
    assert all(len({1, 2, 3, 4} ^ set(s)) == 1 or len(s) == 1 for s in found)


def test_least_squares_is_that_of_numpy():
    z = signs(20, 300)
    support = random_sets(20, [0, 1, 2, 3, 4, 5], 0).support
    y = np.random.default_rng(0).normal(size=300)
    design = np.array([[np.prod(row[s]) for s in support] for row in z.astype(float)])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    found, rest = least_squares(z, y, support)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(rest, y - design @ expected, atol=1e-12)


def test_each_fold_is_fitted_without_its_rows():
    game, z = random_sets(30, [1, 2, 3], 0), signs(30, 100)
    values = game(z < 0)
    fits = refitted(z, values)
    assert [error(fit, game) < 1e-20 for fit in fits] == [True] * 3
    wrong = values.copy()
    wrong[:10] += 1e-7  # less than is noticed, and the first fold does not see it
    fits = refitted(z, wrong)
    assert error(fits[0], game) < 1e-20 < error(fits[1], game)


def refitted(z, values):
    return pursue(z, values).refitted(Data(z, values), [np.arange(10), np.arange(10, 30)])


def test_an_exact_series_meets_the_ends_and_explains_folds():
    n = 40
    game = grown_sets(n, 10, 1)
    z = signs(n, 400)
    ends = game(np.array([[False] * n, [True] * n]))
    finish = partial(meet_ends, empty=ends[0], full=ends[1])
    fit = GaussianProcess().fit(z < 0, game(z < 0), np.random.default_rng(0), finish)
    assert fit.series.terms() == pytest.approx(game.terms() | {(): naive_constant(game)}, abs=1e-12)
    assert np.abs(fit.residuals).max() < 1e-12


def naive_constant(game):
    return game.terms().get((), 0.0)


def test_equal_inputs_give_equal_bits():
    game, z = grown_sets(60, 20, 2), signs(60, 600)
    one, other = pursue(z, game(z < 0)), pursue(z.copy(), game(z < 0))
    assert one.series == other.series
    assert one.rest.tobytes() == other.rest.tobytes()


def test_tiny_games_are_searched_too():
    for n in (1, 2, 3):
        z = 1 - 2 * np.repeat(naive.rows(n), 40, axis=0).astype(np.float32)
        game = FourierSeries.from_terms(n, {(0,): 1.0})
        assert exactly(pursue(z, game(z < 0)), game)


def test_complete_hierarchies_of_hundreds_of_sets_are_exact():
    """Most sets of a hierarchy have several parents: one round must not be spent on few of them."""
    n, m, rng = 60, 1400, np.random.default_rng(0)
    terms = {}
    for _ in range(10):
        players = sorted(rng.choice(n, 5, replace=False).tolist())
        for size in range(1, 6):
            terms |= {subset: rng.uniform(-1, 1) for subset in combinations(players, size)}
    game = FourierSeries.from_terms(n, terms)
    x = rng.random((m, n)) < 0.5
    found = pursue(1 - 2 * x.astype(np.float32), game(x) / game(x).std())
    assert len(terms) == 290
    assert found.series.terms().keys() - {()} == terms.keys()
