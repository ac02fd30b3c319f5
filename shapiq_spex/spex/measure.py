"""From the values of the coded coalitions to bins: short sums of Fourier coefficients.

With the Walsh-Hadamard transform over l, bin j of group c under delay p is

    U_c,p(j) = 2^-b sum_l (-1)^<j,l> f(M_c l + d_p)
             = sum over k with M_c^T k = j of (-1)^<d_p,k> F(k),

so every coefficient F(k) falls into one bin of each group, and the delays write the syndrome of k
into its signs. The bins of all groups stand below each other in one matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.walsh import walsh_hadamard

from .plan import delays

if TYPE_CHECKING:
    from .plan import SamplingPlan


def bins(plan: SamplingPlan, values: np.ndarray) -> np.ndarray:
    """The measurements U of all groups, float64 (sum 2^b_c, p + 1)."""
    spectra = [walsh_hadamard(values[rows]) / rows.shape[1] for rows in plan.rows]
    return np.ascontiguousarray(np.concatenate(spectra, axis=1).T)


class Places(NamedTuple):
    """Where K coefficients fall.

    Attributes:
        bin: Their bin in each group, int (C, K), counted through all groups.
        sign: Their sign under each delay, float64 (K, p + 1): (-1)^<d_p, k>.
    """

    bin: np.ndarray
    sign: np.ndarray


class Locator:
    """Finds the places of sets given as player positions, by exclusive or over the players."""

    def __init__(self, plan: SamplingPlan) -> None:
        # One more player, who changes nothing, stands for the padding -1.
        self._bins = np.zeros((len(plan.matrices), plan.n + 1), dtype=np.int64)
        for row, matrix in zip(self._bins, plan.matrices, strict=True):
            row[:-1] = matrix @ (1 << np.arange(matrix.shape[1]))
        self._odd = np.concatenate([delays(plan.code).T, np.zeros((1, plan.code.p + 1), bool)])
        sizes = [rows.shape[1] for rows in plan.rows]
        self.n = plan.n
        self._start = np.cumsum([0, *sizes[:-1]])[:, None]
        self.group = np.repeat(np.arange(len(sizes)), sizes)  # the group of each bin

    def __call__(self, positions: np.ndarray) -> Places:
        """The places of K sets, int (K, t) padded with -1."""
        where = np.bitwise_xor.reduce(self._bins[:, positions], axis=2, initial=0)
        odd = np.logical_xor.reduce(self._odd[positions], axis=1)
        return Places(self._start + where, 1.0 - 2.0 * odd)
