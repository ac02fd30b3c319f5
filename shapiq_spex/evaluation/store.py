"""A file that holds the values of one game, whatever happens to the process that writes it."""

from __future__ import annotations

import json
import warnings
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from shapiq_spex.evaluation.database import Database, in_transaction, pragma, write_ahead
from shapiq_spex.evaluation.identity import differences
from shapiq_spex.evaluation.keys import coalitions_of, split
from shapiq_spex.versions import loaded_versions

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Store"]

T = TypeVar("T")

_APPLICATION_ID = 0x53504558  # "SPEX", in the header of the file
_FORMAT = 1
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_FORMAT}",
    "CREATE TABLE about (name TEXT PRIMARY KEY, json TEXT NOT NULL, checksum INTEGER NOT NULL)",
    "CREATE TABLE batch (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, "
    "coalitions BLOB NOT NULL, outputs BLOB NOT NULL, checksum INTEGER NOT NULL)",
)
_NUMBERS = np.dtype("<f8")


class Store:
    """The values of one game in an SQLite file.

    Every write is one transaction: a process killed at any moment loses what it had not written
    yet, nothing else. Several processes of one machine may use a file at the same time. Every batch
    has a checksum, so a damaged file gives an error or loses batches, and never gives wrong values.
    Keep the file on a local disk: SQLite cannot share it over a network.

    Args:
        path: The file.
        identity: What decides the values of the game, a dictionary of what JSON can hold; the
            file is made if it does not exist. Without it an existing file is opened for reading.

    Attributes:
        path: The file.

    Raises:
        ValueError: If the file belongs to a game of another identity, is damaged, is not a store,
            or is to be read and does not exist.
        OSError: If the system does not let it be opened.

    Warns:
        UserWarning: If it was begun with other versions of the packages in use.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "values.sqlite"
        >>> with Store(path, {"model": "a", "n_players": 8}) as store:
        ...     store.write(lambda: store.append([b"k"], np.array([[1.0, 2.0]])))
        >>> with Store(path) as store:
        ...     len(store), list(store.batches()), store.identity["model"]
        (1, [(1, [b'k'], array([[1., 2.]]))], 'a')
        >>> folder.cleanup()
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: Mapping[str, Any] | None = None
    ) -> None:
        """See the class."""
        self.path = Path(path).resolve()
        self._wanted = None if identity is None else json.loads(json.dumps(dict(identity)))
        self._database = Database(self.path, self._check, writable=identity is not None)
        if changed := differences(*_common(self.versions, loaded_versions())):
            warnings.warn(
                f"The store {str(self.path)!r} was begun with other versions: {changed}. Its "
                "values are reused; new ones may differ in their last digits.",
                stacklevel=3,
            )

    def batches(self, after: int = 0) -> Iterator[tuple[int, list[bytes], NDArray[np.float64]]]:
        """Yield what was written: the batch's number, its coalitions, their outputs (m, k).

        Args:
            after: The number of the last batch that is not wanted.

        Raises:
            ValueError: If a batch is damaged.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM batch WHERE number > ? ORDER BY number", [after]
            ).fetchall()
        for number, *content in rows:
            yield number, *self._decoded(*content)

    def write(self, action: Callable[[], T]) -> T:
        """Do something while no other process can write; what it appends is kept as a whole.

        Raises:
            OSError: If the disk is full or the file cannot be written; nothing is written then.
        """
        return self._database.write(lambda _: action())

    def append(self, keys: Sequence[bytes], outputs: NDArray[np.float64]) -> None:
        """Write a batch; to be called within :meth:`write`, with coalitions that are not there.

        Args:
            keys: Packed coalitions, all of one length.
            outputs: Their outputs, float64 (m, k).
        """
        with self._database.reading() as connection:
            content = len(keys), b"".join(keys), outputs.astype(_NUMBERS).tobytes()
            connection.execute(
                "INSERT INTO batch (size, coalitions, outputs, checksum) VALUES (?, ?, ?, ?)",
                [*content, _checksum(*content)],
            )

    def read(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return all that is in the file: coalitions, bool (m, n), and their outputs, (m, k).

        Raises:
            ValueError: If a batch is damaged.
        """
        batches = list(self.batches())
        keys = [key for _, some, _ in batches for key in some]
        outputs = np.concatenate([rows for _, _, rows in batches]) if keys else np.empty((0, 1))
        return coalitions_of(keys, self.identity["n_players"]), outputs

    def __len__(self) -> int:
        """Number of coalitions with outputs."""
        with self._database.reading() as connection:
            return int(connection.execute("SELECT coalesce(sum(size), 0) FROM batch").fetchone()[0])

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the values of the game."""
        return self._about("identity")

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Python and of packages the file was begun with."""
        return self._about("versions")

    @property
    def created(self) -> str:
        """When the file was begun, universal time in the form of ISO 8601."""
        return str(self._about("created")["at"])

    @property
    def meta(self) -> dict[str, Any]:
        """What was last left with :meth:`write_meta`, empty if nothing was."""
        return self._about("meta")

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        """Leave a note in the file, such as the arguments of a command: what JSON can hold."""
        self._database.write(lambda connection: _write_about(connection, "meta", meta))

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What was left with :meth:`leave_run`, the last one at the end."""
        with self._database.reading() as connection:
            return self._read_runs(connection)

    def leave_run(self, run: Mapping[str, Any], values: Mapping[bytes, float]) -> None:
        """Note down what a result was made of, so that it can be made again from this file.

        Of equal runs, but for what they cost, the cost of the first is kept.

        Args:
            run: Its settings and its bill, what JSON can hold.
            values: What the game said of each coalition; noted where that is not its only output.
        """
        batches = list(self.batches())
        row = {key: i for i, key in enumerate(key for _, keys, _ in batches for key in keys)}
        outputs = np.concatenate([rows for _, _, rows in batches]) if batches else np.empty((0, 1))
        rows, told = [row[key] for key in values], list(values.values())
        new = json.loads(json.dumps(dict(run)))
        if outputs.shape[1] > 1 or outputs[rows, 0].tolist() != told:
            new["read"] = {"rows": rows, "values": told}

        def note(connection: sqlite3.Connection) -> None:
            runs = self._read_runs(connection)
            same = [old for old in runs if _settings(old) == _settings(new)]
            others = [old for old in runs if old not in same]
            _write_about(connection, "runs", {"runs": [*others, *(same or [new])]})

        self._database.write(note)

    def close(self) -> None:
        """Close the file; it is opened again when it is used again."""
        self._database.close()

    def __enter__(self) -> Store:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _decoded(
        self, size: Any, coalitions: Any, outputs: Any, checksum: Any
    ) -> tuple[list[bytes], NDArray[np.float64]]:
        types = [type(part) for part in (size, coalitions, outputs)]
        if types != [int, bytes, bytes] or checksum != _checksum(size, coalitions, outputs):
            self._database.refuse("a batch does not fit its checksum")
        return split(coalitions, size), np.frombuffer(outputs, dtype=_NUMBERS).reshape(size, -1)

    def _about(self, name: str) -> dict[str, Any]:
        with self._database.reading() as connection:
            return self._read_about(connection, name)

    def _read_about(self, connection: sqlite3.Connection, name: str) -> dict[str, Any]:
        query = "SELECT json, checksum FROM about WHERE name = ?"
        row = connection.execute(query, [name]).fetchone()
        if row is None or _checksum(name, row[0]) != row[1]:
            self._database.refuse(f"its {name} cannot be read")
        return json.loads(row[0])

    def _read_runs(self, connection: sqlite3.Connection) -> list[dict[str, Any]]:
        if connection.execute("SELECT 1 FROM about WHERE name = 'runs'").fetchone() is None:
            return []
        return list(self._read_about(connection, "runs")["runs"])

    def _check(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file; refuse one that is damaged, not ours or another game's."""
        if self._wanted is not None and _is_blank(connection):
            _create(connection, self._wanted)
        if pragma(connection, "application_id") != _APPLICATION_ID:
            self._database.refuse("another program made it")
        if (found := pragma(connection, "user_version")) != _FORMAT:
            self._database.refuse(f"its format is {found}, not {_FORMAT}")
        if (report := pragma(connection, "quick_check")) != "ok":
            self._database.refuse(str(report).replace("\n", " "))
        there = self._read_about(connection, "identity")
        if self._wanted is not None and (changed := differences(there, self._wanted)):
            msg = (
                f"The store {str(self.path)!r} holds the values of another game; these differ: "
                f"{changed}. Give another file."
            )
            raise ValueError(msg)


def _settings(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a run another one."""
    bill = run.get("bill", {})
    asked = [bill.get(name) for name in ("method", "settings", "budget", "tolerance")]
    return *asked, run.get("read")


def _is_blank(connection: sqlite3.Connection) -> bool:
    """New, or left by a process that was killed before it had made the tables."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return bool(tables == 0 and pragma(connection, "application_id") == 0)


def _create(connection: sqlite3.Connection, identity: Mapping[str, Any]) -> None:
    def make(connection: sqlite3.Connection) -> None:
        if not _is_blank(connection):  # another process was faster
            return
        for statement in _SCHEMA:
            connection.execute(statement)
        _write_about(connection, "identity", identity)
        _write_about(connection, "versions", loaded_versions())
        _write_about(connection, "created", {"at": datetime.now(UTC).isoformat(timespec="seconds")})
        _write_about(connection, "meta", {})

    write_ahead(connection)
    in_transaction(connection, make)


def _write_about(connection: sqlite3.Connection, name: str, content: Mapping[str, Any]) -> None:
    text = json.dumps(dict(content))
    row = name, text, _checksum(name, text)
    connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?, ?)", row)


def _checksum(*parts: Any) -> int:
    whole = 0
    for part in parts:
        whole = zlib.crc32(part if isinstance(part, bytes) else repr(part).encode(), whole)
    return whole


def _common(there: dict[str, str], here: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What both know the version of; a package may not be loaded yet, or not be needed to read."""
    both = [package for package in there if package in here]
    return {k: there[k] for k in both}, {k: here[k] for k in both}
