"""What a model gave for token sequences: every sequence is run once."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.scorers import Scorer

__all__ = ["Memory", "not_finite"]


class Memory:
    """The outputs of the sequences run so far.

    Args:
        unit: What the progress bar calls a sequence.

    Attributes:
        n_run: How many sequences the model has run.
    """

    def __init__(self, unit: str = "text") -> None:
        """Begin with nothing."""
        self.n_run = 0
        self._unit = unit
        self._outputs: dict[bytes, NDArray[np.float64]] = {}

    def outputs(
        self, sequences: Sequence[NDArray[np.int32]], scorer: Scorer, *, progress: bool
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

    def _run(self, missing: dict[bytes, NDArray[np.int32]], scorer: Scorer, progress: bool) -> None:
        keys = list(missing)
        with tqdm(
            total=len(keys), desc="Running the model", unit=self._unit, disable=not progress
        ) as bar:
            for index, outputs in scorer.score(list(missing.values())):
                self._outputs.update(
                    (keys[i], np.array(row, dtype=np.float64))
                    for i, row in zip(index, outputs, strict=True)
                    if np.isfinite(row).all()
                )
                self.n_run += len(index)
                bar.update(len(index))


def not_finite(failed: int, total: int) -> str:
    """Return the sentence about values that are not finite."""
    return (
        f"The model gave no finite number (NaN or infinity) for {failed} of {total} "
        f"coalitions; check its weights and its precision. The other values are kept."
    )


def _fingerprint(sequence: NDArray[np.int32]) -> bytes:
    """128 bits, because the sequences themselves would fill the memory."""
    return blake2b(sequence.tobytes(), digest_size=16).digest()
