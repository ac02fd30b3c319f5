"""The simple methods: what they get right, by their definitions, and where they fail."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from approximators import Recorder, as_dict, assert_same, random_table, sparse_game
from shapiq_spex import SPEX, FourierSeries
from shapiq_spex.simple import (
    FactorisedPairs,
    GreedyAblation,
    LassoPairs,
    LeaveOneOut,
    NeuralSurrogate,
    PairwiseAblation,
    neural,
)
from shapiq_spex.simple.ablation import from_absences

N = 10
ABLATIONS = {
    "LeaveOneOut": LeaveOneOut,
    "PairwiseAblation": PairwiseAblation,
    "GreedyAblation": GreedyAblation,
}


def parity(*players):
    """+-1, by whether an even number of them is present."""
    return lambda x: 1.0 - 2.0 * (x[:, list(players)].sum(axis=1) % 2)


def triple(x):
    """Nothing but the three together."""
    return 4.0 * x[:, 1] * x[:, 4] * x[:, 7]


def pairs(n, *chosen):
    """A sum of characters of two players with weight one."""
    return FourierSeries.from_terms(n, dict.fromkeys(chosen, 1.0))


@pytest.fixture(params=ABLATIONS)
def make(request):
    return lambda **given: ABLATIONS[request.param](**{"n": N, "random_state": 3, **given})


# ---------------------------------------------------------------------- the ablations' contract
@pytest.mark.parametrize("budget", [56, 80, 2**N])
def test_ablations_spend_the_budget_on_distinct_coalitions(make, budget):
    recorder = Recorder(sparse_game)
    recovery = make().recover(budget, recorder)
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == budget
    np.testing.assert_array_equal(recovery.plan.coalitions, recorder.rows)
    np.testing.assert_array_equal(recovery.values, sparse_game(recorder.rows))
    assert f"{budget} distinct coalitions of 10 players" in str(recovery.plan)


@pytest.mark.parametrize("index", ["SV", "k-SII", "FBII", "Moebius"])
def test_ablations_give_every_index_and_the_same_again(make, index):
    approximator = make(index=index)
    recovery = approximator.recover(70, sparse_game)
    assert_same(recovery.interactions(), approximator.approximate(70, sparse_game))
    sent = pickle.loads(pickle.dumps(approximator))
    assert_same(recovery.interactions(), sent.approximate(70, sparse_game))


@pytest.mark.parametrize("error", [RuntimeError("lost"), KeyboardInterrupt()])
def test_what_was_paid_for_survives_a_failure_of_a_later_question(make, error):
    paid = []

    def game(x):
        if len(paid) + len(x) > 60:
            raise error
        paid.extend(x)
        return sparse_game(x)

    with pytest.raises(type(error)) as caught:
        make().recover(300, game)
    np.testing.assert_array_equal(caught.value.evaluated_coalitions, paid)
    np.testing.assert_array_equal(caught.value.evaluated_values, sparse_game(np.array(paid)))


def test_ablations_are_exact_where_their_form_is_the_games(make):
    weights = np.arange(1.0, N + 1)
    recovery = make(index="SV").recover(100, lambda x: x @ weights - 1.0)
    assert recovery.r2 == pytest.approx(1.0)
    found = as_dict(recovery.interactions())
    assert found == pytest.approx({(): -1.0} | {(i,): i + 1.0 for i in range(N)})


def test_too_small_a_budget_names_the_least():
    with pytest.raises(ValueError, match="at least 56 coalitions for n=10"):
        PairwiseAblation(n=10).approximate(55, sparse_game)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: GreedyAblation(n=4, steps=0), "steps to be a positive whole number, got 0"),
        (lambda: FactorisedPairs(n=4, rank=1.5), "rank to be a positive whole number, got 1.5"),
        (lambda: NeuralSurrogate(n=4, hidden=True), "hidden to be a positive whole number"),
    ],
)
def test_bad_settings_get_a_sentence(build, said):
    with pytest.raises(ValueError, match=said):
        build()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_absences_are_products_of_what_is_missing(seed, n):
    rng = np.random.default_rng(seed)
    sets = {tuple(np.flatnonzero(rng.random(n) < 0.4).tolist()) for _ in range(6)}
    changes = {s: float(rng.normal()) for s in sets}
    rows = rng.random((20, n)) < 0.5
    slow = [sum(c * all(not row[i] for i in s) for s, c in changes.items()) for row in rows]
    np.testing.assert_allclose(from_absences(n, changes)(rows), slow, atol=1e-12)


# ---------------------------------------------------------------------- definitions
def test_pairwise_ablation_is_its_definition():
    table = random_table(5)
    game = naive.as_game(table)
    found = PairwiseAblation(n=5, index="BII", max_order=2).approximate(16, game)

    def without(*players):
        return float(game(np.array([[i not in players for i in range(5)]]))[0])

    for i, j in [(0, 1), (2, 4)]:
        change = without(i, j) - without()
        singles = without(i) - without() + without(j) - without()
        assert found[(i, j)] == pytest.approx(change - singles)


def test_greedy_ablation_is_its_definition():
    table = random_table(5)
    game = naive.as_game(table)
    removed = []
    for _ in range(3):
        values = {
            i: float(game(np.array([[j not in (*removed, i) for j in range(5)]]))[0])
            for i in set(range(5)) - set(removed)
        }
        removed.append(max(values, key=lambda i, v=values: abs(v[i] - table[-1])))
    note = GreedyAblation(n=5, steps=3).recover(20, game).reason
    assert f"without players {', '.join(map(str, removed))} " in note


@pytest.mark.parametrize(
    ("slope", "said"), [(0.0, "unchanged"), (2.0, "2 lower"), (-2.0, "2 higher")]
)
def test_greedy_ablation_says_how_the_value_changes(slope, said):
    note = GreedyAblation(n=5, steps=1).recover(20, lambda x: slope * x[:, 3] + 1.0).reason
    assert note.startswith("without players ")
    assert note.endswith(f" the value is {said}")


# ---------------------------------------------------------------------- where they fail
def test_leave_one_out_cannot_tell_together_from_each_alone():
    both = LeaveOneOut(n=N, index="SV", random_state=0).recover(
        100, lambda x: 1.0 * x[:, 0] * x[:, 1]
    )
    found = both.interactions()
    assert found[(0,)] == found[(1,)] == 1.0  # twice what there is
    assert both.r2 < 0.7


def test_pairwise_ablation_takes_a_pure_triple_for_three_pairs():
    method = PairwiseAblation(n=N, index="Moebius", max_order=3, random_state=0)
    recovery = method.recover(200, triple)
    found = as_dict(recovery.interactions())
    assert found[(1, 4)] == found[(1, 7)] == found[(4, 7)] == -4.0 * -1.0
    assert found.get((1, 4, 7), 0.0) == 0.0  # all there is
    assert recovery.r2 < 0  # -1/7 over all coalitions, and the uniform ones say so
    assert recovery.status.startswith("R² is below 0")


def test_pairwise_ablation_does_not_see_three_that_stand_in_for_each_other():
    game = PairwiseAblation(n=N, random_state=0).recover(200, lambda x: 1.0 * x[:, :3].any(axis=1))
    assert not game.interactions().values[1:].any()


def test_greedy_ablation_loses_its_way_in_a_parity():
    recovery = GreedyAblation(n=N, steps=3, random_state=0).recover(100, parity(2, 5, 8))
    found = recovery.reason.removeprefix("without players ").split(" the")[0].split(", ")
    assert len({"2", "5", "8"} & set(found)) == 1
    assert recovery.r2 < 0.1


@pytest.mark.parametrize("method", [LassoPairs, FactorisedPairs])
def test_pairs_know_nothing_of_a_parity_of_three(method):
    recovery = method(n=N, random_state=0).recover(300, parity(2, 5, 8))
    assert recovery.r2 < 0.1
    three = method(n=N, index="BII", max_order=3, random_state=0).approximate(300, triple)
    # Each pair of a triple of Moebius value 4 has BII 2, and that they see; the triple they do not.
    assert three[(1, 4)] == pytest.approx(2.0, abs=0.5)
    assert three[(1, 4, 7)] == pytest.approx(0.0, abs=0.1)


def test_disjoint_pairs_are_no_matrix_of_low_rank():
    game = pairs(N, (0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    low, high = (
        FactorisedPairs(n=N, rank=rank, random_state=0).recover(400, game).r2 for rank in (1, 6)
    )
    assert low < 0.5
    assert high > 0.9


def test_a_network_finds_pairs_and_fails_at_a_large_parity():
    game = pairs(16, (0, 1), (2, 3))
    recovery = NeuralSurrogate(n=16, index="BII", random_state=0).recover(600, game)
    assert recovery.r2 > 0.8
    assert set(recovery.to_frame().interaction[:2]) == {(0, 1), (2, 3)}
    hard = NeuralSurrogate(n=16, random_state=0).recover(600, parity(*range(6)))
    assert hard.r2 < 0.2


def test_beyond_sixteen_players_the_network_is_asked_by_spex(monkeypatch):
    asked = []

    class Watched(SPEX):
        def recover(self, budget, game):
            asked.append((self.n, budget, game))
            return super().recover(budget, game)

    monkeypatch.setattr(neural, "SPEX", Watched)
    game = pairs(18, (0, 1), (2, 3))
    recovery = NeuralSurrogate(n=18, index="BII", random_state=0).recover(700, game)
    ((n, budget, network),) = asked
    assert (n, budget, type(network)) == (18, neural.VIRTUAL, neural.Network)
    assert recovery.n_evaluations == 700  # what the network was asked is not paid
    assert recovery.r2 > 0.8
    assert set(recovery.to_frame().interaction[:2]) == {(0, 1), (2, 3)}
    NeuralSurrogate(n=16, random_state=0).recover(40, pairs(16, (0, 1)))
    assert len(asked) == 1  # up to sixteen it is asked for every coalition


def test_sets_that_real_ablations_contradict_are_dropped():
    recovery = NeuralSurrogate(n=12, random_state=0).recover(200, parity(*range(5)))
    passed, tested = map(int, (recovery.reason.split()[2], recovery.reason.split()[4]))
    assert passed < tested
