"""Is a set really there? What the bins it falls into say together.

A bin without the set k is noise of variance E = mean_p U_p^2; with k it is noise of variance
E - 2 rho r + rho^2 around rho (-1)^<d_p, k>, where r = mean_p U_p (-1)^<d_p, k>. Over its bins c,
one in each group, the log likelihood ratio of k with the amplitude rho is

    gain(k) = 1/2  sum_c  (p + 1 - s_c)  ln E_c / (E_c - 2 rho r_c + rho^2),

where s_c sets have been taken out of bin c before and have taken as many degrees of freedom along.

A set is believed where its gain exceeds its price, which names it among all sets that might be
there: ln C(n, |k|) + ln(t + 1) - ln FALSE - ln(1 + number of sets found). Noise alone passes one of
them with a probability of about FALSE (union bound); beside s sets found, FALSE (1 + s) false ones
are to be expected, so about FALSE of what is found is false.
"""

from __future__ import annotations

from math import lgamma, log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .measure import Places

FALSE = 0.01
REFINEMENTS = 6  # steps of the fixed point for the amplitude, from each bin's own
CLEAN = 1e-20  # share of the energy of all bins that counts as rounding


class Evidence(NamedTuple):
    """What the bins say about K sets.

    Attributes:
        gain: Log likelihood ratio at the best amplitude, float64 (K,).
        amplitude: That amplitude, the estimate of F(k), float64 (K,).
    """

    gain: np.ndarray
    amplitude: np.ndarray


def weigh(measured: np.ndarray, taken: np.ndarray, places: Places, rounding: float) -> Evidence:
    """The evidence for sets at their places.

    Args:
        measured: The measurements U, float64 (bins, p + 1).
        taken: How many sets were taken out of each bin, int (bins,).
        places: Where the sets fall.
        rounding: Variance that every bin has at least, positive.
    """
    seen = measured[places.bin]
    own = np.einsum("ckp,kp->ck", seen, places.sign) / seen.shape[2]
    energy = np.einsum("ckp,ckp->ck", seen, seen) / seen.shape[2] + rounding
    amplitude = own.copy()  # (start, K), one start from each bin
    for _ in range(REFINEMENTS):
        weight = 1 / _left(energy, own, amplitude, rounding)
        amplitude = (weight * own).sum(axis=1) / weight.sum(axis=1)
    ratio = energy / _left(energy, own, amplitude, rounding)
    freedom = np.maximum(seen.shape[2] - taken[places.bin], 0)
    gains = 0.5 * (freedom * np.log(ratio)).sum(axis=1)
    best, each = gains.argmax(axis=0), np.arange(gains.shape[1])
    return Evidence(gains[best, each], amplitude[best, each])


def _left(
    energy: np.ndarray, own: np.ndarray, amplitude: np.ndarray, rounding: float
) -> np.ndarray:
    """E_c - 2 rho r_c + rho^2 for each start: (start, C, K)."""
    rho = amplitude[:, None]
    return np.maximum(energy - 2 * rho * own + rho**2, rounding)


def prices(n: int, t: int) -> np.ndarray:
    """What it takes to believe in a first set of each size 0 ... t, float64 (t + 1,).

    Example:
        >>> prices(100, 2).round(1).tolist()
        [5.7, 10.3, 14.2]
    """
    sizes = [_log_choose(n, size) if size <= n else np.inf for size in range(t + 1)]
    return np.array(sizes) + log(t + 1) - log(FALSE)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
