"""What every approximator promises: a table of approximators times a table of situations."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from functools import partial

import numpy as np
import pytest
from shapiq import Game
from shapiq.interaction_values import InteractionValues

import naive
from approximators import (
    ADAPTIVE,
    APPROXIMATORS,
    FEW_TREES,
    STOPPING,
    Recorder,
    as_dict,
    assert_same,
    random_table,
    seen,
    sparse_game,
)
from shapiq_spex import FourierSeries, ProxySPEX
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.proxyspex.proxies import Surrogate
from shapiq_spex.spectral.indices import INDICES

N = 10
PARTIAL = [12, 37, 64, 200, 400]  # at the last SPEX has a coded design


def named(name, **settings):
    """An approximator of the table, n = 10 and seed 3 unless told otherwise."""
    return (APPROXIMATORS | ADAPTIVE)[name](**{"n": N, "random_state": 3, **settings})


@pytest.fixture(params=APPROXIMATORS | ADAPTIVE)
def make(request):
    """One approximator after the other."""
    return partial(named, request.param)


class SparseGame(Game):
    """The same game as a subclass of shapiq's."""

    def __init__(self, n=N):
        super().__init__(n, normalize=False)

    def value_function(self, coalitions):
        assert coalitions.dtype == bool
        return sparse_game(coalitions)


# ---------------------------------------------------------------------- results
@pytest.mark.parametrize("index", INDICES)
def test_results_are_shapiqs_interaction_values(make, index):
    found = make(index=index, max_order=3).approximate(80, sparse_game)
    top = 1 if index in ("SV", "BV") else 3
    assert isinstance(found, InteractionValues)
    assert (found.index, found.max_order, found.min_order) == (index, top, 0)
    assert (found.n_players, found.estimated, found.estimation_budget) == (N, True, 80)
    assert found.values.dtype == np.float64
    assert np.isfinite(found.values).all()
    keys = list(found.interaction_lookup)
    assert all(t == tuple(sorted(set(t))) and all(type(i) is int for i in t) for t in keys)
    assert set(naive.subsets(range(N), largest=1)) <= set(keys)
    assert max(map(len, keys)) <= top


@pytest.mark.parametrize("index", INDICES)
def test_a_recovery_gives_what_approximate_gives(make, index):
    approximator = make(index=index, max_order=2)
    recovery = approximator.recover(60, sparse_game)
    assert_same(recovery.interactions(), approximator.approximate(60, sparse_game))
    assert_same(recovery.interactions(index, 2), recovery.interactions())
    assert_same(recovery.interactions("SV"), recovery.interactions("SV", 1))


def test_a_recovery_tells_what_was_asked_and_answered(make):
    recorder = Recorder(sparse_game)
    recovery = make().recover(60, recorder)
    np.testing.assert_array_equal(recovery.plan.coalitions, recorder.rows)
    np.testing.assert_array_equal(recovery.values, sparse_game(recorder.rows))
    assert recovery.n_evaluations == 60
    assert recovery.r2 <= 1
    assert recovery.r2_kind in ("cross-validated", "held-out")
    assert recovery.status == "ok" or "too few for a coded design" in recovery.status
    assert "60 distinct coalitions of 10 players" in str(recovery.plan)
    assert repr(recovery).startswith("Recovery(n=10, evaluations=60, terms=")


def test_a_frame_holds_the_interactions_strongest_first(make):
    recovery = make(index="SII", max_order=2).recover(80, sparse_game)
    frame, values = recovery.to_frame("k-SII", 3), as_dict(recovery.interactions("k-SII", 3))
    known = ["standard_error", "lower", "upper", "significant"]
    assert list(frame.columns) == ["interaction", "label", "order", "value", *known]
    assert ((frame.lower <= frame.value) & (frame.value <= frame.upper)).all()
    assert frame.significant.dtype == bool
    assert dict(zip(frame.interaction, frame.value, strict=True)) == {
        t: value for t, value in values.items() if t
    }
    assert (frame.order == frame.interaction.map(len)).all()
    assert frame.value.abs().is_monotonic_decreasing
    assert set(recovery.to_frame().order) == {1, 2}


# ---------------------------------------------------------------------- budget
@pytest.mark.parametrize("budget", PARTIAL)
def test_the_budget_is_spent_to_the_last_row_on_distinct_coalitions(make, budget):
    rows = seen(make(), budget)
    assert rows.dtype == bool
    assert rows.shape == (budget, N)
    assert len(np.unique(rows, axis=0)) == budget
    assert (~rows).all(axis=1).sum() == rows.all(axis=1).sum() == 1


@pytest.mark.parametrize("budget", [2**N, 2**N + 1, 5000])
def test_more_than_all_coalitions_are_never_asked_for(make, budget):
    rows = seen(make(), budget)
    assert len(rows) == len(np.unique(rows, axis=0)) == 2**N


def test_one_coalition_less_than_all_is_no_problem(make):
    rows = seen(make(n=5), 31, lambda x: x.sum(axis=1))
    assert len(np.unique(rows, axis=0)) == len(rows) == 31


def test_numpy_integers_are_whole_numbers(make):
    settings = {"n": np.int64(N), "max_order": np.int32(2)}
    found = make(**settings).approximate(np.int64(40), sparse_game)
    assert_same(found, make(n=N, max_order=2).approximate(40, sparse_game))


@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("tolerance", [0.05, np.float32(0.05)])
def test_a_tolerance_leaves_budget_over_and_is_on_the_bill(name, tolerance):
    recorder = Recorder(sparse_game)
    found = named(name, n=12).recover(4000, recorder, tolerance=tolerance)
    assert found.n_evaluations == len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) < 2000
    assert found.reason.startswith(f"levelled off at {found.n_evaluations} of 4000 coalitions")
    bill = found.ledger.as_record()
    assert (bill["budget"], bill["masks"]) == (4000, found.n_evaluations)
    assert json.loads(json.dumps(bill))["tolerance"] == float(tolerance)


@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("tolerance", [0, 1, -0.1, 2.0, float("nan"), "0.1", True])
def test_a_tolerance_out_of_range_is_refused_before_anything_is_paid(name, tolerance):
    recorder = Recorder(sparse_game)
    message = f"ProxySPEX needs a tolerance between 0 and 1, got {tolerance!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        named(name).recover(100, recorder, tolerance=tolerance)
    assert recorder.blocks == []


@pytest.mark.parametrize("name", sorted((APPROXIMATORS | ADAPTIVE).keys() - set(STOPPING)))
def test_who_cannot_stop_early_says_so_before_anything_is_paid(name):
    recorder = Recorder(sparse_game)
    with pytest.raises(ValueError, match=rf"{name} cannot stop early, got a tolerance of 0\.05: "):
        named(name).recover(100, recorder, tolerance=0.05)
    assert recorder.blocks == []


# ---------------------------------------------------------------------- randomness
def test_equal_seeds_give_equal_bits(make):
    assert_same(make().approximate(60, sparse_game), make().approximate(60, sparse_game))


@pytest.mark.parametrize("seed", [0, 5, None])
def test_a_second_call_gives_the_same_answer(make, seed):
    approximator = make(random_state=seed)
    first, rows = approximator.approximate(60, sparse_game), seen(approximator, 60)
    approximator.approximate(40, lambda x: x.sum(axis=1))
    assert_same(approximator.approximate(60, sparse_game), first)
    np.testing.assert_array_equal(seen(approximator, 60), rows)


def test_other_seeds_ask_for_other_coalitions(make):
    asked = [seen(make(random_state=seed), 60) for seed in (0, 1, None, None)]
    as_sets = [frozenset(map(bytes, rows)) for rows in asked]
    assert len(set(as_sets)) == 4


def test_the_seed_can_be_set_later(make):
    approximator = make(random_state=0)
    approximator.set_random_state(7)
    expected = make(random_state=7).approximate(60, sparse_game)
    assert_same(approximator.approximate(60, sparse_game), expected)


def test_the_global_random_state_is_neither_used_nor_moved(make):
    np.random.seed(0)  # noqa: NPY002 - the old generator is what is checked
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = make().approximate(60, sparse_game)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert_same(make().approximate(60, sparse_game), first)


@pytest.mark.parametrize("seed", [0, None])
def test_an_approximator_does_not_change(make, seed):
    approximator = make(random_state=seed, index="SII")
    before = {name: pickle.dumps(value) for name, value in vars(approximator).items()}
    for budget in (12, 60, 2**N):
        approximator.approximate(budget, sparse_game)
    after = {name: pickle.dumps(value) for name, value in vars(approximator).items()}
    assert after == before


def test_it_can_be_sent_to_another_process(make):
    approximator = make(random_state=None)
    sent = pickle.loads(pickle.dumps(approximator))
    assert_same(sent.approximate(40, sparse_game), approximator.approximate(40, sparse_game))


# ---------------------------------------------------------------------- values
@pytest.mark.parametrize("budget", PARTIAL)
def test_efficient_indices_share_out_the_whole_value(make, budget):
    recovery = make().recover(budget, sparse_game)
    empty, full = sparse_game(np.array([[0] * N, [1] * N]))
    for index in naive.EFFICIENT:
        for order in (1, 2, 3):
            found = as_dict(recovery.interactions(index, order))
            assert found.pop(()) == pytest.approx(empty, abs=1e-9)
            assert sum(found.values()) == pytest.approx(full - empty, abs=1e-9)


@pytest.mark.parametrize("budget", PARTIAL)
def test_the_series_meets_the_empty_and_the_full_coalition(make, budget):
    recovery = make().recover(budget, sparse_game)
    ends = np.array([[False] * N, [True] * N])
    np.testing.assert_allclose(recovery.series(ends), sparse_game(ends), rtol=0, atol=1e-9)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("budget", [32, 33, 10**6])
def test_all_coalitions_give_the_exact_index(make, index, budget):
    table = random_table(5)
    for order in (1, 2, 3):
        found = make(n=5, index=index, max_order=order).recover(budget, naive.as_game(table))
        expected = naive.index(table, index, order)
        values = as_dict(found.interactions(index, order))
        del values[()], expected[()]  # renamed indices hold another value of the empty set
        assert values == pytest.approx(expected, abs=1e-10)
        assert (found.r2, found.r2_kind, found.n_evaluations) == (1.0, "exact", 32)
        assert not found.interactions().estimated
    assert "32 coalitions of 5 players" in str(found.plan)


def test_with_enough_values_the_strongest_interactions_are_found(make):
    found = as_dict(make(index="k-SII", max_order=2).approximate(500, sparse_game))
    pairs = sorted((t for t in found if len(t) == 2), key=lambda t: -abs(found[t]))
    # Of the triple (3, 4, 9) with Moebius value 2 each pair has SII 2 * 1/2 = 1.
    assert set(pairs[:4]) == {(0, 1), (3, 4), (3, 9), (4, 9)}
    assert found[(2,)] == pytest.approx(-3.0, abs=0.3)


# ---------------------------------------------------------------------- settings
def test_values_of_single_players_have_order_one(make):
    for index, name in (("SV", "SV"), ("BV", "BV")):
        found = make(index=index, max_order=2).approximate(60, sparse_game)
        assert (found.index, found.max_order) == (name, 1)
        assert max(map(len, found.interaction_lookup)) == 1
        assert_same(found, make(index=index, max_order=1).approximate(60, sparse_game))


@pytest.mark.parametrize(
    ("index", "name"),
    [("SII", "SV"), ("k-SII", "SV"), ("STII", "SV"), ("FSII", "SV"), ("BII", "BV")],
)
def test_interactions_of_order_one_are_values(make, index, name):
    found = make(index=index, max_order=1).approximate(60, sparse_game)
    assert (found.index, found.max_order) == (name, 1)
    assert_same(found, make(index=name, max_order=1).approximate(60, sparse_game))


@pytest.mark.parametrize("index", INDICES)
def test_top_order_gives_nothing_else(make, index):
    everything = as_dict(make(index=index, max_order=2).approximate(60, sparse_game))
    top = make(index=index, max_order=2, top_order=True).approximate(60, sparse_game)
    order = 1 if index in ("SV", "BV") else 2
    assert as_dict(top) == {t: value for t, value in everything.items() if len(t) == order}
    assert (top.min_order, top.max_order) == (order, order)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("budget", [6, 16])
def test_orders_beyond_the_players(make, index, budget):
    table = random_table(4)
    found = make(n=4, index=index, max_order=6).approximate(budget, naive.as_game(table))
    assert max(map(len, found.interaction_lookup)) <= 4
    if budget == 16:
        expected = naive.index(table, index, 6)
        assert as_dict(found) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("max_order", [1, 2])
def test_one_player(make, index, max_order):
    game = naive.as_game(np.array([2.0, 5.0]))
    found = make(n=1, index=index, max_order=max_order).approximate(2, game)
    assert found[(0,)] == pytest.approx(3.0, abs=1e-12)
    assert set(found.interaction_lookup) == {(), (0,)}


def test_one_player_has_no_pairs(make):
    game = naive.as_game(np.array([2.0, 5.0]))
    found = make(n=1, index="SII", max_order=2, top_order=True).approximate(2, game)
    assert as_dict(found) == {}


def test_settings_are_spelled_out_as_shapiqs_tools_expect(make):
    kind = type(make())
    parameters = inspect.signature(kind.__init__).parameters
    assert {"n", "max_order", "index", "random_state", "top_order"} <= set(parameters)
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    assert set(kind.valid_indices) == set(INDICES)


# ---------------------------------------------------------------------- games
def test_a_shapiq_game_and_a_function_are_the_same(make):
    expected = make(index="SII").approximate(60, sparse_game)
    assert_same(make(index="SII").approximate(60, SparseGame()), expected)
    assert_same(make(index="SII").approximate(budget=60, game=SparseGame()), expected)


def test_columns_lists_and_other_numbers_are_accepted(make):
    def whole(x):
        return (1000 * sparse_game(x)).round().astype(np.int64)

    expected = make().approximate(60, whole)
    for cast in (
        lambda values: values[:, None],
        lambda values: values.tolist(),
        lambda values: values.astype(np.float32),
        lambda values: values.astype(object),
    ):
        assert_same(make().approximate(60, lambda x, cast=cast: cast(whole(x))), expected)


def test_a_game_that_reuses_its_memory_spoils_nothing(make):
    buffer = np.empty(64)

    def game(x):
        buffer[: len(x)] = sparse_game(x)
        return buffer[: len(x)]

    assert_same(make().approximate(150, game), make().approximate(150, sparse_game))


@pytest.mark.parametrize("budget", [150, 2**N])
def test_a_game_that_writes_into_its_rows_spoils_nothing(make, budget):
    def game(x):
        values = sparse_game(x)
        x[:] = False
        return values

    assert_same(make().approximate(budget, game), make().approximate(budget, sparse_game))


def test_shapiqs_imputers_see_bools_and_are_explained(make):
    from shapiq.imputer.baseline_imputer import BaselineImputer

    data = np.random.default_rng(0).normal(size=(50, N))
    imputer = BaselineImputer(sparse_game, data, x=data[0], random_state=0, normalize=False)
    recorder = Recorder(imputer)
    found = make(index="SV", max_order=1).approximate(100, recorder)
    assert all(block.dtype == bool for block in recorder.blocks)
    assert_same(found, make(index="SV", max_order=1).approximate(100, imputer))
    ends = imputer(np.array([[False] * N, [True] * N]))
    assert found.baseline_value == pytest.approx(ends[0], abs=1e-9)


# ---------------------------------------------------------------------- ProxySPEX alone
def test_names_stand_for_proxies():
    assert ProxySPEX(n=4).proxy == ProxySPEX(n=4, proxy="gp").proxy == GaussianProcess()
    assert ProxySPEX(n=4, proxy="gbt").proxy == BoostedTrees() != FEW_TREES


def test_defaults_are_those_of_shapiqs_explainers():
    found = ProxySPEX(n=N, random_state=0).approximate(40, sparse_game)
    assert (found.index, found.max_order, found.min_order) == ("k-SII", 2, 0)


def test_any_object_that_fits_is_a_proxy():
    """It sees everything but the ends, and they are met whatever it answers."""

    class Mean:
        def fit(self, coalitions, values, rng, finish):
            assert coalitions.dtype == bool
            assert not coalitions.all(axis=1).any()
            assert coalitions.any(axis=1).all()
            np.testing.assert_array_equal(values, sparse_game(coalitions))
            assert isinstance(rng, np.random.Generator)
            return Surrogate(finish(FourierSeries.from_terms(N, {(): values.mean()})), 0.25)

    recovery = ProxySPEX(n=N, proxy=Mean(), random_state=0).recover(30, sparse_game)
    ends = np.array([[False] * N, [True] * N])
    assert (recovery.r2, recovery.n_evaluations) == (0.25, 30)
    np.testing.assert_allclose(recovery.series(ends), sparse_game(ends), atol=1e-12)
