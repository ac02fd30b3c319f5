"""What is true of ProxySPEX alone."""

from __future__ import annotations

import numpy as np
import pytest

from approximators import FEW_TREES, N, Recorder, as_dict, sparse_game
from shapiq_spex import FourierSeries, ProxySPEX
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.proxyspex.proxies import Surrogate

LIKE_LINEAR = np.random.default_rng(1).normal(size=20) * 3


def linear_game(x):
    return x @ LIKE_LINEAR + 1.5


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


def test_unknown_proxies_are_refused():
    with pytest.raises(ValueError, match="a proxy among gp, gbt, got 'forest'"):
        ProxySPEX(n=4, proxy="forest")


@pytest.mark.parametrize("proxy", [None, 3, GaussianProcess])
def test_things_that_are_no_proxy_are_refused_before_anything_is_paid(proxy):
    recorder = Recorder(sparse_game)
    with pytest.raises((TypeError, ValueError), match="ProxySPEX needs a proxy"):
        ProxySPEX(n=N, proxy=proxy).approximate(40, recorder)
    assert recorder.blocks == []


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_game_is_met_by_the_gaussian_process(seed):
    """Its kernel has a linear part, so with 700 values of 21 coefficients only the prior shrinks.

    The noise is at least e^-14 = 8e-7 of the variance. Ridge regression of m values on
    orthogonal characters with noise v and prior a/n shrinks by v n / (m a), 1e-7 for a >= 0.2;
    1e-5 of the spread leaves room for a noise learned ten times larger on shorter searches.
    """
    found = as_dict(ProxySPEX(n=20, random_state=seed).approximate(700, linear_game))
    spread = np.sqrt((LIKE_LINEAR**2).sum()) / 2
    for t, value in found.items():
        expected = LIKE_LINEAR[t[0]] if len(t) == 1 else 1.5 * (len(t) == 0)
        assert value == pytest.approx(expected, abs=1e-5 * spread), t


def test_a_negative_r2_is_said():
    # A parity of all players: no sample of this size says anything about the others, so R² is
    # about 0, on either side.
    def parity(x):
        return 1.0 - 2.0 * (x.sum(axis=1) % 2)

    results = [ProxySPEX(n=12, random_state=seed).recover(60, parity) for seed in range(6)]
    said = [result.status.startswith("R² is below 0") for result in results]
    assert said == [result.r2 < 0 for result in results]
    assert any(said)
    assert abs(np.mean([result.r2 for result in results])) < 0.15


# ---------------------------------------------------------------------- many players
@pytest.mark.parametrize(
    "proxy",
    [
        GaussianProcess(tuning_rows=150, terms=100, folds=2),
        BoostedTrees(depths=(2,), trees=(5,), rates=(0.3,), folds=2),
    ],
    ids=["gp", "gbt"],
)
@pytest.mark.parametrize("index", ["FBII", "SV", "k-SII"])
def test_more_than_a_thousand_players(proxy, index):
    recorder = Recorder(lambda x: 3.0 * x[:, 5] + x[:, 1099])
    found = ProxySPEX(n=1100, index=index, proxy=proxy, random_state=0).approximate(1102, recorder)
    assert len(np.unique(recorder.rows, axis=0)) == len(recorder.rows) == 1102
    values = np.array([found[(i,)] for i in range(1100)])
    assert np.isfinite(found.values).all()
    assert np.abs(values).argmax() == 5


def test_shapley_values_add_up_beyond_a_thousand_players():
    proxy = GaussianProcess(tuning_rows=150, terms=100, folds=2)
    weights = np.random.default_rng(0).normal(size=1100)
    found = ProxySPEX(n=1100, index="SV", proxy=proxy, random_state=0).approximate(
        1102, lambda x: x @ weights + x[:, 0] * x[:, 1] + 2.0
    )
    values = as_dict(found)
    assert values.pop(()) == pytest.approx(2.0, abs=1e-9)
    assert sum(values.values()) == pytest.approx(weights.sum() + 1, abs=1e-9 * len(weights))
