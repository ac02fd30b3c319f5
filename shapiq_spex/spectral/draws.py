"""Random coalitions that were not asked for yet."""

from __future__ import annotations

import numpy as np

from .known import keys_of
from .walsh import all_coalitions

LISTED = 12  # players up to which all coalitions are listed and the new ones drawn from the list
ROUNDS = 20


def draw_new(
    n: int, count: int, known: np.ndarray, rng: np.random.Generator, keep: float = 0.5
) -> np.ndarray:
    """Draw distinct coalitions that are not among the known ones, each player kept alike.

    Args:
        n: Number of players.
        count: How many.
        known: Bool (k, n).
        rng: Source of all randomness.
        keep: Probability with which a player is present.

    Returns:
        Bool (count, n), or fewer rows where there are hardly any others.

    Example:
        >>> known = np.array([[False, False], [True, True]])
        >>> sorted(draw_new(2, 5, known, np.random.default_rng(0)).tolist())
        [[False, True], [True, False]]
    """
    seen = set(keys_of(known))
    if keep == 0.5 and n <= LISTED:
        rows = all_coalitions(n)
        rows = rows[[key not in seen for key in keys_of(rows)]]
        return rows[rng.permutation(len(rows))[:count]]
    found: list[np.ndarray] = []
    for _ in range(ROUNDS):
        if len(found) >= count:
            break
        rows = rng.random((count, n)) < keep
        for key, row in zip(keys_of(rows), rows, strict=True):
            if key not in seen:
                seen.add(key)
                found.append(row)
    return np.array(found[:count], dtype=bool).reshape(-1, n)
