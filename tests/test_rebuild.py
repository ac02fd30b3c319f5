"""The method chosen, the bill that comes with it, and the same result from its store alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approximators import Recorder, sparse_game
from fakes import FakeScorer
from shapiq_spex import SPEX, Evaluator, FourierSeries, ProxySPEX, TextGame
from shapiq_spex.choice import Chosen
from shapiq_spex.evaluation import Store
from shapiq_spex.explain import explain
from shapiq_spex.rebuild import StoredGame, rebuild
from shapiq_spex.spectral.draws import draw_new


def sparse_of_degree_five(n=60, count=20):
    rng = np.random.default_rng(0)
    sets = (rng.choice(n, size=5, replace=False) for _ in range(count))
    return FourierSeries.from_terms(
        n, {tuple(sorted(s.tolist())): 1.0 + i / 10 for i, s in enumerate(sets)}
    )


class Named:
    """Players with names, and a count of what was evaluated."""

    def __init__(self, n=12):
        self.n_players, self.rows = n, []
        self.player_name_lookup = {f"word {i}": i for i in range(n)}

    def __call__(self, x):
        self.rows += map(bytes, x)
        return sparse_game(x)

    def n_tokens(self, x):
        return 2 + x.sum(axis=1)


# ---------------------------------------------------------------------- the choice
def test_few_players_are_evaluated_exactly():
    found = explain(Named(10), 1024)
    assert (found.r2_kind, found.n_evaluations) == ("exact", 1024)
    assert found.reason == "exact: the budget pays for all 1024 coalitions"


def test_a_budget_without_a_coded_design_goes_to_the_surrogate():
    found = explain(Named(), 60, random_state=0)
    alone = ProxySPEX(n=12, random_state=0).recover(60, sparse_game)
    assert found.series == alone.series
    assert "no coded design" in found.reason


def test_what_a_surrogate_learns_is_left_to_it():
    recorder = Recorder(sparse_game)
    found = Chosen(n=40, random_state=0).recover(1000, recorder)
    assert found.reason.startswith("ProxySPEX: half the budget gave R² ")
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == 1000
    assert found.r2 > 0.95


def test_what_no_surrogate_learns_goes_to_spex():
    series = sparse_of_degree_five()
    recorder = Recorder(series)
    found = Chosen(n=60, random_state=0).recover(1400, recorder)
    assert found.reason.startswith("SPEX: half the budget gave R² ")
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == 1400
    assert (found.r2_kind, found.n_evaluations) == ("held-out", 1400)
    assert found.r2 == pytest.approx(1.0, abs=1e-6)
    assert set(found.series.truncate(energy=0.999).terms()) - {()} == set(series.terms())
    judged = np.isfinite(found.residuals)
    left = found.values - found.series(found.plan.coalitions)
    np.testing.assert_allclose(found.residuals[judged], left[judged], atol=1e-9)
    coded = SPEX(n=60, random_state=0).recover(700, series).plan.coalitions
    assert not set(map(bytes, coded)) & set(map(bytes, found.plan.coalitions[judged]))


@pytest.mark.parametrize("stop", [300, 900])
def test_a_failure_in_either_half_loses_nothing(stop):
    rows, series = [], sparse_of_degree_five()

    def game(x):
        if len(rows) + len(x) > stop:
            raise KeyboardInterrupt
        rows.extend(x)
        return series(x)

    with pytest.raises(KeyboardInterrupt) as caught:
        Chosen(n=60, random_state=0).recover(1400, game)
    np.testing.assert_array_equal(caught.value.evaluated_coalitions, rows)
    np.testing.assert_array_equal(caught.value.evaluated_values, series(np.array(rows)))


def test_the_choice_never_pays_twice_and_unknown_methods_are_refused():
    game = Named(12)
    explain(game, 900, random_state=1)
    assert len(game.rows) == len(set(game.rows)) == 900
    with pytest.raises(ValueError, match="a method among auto, proxyspex, spex, got 'best'"):
        explain(game, 60, method="best")


@given(n=st.integers(1, 15), count=st.integers(0, 40), keep=st.sampled_from([0.2, 0.5, 0.9]))
@settings(max_examples=40, deadline=None)
def test_what_is_drawn_is_new_and_distinct(n, count, keep):
    rng = np.random.default_rng(0)
    known = rng.random((30, n)) < 0.5
    rows = draw_new(n, count, known, rng, keep)
    keys = list(map(bytes, rows))
    assert len(keys) == len(set(keys)) <= count
    assert not set(keys) & set(map(bytes, known))
    if keep == 0.5:
        assert len(keys) == min(count, 2**n - len(set(map(bytes, known)))) or n > 12


# ---------------------------------------------------------------------- the ledger
def test_the_ledger_says_what_was_spent():
    inner = Named()
    game = Evaluator(inner, progress=False)
    known = np.random.default_rng(0).random((5, 12)) < 0.5
    plan = ProxySPEX(n=12, random_state=0).recover(80, sparse_game).plan.coalitions
    game(np.concatenate([known, plan[:30]]))
    bill = ProxySPEX(n=12, random_state=0).recover(80, game).ledger
    assert (bill.method, bill.seed, bill.masks, bill.distinct) == ("ProxySPEX", 0, 80, 80)
    assert bill.cached >= 30
    paid = len(set(inner.rows)) - len(set(map(bytes, np.concatenate([known, plan[:30]]))))
    assert bill.distinct - bill.cached == paid
    assert bill.tokens == sum(2 + sum(row) for row in inner.rows[-paid:])
    assert 0 <= bill.game_seconds <= bill.seconds
    lines = str(bill).splitlines()
    assert lines[0] == "method    ProxySPEX, seed 0"
    assert "80 asked for, 80 distinct" in lines[1]
    assert "80 distinct coalitions of 12 players: empty, full and 78 uniform ones" in lines[2]
    assert bill.versions.keys() >= {"shapiq", "numpy"}


def test_a_function_pays_for_every_coalition_and_a_seed_left_out_is_told():
    approximator = ProxySPEX(n=12)
    bill = approximator.recover(60, sparse_game).ledger
    assert (bill.cached, bill.tokens) == (0, None)
    again = ProxySPEX(n=12, random_state=bill.seed).recover(60, sparse_game)
    assert again.series == approximator.recover(60, sparse_game).series


# ---------------------------------------------------------------------- frames
def test_names_label_the_interactions_and_select_them():
    found = ProxySPEX(n=12, random_state=0).recover(300, Named())
    frame = found.to_frame("k-SII", 2)
    assert frame.label[frame.interaction == (0, 1)].item() == "word 0 × word 1"
    some = found.to_frame("k-SII", 2, players=["word 0", 1])
    assert some.interaction.tolist() == [(0, 1)]
    sure = found.to_frame("k-SII", 2, significant=True, min_order=2)
    assert sure.significant.all()
    assert (sure.order == 2).all()
    assert 0 < len(sure) < len(frame)
    with pytest.raises(ValueError, match="each one once, got 'word 99'"):
        found.to_frame(players=["word 99"])
    with pytest.raises(ValueError, match="from 0 to 11, each one once, got 12"):
        found.to_frame(players=[12])


def test_ranking_by_order_keeps_the_strongest_of_each_first():
    frame = ProxySPEX(n=12, random_state=0).recover(200, sparse_game).to_frame("BII", 3)
    ranked = ProxySPEX(n=12, random_state=0).recover(200, sparse_game)
    ranked = ranked.to_frame("BII", 3, by_order=True)
    assert ranked.order.is_monotonic_increasing
    for order, group in ranked.groupby("order"):
        assert group.interaction.tolist() == frame.interaction[frame.order == order].tolist()


def test_effects_are_shares_of_the_change_or_of_the_deviation():
    def game(x):
        return 5.0 - 2.0 * x[:, 0] - 3.0 * x[:, 1] * x[:, 2]

    found = ProxySPEX(n=4, index="SV").recover(16, game)
    plain = found.to_frame()
    share = found.to_frame(normalise="change")
    assert share.value.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(share.value, plain.value / -5.0)
    assert ((share.lower <= share.value) & (share.value <= share.upper)).all()
    rows = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    np.testing.assert_allclose(
        found.to_frame(normalise="deviation").value, plain.value / game(rows).std()
    )
    # Of a sample it is estimated: the deviation of 400 normal values is known to 1/sqrt(800) = 4%.
    part = ProxySPEX(n=14, random_state=0).recover(400, sparse_game)
    assert part.unit("deviation") == pytest.approx(part.values[2:].std(), rel=0.15)
    flat = ProxySPEX(n=4).recover(16, lambda x: np.ones(len(x)))
    with pytest.raises(ValueError, match="shares of the change: it is 0"):
        flat.to_frame(normalise="change")
    with pytest.raises(ValueError, match="change or deviation, not by 'percent'"):
        flat.unit("percent")


# ---------------------------------------------------------------------- from a store
@pytest.mark.parametrize("method", ["auto", "proxyspex", "spex"])
def test_a_result_is_made_again_from_its_store_alone(tmp_path, method):
    path = tmp_path / "values.sqlite"
    with Evaluator(Named(), store=path, progress=False) as game:
        found = explain(game, 700, method=method, index="SII", random_state=3)
    again = rebuild(path)
    assert again.series == found.series
    np.testing.assert_array_equal(again.values, found.values)
    assert again.to_frame().equals(found.to_frame())
    assert (again.reason, again.index) == (found.reason, "SII")
    assert again.ledger.cached == again.ledger.distinct
    assert rebuild(path, index="FSII").to_frame().equals(found.to_frame("FSII"))


class TwoOutputs:
    n_players = 8

    def outputs(self, x):
        return np.stack([x[:, 0] * 2.0, x[:, 1] * x[:, 2] * 1.0], axis=1)

    @staticmethod
    def aggregate(outputs):
        return outputs[:, 0] - outputs[:, 1]

    def __call__(self, x):
        return self.aggregate(self.outputs(x))


def test_outputs_are_read_as_they_were_or_in_another_way(tmp_path):
    path = tmp_path / "values.sqlite"
    with Evaluator(TwoOutputs(), store=path, progress=False) as game:
        found = explain(game, 100, random_state=0)
    assert rebuild(path).series == found.series
    second = rebuild(path, aggregate=lambda outputs: outputs[:, 1])
    assert second.interactions("Moebius")[(1, 2)] == pytest.approx(1.0, abs=1e-6)


def test_a_text_game_is_rebuilt_with_its_names(tmp_path):
    path, game = tmp_path / "values.sqlite", TextGame("a b c d e f g h", FakeScorer())
    with Evaluator(game, store=path, progress=False) as evaluator:
        found = explain(evaluator, 60, random_state=0)
    again = rebuild(path)
    assert again.names == found.names == tuple("abcdefgh")


def test_what_a_store_does_not_hold_is_said(tmp_path):
    path = tmp_path / "values.sqlite"
    with Evaluator(Named(), store=path, progress=False) as game:
        ProxySPEX(n=12, random_state=0).recover(60, game)
    with pytest.raises(ValueError, match=r"rebuild needs approximator.*none of them"):
        rebuild(path)
    found = rebuild(path, approximator="proxyspex", seed=0, budget=60)
    assert found.series == ProxySPEX(n=12, random_state=0).recover(60, sparse_game).series
    with pytest.raises(ValueError, match=r"does not hold \d+ of 61 coalitions"):
        rebuild(path, approximator="proxyspex", seed=1, budget=61)
    with pytest.raises(ValueError, match="rebuild needs"):
        rebuild(path, approximator="proxyspex", seed=0, budget=60, colour="red")
    assert len(StoredGame(path).values) == 60
    with Store(path) as store:
        assert store.meta == {}
