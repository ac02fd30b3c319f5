"""What every approximator promises: a table of approximators times a table of situations."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
from shapiq import Game
from shapiq.interaction_values import InteractionValues

import naive
from approximators import (
    PARTIAL,
    N,
    Recorder,
    as_dict,
    assert_same,
    random_table,
    seen,
    sparse_game,
)
from shapiq_spex.spectral.indices import INDICES


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


def test_numpy_integers_are_whole_numbers(make):
    settings = {"n": np.int64(N), "max_order": np.int32(2)}
    found = make(**settings).approximate(np.int64(40), sparse_game)
    assert_same(found, make(n=N, max_order=2).approximate(40, sparse_game))


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
