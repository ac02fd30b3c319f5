"""Which coalitions ProxySPEX asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapiq_spex.spectral.walsh import table_index

from .spread import reach, spread

NEAR = 4  # one in so many coalitions is near an end, as soon as these have room for the border
LISTED = 20  # players up to which all coalitions are listed to draw from


@dataclass(frozen=True)
class MaskPlan:
    """The two ends, coalitions near them, and uniform ones moved apart; no coalition twice.

    Attributes:
        coalitions: Bool (budget, n): the empty and the full one, those near them, uniform ones.
        n_near: How many are near the ends.
    """

    coalitions: np.ndarray
    n_near: int = 0

    @property
    def near(self) -> slice | None:
        """Where those near the ends stand, None if there are none."""
        return slice(2, 2 + self.n_near) if self.n_near else None

    def part(self, budget: int) -> tuple[MaskPlan, np.ndarray]:
        """The plan of half the budget or less, and which rows of this one it takes, int (k,)."""
        n_near = min(self.n_near, _near(self.coalitions.shape[1], budget))
        rows = np.r_[: 2 + n_near, 2 + self.n_near : self.n_near + budget - n_near]
        return MaskPlan(self.coalitions[rows], n_near), rows

    def __str__(self) -> str:
        """One line."""
        m, n = self.coalitions.shape
        parts, pairs = ["empty", "full"], self.n_near - 2 * n
        if self.n_near:
            parts.append(f"{2 * n} next to them")
        if pairs > 0:
            parts.append(f"{pairs} in complementary pairs of the Shapley kernel's sizes")
        uniform = m - 2 - self.n_near
        moved = min(uniform, reach(n)) // 2
        what = f"{', '.join(parts)} and {uniform} uniform ones, {moved} of them moved apart"
        return f"{m} distinct coalitions of {n} players: {what}"


def plan_masks(n: int, budget: int, rng: np.random.Generator, *, near: bool = False) -> MaskPlan:
    """Draw the plan.

    Indices of Shapley's kind weigh coalitions of every size alike, or those near the ends most,
    which uniform coalitions of many players never come near to. With ``near``, and from 8 n
    coalitions on, a quarter of the budget serves them: the 2 n coalitions that hold or lack a
    single player, and then pairs of a coalition and its complement, of a size s with probability
    in proportion to 1 / (s (n - s)) as in the kernel of Lundberg and Lee (2017).

    All others are drawn uniformly, and every other one of them is moved away from the rest, as far
    as that is a matter of a second or two (:func:`shapiq_spex.proxyspex.spread.spread`).

    Args:
        n: Number of players.
        budget: Number of coalitions, 2 <= budget <= 2^n.
        rng: Source of all randomness.
        near: Whether coalitions near the ends are wanted.

    Example:
        >>> print(plan_masks(9, 80, np.random.default_rng(0)))
        80 distinct coalitions of 9 players: empty, full and 78 uniform ones, 39 of them moved apart
        >>> print(plan_masks(14, 224, np.random.default_rng(0), near=True).n_near)
        56
    """
    rows = np.stack([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)])
    n_near = _near(n, budget) if near else 0
    if n_near:
        border = np.eye(n, dtype=bool)
        rows = _with_pairs(np.concatenate([rows, border, ~border]), 2 + n_near, rng)
    taken = rows
    rows = _with_others(taken, min(budget, len(taken) + reach(n)), rng)
    rows = np.concatenate([taken, spread(rows[len(taken) :], taken, rng)])
    return MaskPlan(_with_others(rows, budget, rng), n_near)


def _near(n: int, budget: int) -> int:
    """How many coalitions near the ends a budget has room for."""
    n_near = budget // NEAR // 2 * 2
    return n_near if n_near >= 2 * n and n >= 4 else 0


def _with_pairs(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows filled up to ``count`` with new pairs of complements, 2 to n - 2 players in each."""
    n = rows.shape[1]
    sizes = np.arange(2, n - 1)
    shares = 1 / (sizes * (n - sizes))
    while len(rows) < count:
        drawn = rng.choice(sizes, size=(count - len(rows)) // 2, p=shares / shares.sum())
        order = rng.random((len(drawn), n), dtype=np.float32).argsort(axis=1).argsort(axis=1)
        one = order < drawn[:, None]
        rows = _distinct(np.concatenate([rows, np.stack([one, ~one], axis=1).reshape(-1, n)]))
    return rows


def _with_others(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows filled up to ``count`` with new uniform ones."""
    n = rows.shape[1]
    if n <= LISTED:
        free = np.delete(np.arange(2**n), table_index(rows))
        drawn = rng.choice(free, size=count - len(rows), replace=False)
        return np.concatenate([rows, (drawn[:, None] >> np.arange(n) & 1).astype(bool)])
    while len(rows) < count:
        drawn = rng.random((count - len(rows), n), dtype=np.float32) < 0.5
        rows = _distinct(np.concatenate([rows, drawn]))
    return rows


def _distinct(rows: np.ndarray) -> np.ndarray:
    """The rows without repeats, in their order."""
    _, first = np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)
    return rows[np.sort(first)]
