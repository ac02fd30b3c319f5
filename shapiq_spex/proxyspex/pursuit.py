"""Finds the sets of a sparse game by what they explain of the values not yet explained.

A set that is missing from the support correlates with the rest: the mean of chi_S(x_j) r_j is F(S)
but for a deviation of sd(r) / sqrt(m). All pairs and all sets one player away from the support are
looked at again and again; where these show nothing more, all sets of three players and larger that
stand out of some of the rows, as far as they can be enumerated: three players among 1000, four
among 100 or five among 50. A larger set is found through its subsets alone.
"""

from __future__ import annotations

from math import comb, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from shapiq_spex.spectral.characters import characters, moments_of, values_of
from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from .process import Data

EXACT = 1e-6  # standard deviations of the values: what is left below is rounding
SPARE = 30  # values beside SHARE sets for each: fewer unknowns than equations by far
SHARE = 1 / 3
MOST = 800  # sets of a support that may still grow
ROUNDS = 40
PER_ROUND = 50
PARENTS = 8  # sets of the support next to one and the same missing set, as hierarchies have them
# Deviations below the largest of as many draws of chance, where a set is taken: a false one does
# little harm, and one next to the support is likelier than any other.
LENIENT, LENIENT_NEAR = 0.5, 0.8
LENIENT_FIRST = 2.0  # on the rows on which sets are looked at first
ENUMERATED = 5 * 10**6  # sets of three players and more that are looked at in one search
TRIPLES, LOOKS = 2 * 10**8, 2  # up to so many triples are looked at a few times all the same
FIRST, FIRST_SHARE = 512, 1 / 4  # rows on which sets are looked at first, and share of all rows
LARGEST = 5  # size of the sets that are enumerated
LITTLE = 2 / 3  # of the variance left of the rows it was chosen on, and it is no sparse game
WORK = 3 * 10**10  # values times squared players, beyond which it is not done without each fold
TINY = np.finfo(np.float32).tiny
BLOCK = 2**18  # entries of a matrix of characters made at once


class Pursued(NamedTuple):
    """A sparse series, as far as one was found.

    Attributes:
        series: Least squares on the support.
        rest: What it leaves of the values, float64 (m,).
    """

    series: FourierSeries
    rest: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether nothing but rounding is left, of values of variance about 1."""
        return bool(self.rest.std() <= EXACT)

    @property
    def error(self) -> float:
        """Mean squared rest for each degree of freedom."""
        return float(self.rest @ self.rest) / (len(self.rest) - len(self.series))

    def refitted(self, data: Data, folds: list[np.ndarray]) -> list[FourierSeries]:
        """The coefficients of this support without each of the folds, and last with all rows."""
        support = self.series.support
        fits = [least_squares(*data.without(out), support)[0] for out in folds]
        return [*(FourierSeries(support, fit) for fit in fits), self.series]

    def strict(self, data: Data) -> Pursued:
        """Without the sets that chance might have found among all of their size."""
        support, coefficients = self.series.support, self.series.coefficients
        n, sizes = support.shape[1], self.series.degrees
        least = np.array([_chance(comb(n, size)) for size in range(sizes.max() + 1)])
        deviation = np.sqrt(self.error / (len(self.rest) - len(sizes)))
        kept = (np.abs(coefficients) > least[sizes] * deviation) | (sizes == 0)
        if kept.all():
            return self
        fewer, rest = least_squares(*data, support[kept])
        return Pursued(FourierSeries(support[kept], fewer), rest).strict(data)

    def better_than(
        self, error: float, data: Data, folds: list[np.ndarray]
    ) -> tuple[Pursued, list[FourierSeries]] | None:
        """This one or the strict one, with the series pursued anew without each of the folds.

        Args:
            error: The mean squared error at rows held out that they have to beat, else None.
            data: What this was found in.
            folds: Rows to hold out.
        """
        m, n = data.z.shape
        strict = self.strict(data)
        # What it leaves of rows that it saw is the least that it can leave.
        if strict.error >= min(error, LITTLE) or m * n**2 > WORK:
            return None
        rests = [data.without(out) for out in folds]
        found = [pursue(*rest) for rest in rests]
        fewer = [one.strict(rest) for one, rest in zip(found, rests, strict=True)]
        best = None
        for last, held_out in ((self, found), (strict, fewer)):
            pairs = zip(folds, held_out, strict=True)
            left = [data.y[out] - values_of(one.series, data.z[out]) for out, one in pairs]
            if (wrong := float((np.concatenate(left) ** 2).mean())) < error:
                best, error = (last, [one.series for one in held_out]), wrong
        return best


def pursue(z: np.ndarray, y: np.ndarray, known: FourierSeries | None = None) -> Pursued:
    """The sparse series to which all sets that stand out of what is left lead.

    Args:
        z: Signs of the observed coalitions, float32 (m, n).
        y: Values of variance about 1, (m,).
        known: Terms that are likely in it.

    Example:
        >>> z = 1 - 2 * (np.random.default_rng(0).random((300, 40)) < 0.5).astype(np.float32)
        >>> y = z[:, 3] - 2.0 * z[:, [5, 6, 9]].prod(axis=1)
        >>> found = pursue(z, y)
        >>> {players: round(f, 9) for players, f in found.series.terms().items() if players}
        {(3,): 1.0, (5, 6, 9): -2.0}
        >>> found.exact
        True
    """
    n, most = z.shape[1], min(SHARE * (len(y) - SPARE), MOST)
    support = np.zeros((1, n), dtype=bool)
    if known is not None:
        support = np.unique(np.concatenate([support, known.support]), axis=0)
    search, found = Search(z), Pursued(FourierSeries.constant(n, y.mean()), y - y.mean())
    for _ in range(ROUNDS):
        if len(support) > most:
            break
        coefficients, rest = least_squares(z, y, support)
        found = Pursued(FourierSeries(support, coefficients), rest)
        if found.exact:
            support = support[(np.abs(coefficients) > EXACT) | ~support.any(axis=1)]
            coefficients, rest = least_squares(z, y, support)
            return Pursued(FourierSeries(support, coefficients), rest)
        missing = search.missing(rest, support)
        if len(missing) == 0:
            break
        support = np.unique(np.concatenate([support, missing]), axis=0)
    return found


def least_squares(
    z: np.ndarray, y: np.ndarray, support: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (s,) of a support that is much smaller than the number of values, and the rest.

    The Gram matrix of signs is exact in single precision, and two steps of iterative refinement
    take the rounding of the solution away.
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
        """For values at the rows of z; so many sets may still be looked at, and so often."""
        self.z, self.left, self.looks = z, ENUMERATED, LOOKS

    def missing(self, rest: np.ndarray, support: np.ndarray) -> np.ndarray:
        """The strongest sets that are hardly there by chance, bool (k, n)."""
        m, n = self.z.shape
        unit = (rest / (rest.std() * np.sqrt(m))).astype(np.float32)
        found = self._near(unit, support)
        for size in range(3, min(n, LARGEST) + 1):
            if len(found) == 0 and self._may_look_at(size):
                found = self._all_of(size, unit)
        return found

    def _may_look_at(self, size: int) -> bool:
        """Whether so many sets may still be looked at, which is then counted."""
        count = comb(self.z.shape[1], size)
        if count <= self.left:
            self.left -= count
        elif size == 3 and ENUMERATED < count <= TRIPLES and self.looks:
            self.looks -= 1
        else:
            return False
        return True

    def _near(self, unit: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Pairs, and the sets with one player more or less than one of the support."""
        n = self.z.shape[1]
        pairs = np.triu(self.z.T @ (self.z * unit[:, None]), 1)
        chi = characters(self.z < 0, support).astype(np.float32)
        steps = (chi * unit[:, None]).T @ self.z
        places, strength = [], []
        least = _chance(comb(n, 2)) - LENIENT, _chance(steps.size) - LENIENT_NEAR
        for first, some, enough in zip((0, n), (pairs, steps), least, strict=True):
            above = np.flatnonzero(np.abs(some) > enough)
            places.append(first * n + above)
            strength.append(np.abs(some.ravel()[above]))
        best = np.argsort(-np.concatenate(strength), kind="stable")[: PARENTS * PER_ROUND]
        parent, player = np.divmod(np.concatenate(places)[best], n)
        rows = np.concatenate([np.eye(n, dtype=bool), support])[parent]
        rows[np.arange(len(rows)), player] ^= True
        _, first = np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)
        return rows[np.sort(first)[:PER_ROUND]]

    def _all_of(self, size: int, unit: np.ndarray) -> np.ndarray:
        """All sets of one size, of which those are looked at closely that stand out of few rows."""
        m, n = self.z.shape
        count = comb(n, size)
        few = unit[: max(FIRST, int(FIRST_SHARE * m)) if count <= ENUMERATED else FIRST]
        chance, length = _chance(count), max(float(np.linalg.norm(few)), TINY)
        sets = self._standing_out(size, few / length, chance - LENIENT_FIRST)
        support = np.zeros((len(sets), n), dtype=bool)
        support[np.arange(len(sets))[:, None], sets] = True
        found = FourierSeries(support, np.zeros(len(sets)))
        strength = np.abs(moments_of(found, self.z, unit))
        above = np.flatnonzero(strength > chance - LENIENT)
        return found.support[above[np.argsort(-strength[above], kind="stable")[:PER_ROUND]]]

    def _standing_out(self, size: int, unit: np.ndarray, least: float) -> np.ndarray:
        """Those larger than needed on the first rows: without their last player, times each later.

        Args:
            size: Players of a set.
            unit: What is left at these rows, of length 1, float32 (k,).
            least: What the sum of unit_j chi_S(x_j) has to exceed.
        """
        n, some = self.z.shape[1], self.z[: len(unit)]
        signs, firsts = np.ascontiguousarray(some.T), _in_order_of_the_last(n - 1, size - 1)
        step, found = max(1, BLOCK // len(some)), [np.zeros((0, size), dtype=np.int64)]
        for start in range(0, len(firsts), step):
            block = firsts[start : start + step]
            chi = signs[block[:, 0]] * unit
            for players in block.T[1:]:
                chi *= signs[players]
            after = int(block[0, -1]) + 1
            strength = np.abs(chi @ some[:, after:])
            row, player = np.nonzero(strength > least)
            later = after + player > block[row, -1]
            found.append(np.concatenate([block[row], after + player[:, None]], axis=1)[later])
        return np.concatenate(found)


def _chance(candidates: int) -> float:
    """About the largest of as many draws of chance."""
    return sqrt(2 * log(max(candidates, 2)))


def _in_order_of_the_last(n: int, size: int) -> np.ndarray:
    """All sets of ``size`` among n players, int (k, size), sorted by their last player."""
    rows = np.arange(n)[:, None]
    for d in range(1, size):
        counts = [comb(last, d) for last in range(n)]
        parts = [np.insert(rows[:count], d, last, axis=1) for last, count in enumerate(counts)]
        rows = np.concatenate(parts)
    return rows
