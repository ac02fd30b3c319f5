"""What happens where a batch is evaluated: here, in a thread, in a process, on another machine."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from shapiq_spex.evaluation.keys import coalitions_of
from shapiq_spex.evaluation.protocol import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Shipment", "answer", "answer_away"]

# The game this process was last sent. One is enough: a second one might not fit beside it.
_loaded: dict[str, Any] = {}
_loading = threading.Lock()


class Shipment:
    """A game on its way to other processes, each of which unpacks it once.

    It goes along with every batch. What is pickled is an array, which joblib maps into the memory
    of its processes; threads get the game itself.

    Args:
        game: Any game.
        token: Names the game; a process that has unpacked a game of this name does not do so again.
    """

    def __init__(self, game: Any, token: str) -> None:
        """See the class."""
        self._game = game
        self._token = token
        self._packed: NDArray[np.uint8] | None = None

    @property
    def is_away(self) -> bool:
        """Whether this is the copy in another process."""
        return self._game is None

    def game(self) -> Any:
        """The game, unpacked if need be."""
        if not self.is_away:
            return self._game
        import cloudpickle

        with _loading:
            if self._token not in _loaded:
                _loaded.clear()
                _loaded[self._token] = cloudpickle.loads(self._packed)
            return _loaded[self._token]

    def pack(self) -> NDArray[np.uint8]:
        """The pickled game.

        Raises:
            TypeError: If the game cannot be pickled.
        """
        import cloudpickle

        if self._packed is None:
            try:
                pickled = cloudpickle.dumps(self._game)
            except Exception as error:
                msg = (
                    f"The game ({type(self._game).__name__}) cannot be sent to other processes: "
                    f"{error}. Make it picklable, or use threads."
                )
                raise TypeError(msg) from error
            self._packed = np.frombuffer(pickled, dtype=np.uint8)
        return self._packed

    def __getstate__(self) -> dict[str, Any]:
        """The pickled game instead of the game."""
        return {"_game": None, "_token": self._token, "_packed": self.pack()}

    def __dask_tokenize__(self) -> str:
        """Each time another name: Dask may be forgetting the copy that died with its workers."""
        return uuid4().hex


def answer(game: Any, keys: Sequence[bytes], n_players: int) -> NDArray[np.float64] | Exception:
    """Return the outputs of packed coalitions, float64 (m, k), or the exception of the game."""
    try:
        return ask(game, coalitions_of(keys, n_players))
    except Exception as error:
        return error


def answer_away(
    shipment: Shipment, number: int, keys: Sequence[bytes], n_players: int
) -> tuple[int, NDArray[np.float64] | Exception]:
    """The same through joblib: the number tells whose answer it is, exceptions can be pickled."""
    try:
        game = shipment.game()
    except Exception as error:
        return number, _portable(error)
    found = answer(game, keys, n_players)
    if shipment.is_away and isinstance(found, Exception):
        return number, _portable(found)
    return number, found


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note; another one where it cannot be pickled."""
    import cloudpickle

    story = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"In the worker:\n{story}")
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(f"In the worker:\n{story}")
    return error
