"""Recovery that stops as soon as more coalitions are not worth their price."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from approximators import Recorder, random_table
from shapiq_spex import FourierSeries, ProxySPEX
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.proxyspex.stopping import gained, sizes
from shapiq_spex.spectral.walsh import all_coalitions, table_index


def easy(x):
    return 2.0 * x[:, 0] - x[:, 1] + 3.0 * x[:, 2] * x[:, 3]


def hard(n, seed=0):
    """Every set of up to four players, the single ones stronger: each budget shows more of it."""
    support = all_coalitions(n)
    degrees = support.sum(axis=1)
    size = np.select([degrees == 0, degrees == 1, degrees <= 4], [0.0, 12.0, 1.0])
    return FourierSeries(support, size * np.random.default_rng(seed).normal(size=2**n))


def test_an_easy_game_stops_early_and_is_known():
    recorder = Recorder(easy)
    found = ProxySPEX(n=14, index="FBII", random_state=0).recover(4000, recorder, tolerance=0.01)
    assert found.n_evaluations < 400
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == found.n_evaluations
    assert found.ledger.masks == found.n_evaluations
    x = np.random.default_rng(1).random((500, 14)) < 0.5
    np.testing.assert_allclose(found.series(x), easy(x), atol=1e-6)
    assert found.reason.startswith(f"levelled off at {found.n_evaluations} of 4000")


def test_a_game_that_goes_on_improving_spends_the_budget():
    found = ProxySPEX(n=10, index="FBII", random_state=0).recover(200, hard(10), tolerance=0.01)
    assert found.n_evaluations == 200
    assert "not levelled off" in found.reason


def test_noise_is_no_level():
    """Nothing is explained at any budget, so nothing has levelled off."""
    noise = np.random.default_rng(0).normal(size=2**10)
    found = ProxySPEX(n=10, random_state=0).recover(
        160, lambda x: noise[table_index(x)], tolerance=0.1
    )
    assert found.n_evaluations == 160


@pytest.mark.parametrize("index", ["FBII", "k-SII"])
def test_all_coalitions_end_in_the_exact_game(index):
    table = random_table(7)
    game = lambda x: table[table_index(x)]  # noqa: E731
    recorder = Recorder(game)
    found = ProxySPEX(n=7, index=index, random_state=0).recover(500, recorder, tolerance=0.01)
    assert found.r2_kind == "exact"
    assert found.reason.startswith("all 128 coalitions asked for")
    assert len(recorder.rows) == 128
    np.testing.assert_allclose(found.series.to_table(), table, atol=1e-12)


@pytest.mark.parametrize("index", ["FBII", "k-SII"])
def test_without_an_end_in_sight_it_is_the_recovery_of_the_whole_budget(index):
    table = hard(9).to_table()  # a series is rounded differently with other rows beside one
    game = lambda x: table[table_index(x)]  # noqa: E731
    method = ProxySPEX(n=9, index=index, random_state=3)
    spent, whole = method.recover(150, game, tolerance=0.001), method.recover(150, game)
    np.testing.assert_array_equal(spent.plan.coalitions, whole.plan.coalitions)
    np.testing.assert_array_equal(spent.values, whole.values)
    assert spent.series == whole.series


def test_a_second_call_gives_the_same():
    method = ProxySPEX(n=12, random_state=0)
    one, other = (method.recover(600, easy, tolerance=0.02) for _ in range(2))
    assert one.series == other.series


def test_a_failure_keeps_what_was_paid_for_before():
    asked = []

    def failing(x):
        if sum(asked) >= 48:
            msg = "gone"
            raise RuntimeError(msg)
        asked.append(len(x))
        return np.random.default_rng(len(asked)).normal(size=len(x))

    with pytest.raises(RuntimeError, match="gone") as caught:
        ProxySPEX(n=12, random_state=0).recover(600, failing, tolerance=0.01)
    assert len(caught.value.evaluated_values) == 48
    assert caught.value.evaluated_coalitions.shape == (48, 12)


# ---------------------------------------------------------------------- the parts
@pytest.mark.parametrize(("n", "most"), [(10, 12), (10, 40), (10, 41), (10, 1000), (3, 8)])
def test_sizes_double_and_end_with_the_budget(n, most):
    found = list(sizes(n, most))
    assert found[-1] == most
    assert all(size < most for size in found[:-1])
    assert all(b == 2 * a for a, b in pairwise(found[:-1]))


@pytest.mark.parametrize(("n", "budget"), [(12, 400), (16, 600), (30, 500)])
@pytest.mark.parametrize("near", [True, False])
def test_a_part_of_a_plan_is_a_plan_of_its_budget(n, budget, near):
    plan = plan_masks(n, budget, np.random.default_rng(0), near=near)
    for size in [*range(n + 2, budget // 2, 7), budget]:
        part, rows = plan.part(size)
        twin = plan_masks(n, size, np.random.default_rng(1), near=near)
        assert part.coalitions.shape == twin.coalitions.shape
        assert part.n_near == twin.n_near
        np.testing.assert_array_equal(part.coalitions, plan.coalitions[rows])
        assert len(np.unique(rows)) == size
        np.testing.assert_array_equal(part.coalitions[:2].sum(axis=1), [0, n])


def fit_of(values, residuals, r2=0.9, series=None):
    plan = SimpleNamespace(coalitions=np.zeros((len(values), 2), dtype=bool))
    return SimpleNamespace(values=values, residuals=residuals, r2=r2, plan=plan, series=series)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gain_is_that_of_the_new_coalitions_and_one_standard_error(sign):
    values = np.array([1.0, -1.0, 3.0, 1.0])
    half = fit_of(values[:2], np.zeros(2), series=lambda x: np.zeros(len(x)))
    new = np.array([False, False, True, True])
    left = np.array([1.0, 1.0]) if sign > 0 else np.array([np.sqrt(17.0), 1.0])
    found = fit_of(values, np.concatenate([np.zeros(2), left]))
    less = sign * np.array([8.0, 0.0]) / values.var()
    expected = abs(less.mean()) + less.std() / np.sqrt(2)
    assert gained(half, found, new) == pytest.approx(expected)


@pytest.mark.parametrize("changed", [{"r2": 0.4}, {"r2": None}, {"residuals": None}])
def test_what_is_not_known_is_no_gain(changed):
    values = np.arange(4.0)
    half = fit_of(values[:2], np.zeros(2), series=lambda x: np.zeros(len(x)))
    found = fit_of(**{"values": values, "residuals": np.zeros(4)} | changed)
    assert gained(half, found, np.array([False, False, True, True])) is None
