"""Many coalitions of many players in little memory."""

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
