"""Fast Walsh-Hadamard transform between dense value tables and Fourier coefficients.

Entry ``i`` of a table belongs to the coalition that holds player ``j`` exactly when bit ``j`` of
``i`` is set; :func:`all_coalitions` lists the coalitions in that order.
"""

from __future__ import annotations

import numpy as np

MAX_TABLE_PLAYERS = 26  # 2^26 float64 values are half a gigabyte


def all_coalitions(n: int) -> np.ndarray:
    """Every coalition of ``n`` players, one a row, in table order.

    Args:
        n: Number of players, 1 to 26.

    Returns:
        Bool matrix of shape (2^n, n).

    Raises:
        ValueError: If ``n`` is outside that range.

    Example:
        >>> all_coalitions(2).astype(int).tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if not 1 <= n <= MAX_TABLE_PLAYERS:
        msg = f"all_coalitions needs between 1 and {MAX_TABLE_PLAYERS} players, got n={n}."
        raise ValueError(msg)
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def table_index(coalitions: np.ndarray) -> np.ndarray:
    """Where each coalition of a bool (m, n) matrix stands in a table: int64 (m,), n <= 62."""
    return coalitions.astype(np.int64) @ (np.int64(1) << np.arange(coalitions.shape[1]))


def walsh_hadamard(table: np.ndarray) -> np.ndarray:
    """The unnormalised Walsh-Hadamard transform along the last axis.

    Computes ``out[k] = sum_i (-1)^popcount(i & k) table[i]`` with n 2^n additions. Applied twice
    it multiplies by 2^n.

    Args:
        table: Array whose last axis has length 2^n.

    Returns:
        Float64 array of the same shape.

    Raises:
        ValueError: If the last axis is not a power of two.

    Example:
        >>> walsh_hadamard(np.array([1.0, 2.0])).tolist()
        [3.0, -1.0]
    """
    size = np.shape(table)[-1]
    if size < 1 or size & (size - 1):
        msg = f"walsh_hadamard needs a last axis of length 2^n, got {size}."
        raise ValueError(msg)
    out = np.array(table, dtype=np.float64)
    half = 1
    while half < size:
        pairs = out.reshape(*out.shape[:-1], size // (2 * half), 2, half)
        low, high = pairs[..., 0, :].copy(), pairs[..., 1, :]
        pairs[..., 0, :] += high
        pairs[..., 1, :] = low - high
        half *= 2
    return out
