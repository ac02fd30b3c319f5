"""Sparse Fourier series of functions {0,1}^n -> R: the one place that fixes the sign convention.

A coalition x holds the players with x_i = 1. The characters are chi_S(x) = (-1)^|S and x|, so a
*present* player flips the sign, f(x) = sum_S F(S) chi_S(x), and
F(S) = 2^-n sum_x f(x) chi_S(x).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from .coalitions import PackedCoalitions, checked_coalitions
from .walsh import all_coalitions, table_index, walsh_hadamard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLOCK_ENTRIES = 2**21  # rows x coefficients evaluated at once: about 30 MB of temporaries


class FourierSeries:
    """An immutable sparse Fourier series f(x) = sum_S F(S) (-1)^|S and x|.

    Terms are unique and sorted by degree, then by players; coefficients given twice are added.

    Args:
        support: Bool matrix (s, n), one set S a row.
        coefficients: Finite floats (s,), the F(S).

    Attributes:
        support: Read-only bool (s, n).
        coefficients: Read-only float64 (s,).
        n: Number of players.

    Raises:
        ValueError: If the shapes do not fit together, or a coefficient is not finite.

    Example:
        >>> series = FourierSeries.from_terms(3, {(): 1.0, (0, 2): 0.5})
        >>> series(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 1]])).tolist()
        [1.5, 0.5, 1.5]
    """

    __slots__ = ("coefficients", "support")

    support: np.ndarray
    coefficients: np.ndarray

    def __init__(self, support: np.ndarray, coefficients: np.ndarray) -> None:
        support, coefficients = _checked_terms(support, coefficients)
        support, coefficients = _canonical(support, coefficients)
        support.setflags(write=False)
        coefficients.setflags(write=False)
        object.__setattr__(self, "support", support)
        object.__setattr__(self, "coefficients", coefficients)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a series never changes."""
        msg = f"a FourierSeries is immutable; make a new one instead of setting {name!r}."
        raise AttributeError(msg)

    def __reduce__(self) -> tuple[type, tuple[np.ndarray, np.ndarray]]:
        """Copying and pickling go through the constructor."""
        return type(self), (self.support, self.coefficients)

    # ------------------------------------------------------------------ making one
    @classmethod
    def from_terms(cls, n: int, terms: Mapping[tuple[int, ...], float]) -> FourierSeries:
        """The series of a dictionary {players of S: F(S)}.

        Args:
            n: Number of players.
            terms: Sets as tuples of players in range(n), each with its coefficient.

        Raises:
            ValueError: If a set names a player outside range(n) or one twice.

        Example:
            >>> FourierSeries.from_terms(2, {(1,): 2.0}).terms()
            {(1,): 2.0}
        """
        support = np.zeros((len(terms), n), dtype=bool)
        for row, players in enumerate(terms):
            if len(set(players)) != len(players) or not all(0 <= p < n for p in players):
                msg = f"a term needs distinct players in range({n}), got {players}."
                raise ValueError(msg)
            support[row, list(players)] = True
        return cls(support, np.fromiter(terms.values(), np.float64, len(terms)))

    @classmethod
    def constant(cls, n: int, value: float) -> FourierSeries:
        """The series of a function that is the same everywhere."""
        return cls(np.zeros((1, n), dtype=bool), np.array([value]))

    @classmethod
    def from_rows(cls, n: int, groups: list[tuple[np.ndarray, np.ndarray]]) -> FourierSeries:
        """The series of index rows: each group holds int sets (k, d) and coefficients (k,)."""
        support = np.zeros((sum(len(values) for _, values in groups), n), dtype=bool)
        start = 0
        for rows, values in groups:
            support[np.arange(start, start + len(values))[:, None], rows] = True
            start += len(values)
        return cls(support, np.concatenate([values for _, values in groups] or [np.zeros(0)]))

    @classmethod
    def from_table(cls, table: np.ndarray) -> FourierSeries:
        """The exact series of a complete value table.

        F(S) = 2^-n sum_x f(x) (-1)^|S and x|, by a fast Walsh-Hadamard transform. Coefficients
        that are nothing but rounding (below 4e-16 of the largest value) are left out.

        Args:
            table: Values (2^n,) in the order of :func:`~shapiq_spex.spectral.walsh.all_coalitions`.

        Raises:
            ValueError: If the length is not a power of two of at least 2, or a value not finite.

        Example:
            >>> FourierSeries.from_table(np.array([0.0, 0.0, 0.0, 1.0])).terms()
            {(): 0.25, (0,): -0.25, (1,): -0.25, (0, 1): 0.25}
        """
        table = np.asarray(table, dtype=np.float64)
        n = max(int(table.size).bit_length() - 1, 1)
        if table.shape != (2**n,) or not np.isfinite(table).all():
            msg = f"from_table needs 2^n finite values with n >= 1, got shape {table.shape}."
            raise ValueError(msg)
        spectrum = walsh_hadamard(table) / 2**n
        kept = np.abs(spectrum) > 2 * np.finfo(float).eps * np.abs(table).max()
        return cls(all_coalitions(n)[kept], spectrum[kept])

    @classmethod
    def from_json(cls, text: str) -> FourierSeries:
        """The series that :meth:`to_json` wrote, bit for bit.

        Raises:
            ValueError: If the text is not such a series.

        Example:
            >>> FourierSeries.from_json('{"n": 2, "terms": [[[1], 2.0]]}').terms()
            {(1,): 2.0}
        """
        try:
            data = json.loads(text)
            return cls.from_terms(data["n"], {tuple(players): f for players, f in data["terms"]})
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = f"FourierSeries.from_json needs what to_json wrote, got {text[:60]!r}."
            raise ValueError(msg) from error

    # ------------------------------------------------------------------ reading it
    @property
    def n(self) -> int:
        """Number of players."""
        return self.support.shape[1]

    @property
    def degrees(self) -> np.ndarray:
        """Size |S| of each term, int64 (s,)."""
        return self.support.sum(axis=1)

    def __len__(self) -> int:
        """Number of terms."""
        return len(self.coefficients)

    def __repr__(self) -> str:
        """One line: players, terms, degree."""
        degree = self.degrees.max(initial=0)
        return f"FourierSeries(n={self.n}, terms={len(self)}, degree={degree})"

    def __eq__(self, other: object) -> bool:
        """Same terms and same coefficients, bit for bit."""
        if not isinstance(other, FourierSeries):
            return NotImplemented
        return np.array_equal(self.support, other.support) and np.array_equal(
            self.coefficients, other.coefficients
        )

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, coalitions: np.ndarray | PackedCoalitions) -> np.ndarray:
        """Values of the series on coalitions, in blocks of bounded memory.

        Args:
            coalitions: Bool or 0/1 matrix (m, n), or packed ones.

        Returns:
            Float64 (m,).

        Raises:
            ValueError: If the shape is wrong or an entry is not 0 or 1.
        """
        if not isinstance(coalitions, PackedCoalitions):
            coalitions = checked_coalitions(coalitions, self.n)
        used = self.support.any(axis=0)
        sets = self.support[:, used].T.astype(np.float32)
        out = np.empty(len(coalitions))
        step = max(1, BLOCK_ENTRIES // max(1, len(self), self.n))
        for start in range(0, len(coalitions), step):
            rows = coalitions[start : start + step][:, used].astype(np.float32)
            odd = (rows @ sets).astype(np.int32) & 1  # float32 counts are exact below 2^24
            out[start : start + step] = (1.0 - 2.0 * odd) @ self.coefficients
        return out

    def terms(self) -> dict[tuple[int, ...], float]:
        """The series as {players of S: F(S)}, sorted."""
        out: dict[tuple[int, ...], float] = {}
        for rows, values in self.by_degree():
            out.update(zip(map(tuple, rows.tolist()), values.tolist(), strict=True))
        return out

    def by_degree(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each degree d that occurs: players int64 (k, d) and coefficients (k,)."""
        degrees, players = self.degrees, np.nonzero(self.support)[1]
        ends = np.cumsum(degrees)
        for d in np.unique(degrees):
            which = np.flatnonzero(degrees == d)
            first, last = which[0], which[-1]
            rows = players[ends[first] - d : ends[last]].reshape(len(which), d)
            yield rows, self.coefficients[first : last + 1]

    def energy_by_order(self) -> np.ndarray:
        """Sum of F(S)^2 over the sets of each size 0, 1, ..., degree: float64.

        By Parseval the entries from 1 on add up to the variance over uniform coalitions.

        Example:
            >>> FourierSeries.from_terms(2, {(): 3.0, (0,): 1.0, (1,): 2.0}).energy_by_order()
            array([9., 5.])
        """
        energy = np.bincount(self.degrees, weights=self.coefficients**2, minlength=1)
        return energy.astype(np.float64)  # no terms at all give integers

    def truncate(self, *, count: int | None = None, energy: float | None = None) -> FourierSeries:
        """Keep the constant and the largest other terms, by count or by energy.

        Args:
            count: Number of non-constant terms to keep; of equal ones the first by degree, then
                by players.
            energy: Share in (0, 1] of the non-constant energy sum F(S)^2 to reach with the fewest
                terms; terms tied with the last one kept are kept too.

        Raises:
            ValueError: Unless exactly one of the two is given, in its range.

        Example:
            >>> series = FourierSeries.from_terms(2, {(): 0.1, (0,): 3.0, (1,): -1.0})
            >>> series.truncate(count=1).terms()
            {(): 0.1, (0,): 3.0}
        """
        if (count is None) == (energy is None):
            msg = "truncate needs exactly one of count and energy."
            raise ValueError(msg)
        size = np.where(self.degrees == 0, np.inf, np.abs(self.coefficients))
        if count is not None:
            kept = _largest(size, count, constants=int(np.isinf(size).sum()))
        else:
            kept = size >= _energy_threshold(size[np.isfinite(size)], energy)
        return FourierSeries(self.support[kept], self.coefficients[kept])

    def to_table(self) -> np.ndarray:
        """All 2^n values, in the order of :func:`all_coalitions`; n <= 26."""
        spectrum = np.zeros(2**self.n)
        spectrum[table_index(self.support)] = self.coefficients  # the sets are distinct
        return walsh_hadamard(spectrum)

    def to_json(self) -> str:
        """A JSON text that :meth:`from_json` reads back bit for bit."""
        terms = [[list(players), value] for players, value in self.terms().items()]
        return json.dumps({"n": self.n, "terms": terms})

    # ------------------------------------------------------------------ arithmetic
    def __add__(self, other: FourierSeries) -> FourierSeries:
        """The series of f + g."""
        if not isinstance(other, FourierSeries):
            return NotImplemented
        if other.n != self.n:
            msg = f"adding two series needs equal players, got n={self.n} and n={other.n}."
            raise ValueError(msg)
        return FourierSeries(
            np.concatenate([self.support, other.support]),
            np.concatenate([self.coefficients, other.coefficients]),
        )

    def __mul__(self, factor: float) -> FourierSeries:
        """The series of factor times f."""
        if not np.isscalar(factor):
            return NotImplemented
        return FourierSeries(self.support, self.coefficients * factor)

    __rmul__ = __mul__

    def __neg__(self) -> FourierSeries:
        """The series of -f."""
        return self * -1.0

    def __sub__(self, other: FourierSeries) -> FourierSeries:
        """The series of f - g."""
        return self + -other


def _checked_terms(support: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    support, values = np.asarray(support), np.asarray(values)
    if values.dtype.kind not in "biuf":
        msg = f"FourierSeries needs real coefficients, got an array of {values.dtype}."
        raise ValueError(msg)
    values = values.astype(np.float64)
    if support.ndim != 2 or values.shape != support.shape[:1] or support.shape[1] < 1:
        msg = "FourierSeries needs a support (s, n) with n >= 1 and coefficients (s,), "
        raise ValueError(msg + f"got {support.shape} and {values.shape}.")
    if not np.isfinite(values).all():
        msg = "FourierSeries needs finite coefficients, got NaN or infinity."
        raise ValueError(msg)
    return checked_coalitions(support, support.shape[1]), values


def _canonical(support: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows made unique, sorted by degree and then by players."""
    if len(support) == 0:
        return support.copy(), values.copy()
    # Inverted bits sort the sets of one size in the order of their sorted player tuples.
    degree = support.sum(axis=1).astype(">u4")[:, None].view(np.uint8)
    packed = np.concatenate([degree, np.packbits(~support, axis=1)], axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return support[first], np.bincount(inverse.ravel(), weights=values, minlength=len(first))


def _largest(size: np.ndarray, count: int, *, constants: int) -> np.ndarray:
    if count < 0:
        msg = f"truncate needs a count of at least 0, got {count}."
        raise ValueError(msg)
    return np.sort(np.argsort(-size, kind="stable")[: count + constants])


def _energy_threshold(size: np.ndarray, share: float | None) -> float:
    """Smallest |F| to keep so that the kept terms hold the share of the energy, ties included."""
    if share is None or not 0 < share <= 1:
        msg = f"truncate needs an energy share in (0, 1], got {share}."
        raise ValueError(msg)
    ordered = np.sort(size)[::-1]
    energy = np.cumsum(ordered**2)
    if len(energy) == 0 or energy[-1] == 0:
        return np.inf
    # Ties are equal up to the rounding of the sums behind them.
    last = np.searchsorted(energy, share * energy[-1] * (1 - 1e-12))
    return float(ordered[min(last, len(ordered) - 1)] * (1 - 1e-9))
