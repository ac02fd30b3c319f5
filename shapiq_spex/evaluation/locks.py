"""A lock that forks and copies cannot inherit."""

from __future__ import annotations

import os
import threading
from typing import Any

__all__ = ["ProcessLock"]


class ProcessLock:
    """A re-entrant lock; in a forked or unpickled copy nobody holds it.

    Examples:
        >>> lock = ProcessLock()
        >>> with lock, lock:
        ...     pass
    """

    def __init__(self) -> None:
        """See the class."""
        self._locks: dict[int, threading.RLock] = {}

    def __enter__(self) -> None:
        """Wait for it."""
        self._mine().acquire()

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        self._mine().release()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing of this process."""
        return {"_locks": {}}

    def _mine(self) -> threading.RLock:
        return self._locks.setdefault(os.getpid(), threading.RLock())
