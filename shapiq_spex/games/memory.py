"""What a model gave for token sequences or coalitions: each of them is run once."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from shapiq import Game
from tqdm.auto import tqdm

from shapiq_spex.games.contract import check_coalitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    class Scores(Protocol):
        """The part of a `shapiq_spex.games.models.scorers.Scorer` that runs the model."""

        def score(self, sequences: Any, /) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
            """Yield numbers of sequences and their outputs."""
            ...


__all__ = ["Memory", "RememberingGame", "not_finite"]


class Memory:
    """The outputs of the sequences run so far; a coalition, as a bool row, is one, too.

    Args:
        doing: What the bar says.
        unit: What it counts.

    Attributes:
        n_run: How many sequences the model has run.
    """

    def __init__(self, doing: str = "Running the model", unit: str = "text") -> None:
        """Begin with nothing."""
        self.n_run = 0
        self._shown = {"desc": doing, "unit": unit}
        self._outputs: dict[bytes, NDArray[np.float64]] = {}

    def outputs(
        self, sequences: Sequence[NDArray[Any]] | NDArray[Any], scorer: Scores, *, progress: bool
    ) -> NDArray[np.float64]:
        """Return the outputs of m sequences, shape (m, k); run what was never run.

        Whatever the scorer finished before an error or an interruption is kept.

        Raises:
            ValueError: If the model gives an output that is not finite.
        """
        keys = [_fingerprint(sequence) for sequence in sequences]
        missing = {
            key: sequence
            for key, sequence in zip(keys, sequences, strict=True)
            if key not in self._outputs
        }
        if missing:
            self._run(missing, scorer, progress)
        if failed := sum(key not in self._outputs for key in keys):
            raise ValueError(not_finite(failed, len(keys)))
        return np.array([self._outputs[key] for key in keys]).reshape(len(keys), -1 if keys else 0)

    def missing(self, sequences: Sequence[NDArray[Any]] | NDArray[Any]) -> list[int]:
        """Return the numbers of those never run, each one once."""
        first = {_fingerprint(each): i for i, each in reversed(list(enumerate(sequences)))}
        return sorted(i for key, i in first.items() if key not in self._outputs)

    def _run(self, missing: dict[bytes, NDArray[Any]], scorer: Scores, progress: bool) -> None:
        keys = list(missing)
        # Even a disabled bar takes the lock of all bars, which an ill-timed Ctrl-C leaves held.
        with tqdm(total=len(keys), **self._shown) if progress else nullcontext() as bar:
            for index, outputs in scorer.score(list(missing.values())):
                self._outputs.update(
                    (keys[i], np.array(row, dtype=np.float64))
                    for i, row in zip(index, outputs, strict=True)
                    if np.isfinite(row).all()
                )
                self.n_run += len(index)
                if bar is not None:
                    bar.update(len(index))


class RememberingGame(Game):
    """A game that runs something once a coalition and reads values off the outputs kept of it.

    A subclass fills ``_memory`` and says what ``outputs`` are and how to ``aggregate`` them.
    """

    _memory: Memory

    @property
    def n_evaluated(self) -> int:
        """How much was really run: sequences, coalitions or training sets."""
        return self._memory.n_run

    @property
    def empty_coalition_value(self) -> float:
        """The value with every player absent."""
        return float(self(self.empty_coalition[np.newaxis])[0])

    @property
    def grand_coalition_value(self) -> float:
        """The value with every player present."""
        return float(self(self.grand_coalition[np.newaxis])[0])

    @abstractmethod
    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return all that is kept of coalitions (m, n_players), of shape (m, k)."""

    @abstractmethod
    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (m,) of outputs (m, k)."""

    def missing(self, coalitions: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return those coalitions that would have to be run, one for each thing run, (d, n)."""
        rows = check_coalitions(coalitions, self.n_players)
        return rows[self._memory.missing(self._run_for(rows))]

    def _run_for(self, coalitions: NDArray[np.bool_]) -> Sequence[NDArray[Any]] | NDArray[Any]:
        """What is run for coalitions: by itself, they."""
        return coalitions

    def value_function(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the values of coalitions.

        Args:
            coalitions: Bool or 0/1 integers of shape (m, n_players); True means present.

        Returns:
            The values, float64 of shape (m,), in the unit of what they are read as.

        Raises:
            TypeError: If the coalitions are neither bool nor integers.
            ValueError: If their shape or entries are wrong, or if a value is not finite.
        """
        values = self.aggregate(self.outputs(coalitions))
        if failed := int((~np.isfinite(values)).sum()):
            raise ValueError(not_finite(failed, len(values)))
        return values


def not_finite(failed: int, total: int) -> str:
    """Return the sentence about values that are not finite."""
    return (
        f"The model gave no finite number (NaN or infinity) for {failed} of {total} "
        f"coalitions; check its weights, its precision or how it is trained. The other values are "
        f"kept."
    )


def _fingerprint(sequence: NDArray[Any]) -> bytes:
    """128 bits, because the sequences themselves would fill the memory."""
    return blake2b(sequence.tobytes(), digest_size=16).digest()
