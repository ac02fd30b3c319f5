"""Values of coalitions that are known already."""

from __future__ import annotations

import numpy as np


class Known:
    """Values by coalition.

    Args:
        coalitions: Bool (m, n), distinct.
        values: Float64 (m,).

    Attributes:
        coalitions: All there are, in order.
        values: Likewise.

    Example:
        >>> known = Known(np.array([[True, False]]), np.array([2.0]))
        >>> rows = np.array([[True, False], [True, True], [True, True]])
        >>> known.has(rows).tolist(), known.unknown(rows).tolist()
        ([True, False, False], [[True, True]])
        >>> known.add(rows[1:2], [3.0])
        >>> known.look_up(rows)
        array([2., 3., 3.])
    """

    def __init__(self, coalitions: np.ndarray, values: np.ndarray) -> None:
        """See the class."""
        self.coalitions, self.values = coalitions[:0], np.zeros(0)
        self._by_key: dict[bytes, float] = {}
        self.add(coalitions, values)

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of some coalitions are known, bool (k,)."""
        return np.array([key in self._by_key for key in keys_of(rows)], dtype=bool)

    def unknown(self, rows: np.ndarray) -> np.ndarray:
        """Those that are not, each one once, in order."""
        first = {key: i for i, key in reversed(list(enumerate(keys_of(rows))))}
        return rows[sorted(i for key, i in first.items() if key not in self._by_key)]

    def look_up(self, rows: np.ndarray) -> np.ndarray:
        """The values of known coalitions, float64 (k,)."""
        return np.array([self._by_key[key] for key in keys_of(rows)], dtype=np.float64)

    def add(self, rows: np.ndarray, values: np.ndarray | list[float]) -> None:
        """Learn the values (k,) of distinct coalitions that were not known."""
        self.coalitions = np.concatenate([self.coalitions, rows])
        self.values = np.concatenate([self.values, values])
        self._by_key |= zip(keys_of(rows), map(float, values), strict=True)


def keys_of(rows: np.ndarray) -> list[bytes]:
    """What tells coalitions, bool (m, n), from one another."""
    return [row.tobytes() for row in np.packbits(rows, axis=1)]
