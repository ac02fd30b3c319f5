"""Coalitions and sets of players as matrices: checked, packed into bits, summed by rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    Rows = int | slice | np.ndarray


@dataclass(frozen=True)
class PackedCoalitions:
    """A bool matrix (m, n) kept as bits, unpacked a few rows at a time.

    Indexing with a slice, a list of rows or a bool mask gives the bool rows, so wherever only
    ``len`` and blocks of rows are needed it stands for the matrix.

    Attributes:
        bits: Eight players a byte, uint8 (m, ceil(n / 8)), the first player the highest bit.
        n: Number of players.

    Example:
        >>> packed = PackedCoalitions.of(np.array([[True, False, True], [False, True, True]]))
        >>> len(packed), packed[1:].tolist()
        (2, [[False, True, True]])
    """

    bits: np.ndarray
    n: int

    @classmethod
    def of(cls, coalitions: np.ndarray) -> PackedCoalitions:
        """Pack a bool matrix (m, n)."""
        return cls(np.packbits(coalitions, axis=1), coalitions.shape[1])

    def __len__(self) -> int:
        """Number of coalitions m."""
        return len(self.bits)

    def __getitem__(self, rows: Rows) -> np.ndarray:
        """Some rows as a bool array."""
        return np.unpackbits(self.bits[rows], axis=-1, count=self.n).astype(bool)

    @property
    def keys(self) -> np.ndarray:
        """One comparable and hashable item a coalition, (m,)."""
        bits = np.ascontiguousarray(self.bits)
        return bits.view(np.dtype((np.void, bits.shape[1]))).ravel()


def rows_of(coalitions: np.ndarray | PackedCoalitions, rows: Rows) -> np.ndarray | PackedCoalitions:
    """Some rows; those of packed coalitions stay packed."""
    if isinstance(coalitions, PackedCoalitions):
        return PackedCoalitions(coalitions.bits[rows], coalitions.n)
    return coalitions[rows]


def checked_coalitions(coalitions: np.ndarray, n: int) -> np.ndarray:
    """The coalitions as a bool matrix (m, n); 0/1 numbers pass, anything else is refused.

    Raises:
        ValueError: If the shape is not (m, n) or an entry is not 0 or 1.

    Example:
        >>> checked_coalitions(np.array([[0, 1]]), 2)
        array([[False,  True]])
    """
    coalitions = np.asarray(coalitions)
    if coalitions.ndim != 2 or coalitions.shape[1] != n:
        msg = f"coalitions need the shape (m, {n}), got {coalitions.shape}."
        raise ValueError(msg)
    if coalitions.dtype == bool:
        return coalitions
    present = coalitions == 1
    if not (present | (coalitions == 0)).all():
        msg = "coalitions need entries 0 or 1 (False or True), got something else."
        raise ValueError(msg)
    return present


def sum_rows(rows: np.ndarray, values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Unique int rows (k, d) in range(n), sorted, and the sums of their values."""
    d = rows.shape[1]
    if d == 0:
        return rows[:1], values.sum(keepdims=True)[: len(rows)]
    if n**d < 2**62:
        place = np.int64(n) ** np.arange(d - 1, -1, -1)
        keys, inverse = np.unique(rows @ place, return_inverse=True)
        unique = keys[:, None] // place % n
    else:
        unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    return unique, np.bincount(inverse.ravel(), weights=values, minlength=len(unique))
