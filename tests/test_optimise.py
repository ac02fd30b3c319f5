"""Choosing players against trying every choice."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from shapiq_spex import FourierSeries
from shapiq_spex.optimise import Selection, optimise

GOALS = ("max", "min", "change")
METHODS = ("auto", "exhaustive", "milp", "swaps")


def score(values, goal, whole):
    return {"max": values, "min": -values, "change": abs(values - whole)}[goal]


def brute_force(terms, n, keep, goal):
    """The best score over all choices, one at a time."""
    whole = naive.evaluate(terms, [1] * n)
    rows = [[int(i in chosen) for i in range(n)] for chosen in combinations(range(n), keep)]
    return max(score(naive.evaluate(terms, row), goal, whole) for row in rows)


def greedy(series, keep, *, backwards):
    """Add, or take away, the best player, one at a time."""
    row = np.full(series.n, backwards)
    while row.sum() != keep:
        options = [row ^ (np.arange(series.n) == i) for i in np.flatnonzero(row == backwards)]
        row = options[int(np.argmax(series(np.array(options))))]
    return float(series(row[np.newaxis])[0])


@st.composite
def problems(draw, n_max=7):
    n = draw(st.integers(1, n_max))
    sets = draw(st.lists(st.sets(st.integers(0, n - 1), max_size=4), max_size=12))
    weights = draw(st.lists(st.integers(-9, 9), min_size=len(sets), max_size=len(sets)))
    terms = {}
    for players, weight in zip(sets, weights, strict=True):
        key = tuple(sorted(players))
        terms[key] = terms.get(key, 0.0) + weight / 4
    return n, terms, draw(st.integers(0, n))


def random_problem(n, pairs, *, degree=3, seed=0):
    rng = np.random.default_rng([seed, n])
    terms = {(i,): rng.normal() for i in range(n)}
    while len(terms) < n + pairs:
        size = rng.integers(2, degree + 1)
        players = tuple(sorted(rng.choice(n, size, replace=False).tolist()))
        terms[players] = rng.normal()
    return FourierSeries.from_terms(n, terms)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None)
@given(problem=problems())
def test_a_selection_is_what_it_says_and_exact_ones_are_the_best(goal, method, problem):
    n, terms, keep = problem
    series = FourierSeries.from_terms(n, terms)
    found = optimise(series, keep=keep, goal=goal, method=method)
    assert sorted(found.kept + found.removed) == list(range(n))
    assert len(found.kept) == keep
    assert found.coalition.tolist() == [i in found.kept for i in range(n)]
    assert found.value == pytest.approx(naive.evaluate(terms, found.coalition), abs=1e-9)
    assert found == optimise(series, remove=n - keep, goal=goal, method=method)
    best = brute_force(terms, n, keep, goal)
    reached = score(found.value, goal, naive.evaluate(terms, [1] * n))
    if method == "swaps":
        assert found.gap is None
        assert reached <= best + 1e-9
    else:
        assert found.gap == pytest.approx(0.0, abs=1e-9)
        assert reached == pytest.approx(best, abs=1e-7)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("method", ["exhaustive", "milp"])
def test_exact_methods_agree_at_twelve_players(goal, method):
    series = random_problem(12, 30)
    found = optimise(series, keep=6, goal=goal, method=method)
    best = brute_force(series.terms(), 12, 6, goal)
    whole = float(series(np.ones((1, 12), dtype=bool))[0])
    assert score(found.value, goal, whole) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
@pytest.mark.parametrize("tie", [1e-4, 1e-7])
def test_the_integer_program_is_exact_where_choices_nearly_tie(monkeypatch, tie, unit):
    """Within 1e-4 of the best, solvers stop by default; within 1e-6 of no unit, always."""
    first = lambda series, keep: np.arange(series.n) < keep  # noqa: E731
    monkeypatch.setattr("shapiq_spex.optimise._by_swaps", first)  # no help from elsewhere
    for seed in range(4):
        rng = np.random.default_rng(seed)
        terms = {(i,): -1.0 + tie * rng.normal() for i in range(9)}
        pairs = [pair for pair in combinations(range(9), 2) if rng.random() < 0.4]
        terms = {**terms, **{pair: tie * rng.normal() for pair in pairs}}
        series = FourierSeries.from_terms(9, {s: unit * f for s, f in terms.items()})
        found = optimise(series, keep=4, method="milp")
        assert found.gap == 0.0
        best = brute_force(series.terms(), 9, 4, "max")
        assert found.value == pytest.approx(best, rel=1e-12, abs=0)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None)
@given(problem=problems(n_max=12))
def test_never_worse_than_greedy(method, problem):
    n, terms, keep = problem
    series = FourierSeries.from_terms(n, terms)
    found = optimise(series, keep=keep, method=method).value
    for backwards in (False, True):
        assert found >= greedy(series, keep, backwards=backwards) - 1e-9


def test_exchanges_close_most_of_the_gap_that_greedy_choices_leave():
    greedily, found, best = np.zeros(3)
    for seed in range(4):
        series = random_problem(20, 70, degree=2, seed=seed)
        greedily += max(greedy(series, 10, backwards=backwards) for backwards in (False, True))
        found += optimise(series, keep=10, method="swaps").value
        exact = optimise(series, keep=10, method="milp")
        assert exact.gap == 0.0
        best += exact.value
    assert best > greedily + 1
    assert found >= greedily + 0.8 * (best - greedily)


def test_the_method_follows_the_size():
    assert optimise(random_problem(14, 20), keep=7).method == "exhaustive"
    assert optimise(random_problem(30, 20), keep=2).method == "exhaustive"
    found = optimise(random_problem(30, 20, degree=2), keep=15)
    assert (found.method, found.gap) == ("milp", 0.0)
    found = optimise(random_problem(30, 400, degree=2), keep=15)
    assert (found.method, found.gap) == ("swaps", None)


def test_terms_of_high_degree_are_not_expanded():
    terms = {tuple(range(40)): 1.0, **{(i,): -float(i) for i in range(40)}}
    found = optimise(FourierSeries.from_terms(40, terms), keep=20)
    assert found.method == "swaps"
    assert found.kept == tuple(range(20, 40))


def test_a_program_that_gives_up_tells_its_gap(monkeypatch):
    monkeypatch.setattr("shapiq_spex.optimise._NODES", 1)
    series = random_problem(40, 150, degree=3)
    found = optimise(series, keep=20, method="milp")
    assert found.gap > 0
    assert found.value >= optimise(series, keep=20, method="swaps").value


def test_redundant_players_are_not_both_removed():
    """Either of two copies can go at no cost: their first-order values are the lowest of all."""
    both = {(): 0.75, (0,): -0.25, (1,): -0.25, (0, 1): -0.25, (2,): -0.3, (3,): -0.3}
    series = FourierSeries.from_terms(4, both)
    found = optimise(series, remove=2)
    assert len(set(found.removed) & {0, 1}) == 1
    assert optimise(series, remove=2, goal="change").removed in [(0, 2), (0, 3), (2, 3), (0, 1)]


def test_a_hundred_players_with_pairs_everywhere():
    rng = np.random.default_rng(0)
    terms = {(i, j): rng.normal() for i, j in combinations(range(100), 2)}
    series = FourierSeries.from_terms(100, terms)
    found = optimise(series, keep=50)
    assert found.method == "swaps"
    assert found.value > greedy(series, 50, backwards=True)


@pytest.mark.parametrize("constant", [{}, {(): 2.0}])
def test_a_series_without_players_at_work(constant):
    series = FourierSeries.from_terms(30, constant)
    for method in ("auto", "milp", "swaps"):
        found = optimise(series, keep=15, method=method)
        assert found.value == constant.get((), 0.0)
        assert len(found.kept) == 15


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "exactly one of keep and remove"),
        ({"keep": 1, "remove": 1}, "exactly one of keep and remove"),
        ({"keep": 4}, "from 0 to 3"),
        ({"remove": -1}, "from 0 to 3"),
        ({"keep": 1.0}, "a whole number"),
        ({"keep": True}, "a whole number"),
        ({"keep": 1, "goal": "best"}, "a goal among max, min, change, got 'best'"),
        ({"keep": 1, "method": "fast"}, "a method among auto, exhaustive, milp, swaps"),
    ],
)
def test_bad_arguments_get_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        optimise(FourierSeries.from_terms(3, {(0,): 1.0}), **settings)


def test_numpy_numbers_count_and_the_result_is_plain():
    found = optimise(FourierSeries.from_terms(3, {(0,): -1.0}), keep=np.int64(1))
    assert found == Selection((0,), (1, 2), 1.0, 0.0, "exhaustive")
    assert all(type(player) is int for player in found.kept + found.removed)
    assert type(found.value) is float
