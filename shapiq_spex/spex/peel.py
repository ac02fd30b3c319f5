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
    state = _State(plan, bins(plan, values), Locator(plan), {})
    scale = np.sqrt((state.measured**2).mean())
    if scale > 0:
        for limit in UNEXPLAINED:
            state.peel_below(limit, ZERO * scale, soft=soft)
    left = (state.measured**2).mean() / scale**2 if scale > 0 else 0.0
    return Peeled(FourierSeries.from_terms(plan.n, state.found), float(left))


class _State(NamedTuple):
    """What is left in the bins, and what was taken out of them."""

    plan: SamplingPlan
    measured: np.ndarray  # (C, 2^b, p + 1), changed in place
    locate: Locator
    found: dict[tuple[int, ...], float]

    def peel_below(self, limit: float, zero: float, *, soft: bool) -> None:
        """Take out what leaves at most ``limit`` of a bin unexplained, until nothing is new."""
        fresh = np.ones(self.measured.shape[:2], dtype=bool)
        for _ in range(ROUNDS):
            group, place = np.nonzero(fresh & ((self.measured**2).mean(axis=2) > zero**2))
            if len(group) == 0:
                return
            singles = decode_bins(self.plan.code, self.measured[group, place], soft=soft)
            good = singles.ok & (singles.unexplained <= limit)
            group, place, sets = group[good], place[good], singles.positions[good]
            home = self.locate(sets).bin[group, np.arange(len(sets))] == place
            fresh[:] = False
            if home.any():
                self.take_out(sets[home], group[home], fresh)

    def take_out(self, sets: np.ndarray, group: np.ndarray, fresh: np.ndarray) -> None:
        """Subtract sets, each seen alone in a group, everywhere; bins touched are fresh again."""
        sets, which = np.unique(sets, axis=0, return_inverse=True)
        places = self.locate(sets)
        every = np.arange(len(self.measured))[:, None]
        rho = (self.measured[every, places.bin] * places.sign).mean(axis=2)  # (C, K)
        # A set seen alone in several groups gets the mean of what it is there.
        seen = np.zeros_like(rho)
        seen[group, which.ravel()] = 1.0
        amount = (rho * seen).sum(axis=0) / seen.sum(axis=0)
        np.subtract.at(self.measured, (every, places.bin), amount[:, None] * places.sign)
        fresh[every, places.bin] = True
        for row, value in zip(sets.tolist(), amount.tolist(), strict=True):
            players = tuple(sorted(p for p in row if p >= 0))
            self.found[players] = self.found.get(players, 0.0) + value
