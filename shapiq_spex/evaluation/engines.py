"""Where joblib was told to run, and what its backends have to be helped with."""

from __future__ import annotations

import asyncio
import copy
import math
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from joblib import Parallel, effective_n_jobs
from joblib.parallel import LokyBackend, MultiprocessingBackend, get_active_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["n_workers", "results", "runs_here", "shares_memory"]


def n_workers() -> int:
    """How many batches can run at the same time, as ``joblib.parallel_config`` was told."""
    return int(effective_n_jobs(None))


def runs_here() -> bool:
    """Whether batches run one after the other in this process."""
    return n_workers() == 1 and not _is_dask(get_active_backend()[0])


def shares_memory() -> bool:
    """Whether workers see the objects of this process, so that nothing has to be pickled."""
    return bool(getattr(get_active_backend()[0], "supports_sharedmem", False))


def results(
    tasks: Iterator[Any], *, heavy: list[Any], given_up: Callable[[Any, BaseException], Any]
) -> Iterator[Any]:
    """Yield what joblib's tasks return.

    Threads, loky and Dask give results as they finish; other backends are given rounds of a few
    tasks.

    Args:
        tasks: What joblib's ``delayed`` makes.
        heavy: Arguments of theirs that a worker on another machine should get only once.
        given_up: Makes the result of a task that the backend has given up, because its worker died
            wherever it ran: from the task's arguments and the error.

    Raises:
        ValueError: If the backend would wait for ever for a worker that died.
        Exception: What joblib makes of a worker's death where the backend cannot tell whose task
            it was; all that were running then are lost.
    """
    backend, _ = get_active_backend()
    if type(backend) is MultiprocessingBackend:  # Ray's is one too, but hears of deaths
        msg = (
            "joblib's backend 'multiprocessing' waits for ever where a worker dies, so batches are "
            "not sent there; use 'loky'."
        )
        raise ValueError(msg)
    if _is_dask(backend):
        stream = Parallel(
            batch_size=1,
            return_as="generator_unordered",
            backend=_reliable(backend, heavy, given_up),
        )
    elif isinstance(backend, LokyBackend):
        yield from _through_loky(backend, tasks)
        return
    elif backend.supports_return_generator:
        stream = Parallel(batch_size=1, return_as="generator_unordered")
    else:
        with Parallel(batch_size=1) as parallel:  # one pool for all rounds
            while some := list(islice(tasks, 2 * n_workers())):
                yield from parallel(some)
        return
    with closing(stream(tasks)) as found:
        yield from found


class _RememberingLoky(LokyBackend):
    """Remembers what came back: joblib, told of a death, forgets what it has not handed out."""

    finished: dict[int, Any]

    def retrieve_result_callback(self, future: Any) -> Any:
        found = super().retrieve_result_callback(future)
        self.finished.update((id(one), one) for one in found)
        return found


def _through_loky(backend: LokyBackend, tasks: Iterator[Any]) -> Iterator[Any]:
    """What loky's workers return, all of whom die with one; what came back before is not lost."""
    own = copy.copy(backend)
    own.__class__ = _RememberingLoky
    finished = own.finished = {}
    stream = Parallel(batch_size=1, return_as="generator_unordered", backend=own)
    try:
        with closing(stream(tasks)) as found:
            for one in found:
                del finished[id(one)]
                yield one
    except BrokenProcessPool:
        yield from finished.values()
        raise


def _is_dask(backend: Any) -> bool:
    return type(backend).__module__ == "joblib._dask"


def _reliable(backend: Any, heavy: list[Any], given_up: Callable[[Any, BaseException], Any]) -> Any:
    """A new backend on the same cluster that does not wait for ever where workers die.

    joblib 1.6 collects results with Dask's ``as_completed``, and never hears of a task that Dask
    gives up, or whose result died with its worker.
    """

    class ReliableDask(type(backend)):  # type: ignore[misc]
        def start_call(self) -> None:
            super().start_call()
            self._futures: set[Any] = set()
            self.client.loop.add_callback(self._watch)

        async def _watch(self) -> None:
            """Break off where no worker is left, after the time joblib waits for the first one."""
            alone = 0
            while alone <= (self.wait_for_workers_timeout or math.inf):
                await asyncio.sleep(1)
                if not self._continue:
                    return
                alone = 0 if await self.client.scheduler.ncores() else alone + 1
            await self.client.cancel(list(self._futures), asynchronous=True)

        def submit(self, func: Any, callback: Any = None) -> None:
            """Wait for the one future, and tell joblib how it ended, whatever that is."""
            self.client.loop.add_callback(self._see_through, func, callback)

        async def _see_through(self, func: Any, callback: Any) -> None:
            try:
                batch, tasks = await self._to_func_args(func)
                key = f"answer-{uuid4().hex}"
                future = self.client.submit(batch, tasks, key=key, **self.submit_kwargs)
                self._futures.add(future)  # cancelled if all breaks off
                found = await future
                self._futures.discard(future)  # or the cluster would keep what it holds
            except CancelledError as error:  # what it needed is gone: all has to be sent again
                found = error
            except Exception as error:
                found = [given_up(arguments, error) for _, arguments, _ in func.items]
            callback(found)

        def effective_n_jobs(self, n_jobs: int) -> int:
            """At least 2: with one, joblib runs tasks in this process, which they might kill."""
            return max(2, super().effective_n_jobs(n_jobs))

        def abort_everything(self, ensure_ready: bool = True) -> None:
            """Take back what is still waiting; the cluster would compute it for no one."""
            self.client.cancel(list(self._futures))
            super().abort_everything(ensure_ready)

    return ReliableDask(
        client=backend.client,
        scatter=heavy,
        wait_for_workers_timeout=backend.wait_for_workers_timeout,
        **backend.submit_kwargs,
    )
