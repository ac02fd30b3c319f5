"""The method chosen for the user, and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approximators import Recorder, sparse_game
from fakes import Named
from shapiq_spex import SPEX, FourierSeries, ProxySPEX
from shapiq_spex.choice import Chosen
from shapiq_spex.explain import explain
from shapiq_spex.spectral.draws import draw_new


def sparse_of_degree_five(n=60, count=20):
    rng = np.random.default_rng(0)
    sets = (rng.choice(n, size=5, replace=False) for _ in range(count))
    return FourierSeries.from_terms(
        n, {tuple(sorted(s.tolist())): 1.0 + i / 10 for i, s in enumerate(sets)}
    )


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


@pytest.mark.parametrize("method", ["auto", "proxyspex"])
def test_with_a_tolerance_the_choice_is_proxyspex(method):
    game = Named(40)
    found = explain(game, 4000, method=method, index="SII", random_state=1, tolerance=0.02)
    alone = ProxySPEX(n=40, index="SII", random_state=1).recover(4000, sparse_game, tolerance=0.02)
    assert found.series == alone.series
    assert found.n_evaluations == len(game.rows) == alone.n_evaluations < 4000
    told = (found.ledger.method, found.ledger.settings, found.ledger.tolerance)
    assert told == ("ProxySPEX", alone.ledger.settings, 0.02)


def test_all_coalitions_may_be_more_than_a_tolerance_takes():
    assert explain(Named(10), 1024, random_state=0, tolerance=0.05).n_evaluations < 1024


def test_spex_by_name_takes_no_tolerance():
    game = Named(12)
    with pytest.raises(ValueError, match=r"SPEX cannot stop early, got .* or take ProxySPEX\."):
        explain(game, 700, method="spex", tolerance=0.02)
    assert game.rows == []


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
