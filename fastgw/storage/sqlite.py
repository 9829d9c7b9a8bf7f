"""How a SQLite file is opened: by its one owner, or by a reader.

Owns the pragmas and the owner's lock. The one invariant: at most one process on a machine writes or checkpoints a
file, because two that do can corrupt it (SQLite 3.7.0 to 3.51.2, https://sqlite.org/wal.html#walresetbug). Knows no
table.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import fcntl
import os
import sqlite3
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

_BUSY_TIMEOUT_MS = 5000
_OK = 0
_CONFIG_MULTITHREAD = 2
_WAL_CHECKPOINT = "PRAGMA wal_autocheckpoint = 1000"  # pages


class OwnedElsewhereError(Exception):
    """Another process owns the database; two writers could corrupt it."""


class OwnedDatabase:
    """The connection of the one process that writes and checkpoints ``path``.

    Holds ``flock`` on ``<path>.lock`` for its lifetime, so that the kernel gives the file free at any death; the lock
    file stays where it is. The connection is in autocommit mode: transactions are begun by hand. It may be used from
    any one thread at a time. Raises :class:`OwnedElsewhereError` at once when there is an owner already,
    ``sqlite3.Error`` when the file cannot be opened, ``OSError`` when the lock file cannot.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock_fd = _lock(Path(f"{path}.lock"))
        try:
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
            )
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                self.connection.execute(_WAL_CHECKPOINT)
            except sqlite3.Error:
                self.connection.close()
                raise
        except sqlite3.Error:
            os.close(self._lock_fd)
            raise

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction that writes. With ``durable``, its commit waits until it and all before it are on disk.

        Without, a power cut may take the last commits back; neither can corrupt the file.
        """
        self.connection.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
        self.connection.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        """End the transaction without a trace; SQLite may have done so by itself."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection, which checkpoints, and only then give the file free."""
        try:
            self.connection.close()
        finally:
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1

    def __enter__(self) -> OwnedDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(path: Path) -> int:
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock_fd)
        raise OwnedElsewhereError(
            f"{path.with_suffix('')}: another process owns this database (lock {path}); "
            "SQLite can corrupt a file that two processes write, so it is not opened"
        ) from error
    except OSError:
        os.close(lock_fd)
        raise
    return lock_fd


def leave_out_locks() -> bool:
    """Do without SQLite's own lock on each connection, which costs a seventh of a write: here one thread at a time uses one.

    To be called by a process that has opened no connection yet, and has one thread. Returns whether it is so from now on; where the
    library cannot be reached, or is built otherwise, nothing changes. See https://sqlite.org/threadsafe.html, "Multi-thread".
    """
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        shutdown, config, initialize = library.sqlite3_shutdown, library.sqlite3_config, library.sqlite3_initialize
    except (OSError, AttributeError, TypeError):
        return False
    if shutdown() != _OK:
        return False
    is_set: bool = config(_CONFIG_MULTITHREAD) == _OK
    return initialize() == _OK and is_set


def reader_uri(path: str | Path) -> str:
    """The URI (pass ``uri=True``) that opens ``path`` for reading: such a connection never writes or checkpoints."""
    return f"file:{quote(str(Path(path).absolute()))}?mode=ro"


def open_reader(path: str | Path) -> sqlite3.Connection:
    """A read-only connection. Raises ``sqlite3.OperationalError`` when there is no file, without making one."""
    connection = sqlite3.connect(reader_uri(path), uri=True, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection
