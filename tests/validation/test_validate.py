"""A true result passes, a wrong one fails, and nothing known is paid again."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from approximators import random_table, sparse_game
from fakes import FakeScorer
from shapiq_spex import SPEX, Evaluator, FourierSeries, ProxySPEX, TextGame
from shapiq_spex.simple import LeaveOneOut, PairwiseAblation
from shapiq_spex.spectral.walsh import table_index
from shapiq_spex.validation import curves as curves_
from shapiq_spex.validation import spot_check, validate
from shapiq_spex.validation.purse import Purse

N = 12


class Counted:
    """A game that counts every row, known or not."""

    def __init__(self, game=sparse_game, n=N):
        self.game, self.n_players, self.rows = game, n, []

    def __call__(self, x):
        self.rows += map(bytes, x)
        return self.game(x)


@pytest.fixture(scope="module")
def found():
    return ProxySPEX(n=N, random_state=0).recover(400, sparse_game)


def wrong(result):
    """The same result, with the sign of everything but the constant turned."""
    turned = np.where(result.series.degrees > 0, -1.0, 1.0) * result.series.coefficients
    return replace(result, series=FourierSeries(result.series.support, turned))


# ---------------------------------------------------------------------- the bill
@pytest.mark.parametrize("budget", [0, 1, 17, 60, 300])
def test_known_coalitions_are_never_paid_again_and_the_budget_holds(found, budget):
    game = Counted()
    checked = validate(found, game, budget=budget, repeats=0)
    known = set(map(bytes, found.plan.coalitions))
    assert len(game.rows) == len(set(game.rows)) == checked.n_new <= budget
    assert not known & set(game.rows)
    assert checked.to_frame().masks.sum() == checked.n_new
    if budget == 300:
        assert checked.n_new == budget  # 4,096 coalitions leave enough to spend it on


def test_what_an_evaluator_knows_costs_nothing(found):
    game = Evaluator(sparse_game, N, progress=False)
    first = validate(found, game, budget=200, repeats=0)
    # All known but those of the result itself, which are not asked for: the draws go elsewhere.
    paid = game.n_evaluated
    assert paid == first.n_new
    every = Evaluator(sparse_game, N, progress=False)
    every(np.array(np.meshgrid(*[[False, True]] * N)).reshape(N, -1).T)
    again = validate(found, every, budget=200, repeats=0)
    assert again.n_new == 0
    assert every.n_evaluated == 2**N


def test_a_game_that_keeps_its_values_pays_for_what_it_runs():
    """Of a text that repeats itself several coalitions leave the same: one is run for all."""
    text = "a b a c d e f g h i"
    game = TextGame(text, FakeScorer(), removal="delete", progress=False)
    result = ProxySPEX(n=10, random_state=0).recover(100, game)
    before = game.n_evaluated
    checked = validate(result, game, budget=150, repeats=0)
    assert game.n_evaluated - before == checked.n_new <= 150
    assert checked.to_frame().masks.sum() == checked.n_new
    assert checked.n_new > 100


def test_a_result_without_the_empty_coalition_stays_within_nothing():
    result = LeaveOneOut(n=N, random_state=0).recover(14, sparse_game)
    game = Counted()
    checked = validate(result, game, budget=0, repeats=0)
    assert (game.rows, checked.n_new, len(checked.curves)) == ([], 0, 0)
    assert len(validate(result, game, budget=100, repeats=0).curves)
    assert len(game.rows) == 100


def test_an_exact_result_has_nothing_left_to_draw():
    table = random_table(5)
    exact = ProxySPEX(n=5).recover(32, naive.as_game(table))
    game = Counted(naive.as_game(table), 5)
    checked = validate(exact, game, budget=100, repeats=1)
    assert (checked.n_new, game.rows) == (0, [])
    assert checked.spots.said.to_numpy() == pytest.approx(
        [naive.bii(table, 2)[t] for t in checked.spots.interaction]
    )
    np.testing.assert_allclose(checked.spots.said_full, checked.spots.found_full, atol=1e-9)
    assert checked.faithfulness.r2.isna().all()


@given(seed=st.integers(0, 10**6), budget=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_a_purse_counts_what_is_new(seed, budget):
    rng = np.random.default_rng(seed)
    result = ProxySPEX(n=5, random_state=0).recover(12, lambda x: x.sum(axis=1))
    game = Counted(lambda x: table_index(x) * 1.0, 5)
    purse = Purse(game, replace(result, values=table_index(result.plan.coalitions) * 1.0), budget)
    for _ in range(4):
        rows = rng.random((rng.integers(0, 9), 5)) < 0.5
        if purse.cost(rows) <= purse.left:
            np.testing.assert_array_equal(purse(rows), table_index(rows))
    drawn = purse.draw(50, rng, 0.5)
    purse(drawn)
    assert len(game.rows) == len(set(game.rows)) == purse.n_new == budget - purse.left
    assert purse.left >= 0


# ---------------------------------------------------------------------- right and wrong results
def test_a_true_result_passes_every_check(found):
    many = {"budget": 1500, "contexts": 30}  # a pair of a triple is nothing in every other context
    checked = validate(found, sparse_game, annotated=[(0, 1), (3, 4, 9)], **many)
    table = checked.to_frame()
    assert list(table.columns) == [
        "check",
        "at",
        "measure",
        "result",
        "main_effects",
        "chance",
        "masks",
    ]
    faithful = checked.faithfulness
    assert (faithful.r2 > 0.9).all()
    assert (faithful.r2 > faithful.main_effects).all()
    assert checked.spots.confirmed.all()
    assert checked.spots.interaction[0] in {(0, 1), (3, 4), (3, 9), (4, 9)}
    assert checked.nulls.found >= 4
    assert checked.nulls.shuffled == checked.nulls.additive == 0
    assert checked.precision.precision > 0.9
    assert checked.precision.recall == 1.0
    assert checked.precision.chance < 0.1
    for stable in checked.stability:
        assert stable.difference < 0.1
        assert stable.overlap > 3 * stable.chance
    curves = checked.curves[checked.curves.exact]
    assert (curves.series >= curves.main_effects - 0.05).all()
    assert curves.series.mean() > curves.chance.mean()


def test_a_wrong_result_fails(found):
    checked = validate(wrong(found), sparse_game, budget=500, repeats=0)
    assert (checked.faithfulness.r2 < 0).all()
    assert not checked.spots.confirmed.any()
    curves = checked.curves[checked.curves.players < 10]
    assert curves.series.mean() < curves.main_effects.mean()


def test_spot_checks_are_differences_of_the_game(found):
    checked = spot_check(found, sparse_game, interactions=[(0, 1), (3, 4, 9), (0, 2)], contexts=6)
    pair, triple, nothing = (row for _, row in checked.iterrows())
    # In the game (0, 1) has Moebius value 1, (3, 4, 9) 2; (0, 2) has nothing in common.
    assert (pair.found, pair.found_full, pair.contexts) == (1.0, 1.0, 6)
    assert triple.found == triple.found_full == pytest.approx(2.0)
    assert nothing.found == pytest.approx(0.0, abs=1e-12)
    assert pair.confirmed
    assert triple.confirmed
    assert not nothing.confirmed
    for row, players in ((pair, (0, 1)), (triple, (3, 4, 9))):
        bii = (-2.0) ** len(players) * found.series.terms()[players]
        assert row.said == pytest.approx(bii)


def test_random_contexts_estimate_the_banzhaf_interaction():
    table = random_table(8)
    game = naive.as_game(table)
    result = ProxySPEX(n=8).recover(2**8, game)
    checked = spot_check(result, game, interactions=[(0, 1), (2, 5)], contexts=400)
    # The mean of 400 contexts errs by its standard error; 4 of them hold but in 1 of 16,000 cases.
    assert ((checked.found - checked.said).abs() < 4 * checked.standard_error).all()
    assert (checked.masks == 0).all()


def test_small_budgets_test_fewer_contexts_and_then_fewer_interactions(found):
    game = Counted()
    checked = spot_check(found, game, budget=45, top=5, contexts=8)
    assert len(game.rows) == checked.masks.sum() <= 45
    assert 1 <= len(checked) < 5
    assert (checked.contexts >= 3).all()
    assert len(spot_check(found, game, budget=0)) == 0


def test_all_optimal_removals_are_no_worse_than_any_other_in_the_series():
    series = FourierSeries.from_terms(8, {(0, 1): 2.0, (2,): -0.6, (3,): -0.5, (0,): -0.1})
    result = replace(ProxySPEX(n=8).recover(2**8, series), series=series)
    curves = validate(result, series, budget=0, repeats=0).curves
    ends = series(np.array([[False] * 8, [True] * 8]))
    assert curves.exact.all()
    for row in curves[curves.curve == "removal"].itertuples():
        every = np.ones((0, 8), dtype=bool)
        for gone in combinations(range(8), row.players):
            every = np.concatenate([every, [[i not in gone for i in range(8)]]])
        best = (ends[1] - series(every)) / (ends[1] - ends[0])
        assert row.series == pytest.approx(best.max())
        assert row.main_effects <= row.series + 1e-12


# ---------------------------------------------------------------------- the rest
def test_equal_seeds_give_equal_tables(found):
    tables = [
        validate(found, sparse_game, budget=100, repeats=1, random_state=s).to_frame()
        for s in (1, 1, 2)
    ]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_names_annotate_too():
    class Words(Counted):
        player_name_lookup = {f"w{i}": i for i in range(N)}  # noqa: RUF012

    result = ProxySPEX(n=N, random_state=0).recover(400, Words())
    checked = validate(result, Words(), budget=0, repeats=0, annotated=[("w0", "w1")])
    assert checked.precision.recall == 1.0
    assert 0 < checked.precision.precision < 1
    assert "w0 × w1" in set(validate(result, Words(), budget=400, repeats=0).spots.label)


def test_the_table_is_printed_and_the_plot_drawn(found, tmp_path):
    mpl.use("Agg")
    checked = validate(found, sparse_game, budget=120, repeats=1)
    assert repr(checked).splitlines()[-1] == "120 new coalitions evaluated, of 120 allowed"
    assert "nan" not in repr(checked).lower()
    figure = checked.plot()
    figure.savefig(tmp_path / "plot.png")
    assert [len(ax.get_title()) for ax in figure.axes] == [0, 0, 0]
    validate(found, sparse_game, budget=0, repeats=0).plot()


def test_a_result_without_interactions_is_validated():
    result = ProxySPEX(n=N, index="SV", max_order=1, random_state=0).recover(
        200, lambda x: x @ np.arange(12.0)
    )
    checked = validate(result, lambda x: x @ np.arange(12.0), budget=60, repeats=1)
    assert checked.nulls.found == 0
    constant = ProxySPEX(n=N, random_state=0).recover(50, lambda x: np.ones(len(x)))
    assert len(validate(constant, lambda x: np.ones(len(x)), budget=60, repeats=1).spots) == 0


class Costly(ProxySPEX):
    @property
    def least_budget(self):
        return 401


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"budget": -1}, "at least 0, got -1"),
        ({"budget": 1.5}, "at least 0, got 1.5"),
        ({"top": 1.0}, "top to be a whole number of at least 0, got 1.0"),
        ({"repeats": -1}, "repeats to be a whole number of at least 0, got -1"),
        ({"annotated": [(0,)]}, "two players or more"),
        ({"annotated": [(0, 99)]}, "from 0 to 11, each one once, got 99"),
        ({"annotated": [("a", "b")]}, "from 0 to 11, each one once, got 'a'"),
        ({"annotated": [0, 1]}, "annotated needs groups of players .*, got 0 for a group"),
        ({"annotated": ["ab"]}, "annotated needs groups of players .*, got 'ab' for a group"),
        ({"random_state": -1}, "random_state to be a whole number of at least 0, got -1"),
        ({"random_state": "x"}, "random_state to be a whole number of at least 0, got 'x'"),
        ({"approximator": object()}, "this package made for n players, .*, got <object"),
        ({"approximator": SPEX}, "this package made for n players, .*, got <class .*SPEX"),
        ({"approximator": SPEX, "repeats": 0}, "this package made for n players"),
        ({"approximator": ProxySPEX(n=11)}, "the n=12 players of the result, got ProxySPEX for n="),
        ({"approximator": Costly(n=N)}, "as the result has, 400, but Costly needs at least 401"),
    ],
)
def test_bad_input_gets_a_sentence_before_anything_is_paid(found, settings_, said):
    game = Counted()
    with pytest.raises((TypeError, ValueError), match=said):
        validate(found, game, **settings_)
    assert game.rows == []


def test_an_approximator_of_too_large_a_least_budget_is_refused_before_anything_is_paid():
    result = ProxySPEX(n=30, random_state=0).recover(100, lambda x: x[:, 0] * 1.0)
    game = Counted(n=30)
    with pytest.raises(ValueError, match="has, 100, but PairwiseAblation needs at least 466"):
        validate(result, game, approximator=PairwiseAblation(n=30))
    assert game.rows == []


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"interactions": [(3, 3)]}, "each one once, got 3"),
        ({"interactions": [0, 1]}, "players need to come as a list .*, got 0"),
        ({"random_state": -1}, "random_state to be a whole number of at least 0, got -1"),
    ],
)
def test_what_a_spot_check_is_given_is_checked(found, settings_, said):
    with pytest.raises((TypeError, ValueError), match=said):
        spot_check(found, sparse_game, **settings_)


def test_another_game_and_an_unknown_method_are_refused(found):
    with pytest.raises(ValueError, match="n=12 players, but it has 7"):
        validate(found, Counted(n=7))
    with pytest.raises(ValueError, match="give validate the approximator"):
        validate(replace(found, ledger=None), sparse_game)
    given_ = ProxySPEX(n=N, random_state=0)
    validate(replace(found, ledger=None), sparse_game, budget=0, repeats=1, approximator=given_)


def test_a_series_cut_short_is_not_called_exact(monkeypatch):
    """Three players stand in for each other, and what says so is beyond the largest terms."""
    monkeypatch.setattr(curves_, "TABLE", 0)
    series = FourierSeries.from_terms(8, {(0,): 3.0, (1,): -2.0, (2, 3): 1.5, (4,): 0.5})
    result = ProxySPEX(n=8).recover(2**8, series)
    assert validate(result, series, budget=0, repeats=0).curves.exact.all()
    monkeypatch.setattr(curves_, "TERMS", 3)
    assert not validate(result, series, budget=0, repeats=0).curves.exact.any()


@pytest.mark.parametrize("check", [validate, spot_check])
def test_too_few_contexts_are_refused(found, check):
    with pytest.raises(ValueError, match="contexts to be a whole number of at least 3, got 1"):
        check(found, sparse_game, contexts=1)
