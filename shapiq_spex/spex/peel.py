"""The peeling loop: decode bins with one coefficient, take it out everywhere, look again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.series import FourierSeries

from .decode import decode_bins
from .measure import Locator, bins

if TYPE_CHECKING:
    from .plan import SamplingPlan

# The cleanest bins first: a wrong set taken out spoils a bin of every group.
UNEXPLAINED = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9)
ROUNDS = 100
ZERO = 1e-9  # of the root mean square of the measurements: rounding


class Peeled(NamedTuple):
    """What peeling found.

    Attributes:
        series: The coefficients taken out of the bins.
        energy_left: Share of the energy of the measurements that is left, in [0, 1].
    """

    series: FourierSeries
    energy_left: float


def peel(plan: SamplingPlan, values: np.ndarray, *, soft: bool) -> Peeled:
    """Recover the large Fourier coefficients of a game from the values of a plan.

    Args:
        plan: The coalitions asked for.
        values: Their values, float64 (m,).
        soft: Whether bins that do not decode go through the soft decoder.

    Returns:
        The series found; coefficients of small sets are as good as the bins allow and are to be
        fitted anew to all values.
    """
    measured = bins(plan, values)
    locate = Locator(plan)
    scale = np.sqrt((measured**2).mean())
    found: dict[tuple[int, ...], float] = {}
    if scale > 0:
        for limit in UNEXPLAINED:
            _peel_below(limit, plan, measured, locate, found, ZERO * scale, soft=soft)
    left = (measured**2).mean() / scale**2 if scale > 0 else 0.0
    return Peeled(FourierSeries.from_terms(plan.n, found), float(left))


def _peel_below(
    limit: float,
    plan: SamplingPlan,
    measured: np.ndarray,
    locate: Locator,
    found: dict[tuple[int, ...], float],
    zero: float,
    *,
    soft: bool,
) -> None:
    """Take out what leaves at most ``limit`` of a bin unexplained, until nothing new turns up."""
    fresh = np.ones(measured.shape[:2], dtype=bool)
    for _ in range(ROUNDS):
        group, place = np.nonzero(fresh & ((measured**2).mean(axis=2) > zero**2))
        fresh[:] = False
        if len(group) == 0:
            return
        singles = decode_bins(plan.code, measured[group, place], soft=soft)
        good = singles.ok & (singles.unexplained <= limit)
        group, place, sets = group[good], place[good], singles.positions[good]
        home = locate(sets).bin[group, np.arange(len(sets))] == place
        if not home.any():
            return
        _take_out(measured, locate, sets[home], group[home], found, fresh)


def _take_out(
    measured: np.ndarray,
    locate: Locator,
    sets: np.ndarray,
    group: np.ndarray,
    found: dict[tuple[int, ...], float],
    fresh: np.ndarray,
) -> None:
    """Subtract the sets from their bins in all groups; the bins touched are fresh again."""
    sets, which = np.unique(sets, axis=0, return_inverse=True)
    places = locate(sets)
    every = np.arange(len(measured))[:, None]
    rho = (measured[every, places.bin] * places.sign).mean(axis=2)  # (C, K)
    # A set seen alone in several groups gets the mean of what it is there.
    seen = np.zeros_like(rho)
    seen[group, which.ravel()] = 1.0
    amount = (rho * seen).sum(axis=0) / seen.sum(axis=0)
    np.subtract.at(measured, (every, places.bin), amount[:, None] * places.sign)
    fresh[every, places.bin] = True
    for row, value in zip(sets.tolist(), amount.tolist(), strict=True):
        players = tuple(sorted(p for p in row if p >= 0))
        found[players] = found.get(players, 0.0) + value
