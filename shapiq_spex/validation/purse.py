"""Values of a game with what is known already, and a budget for what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapiq_spex.approximator import Asked
from shapiq_spex.spectral.draws import draw_new

if TYPE_CHECKING:
    import numpy as np

    from shapiq_spex.result import Recovery


class Purse(Asked):
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
        coalitions: Those with values, bool (m, n).
    """

    def __init__(self, game: Any, result: Recovery, budget: int) -> None:
        """See the class."""
        super().__init__(game, result.series.n)
        self.n, self.left, self.n_new = result.series.n, budget, 0
        self.add(result.plan.coalitions, result.values)

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,) of bool coalitions (m, n); their :meth:`cost` has to be there."""
        price = self.cost(coalitions)
        values = super().__call__(coalitions)
        self.left, self.n_new = self.left - price, self.n_new + price
        return values

    def cost(self, coalitions: np.ndarray) -> int:
        """How many of some coalitions would have to be evaluated."""
        rows = self.unknown(coalitions)
        missing = getattr(self.game, "missing", None)
        return len(rows) if missing is None or not len(rows) else len(missing(rows))

    def draw(self, count: int, rng: np.random.Generator, keep: float) -> np.ndarray:
        """Unknown coalitions, as many as wanted and affordable at most, bool (m, n)."""
        return draw_new(self.n, min(count, self.left), self.coalitions, rng, keep)
