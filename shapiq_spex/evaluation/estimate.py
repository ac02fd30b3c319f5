"""What a budget will cost, judged by a few batches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shapiq_spex.evaluation.evaluator import Evaluator

__all__ = ["Estimate", "estimated"]

_ROUNDS = 3  # and one before them that loads and warms up what has to be
_PART = 50  # a round is this part of the budget
_LEAST = 4  # masks a round
_DRAWS = 20  # of a round; a game of few players may have no new coalition left


@dataclass(frozen=True)
class Estimate:
    """What evaluating a number of masks (coalitions) will cost, judged by a few random ones.

    Attributes:
        masks: How many masks.
        timed: How many were timed to find out.
        seconds: Expected time.
        spread: Its standard deviation, as the batches differ.
        tokens: Expected number of tokens, None if the game cannot count them.
        dollars: Expected price, None if the game has none.

    Examples:
        >>> print(Estimate(5000, 60, 754.0, 31.0, 1_250_000, 0.25))
        5000 masks: 12 min 34 s (± 31 s), 1,250,000 tokens, $0.25; judged by 60 random masks
    """

    masks: int
    timed: int
    seconds: float
    spread: float
    tokens: int | None = None
    dollars: float | None = None

    def __str__(self) -> str:
        """One line."""
        costs = [f"{_duration(self.seconds)} (± {_duration(self.spread)})"]
        if self.tokens is not None:
            costs.append(f"{self.tokens:,} tokens")
        if self.dollars is not None:
            costs.append(f"${self.dollars:,.2f}")
        return f"{self.masks} masks: {', '.join(costs)}; judged by {self.timed} random masks"


def estimated(evaluator: Evaluator, budget: int, size: int, price: float | None) -> Estimate:
    """Evaluate a few batches of at most ``size`` masks; see `Evaluator.estimate`."""
    rng, budget = np.random.default_rng(0), min(budget, 2**evaluator.n_players)
    size = min(size, max(_LEAST, budget // _PART))
    rounds = [_timed_round(evaluator, size, rng) for _ in range(1 + _ROUNDS)]
    rounds = [(rows, seconds) for rows, seconds in rounds if len(rows)]
    rounds = rounds[1:] or rounds
    a_mask = np.array([seconds / len(rows) for rows, seconds in rounds] or [0.0])
    rows = np.concatenate([rows for rows, _ in rounds]) if rounds else np.empty((0, 0), dtype=bool)
    tokens = _tokens(evaluator.game, rows, budget)
    return Estimate(
        masks=budget,
        timed=len(rows),
        seconds=budget * float(a_mask.mean()),
        spread=budget * float(a_mask.std(ddof=min(1, len(a_mask) - 1))),
        tokens=tokens,
        dollars=None if tokens is None or price is None else float(price) * tokens / 1e6,
    )


def _timed_round(
    evaluator: Evaluator, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], float]:
    rows = np.empty((0, evaluator.n_players), dtype=bool)
    for _ in range(_DRAWS):
        if len(rows) < size:
            more = rng.random((size, evaluator.n_players)) < 0.5
            rows = evaluator.missing(np.concatenate([rows, more]))
    rows = rows[:size]
    start = time.perf_counter()
    if len(rows):
        evaluator.outputs(rows)
    return rows, time.perf_counter() - start


def _tokens(game: Any, rows: NDArray[np.bool_], budget: int) -> int | None:
    if not len(rows) or not callable(getattr(game, "n_tokens", None)):
        return None
    return round(budget * float(np.mean(game.n_tokens(rows))))


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds, as many as say something.

    Examples:
        >>> [_duration(s) for s in (0.0123, 5.6, 59.7, 754, 7300)]
        ['0.012 s', '5.6 s', '1 min 0 s', '12 min 34 s', '2 h 1 min']
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
