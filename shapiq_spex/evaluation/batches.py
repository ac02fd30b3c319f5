"""Batches of coalitions through joblib; halved where memory ends, run again where a worker died."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import delayed

from shapiq_spex.evaluation.engines import results, runs_here, shares_memory
from shapiq_spex.evaluation.workers import Shipment, answer, answer_away

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    Answer = NDArray[np.float64] | Exception

__all__ = ["Batch", "Pending", "evaluated"]

_CHANCES = 3  # a batch on which workers died this often is reported; the last time it runs alone
_HEAVY = 2**20  # bytes; a smaller game may go along with every batch


@dataclass
class Batch:
    """Coalitions that are evaluated together.

    Attributes:
        keys: The coalitions, packed.
        deaths: How often workers died while they had this batch.
    """

    keys: list[bytes]
    deaths: int = 0


class Pending:
    """The batches still to be evaluated; may be used from any thread.

    Args:
        keys: Distinct packed coalitions.
        size: The most coalitions in a batch.
        missing: Says, when the turn of a batch comes, which of its coalitions are still missing,
            because another process may have been faster.

    Attributes:
        size: The most coalitions in a batch, lowered where memory ran out.
        failure: The first failure; no batch is given out after it.
    """

    def __init__(
        self, keys: list[bytes], size: int, missing: Callable[[list[bytes]], list[bytes]]
    ) -> None:
        """See the class."""
        self.size = size
        self.failure: BaseException | None = None
        self._missing = missing
        self._queue = deque(Batch(keys[i : i + size]) for i in range(0, len(keys), size))
        self._suspects: list[Batch] = []
        self._has_own_order = False
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether any batch is left to be given out."""
        return self.failure is None and bool(self._queue or self._suspects)

    def feed(self) -> Iterator[Batch]:
        """Give out one batch on which workers died and that has to run alone, else all others."""
        if self._suspects:
            yield self._suspects.pop(0)
            return
        while (batch := self._take()) is not None:
            yield batch

    def fail(self, error: BaseException) -> None:
        """Give out nothing more."""
        self.failure = self.failure or error

    def part_ways(self) -> None:
        """Another process does the same batches now: go on in an order of one's own."""
        with self._lock:
            self._own_order()

    def halve(self, batch: Batch) -> None:
        """Take back a batch that did not fit into memory, and make all others as small."""
        with self._lock:
            self.size = min(self.size, len(batch.keys) // 2)
            self._queue.appendleft(batch)

    def lose(self, batches: list[Batch], cause: BaseException) -> None:
        """Take back batches whose worker died, each a limited number of times."""
        for batch in reversed(batches):
            batch.deaths += 1
            if batch.deaths >= _CHANCES:
                self.fail(_worker_died(batch.keys, cause))
            elif batch.deaths == _CHANCES - 1:
                self._suspects.insert(0, batch)  # in the order they were asked for
            else:
                with self._lock:
                    self._queue.appendleft(batch)

    def _take(self) -> Batch | None:
        with self._lock:
            while self.failure is None and self._queue:
                batch = self._cut(self._queue.popleft())
                try:
                    missing = self._missing(batch.keys)
                except Exception as error:  # joblib would take it for a worker's
                    self.fail(error)
                    return None
                if len(missing) < len(batch.keys):
                    self._own_order()
                if missing:
                    return Batch(missing, batch.deaths)
        return None

    def _own_order(self) -> None:
        if not self._has_own_order:
            self._has_own_order = True
            order = np.random.default_rng(os.getpid()).permutation(len(self._queue))
            self._queue = deque(self._queue[i] for i in order)

    def _cut(self, batch: Batch) -> Batch:
        if len(batch.keys) > self.size:
            self._queue.appendleft(Batch(batch.keys[self.size :], batch.deaths))
        return Batch(batch.keys[: self.size], batch.deaths)


def evaluated(
    pending: Pending, game: Any, n_players: int, token: str
) -> Generator[tuple[Batch, NDArray[np.float64]], None, None]:
    """Yield every batch with its outputs, float64 (m, k), as soon as they are there.

    After a failure no new batch is begun; those that are running are waited for and yielded, and
    then the failure is raised.

    Args:
        pending: What to evaluate; the caller may make it fail, too.
        game: The game.
        n_players: Its number of players n.
        token: Names the game; see `Shipment`.

    Raises:
        Exception: That of the game, unless smaller batches help.
        RuntimeError: If workers died on a batch again and again.
    """
    run = _here if runs_here() else _through_joblib
    for batch, found in run(pending, Shipment(game, token), n_players):
        if not isinstance(found, Exception):
            yield batch, found
        elif _is_out_of_memory(found) and len(batch.keys) > 1:
            found.__traceback__ = found.__context__ = None  # they hold what did not fit
            pending.halve(batch)
        else:
            pending.fail(found)
    if pending.failure is not None:
        raise pending.failure


def _here(pending: Pending, shipment: Shipment, n_players: int) -> Iterator[tuple[Batch, Answer]]:
    for batch in pending.feed():
        yield batch, answer(shipment.game(), batch.keys, n_players)


def _through_joblib(
    pending: Pending, shipment: Shipment, n_players: int
) -> Iterator[tuple[Batch, Answer]]:
    """Run until nothing is left; what a worker takes with it comes back into what is pending."""
    heavy = []
    if not shares_memory() and shipment.pack().nbytes > _HEAVY:  # packs or fails here, not later
        heavy.append(shipment)
    while pending:
        running: dict[int, Batch] = {}
        try:
            tasks = _tasks(pending, running, shipment, n_players)
            for number, found in results(tasks, heavy=heavy, given_up=_given_up):
                yield running.pop(number), found
        except Exception as error:
            if not running:  # nothing was lost, so trying again would not help
                raise
            pending.lose(list(running.values()), error)


def _tasks(
    pending: Pending, running: dict[int, Batch], shipment: Shipment, n_players: int
) -> Iterator[Any]:
    for number, batch in enumerate(pending.feed()):
        running[number] = batch
        yield delayed(answer_away)(shipment, number, batch.keys, n_players)


def _is_out_of_memory(error: Exception) -> bool:
    """Also where the class is torch's, or only the message tells."""
    told = f"{type(error).__name__} {error}".lower()
    signs = ("outofmemory", "out of memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(sign in told for sign in signs)


def _given_up(task: tuple[Any, int, list[bytes], int], cause: BaseException) -> tuple[int, Answer]:
    """The answer of a task of `answer_away` that never came back."""
    _, number, keys, _ = task
    return number, _worker_died(keys, cause)


def _worker_died(keys: list[bytes], cause: BaseException) -> RuntimeError:
    how = str(cause).partition("\n")[0].rstrip(".")
    error = RuntimeError(
        f"Workers died again and again on the same batch of {len(keys)} coalitions, also when it "
        f"was run anew ({type(cause).__name__}: {how}). A smaller batch_size may need less memory."
    )
    error.__cause__ = cause
    return error
