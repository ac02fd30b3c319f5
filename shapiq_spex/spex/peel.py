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
    measured: np.ndarray  # (bins, p + 1), changed in place
    locate: Locator
    found: dict[tuple[int, ...], float]

    def peel_below(self, limit: float, zero: float, *, soft: bool) -> None:
        """Take out what leaves at most ``limit`` of a bin unexplained, until nothing is new."""
        fresh = np.ones(len(self.measured), dtype=bool)
        for _ in range(ROUNDS):
            here = np.flatnonzero(fresh & ((self.measured**2).mean(axis=1) > zero**2))
            if len(here) == 0:
                return
            singles = decode_bins(self.plan.code, self.measured[here], soft=soft)
            good = singles.ok & (singles.unexplained <= limit)
            here, sets = here[good], singles.positions[good]
            home = (self.locate(sets).bin == here).any(axis=0)
            fresh[:] = False
            if home.any():
                self.take_out(sets[home], here[home], fresh)

    def take_out(self, sets: np.ndarray, here: np.ndarray, fresh: np.ndarray) -> None:
        """Subtract sets, each seen alone in a bin, everywhere; bins touched are fresh again."""
        sets, which = np.unique(sets, axis=0, return_inverse=True)
        places = self.locate(sets)
        rho = np.einsum("ckp,kp->ck", self.measured[places.bin], places.sign)
        rho /= places.sign.shape[1]
        # A set seen alone in several groups gets the mean of what it is there.
        seen = np.zeros_like(rho)
        seen[self.locate.group[here], which.ravel()] = 1.0
        amount = (rho * seen).sum(axis=0) / seen.sum(axis=0)
        np.subtract.at(self.measured, places.bin, amount[:, None] * places.sign)
        fresh[places.bin] = True
        for row, value in zip(sets.tolist(), amount.tolist(), strict=True):
            players = tuple(sorted(p for p in row if p >= 0))
            self.found[players] = self.found.get(players, 0.0) + value
