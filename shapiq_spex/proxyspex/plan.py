"""Which coalitions ProxySPEX asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class UniformPlan:
    """The empty and the full coalition, and others drawn uniformly without repeats.

    Attributes:
        coalitions: Bool (budget, n), all distinct, the empty and the full one first.
    """

    coalitions: np.ndarray

    def __str__(self) -> str:
        """One line."""
        m, n = self.coalitions.shape
        return f"{m} distinct coalitions of {n} players: empty, full and {m - 2} uniform ones"


def plan_uniform(n: int, budget: int, rng: np.random.Generator) -> UniformPlan:
    """Draw the plan.

    Args:
        n: Number of players.
        budget: Number of coalitions, 2 <= budget <= 2^n.
        rng: Source of all randomness.

    Example:
        >>> print(plan_uniform(60, 300, np.random.default_rng(0)))
        300 distinct coalitions of 60 players: empty, full and 298 uniform ones
    """
    ends = np.stack([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)])
    if n <= 20:  # few enough to draw from a list of all others
        drawn = 1 + rng.choice(2**n - 2, size=budget - 2, replace=False)
        others = (drawn[:, None] >> np.arange(n) & 1).astype(bool)
    else:
        others = _distinct(n, budget - 2, rng)
    return UniformPlan(np.concatenate([ends, others]))


def _distinct(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct uniform rows that are neither empty nor full, in the order drawn."""
    rows = np.zeros((0, n), dtype=bool)
    while len(rows) < count:
        new = rng.random((count - len(rows), n), dtype=np.float32) < 0.5
        rows = np.concatenate([rows, new[new.any(axis=1) & ~new.all(axis=1)]])
        _, first = np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)
        rows = rows[np.sort(first)]
    return rows
