"""From the values of the coded coalitions to bins: short sums of Fourier coefficients.

With the Walsh-Hadamard transform over l, bin j of group c under delay p is

    U_c,p(j) = 2^-b sum_l (-1)^<j,l> f(M_c l + o_c + d_p)
             = sum over k with M_c^T k = j of (-1)^<o_c,k> (-1)^<d_p,k> F(k),

so every coefficient F(k) falls into one bin of each group, and the delays write the syndrome of k
into its signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.walsh import walsh_hadamard

from .plan import delays

if TYPE_CHECKING:
    from .plan import SamplingPlan


def bins(plan: SamplingPlan, values: np.ndarray) -> np.ndarray:
    """The measurements U, float64 (C, 2^b, p + 1), from the values of the plan's coalitions."""
    spectrum = walsh_hadamard(values[plan.rows]) / 2**plan.bits
    return np.ascontiguousarray(spectrum.swapaxes(1, 2))


class Places(NamedTuple):
    """Where coefficients fall: their bin in each group and their sign under each delay.

    Attributes:
        bin: Int (C, K).
        sign: Float64 (C, K, p + 1), (-1)^<o_c + d_p, k>.
    """

    bin: np.ndarray
    sign: np.ndarray


class Locator:
    """Finds the places of sets given as player positions, by exclusive or over the players."""

    def __init__(self, plan: SamplingPlan) -> None:
        n = plan.n
        weights = 1 << np.arange(plan.bits)
        # One more player, who changes nothing, stands for the padding -1.
        self._bins = np.zeros((len(plan.matrices), n + 1), dtype=np.int64)
        self._bins[:, :n] = plan.matrices @ weights
        self._odd = np.zeros((n + 1, len(delays(plan.code))), dtype=bool)
        self._odd[:n] = delays(plan.code).T
        self._offset = np.zeros((len(plan.offsets), n + 1), dtype=bool)
        self._offset[:, :n] = plan.offsets

    def __call__(self, positions: np.ndarray) -> Places:
        """The places of K sets, int (K, t) padded with -1."""
        where = np.bitwise_xor.reduce(self._bins[:, positions], axis=2, initial=0)
        odd = np.logical_xor.reduce(self._odd[positions], axis=1)
        offset = np.logical_xor.reduce(self._offset[:, positions], axis=2)
        return Places(where, 1.0 - 2.0 * (offset[:, :, None] ^ odd))
