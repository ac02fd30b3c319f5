"""The characters chi_S(x) = (-1)^|S and x|, as a matrix, as sums and as moments.

Of small sets they are products of a few columns of the signs z = 1 - 2 x, of any sets the parity of
a matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .series import FourierSeries

BLOCK = 2**21  # characters computed at once


def characters(coalitions: np.ndarray, support: np.ndarray) -> np.ndarray:
    """The matrix chi_S(x): bool (m, n) and bool (s, n) to float64 (m, s)."""
    used = support.any(axis=0)
    rows, sets = coalitions[:, used].astype(np.float32), support[:, used].astype(np.float32)
    odd = (rows @ sets.T).astype(np.int32) & 1
    return 1.0 - 2.0 * odd


def signs(coalitions: np.ndarray) -> np.ndarray:
    """1 - 2 x in single precision, which is exact and halves the memory."""
    return np.float32(1) - np.float32(2) * coalitions.astype(np.float32)


def characters_at(series: FourierSeries, z: np.ndarray) -> np.ndarray:
    """The sets of a series at signs (m, n), in their precision: (m, s)."""
    parts = [np.ones((0, len(z)), dtype=z.dtype), *(chi for _, chi in _blocks(series, z))]
    return np.concatenate(parts).T


def values_of(series: FourierSeries, z: np.ndarray) -> np.ndarray:
    """Values (m,) of a series at signs (m, n)."""
    out = np.zeros(len(z))
    for sets, chi in _blocks(series, z):
        out += series.coefficients[sets] @ chi
    return out


def moments_of(series: FourierSeries, z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_j w_j chi_S(x_j) for the sets S of a series, (s,), at signs (m, n)."""
    out = np.zeros(len(series))
    for sets, chi in _blocks(series, z):
        out[sets] = chi @ weights
    return out


def _blocks(series: FourierSeries, z: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The characters of a few sets after the other, (k, m), with their places in the series."""
    columns, first = np.ascontiguousarray(z.T), 0
    step = max(1, BLOCK // max(len(z), 1))
    for sets, _ in series.by_degree():
        for start in range(0, len(sets), step):
            block = sets[start : start + step]
            chi = np.ones((len(block), len(z)), dtype=z.dtype)
            for players in block.T:
                chi *= columns[players]
            yield slice(first, first + len(block)), chi
            first += len(block)
