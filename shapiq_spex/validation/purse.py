"""Values of a game with what is known already, and a budget for what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.approximator import ask
from shapiq_spex.spectral.draws import draw_new

if TYPE_CHECKING:
    from shapiq_spex.result import Recovery


class Purse:
    """A game that is paid for unknown coalitions only, and not beyond a budget.

    Known are the coalitions of the result, those asked for here before, and those an `Evaluator`
    in front of the game has.

    Args:
        game: The game; a function of bool (m, n) will do.
        result: What was recovered from it.
        budget: How many unknown coalitions may be evaluated.

    Attributes:
        n: Number of players.
        left: What is left of the budget.
        n_new: How many unknown coalitions were evaluated.
        known: Coalitions with values, bool (m, n).
    """

    def __init__(self, game: Any, result: Recovery, budget: int) -> None:
        """See the class."""
        self.game, self.left, self.n_new = game, budget, 0
        self.n = result.series.n
        self.known = np.asarray(result.plan.coalitions, dtype=bool)
        self._values = dict(zip(map(bytes, self.known), result.values.tolist(), strict=True))

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,) of bool coalitions (m, n); their :meth:`cost` has to be there."""
        rows = self._unknown(coalitions)
        if len(rows):
            price = self._paid_by_game(rows)
            values = ask(self.game, rows)
            self.left, self.n_new = self.left - price, self.n_new + price
            self._values |= zip(map(bytes, rows), values.tolist(), strict=True)
            self.known = np.concatenate([self.known, rows])
        return np.array([self._values[bytes(row)] for row in coalitions])

    def cost(self, coalitions: np.ndarray) -> int:
        """How many of some coalitions would have to be evaluated."""
        return self._paid_by_game(self._unknown(coalitions))

    def draw(self, count: int, rng: np.random.Generator, keep: float) -> np.ndarray:
        """Unknown coalitions, as many as wanted and affordable at most, bool (m, n)."""
        rows = draw_new(self.n, min(count, self.left), self.known, rng, keep)
        return rows[: self.left]

    def _unknown(self, coalitions: np.ndarray) -> np.ndarray:
        rows = np.asarray(coalitions, dtype=bool)
        first = {bytes(row): i for i, row in reversed(list(enumerate(rows)))}
        return rows[sorted(i for key, i in first.items() if key not in self._values)]

    def _paid_by_game(self, rows: np.ndarray) -> int:
        missing = getattr(self.game, "missing", None)
        return len(rows) if missing is None or not len(rows) else len(missing(rows))
