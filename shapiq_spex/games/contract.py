"""What every game of this package promises.

A game is a ``shapiq.Game`` that gives every subset of its players (a coalition) one number.

1. ``value_function(coalitions)`` takes a matrix of shape (m, n), True where a player is present,
   and returns m float64 values in the same order. 0/1 integers are accepted, anything else is
   refused in a sentence, before anything is evaluated.
2. The value of a coalition is a fixed number: it depends neither on the other rows of the matrix
   nor on the order or the number of the calls. Values are not centred.
3. A game whose class attribute ``keeps_values`` is True evaluates a coalition at most once in its
   life, and what it had computed when a run failed or was interrupted is not computed again. The
   caller can hand such a game the whole matrix at once. ``missing(coalitions)``, where there is
   one, returns those that it would really have to run.
4. No value is NaN or infinite: the game raises instead, and says for how many coalitions.
5. Player names are distinct, so coalitions can be given to shapiq by name.
6. A game may keep more of a coalition than its value. ``outputs(coalitions)`` then returns float64
   of shape (m, k), ``aggregate(outputs)`` the values (m,) read from it, and ``value_function`` is
   the one after the other. ``identity``, a dictionary fit for JSON, holds all that decides the
   outputs, and nothing that only decides how they are read. ``n_tokens(coalitions)`` tells what a
   language model would have to read, before anything is run.
7. The game shows its own progress; shapiq's ``verbose`` would evaluate one row at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_coalitions"]


def check_coalitions(coalitions: ArrayLike, n_players: int) -> NDArray[np.bool_]:
    """Return the coalitions as a bool matrix, or say what is wrong with them.

    Args:
        coalitions: Bool or 0/1 integers of shape (m, n_players); True or 1 means present.
        n_players: The number of players n.

    Returns:
        The same coalitions as bool, shape (m, n_players).

    Raises:
        TypeError: If the entries are neither bool nor integers.
        ValueError: If the shape is wrong or an integer is neither 0 nor 1.

    Examples:
        >>> check_coalitions([[0, 1, 1]], n_players=3)
        array([[False,  True,  True]])
    """
    matrix = np.asarray(coalitions)
    if matrix.ndim != 2 or matrix.shape[1] != n_players:
        msg = (
            f"Coalitions must be a matrix with one column for each of the {n_players} players, "
            f"but their shape is {matrix.shape}; reshape a single coalition to (1, {n_players})."
        )
        raise ValueError(msg)
    if matrix.dtype == np.bool_:
        return matrix
    if not np.issubdtype(matrix.dtype, np.integer):
        msg = f"Coalitions must be bool or 0/1 integers, but their type is {matrix.dtype}."
        raise TypeError(msg)
    if not np.isin(matrix, (0, 1)).all():
        msg = "Coalitions given as integers may only hold 0 (absent) and 1 (present)."
        raise ValueError(msg)
    return matrix.astype(np.bool_)
