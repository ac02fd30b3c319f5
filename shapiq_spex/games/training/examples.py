"""Training examples and test points, and the players that are made of the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Data", "ExampleGroup", "grouped", "rows_of"]


@dataclass(frozen=True)
class Data:
    """Training examples and test points.

    Attributes:
        X: The inputs of the training examples, whatever the learner takes: array, tensor, sparse
            matrix, data frame or list, one example a row.
        y: Their labels or targets, shape (examples,).
        X_test: The inputs of the test points.
        y_test: Their labels or targets, shape (t,).
    """

    X: Any
    y: NDArray[Any]
    X_test: Any
    y_test: NDArray[Any]

    @classmethod
    def of(cls, X: Any, y: Any, X_test: Any, y_test: Any) -> Data:
        """Bring lists and tensors into shape, and see that inputs and labels fit together.

        Raises:
            ValueError: If the numbers of inputs and labels differ, or there are none.
        """
        parts = []
        for what, inputs, labels in (("training", X, y), ("test", X_test, y_test)):
            rows, targets = _rows(inputs), np.asarray(labels)
            n_rows = rows.shape[0]
            if targets.ndim != 1 or n_rows != len(targets) or not n_rows:
                msg = (
                    f"TrainingGame needs one label for each of the {what} inputs and at least one "
                    f"of them, got {n_rows} inputs and labels of shape {targets.shape}."
                )
                raise ValueError(msg)
            parts += [rows, targets]
        return cls(*parts)


@dataclass(frozen=True)
class ExampleGroup:
    """A player: training examples that come and go together.

    Attributes:
        name: Its name.
        examples: The numbers of its training examples.
        label: The label that they all have, None if they differ.
    """

    name: str
    examples: tuple[int, ...]
    label: Any


def grouped(
    players: Sequence[Any] | None, y: NDArray[Any]
) -> tuple[tuple[ExampleGroup, ...], NDArray[np.intp]]:
    """Return the players, and which of them owns each example.

    Args:
        players: One name for each example, None for those always there; or None for one player
            each.
        y: The labels, shape (examples,).

    Returns:
        The players in the order of their first examples, and the number of the owner of each
        example, that of players for those always there.

    Raises:
        ValueError: If there is not one name for each example, no player, or two of one text.

    Examples:
        >>> players, owner = grouped(["a", None, "a", "b"], np.array([0, 1, 0, 1]))
        >>> [(player.name, player.examples) for player in players], owner.tolist()
        ([('a', (0, 2)), ('b', (3,))], [0, 2, 0, 1])
    """
    names = list(range(len(y))) if players is None else list(players)
    distinct = list(dict.fromkeys(name for name in names if name is not None))
    if len(names) != len(y) or not distinct or len({*map(str, distinct)}) < len(distinct):
        msg = (
            f"TrainingGame needs players to be one name for each of the {len(y)} examples, None "
            f"for those always there, and names that differ as texts, got {len(names)} names of "
            f"{len(distinct)} players."
        )
        raise ValueError(msg)
    place = {name: number for number, name in enumerate(distinct)} | {None: len(distinct)}
    owner = np.array([place[name] for name in names])
    groups = []
    for number, name in enumerate(distinct):
        examples = np.flatnonzero(owner == number)
        labels = set(y[examples].tolist())
        label = labels.pop() if len(labels) == 1 else None
        groups.append(ExampleGroup(str(name), tuple(examples.tolist()), label))
    return tuple(groups), owner


def rows_of(X: Any, rows: NDArray[np.intp]) -> Any:
    """Return some rows of an array, a sparse matrix or a data frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _rows(inputs: Any) -> Any:
    """Inputs that know their shape; a list of texts or dictionaries becomes an object array."""
    if hasattr(inputs, "shape"):
        return inputs
    if inputs and isinstance(inputs[0], str | dict):
        rows = np.empty(len(inputs), dtype=object)
        rows[:] = inputs
        return rows
    return np.asarray(inputs)
