"""One connection to an SQLite file, for a process that may fork, be pickled, or share the file."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Database", "in_transaction", "pragma", "write_ahead"]

T = TypeVar("T")

_PATIENCE = 60.0  # seconds to wait for another process to finish writing
# SQLite forbids a forked child even to close what its parent had opened, so nothing may drop it.
_INHERITED: list[sqlite3.Connection] = []


class Database:
    """An SQLite file; its errors come out as one sentence each.

    Args:
        path: The file, absolute.
        check: Called with every new connection; makes the tables or refuses the file.
        writable: Whether the file may be made and written.
    """

    def __init__(
        self, path: Path, check: Callable[[sqlite3.Connection], None], *, writable: bool
    ) -> None:
        """See the class."""
        self.path = path
        self._check = check
        self._writable = writable
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from.

        Raises:
            ValueError: If the file is damaged, or does not exist and may not be made.
            OSError: If the system does not let it be read.
        """
        try:
            yield self._open()
        except sqlite3.OperationalError as error:
            msg = f"The store {str(self.path)!r} cannot be read or written: {error}."
            raise OSError(msg) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # damaged texts, too
            self.refuse(str(error), error)

    def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the connection of which all is kept, or nothing.

        Raises:
            ValueError: As :meth:`reading`.
            OSError: As :meth:`reading`, or if the disk is full.
        """
        with self.reading() as connection:
            return in_transaction(connection, action)

    def refuse(self, why: str, cause: Exception | None = None) -> NoReturn:
        """Say that this is not what it should be.

        Raises:
            ValueError: Always.
        """
        msg = (
            f"The store {str(self.path)!r} is damaged or no store at all ({why}); put a copy back "
            "or give another name."
        )
        raise ValueError(msg) from cause

    def close(self) -> None:
        """Close the file; it is opened again when it is used again."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
            self._connection = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the connection: the copy opens its own."""
        return {**self.__dict__, "_connection": None}

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid != os.getpid():
            _INHERITED.append(self._connection)
            self._connection = None
        if self._connection is None:
            connection = self._connect()
            try:
                # Kills lose nothing this way; a power cut may cost the last batches, not the file.
                connection.execute("PRAGMA synchronous = NORMAL")
                self._check(connection)
            except BaseException:
                connection.close()
                raise
            self._pid, self._connection = os.getpid(), connection
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        if not self._writable and not self.path.is_file():
            msg = f"There is no store to read at {str(self.path)!r}."
            raise ValueError(msg)
        if not self.path.parent.is_dir() or self.path.is_dir():
            msg = f"A store needs to be a file in a folder that exists, got {str(self.path)!r}."
            raise ValueError(msg)
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={'rwc' if self._writable else 'ro'}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,  # transactions begin where we say so
            check_same_thread=False,  # `KnownOutputs` lets one thread in at a time
        )


def in_transaction(connection: sqlite3.Connection, action: Callable[[sqlite3.Connection], T]) -> T:
    """All or nothing, whatever breaks off; not a context manager, so that Ctrl-C finds no gap."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = action(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back by itself where the disk was full
            connection.execute("ROLLBACK")
        raise
    return result


def pragma(connection: sqlite3.Connection, name: str) -> Any:
    """One setting of SQLite."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def write_ahead(connection: sqlite3.Connection) -> None:
    """Log writes ahead, so that readers and one writer do not wait for each other.

    Of two processes that ask for it at once, SQLite turns one away without the usual patience.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
