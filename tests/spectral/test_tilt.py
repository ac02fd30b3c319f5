"""Tilted functions against their tables."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from shapiq_spex.spectral.indices import INDICES
from shapiq_spex.spectral.tilt import tilted_weights


def tilt(n, slope):
    """exp(slope (n - 2 |x|) / n) with mean square 1, and nothing at the ends."""
    out = np.exp(slope * (n - 2 * naive.rows(n).sum(axis=1)) / n)
    out /= np.sqrt((out**2).mean())
    out[[0, -1]] = 0.0
    return out


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("slope", [-1.5, 0.0, 0.6])
@pytest.mark.parametrize(("n", "order"), [(1, 1), (4, 2), (5, 3)])
def test_weights_are_those_of_tilted_characters(index, slope, n, order):
    sizes = range(1, (1 if index in ("SV", "BV") else order) + 1)
    for t in sizes:
        weights = tilted_weights(index, order, n, t, top=n, slope=slope)
        assert set(weights) == {(a, b) for a in range(t + 1) for b in range(n - t + 1)}
        for (a, b), found in weights.items():
            players = [*range(a), *range(t, t + b)]
            character = (-1.0) ** naive.rows(n)[:, players].sum(axis=1)
            expected = naive.index(tilt(n, slope) * character, index, order)[tuple(range(t))]
            assert found == pytest.approx(expected, abs=1e-9)


def test_sets_beyond_the_top_are_left_out():
    weights = tilted_weights("k-SII", 2, 9, 2, top=3, slope=0.5)
    assert {a + b for a, b in weights} == {0, 1, 2, 3}
    everything = tilted_weights("k-SII", 2, 9, 2, top=9, slope=0.5)
    assert weights == {key: everything[key] for key in weights}


@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_weights_of_thousands_of_players_are_finite(slope):
    weights = tilted_weights("k-SII", 2, 3000, 2, top=5, slope=slope)
    assert np.isfinite(list(weights.values())).all()


@pytest.mark.parametrize("index", ["SV", "k-SII", "BII", "FSII", "STII"])
def test_beyond_thousands_of_players_weights_are_those_of_thousands(index):
    order = 1 if index == "SV" else 2
    few, many = (tilted_weights(index, order, n, order, top=3, slope=0.2) for n in (2000, 2001))
    assert many.keys() == few.keys()
    assert many[order, 0] == pytest.approx(few[order, 0], rel=5e-3)
