"""Coalitions near the ends: which indices ask for them, and what they are good for."""

from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex import ProxySPEX
from shapiq_spex.proxyspex.process import Dense
from shapiq_spex.spectral.indices import INDICES
from shapiq_spex.spectral.tilt import tilted_spectrum
from tests import naive
from tests.approximators import FEW_TREES

N = 9
SHAPLEY_LIKE = {"SV", "SII", "k-SII", "STII", "FSII", "Moebius"}


def bent(x):
    """A game that is smooth in the middle and has a step at each end, and noise everywhere."""
    size = x.sum(axis=1)
    noise = np.random.default_rng(0).normal(size=2**N)[x.astype(np.int64) @ (1 << np.arange(N))]
    return np.tanh(size - N / 2) + 1.0 * (size > 0) + 0.2 * x[:, 0] * x[:, 1] + 0.1 * noise


@pytest.mark.parametrize("index", INDICES)
def test_indices_of_shapleys_kind_ask_for_them(index):
    plan = ProxySPEX(n=N, index=index, random_state=0).recover(100, bent).plan
    assert (plan.near is not None) == (index in SHAPLEY_LIKE)


@pytest.mark.parametrize(
    ("n", "budget", "proxy"), [(9, 71, "gp"), (17, 200, "gp"), (9, 100, "gbt")]
)
def test_others_do_not(n, budget, proxy):
    found = ProxySPEX(n=n, proxy=FEW_TREES if proxy == "gbt" else proxy, random_state=0).recover(
        budget, lambda x: 1.0 * x[:, 0]
    )
    assert found.plan.near is None


def test_the_r2_is_that_of_uniform_coalitions_alone(monkeypatch):
    monkeypatch.setattr(Dense, "easier", lambda *_: 1.0)
    found = ProxySPEX(n=N, random_state=0).recover(120, bent)
    near = found.plan.near
    assert (near.start, near.stop) == (2, 32)
    assert np.isnan(found.residuals[: near.stop]).all()
    left, values = found.residuals[near.stop :], found.values[near.stop :]
    assert found.r2 == pytest.approx(1 - (left**2).mean() / values.var(), abs=1e-9)


def test_they_halve_the_error_of_the_shapley_interactions():
    table = bent(naive.rows(N).astype(bool))
    exact = naive.index(table, "k-SII", 2)

    def error(index):
        recovery = ProxySPEX(n=N, index=index, random_state=0).recover(100, bent)
        found = recovery.interactions("k-SII", 2)
        return sum((found[t] - value) ** 2 for t, value in exact.items() if t)

    assert error("k-SII") < error("FBII") / 2


def test_what_they_decide_has_no_error():
    """STII of order 2 gives a single player v({i}) - v(), which is evaluated."""
    frame = ProxySPEX(n=N, index="STII", random_state=0).recover(100, bent).to_frame()
    singles, pairs = frame[frame.order == 1], frame[frame.order == 2]
    alone = bent(np.eye(N, dtype=bool)) - bent(np.zeros((1, N), dtype=bool))
    for row in singles.itertuples():
        assert row.value == pytest.approx(alone[row.interaction[0]], abs=1e-9)
    assert singles.standard_error.max() < 1e-9
    assert pairs.standard_error.min() > 1e-3


@pytest.mark.parametrize(
    ("index", "order", "players"),
    [
        ("SV", 1, (2,)),
        ("k-SII", 2, (0, 3)),
        ("STII", 2, (1,)),
        ("FSII", 2, (4,)),
        ("FBII", 2, (0, 1)),
    ],
)
def test_the_spectrum_of_a_tilted_index_is_what_the_index_makes_of_each_character(
    index, order, players
):
    n, slope = 5, 0.8
    every = naive.rows(n).astype(bool)
    known = every[[3, 4, 17]]
    size = every.sum(axis=1)
    tilt = np.exp(slope * (n - 2 * size) / n) / np.sqrt(np.cosh(2 * slope / n) ** n)
    tilt[[0, -1, 3, 4, 17]] = 0.0
    found = tilted_spectrum(index, order, np.array(players), slope=slope, known=known)
    for place, inside in enumerate(every):
        signs = (-1.0) ** (every & inside).sum(axis=1)
        expected = naive.index(tilt * signs, index, order)[players]
        assert found[place] == pytest.approx(expected, abs=1e-12)
