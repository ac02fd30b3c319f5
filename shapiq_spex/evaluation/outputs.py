"""What is known of a game: asked, paid, stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.evaluation.keys import coalitions_of
from shapiq_spex.evaluation.locks import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.evaluation.store import Store

__all__ = ["KnownOutputs"]


class KnownOutputs:
    """The outputs of coalitions, all in memory, and in a store if there is one.

    Coalitions are known by their keys; see `shapiq_spex.evaluation.keys`. Methods may be called
    from any thread.

    Args:
        store: Where outputs are kept beyond this process; what it has is read at once.

    Attributes:
        store: The same.
        n_evaluated: How many coalitions the game has been run on.
        fits: The largest batch that has fitted into memory, infinite before any has not.

    Examples:
        >>> known = KnownOutputs()
        >>> known.record([b"a"], np.array([[0.5]]))
        True
        >>> known.missing([b"b", b"a", b"b"]), known.outputs([b"a", b"a"]).tolist()
        ([b'b'], [[0.5], [0.5]])
    """

    def __init__(self, store: Store | None = None) -> None:
        """See the class."""
        self.store = store
        self.n_evaluated = 0
        self.fits = math.inf
        self._place: dict[bytes, int] = {}  # of a coalition in the outputs
        self._outputs = np.empty((0, 1))
        self._n_rows = 0
        self._asked: set[bytes] = set()
        self._paid: set[bytes] = set()
        self._unsaved: list[bytes] = []
        self._last_read = 0
        self._lock = ProcessLock()
        self._read_store()

    @property
    def n_asked(self) -> int:
        """How many distinct coalitions were asked for and answered."""
        return len(self._asked)

    @property
    def n_from_store(self) -> int:
        """How many of them someone else had paid for."""
        return len(self._asked - self._paid)

    @property
    def n_unsaved(self) -> int:
        """How many coalitions the store should have but could not take."""
        return len(self._unsaved)

    def known(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the distinct coalitions with outputs, in order."""
        return list(dict.fromkeys(key for key in keys if key in self._place))

    def missing(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the distinct coalitions that no one has paid for yet, in order."""
        with self._lock():
            self._read_store()
            return list(dict.fromkeys(key for key in keys if key not in self._place))

    def outputs(self, keys: Sequence[bytes]) -> NDArray[np.float64]:
        """Return the outputs of known coalitions, a new array (m, k)."""
        return self._outputs[[self._place[key] for key in keys]]

    def answer(self, keys: Sequence[bytes]) -> NDArray[np.float64]:
        """Return them and take them for asked."""
        self._asked.update(keys)
        return self.outputs(keys)

    def record(self, keys: list[bytes], outputs: NDArray[np.float64]) -> bool:
        """Keep what the game has given for coalitions that were missing.

        Where another process was faster, its outputs stay, so that all processes agree.

        Args:
            keys: The coalitions, distinct.
            outputs: Float64 (m, k).

        Returns:
            Whether no other process was faster with any of them.

        Raises:
            ValueError: If k differs from what it was before.
            OSError: If the store cannot be written; the outputs stay in memory then, and
                :meth:`save` tries again.
        """
        with self._lock():
            self._paid.update(keys)
            new = [key for key in keys if key not in self._place]
            self._unsaved += new  # before they are known, because Ctrl-C may come in between
            self._remember(keys, outputs)
            return self.save() and len(new) == len(keys)

    def save(self) -> bool:
        """Write what the store has not taken yet; result and errors as :meth:`record`."""
        with self._lock():
            alone = True
            if self.store is not None and self._unsaved:
                alone = self.store.write(self._append_unsaved)
            self._unsaved = []
            return alone

    def put_into(self, error: BaseException, keys: Sequence[bytes], n_players: int) -> None:
        """Put what is known into the exception that ends a call, and say where else it is."""
        known, outputs = self.known(keys), self.outputs(self.known(keys))
        error.evaluated_coalitions = coalitions_of(known, n_players)  # type: ignore[attr-defined]
        error.evaluated_values = outputs[:, 0] if outputs.shape[1] == 1 else outputs  # type: ignore[attr-defined]
        if not known:
            return
        where = "this Evaluator" if self.store is None else f"the store {str(self.store.path)!r}"
        lost = self.n_unsaved
        error.add_note(
            f"{len(known)} of {len(set(keys))} coalitions have their values: they are in {where}"
            + (f", but for {lost} that it could not take," if lost else "")
            + " and in this exception (evaluated_coalitions, evaluated_values). The same call again"
            " pays for the others only."
        )

    def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            self.store.close()

    def _append_unsaved(self) -> bool:
        self._unsaved = self.known(self._unsaved)
        mine = len(self._unsaved)
        self._read_store()
        alone = len(self._unsaved) == mine
        if self.store is not None and self._unsaved:
            self.store.append(self._unsaved, self.outputs(self._unsaved))
        return alone

    def _read_store(self) -> None:
        """Take over what has been written since this was last done, also by others."""
        if self.store is None:
            return
        for number, keys, outputs in self.store.batches(after=self._last_read):
            beaten = set(self._unsaved).intersection(keys)
            self._remember(keys, outputs, instead_of=beaten)
            self._unsaved = [key for key in self._unsaved if key not in beaten]
            self._last_read = number

    def _remember(
        self,
        keys: list[bytes],
        outputs: NDArray[np.float64],
        instead_of: Collection[bytes] = (),
    ) -> None:
        """Keep what is new, or better than what is there."""
        self._check_width(outputs)
        rows = [i for i, key in enumerate(keys) if key not in self._place or key in instead_of]
        start, stop = self._n_rows, self._n_rows + len(rows)
        if stop > len(self._outputs):
            larger = np.empty((max(stop, 2 * start), outputs.shape[1]))
            if start:
                larger[:start] = self._outputs[:start]
            self._outputs = larger
        self._outputs[start:stop] = outputs[rows]
        self._n_rows = stop
        self._place.update(zip([keys[i] for i in rows], range(start, stop), strict=True))

    def _check_width(self, outputs: NDArray[np.float64]) -> None:
        if self._place and outputs.shape[1] != self._outputs.shape[1]:
            msg = (
                "A game needs to return the same number of outputs for every coalition, got "
                f"{outputs.shape[1]} after {self._outputs.shape[1]}."
            )
            raise ValueError(msg)
