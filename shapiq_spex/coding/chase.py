"""Soft decoding of syndromes: which word explains noisy signs best?

Each syndrome bit is the sign of a measurement of its own, so the bits of a syndrome are wrong
independently, the small measurements first. As in Chase's second algorithm (1972), likely flip
patterns are tried in turn; here the bits of the syndrome are flipped, not those of a code word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .bch import BCH

DEPTH = 62  # flipped bits are counted in the bits of an int64
BLOCK_ENTRIES = 2**21  # rows x patterns x syndrome bits at once: about 40 MB of temporaries


def likely_words(
    code: BCH, reliabilities: np.ndarray, *, tries: int = 55
) -> tuple[np.ndarray, np.ndarray]:
    """The words of weight at most t that likely errors of noisy signs lead to.

    With r = (-1)^(Hk) + noise the most likely word minimises the soft distance
    d(k) = sum of |r_i| over the bits i where H k differs from the hard decision r_i < 0. The
    ``tries`` cheapest sets of bits are flipped in order of their cost, the empty set first, and
    every word that one of them leads to is given. The first one of a row is its most likely word;
    if all 2^p sets are tried this is maximum likelihood decoding. The order is exact among the 62
    least reliable bits, and so among all bits while ``tries`` or p is at most 62.

    Args:
        code: The code whose syndromes the signs are.
        reliabilities: Finite floats (B, p): a negative one stands for a syndrome bit 1, the
            magnitude says how sure it is. Any scale serves.
        tries: Number of sets tried, at least 1, which is the hard decision alone.

    Returns:
        The row of each of K words, ascending, int64 (K,), the likelier words of a row first; and
        the places of the ones, ascending, int64 (K, t) padded with -1. With noise alone a word is
        found whenever one of the tried syndromes has one: judge it by other means.

    Raises:
        ValueError: If the reliabilities are not finite numbers in p columns, or ``tries`` < 1.

    Example:
        >>> from shapiq_spex.coding.bch import BCH
        >>> code = BCH(n=15, t=2)
        >>> code.syndromes(np.array([[2, 7]])).astype(int).tolist()
        [[0, 0, 0, 0, 0, 0, 1, 1]]
        >>> signs = np.array([[1.0, -0.1, 2.0, 1.5, 3.0, 2.5, -1.5, -2.0]])  # the 0.1 is wrong
        >>> code.decode(signs < 0)[1].tolist()
        [False]
        >>> rows, positions = likely_words(code, signs, tries=4)
        >>> positions.tolist()  # the second would take the 1.5 to be wrong
        [[2, 7], [1, 6]]
    """
    reliabilities = _checked(code, reliabilities, tries)
    step = max(1, BLOCK_ENTRIES // (tries * code.p))
    rows, words = [np.zeros(0, np.int64)], [np.zeros((0, code.t), np.int64)]
    for start in range(0, len(reliabilities), step):
        block = reliabilities[start : start + step]
        _, flips = cheapest_flips(np.abs(block), tries)
        tried = (block < 0)[:, None] ^ flips
        positions, ok = code.decode(tried.reshape(-1, code.p))
        rows.append(start + np.flatnonzero(ok) // tried.shape[1])
        words.append(positions[ok])
    return np.concatenate(rows), np.concatenate(words)


def _checked(code: BCH, reliabilities: np.ndarray, tries: int) -> np.ndarray:
    reliabilities = np.asarray(reliabilities, np.float64)
    if reliabilities.ndim != 2 or reliabilities.shape[1] != code.p:
        msg = f"likely_words needs {code.p} reliabilities a row, got shape {reliabilities.shape}."
        raise ValueError(msg)
    if not np.isfinite(reliabilities).all():
        msg = "likely_words needs finite reliabilities, got nan or inf; give an empty bin zeros."
        raise ValueError(msg)
    if tries < 1:
        msg = f"likely_words needs at least one try, the hard decision, got tries={tries}."
        raise ValueError(msg)
    return reliabilities


def cheapest_flips(magnitudes: np.ndarray, tries: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``tries`` sets of bits with the smallest sums of magnitudes, row by row.

    The bits are taken from the least to the most reliable; each one doubles the list of the sets
    so far, of which the cheapest are kept.

    Args:
        magnitudes: Floats >= 0 (B, p).
        tries: Number of sets, at least 1.

    Returns:
        Their sums, ascending, float64 (B, T), and the sets, bool (B, T, p), where T is ``tries``
        or the number of all sets if that is smaller.

    Example:
        >>> costs, flips = cheapest_flips(np.array([[0.5, 0.25]]), tries=3)
        >>> costs.tolist(), flips.astype(int).tolist()
        ([[0.0, 0.25, 0.5]], [[[0, 0], [0, 1], [1, 0]]])
    """
    order = np.argsort(magnitudes, axis=1, kind="stable")
    ascending = np.take_along_axis(magnitudes, order, axis=1)[:, :DEPTH]
    costs, sets = np.zeros((len(magnitudes), 1)), np.zeros((len(magnitudes), 1), np.int64)
    for bit, cost in enumerate(ascending.T[:, :, None]):
        if costs.shape[1] == tries and (costs[:, -1:] <= cost).all():
            break
        costs, sets = np.hstack([costs, costs + cost]), np.hstack([sets, sets | 1 << bit])
        keep = np.argsort(costs, axis=1, kind="stable")[:, :tries]
        costs = np.take_along_axis(costs, keep, axis=1)
        sets = np.take_along_axis(sets, keep, axis=1)
    rank = np.minimum(np.argsort(order, axis=1), DEPTH)[:, None, :]  # bit 62 of a set is always 0
    return costs, (sets[:, :, None] >> rank & 1).astype(bool)
