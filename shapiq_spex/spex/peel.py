"""The peeling loop: find sets that bins give away, take them out everywhere, look again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.spectral.series import FourierSeries

from .candidates import TRIES, decoded, listed, paired, promising
from .evidence import CLEAN, prices, weigh
from .measure import Locator, bins

if TYPE_CHECKING:
    from .plan import SamplingPlan

ROUNDS = 1000


def peel(plan: SamplingPlan, values: np.ndarray, *, soft: bool) -> FourierSeries:
    """Recover the large Fourier coefficients of a game from the values of a plan.

    A set is taken out when the evidence for it (see :mod:`shapiq_spex.spex.evidence`) is worth its
    price and nothing that shares a bin with it has more. Sets to be tried come from the signs of
    single bins; where those give nothing new, from likely errors of the signs, from pairs of bins
    and from a list of all small sets.

    Args:
        plan: The coalitions asked for.
        values: Their values, float64 (m,).
        soft: Whether to go beyond the signs of single bins as they are.

    Returns:
        The series found; its coefficients are as good as the bins allow and are to be fitted anew
        to all values.
    """
    measured = bins(plan, values)
    scale = (measured**2).mean()
    if scale == 0:
        return FourierSeries(np.zeros((0, plan.n), dtype=bool), np.zeros(0))
    state = _State(plan, measured, CLEAN * scale)
    asked = [state.signs, state.likely_errors, state.pairs, state.kept, state.everything]
    asked = asked if soft else asked[:1]
    level = 0
    for _ in range(ROUNDS):
        if level == len(asked) or not state.alive.any():
            break
        level = 0 if state.take_out(asked[level]()) else level + 1
    return FourierSeries.from_terms(plan.n, state.found)


class _State:
    """What is left in the bins, and what was taken out of them."""

    def __init__(self, plan: SamplingPlan, measured: np.ndarray, rounding: float) -> None:
        self.code = plan.code
        self.measured = measured  # (bins, p + 1), changed in place
        self.rounding = rounding
        self.locate = Locator(plan)
        self._first_prices = prices(plan.n, plan.code.t)
        self.taken = np.zeros(len(measured), dtype=np.int64)  # sets out of each bin
        self.found: dict[tuple[int, ...], float] = {}
        self.remembered = np.zeros((0, plan.code.t), dtype=np.int64)
        self.fresh = np.ones((3, len(measured)), dtype=bool)  # changed since each way of asking

    @property
    def alive(self) -> np.ndarray:
        """Bins with more than rounding in them, bool (bins,)."""
        return (self.measured**2).mean(axis=1) > 100 * self.rounding

    @property
    def prices(self) -> np.ndarray:
        """What it takes to believe in one more set of each size."""
        return self._first_prices - np.log1p(len(self.found))

    # ------------------------------------------------------------------ ways of asking
    def signs(self) -> np.ndarray:
        """Sets that the signs of single bins give away."""
        here = np.flatnonzero(self._new(0) & self.alive)
        return decoded(self.code, self.locate, self.measured[here], here[:, None], 1)

    def likely_errors(self) -> np.ndarray:
        """The same with likely errors among the signs."""
        here = np.flatnonzero(self._new(1) & self.alive)
        return decoded(self.code, self.locate, self.measured[here], here[:, None], TRIES)

    def pairs(self) -> np.ndarray:
        """The same with bins of two groups read as one."""
        here, fresh = np.flatnonzero(self.alive), self._new(2)
        sums, pairs = paired(self.measured[here], self.locate.group[here], fresh[here])
        return decoded(self.code, self.locate, sums, here[pairs], TRIES)

    def kept(self) -> np.ndarray:
        """Sets that were promising when all were listed."""
        return self.remembered

    def everything(self) -> np.ndarray:
        """All promising sets of the list."""
        t = self.code.t
        found = np.full((len(self.found), t), -1)
        for row, players in zip(found, self.found, strict=True):
            row[: len(players)] = players
        blocks = listed(self.locate.n, t, found)
        kept = [promising(b, self.measured, self.locate, self.prices) for b in blocks]
        self.remembered = np.unique(np.sort(np.concatenate(kept), axis=1), axis=0)
        return self.remembered

    def _new(self, way: int) -> np.ndarray:
        fresh = self.fresh[way].copy()
        self.fresh[way] = False
        return fresh

    # ------------------------------------------------------------------ taking out
    def take_out(self, sets: np.ndarray) -> bool:
        """Subtract the sets that win all their bins; whether there was one."""
        if len(sets) == 0:
            return False
        places = self.locate(sets)
        gain, amplitude = weigh(self.measured, self.taken, places, self.rounding)
        profit = gain - self.prices[(sets >= 0).sum(axis=1)]
        most = np.zeros(len(self.measured))
        for row in places.bin:  # numpy's ufunc.at misreads operands it has to broadcast
            np.maximum.at(most, row, profit)
        wins = np.flatnonzero((profit > 0) & (profit >= most[places.bin]).all(axis=0))
        bin_, out = places.bin[:, wins], amplitude[wins, None] * places.sign[wins]
        for row in bin_:
            np.subtract.at(self.measured, row, out)
            np.add.at(self.taken, row, 1)
        self.fresh[:, bin_] = True
        for row, value in zip(sets[wins].tolist(), amplitude[wins].tolist(), strict=True):
            players = tuple(sorted(p for p in row if p >= 0))
            self.found[players] = self.found.get(players, 0.0) + value
        return len(wins) > 0
