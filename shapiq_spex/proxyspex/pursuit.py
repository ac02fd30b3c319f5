"""Finds the sets of an exactly sparse game by what they explain of the values not yet explained.

A set that is missing from the support correlates with the rest: the mean of chi_S(x_j) r_j is F(S)
but for a deviation of sd(r) / sqrt(m). All pairs and all sets one player away from the support are
looked at again and again; where these show nothing more, all sets of three players and larger, as
far as they can be enumerated: three players among 300, four among 100 or five among 50. A larger
set is found through its subsets alone.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from shapiq_spex.spectral.refit import characters
from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from .process import Data

EXACT = 1e-6  # standard deviations of the values: what is left below is rounding
SPARE = 30  # values beside SHARE sets for each: fewer unknowns than equations by far
SHARE = 1 / 4
ROUNDS = 16
PER_ROUND = 50
PARENTS = 8  # sets of the support next to one and the same missing set, as hierarchies have them
LENIENT = 0.5  # deviations below the largest of as many draws of chance: a false set does no harm
ENUMERATED = 5 * 10**6  # sets of three players and more that are looked at in all
LARGEST = 5  # size of the sets that are enumerated
BLOCK = 2**21  # entries of a matrix of characters made at once


def pursue(
    z: np.ndarray, y: np.ndarray, known: FourierSeries | None = None
) -> FourierSeries | None:
    """The sparse series that gives all values but for rounding; None if none was found.

    Args:
        z: Signs of the observed coalitions, float32 (m, n).
        y: Values of variance about 1, (m,).
        known: Terms that are likely in it.

    Example:
        >>> z = 1 - 2 * (np.random.default_rng(0).random((300, 40)) < 0.5).astype(np.float32)
        >>> y = z[:, 3] - 2.0 * z[:, [5, 6, 9]].prod(axis=1)
        >>> found = pursue(z, y)
        >>> {players: round(value, 9) for players, value in found.terms().items()}
        {(3,): 1.0, (5, 6, 9): -2.0}
    """
    n, most = z.shape[1], SHARE * (len(y) - SPARE)
    support = np.zeros((1, n), dtype=bool)
    if known is not None:
        support = np.unique(np.concatenate([support, known.support]), axis=0)
    search = Search(z)
    for _ in range(ROUNDS):
        if len(support) > most:
            break
        coefficients, rest = least_squares(z, y, support)
        if rest.std() <= EXACT:
            support = support[np.abs(coefficients) > EXACT]
            return FourierSeries(support, least_squares(z, y, support)[0])
        found = search.missing(rest, support)
        if len(found) == 0:
            break
        support = np.unique(np.concatenate([support, found]), axis=0)
    return None


def sparse_fits(
    data: Data, folds: list[np.ndarray], known: FourierSeries | None = None
) -> list[FourierSeries] | None:
    """The sparse series without each of the folds, and last of all rows; None if there is none."""
    found = pursue(*data, known)
    if found is None:
        return None
    rows = np.arange(len(data.y))
    rests = [np.setdiff1d(rows, out) for out in folds]
    fits = [least_squares(data.z[rest], data.y[rest], found.support)[0] for rest in rests]
    return [*(FourierSeries(found.support, fit) for fit in fits), found]


def least_squares(
    z: np.ndarray, y: np.ndarray, support: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (s,) of a support that is much smaller than the number of values, and the rest.

    The Gram matrix of signs is exact in single precision, and one step of iterative refinement
    takes the rounding of the solution away.
    """
    chi = characters(z < 0, support)
    single = chi.astype(np.float32)
    factor = cho_factor((single.T @ single).astype(np.float64) + 1e-9 * np.eye(len(support)))
    coefficients, rest = np.zeros(len(support)), y
    for _ in range(3):
        coefficients = coefficients + cho_solve(factor, chi.T @ rest)
        rest = y - chi @ coefficients
    return coefficients, rest


class Search:
    """Looks for sets that correlate with a rest, the cheap ways first."""

    def __init__(self, z: np.ndarray) -> None:
        """For values at the rows of z; so many sets may still be enumerated."""
        self.z, self.left = z, ENUMERATED

    def missing(self, rest: np.ndarray, support: np.ndarray) -> np.ndarray:
        """The strongest sets that are hardly there by chance, bool (k, n)."""
        m, n = self.z.shape
        unit = (rest / (rest.std() * np.sqrt(m))).astype(np.float32)
        found = self._near(unit, support)
        for size in range(3, min(n, LARGEST) + 1):
            if len(found) or comb(n, size) > self.left:
                break
            self.left -= comb(n, size)
            found = self._all_of(size, unit)
        return found

    def _near(self, unit: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Pairs, and the sets with one player more or less than one of the support."""
        n = self.z.shape[1]
        pairs = np.triu(self.z.T @ (self.z * unit[:, None]), 1)
        chi = characters(self.z < 0, support).astype(np.float32)
        steps = (chi * unit[:, None]).T @ self.z
        size = np.abs(np.concatenate([pairs.ravel(), steps.ravel()]))
        best = _strongest(size, comb(n, 2) + steps.size, PARENTS * PER_ROUND)
        parent, player = np.divmod(best, n)
        rows = np.concatenate([np.eye(n, dtype=bool), support])[parent]
        rows[np.arange(len(rows)), player] ^= True
        _, first = np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)
        return rows[np.sort(first)[:PER_ROUND]]

    def _all_of(self, size: int, unit: np.ndarray) -> np.ndarray:
        """All sets of one size: those without their last player, times each player after it."""
        m, n = self.z.shape
        signs, firsts = np.ascontiguousarray(self.z.T), _in_order_of_the_last(n - 1, size - 1)
        step = max(1, BLOCK // m)
        found = [(np.zeros((0, size), dtype=np.int64), np.zeros(0))]
        for start in range(0, len(firsts), step):
            block = firsts[start : start + step]
            chi = signs[block[:, 0]] * unit
            for players in block.T[1:]:
                chi *= signs[players]
            after = int(block[0, -1]) + 1
            strength = np.abs(chi @ self.z[:, after:])
            strength[np.arange(after, n) <= block[:, -1:]] = 0.0
            best = _strongest(strength.ravel(), comb(n, size))
            row, player = np.divmod(best, n - after)
            sets = np.concatenate([block[row], after + player[:, None]], axis=1)
            found.append((sets, strength[row, player]))
        sets, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        best = np.argsort(-values, kind="stable")[:PER_ROUND]
        rows = np.zeros((len(best), n), dtype=bool)
        rows[np.arange(len(best))[:, None], sets[best]] = True
        return rows


def _strongest(strength: np.ndarray, candidates: int, count: int = PER_ROUND) -> np.ndarray:
    """Places of the largest that are hardly the work of chance among as many candidates."""
    chance = np.sqrt(2 * np.log(max(candidates, 2))) - LENIENT
    above = np.flatnonzero(strength > chance)
    return above[np.argsort(-strength[above], kind="stable")[:count]]


def _in_order_of_the_last(n: int, size: int) -> np.ndarray:
    """All sets of ``size`` among n players, int (k, size), sorted by their last player."""
    rows = np.arange(n)[:, None]
    for d in range(1, size):
        counts = [comb(last, d) for last in range(n)]
        parts = [np.insert(rows[:count], d, last, axis=1) for last, count in enumerate(counts)]
        rows = np.concatenate(parts)
    return rows
