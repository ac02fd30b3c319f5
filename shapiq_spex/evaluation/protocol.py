"""What an evaluator asks of a game, and what it may hear."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.checks import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    Aggregate = Callable[[NDArray[np.float64]], ArrayLike]

__all__ = [
    "aggregated",
    "ask",
    "check_path",
    "gives_outputs",
    "number_of_players",
    "silenced",
]


def gives_outputs(game: Any) -> bool:
    """Whether the game gives a row of outputs a coalition, and says how they make one value."""
    return callable(getattr(game, "outputs", None)) and callable(getattr(game, "aggregate", None))


def ask(game: Any, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what the game gives for coalitions (m, n): a new array (m, k).

    Raises:
        TypeError: If it gives something else than real numbers.
        ValueError: If it gives another shape.

    Examples:
        >>> ask(lambda x: x.sum(axis=1), np.array([[True, True], [False, True]])).tolist()
        [[2.0], [1.0]]
    """
    m = len(coalitions)
    answer = game.outputs(coalitions) if gives_outputs(game) else game(coalitions)
    try:
        given = np.asarray(answer)
    except ValueError:
        msg = (
            f"A game needs to return one number, or one row of numbers, for each of {m} "
            f"coalitions, got a {type(answer).__name__} of rows of different lengths."
        )
        raise ValueError(msg) from None
    if given.ndim not in {1, 2} or len(given) != m or given.size == 0:
        msg = (
            f"A game needs to return one number, or one row of numbers, for each of {m} "
            f"coalitions, got the shape {given.shape}."
        )
        raise ValueError(msg)
    return _as_real(given).reshape(m, -1)


def _as_real(given: NDArray[Any]) -> NDArray[np.float64]:
    if given.dtype.kind in "biufO":  # complex numbers would be cut, texts be read
        with suppress(TypeError, ValueError, OverflowError):
            return given.astype(np.float64)
    msg = f"A game needs to return real numbers, got {given.dtype} values."
    raise TypeError(msg)


def aggregated(outputs: NDArray[np.float64], aggregate: Aggregate | None) -> NDArray[np.float64]:
    """Make one value (m,) of each row of outputs (m, k).

    Raises:
        ValueError: If k > 1 and no one has said how, or if a value is NaN or infinite.

    Examples:
        >>> aggregated(np.array([[1.0, 2.0]]), lambda outputs: outputs.sum(axis=1))
        array([3.])
    """
    if aggregate is None and outputs.shape[1] > 1:
        msg = (
            f"The game gives {outputs.shape[1]} numbers a coalition and an approximator needs one: "
            "say how with evaluator.reading(lambda outputs: outputs.mean(axis=1)), or the like. "
            "What was evaluated is kept."
        )
        raise ValueError(msg)
    values = np.asarray(outputs if aggregate is None else aggregate(outputs), dtype=np.float64)
    if values.shape not in {(len(outputs),), (len(outputs), 1)}:
        msg = (
            f"A reading needs to make {len(outputs)} values of outputs of shape {outputs.shape}, "
            f"got the shape {values.shape}."
        )
        raise ValueError(msg)
    if broken := int((~np.isfinite(values)).sum()):
        msg = f"A reading made NaN or infinity of the outputs of {broken} coalitions."
        raise ValueError(msg)
    return values.reshape(-1)


def number_of_players(game: Any, n_players: int | None) -> int:
    """The number given or the game's own, which must agree.

    Raises:
        TypeError: If this is no game.
        ValueError: If neither is there, if they differ, or if it is no positive whole number.
    """
    if not callable(game) and not gives_outputs(game):
        msg = f"Evaluator needs a game, something that can be called, got a {type(game).__name__}."
        raise TypeError(msg)
    told = getattr(game, "n_players", None)
    n = told if n_players is None else n_players
    if n is None:
        msg = "Evaluator needs n_players for a game that does not tell its number of players."
        raise ValueError(msg)
    if told is not None and told != n:
        msg = f"Evaluator was given n_players={n}, but the game has {told}."
        raise ValueError(msg)
    return whole("Evaluator", "n_players", n)


def check_path(store: Any) -> None:
    """Refuse what cannot be a file's name.

    Raises:
        TypeError: If it is neither a text nor a path.
    """
    if not isinstance(store, str | os.PathLike):
        msg = f"Evaluator needs store to be the path of a file, got {store!r}."
        raise TypeError(msg)


@contextmanager
def silenced(game: Any) -> Iterator[None]:
    """Switch off what a game shows by itself: one bar is enough."""
    loud = [name for name in ("progress", "verbose") if getattr(game, name, False) is True]
    for name in loud:
        setattr(game, name, False)
    try:
        yield
    finally:
        for name in loud:
            setattr(game, name, True)
