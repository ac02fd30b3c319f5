"""Which sets might explain a bin: from the quickest way of asking to the most thorough."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.coding.chase import likely_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapiq_spex.coding.bch import BCH

    from .measure import Locator

TRIES = 55  # flip patterns of the published soft decoder at t = 5
PARTNERS = 4  # pairs of bins read together, for each bin
LISTED = 2**21  # sets tried one by one at most
BLOCK = 2**16  # of them at once
SCREEN = 0.5  # of its price a set has to reach to second order


def decoded(
    code: BCH, locate: Locator, measured: np.ndarray, homes: np.ndarray, tries: int
) -> np.ndarray:
    """The sets whose signs explain measurements, as far as they belong into the bins.

    Measurements rho (-1)^<d_p, k> give away the syndrome of k by their signs relative to the zero
    delay, which itself may be wrong. A word found counts only if it falls into the bins it was
    read from, which is noiseless knowledge.

    Args:
        code: The code behind the delays.
        locate: Where sets fall.
        measured: Float64 (B, p + 1), the zero delay first.
        homes: The bins each row was read from, int (B, any number).
        tries: Flip patterns tried; 1 takes the signs as they are.

    Returns:
        Distinct sets, int (K, t) padded with -1.
    """
    found = [np.zeros((0, code.t), dtype=np.int64)]
    size = np.abs(measured)
    doubtful = np.flatnonzero((tries > 1) & (size[:, 0] < size.mean(axis=1)))
    for rows, turn in ((np.arange(len(measured)), 1.0), (doubtful, -1.0)):
        reference = np.where(measured[rows, :1] < 0, -turn, turn)
        which, sets = likely_words(code, reference * measured[rows, 1:], tries=tries)
        at = locate(sets).bin.T
        home = (homes[rows[which]][:, :, None] == at[:, None]).any(axis=2).all(axis=1)
        found.append(sets[home])
    return np.unique(np.concatenate(found), axis=0)


def paired(measured: np.ndarray, group: np.ndarray, fresh: np.ndarray) -> tuple[np.ndarray, ...]:
    """Bins of different groups that seem to hold the same coefficient, and their sum.

    A coefficient stands with the same sign and size in one bin of each group, so bins that
    correlate are worth reading as one, each weighted by its precision.

    Args:
        measured: Float64 (bins, p + 1), no row zero.
        group: The group of each bin.
        fresh: Bins of which each pair must hold at least one, bool.

    Returns:
        The sums, float64 (B, p + 1), and the two bins of each, int (B, 2).
    """
    unit = measured / np.linalg.norm(measured, axis=1, keepdims=True)
    alike = unit @ unit.T
    alike[(group[:, None] >= group) | ~(fresh[:, None] | fresh)] = -np.inf
    count = min(PARTNERS * len(measured), int((alike > 0).sum()))
    best = np.argpartition(alike, -max(count, 1), axis=None)[alike.size - count :]
    pairs = np.stack(np.unravel_index(best, alike.shape), axis=1)
    precise = measured / (measured**2).sum(axis=1, keepdims=True)
    return precise[pairs].sum(axis=1), pairs


def listed(n: int, t: int, found: np.ndarray) -> Iterator[np.ndarray]:
    """Sets to be tried one by one: the small ones, and those one player away from a found one.

    Sizes are taken up as long as the number of sets stays below ``LISTED``.

    Args:
        n: Number of players.
        t: Largest size.
        found: Sets found so far, int (K, t) padded with -1.

    Yields:
        Int (B, t) padded with -1, some of which may repeat.

    Example:
        >>> [len(sets) for sets in listed(10, 2, np.zeros((0, 2), dtype=int))]
        [1, 10, 45]
    """
    total = 0
    for size in range(min(t, n) + 1):
        total += comb(n, size)
        if total > LISTED:
            break
        yield from _in_blocks(_all_sets(n, size, t))
    if len(found) * n <= LISTED:
        yield from _in_blocks(_neighbours(n, found))


def promising(
    sets: np.ndarray, measured: np.ndarray, locate: Locator, prices: np.ndarray
) -> np.ndarray:
    """The sets whose gain may exceed their price.

    The gain is screened to second order in the amplitude and in single precision,
    (p + 1) / 2 (sum_c r_c / E_c)^2 / sum_c 1 / E_c, as if nothing had been taken out.
    """
    small = measured.astype(np.float32)
    weight = 1 / np.maximum((small**2).mean(axis=1), np.finfo(np.float32).tiny)
    places = locate(sets)
    sign = places.sign.astype(np.float32)
    own = np.stack([np.einsum("kp,kp->k", small[at], sign) for at in places.bin])
    w = weight[places.bin]
    gain = (own * w).sum(axis=0) ** 2 / w.sum(axis=0) / (2 * sign.shape[1])
    return sets[gain > SCREEN * prices[(sets >= 0).sum(axis=1)]]


def _in_blocks(sets: np.ndarray) -> Iterator[np.ndarray]:
    return (sets[start : start + BLOCK] for start in range(0, len(sets), BLOCK))


def _all_sets(n: int, size: int, t: int) -> np.ndarray:
    """All sets of a size, int32 (C(n, size), t) padded with -1."""
    sets = np.full((1, t), -1, dtype=np.int32)
    for column in range(size):
        last = sets[:, column - 1] if column else np.full(1, -1)
        count = n - 1 - last
        rows = np.repeat(np.arange(len(sets)), count)
        step = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        sets = sets[rows]
        sets[:, column] = last[rows] + 1 + step
    return sets


def _neighbours(n: int, found: np.ndarray) -> np.ndarray:
    """The found sets with one player more or one less, int (K, t) padded with -1."""
    t = found.shape[1]
    fewer = np.repeat(found, t, axis=0)
    fewer[np.arange(len(fewer)), np.tile(np.arange(t), len(found))] = -1
    room = found[(found < 0).any(axis=1)]
    more = np.repeat(np.sort(room, axis=1), n, axis=0)  # the free places first
    player = np.tile(np.arange(n), len(room))
    fresh = (more != player[:, None]).all(axis=1)
    more[:, 0] = player
    return np.concatenate([fewer, more[fresh]])
