"""A lock that forks and copies cannot inherit."""

from __future__ import annotations

import os
import threading
from typing import Any

__all__ = ["ProcessLock"]


class ProcessLock:
    """Gives this process's re-entrant lock; in a forked or unpickled copy nobody holds it.

    Examples:
        >>> lock = ProcessLock()
        >>> with lock(), lock():
        ...     pass
    """

    def __init__(self) -> None:
        """See the class."""
        self._locks: dict[int, threading.RLock] = {}

    def __call__(self) -> threading.RLock:
        """Return the lock itself, whose own entering no Ctrl-C can tear apart."""
        return self._locks.setdefault(os.getpid(), threading.RLock())

    def __getstate__(self) -> dict[str, Any]:
        """Nothing of this process."""
        return {"_locks": {}}
