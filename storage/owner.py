"""Ownership: one process writes a database file; a second one is refused, naming the first.

For a file it is an flock on `<file>.lock` beside it, never on the database itself: closing any
handle of a database file drops SQLite's own locks on it. For PostgreSQL it is a session's advisory
lock. Both end with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import psycopg

CONNECT_TIMEOUT_S = 2

#: For every connection to PostgreSQL: one whose other end fell silent is given up within 20 s.
NETWORK: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

#: The same for the server: locks of a machine that vanished are free again as soon.
SERVER_OPTIONS = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"


class AlreadyOwned(Exception):
    """Another process holds this database; stop that one first."""


class FileOwnership:
    """The right to write one database file, held until `release` or the process's end."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle: int | None = handle
        _held.add(self)

    def release(self) -> None:
        """Let another process own the file. May be called twice."""
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            self.forget()

    def forget(self) -> None:
        """Close our handle; the lock stays with whoever shares it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def own_file(path: Path) -> FileOwnership:
    """Own a database file for the life of this process.

    Raises AlreadyOwned, naming the pid, if another process or another part of this one owns it.
    """
    lock = lock_path(path)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise AlreadyOwned(f"{path} is in use by process {pid or 'unknown'}") from None
    except BaseException:
        os.close(handle)
        raise
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return FileOwnership(path, handle)


def lock_path(path: Path) -> Path:
    """Return the file that carries the lock of a database file."""
    return path.with_name(f"{path.name}.lock")


class DatabaseOwnership:
    """The right to a named duty in one PostgreSQL database, held by a session of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def held(self) -> bool:
        """Tell whether the session, and so the right, still lives."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def release(self) -> None:
        """Let another process take the duty."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def own_database(url: str, duty: str) -> DatabaseOwnership:
    """Take a named duty in a PostgreSQL database for the life of this session.

    Raises AlreadyOwned, naming the process and the machine, if another session has it.
    """
    connection = psycopg.connect(
        plain_url(url),
        autocommit=True,
        **NETWORK,
        options=SERVER_OPTIONS,
        application_name=f"keepline process {os.getpid()} on {socket.gethostname()}"[:63],
    )
    number = lock_number(f"keepline owner {duty}")
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    if row is not None and row[0]:
        return DatabaseOwnership(connection)
    holder = connection.execute(
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND (l.classid::bigint << 32 | l.objid::bigint) = %s",
        (number,),
    ).fetchone()
    connection.close()
    raise AlreadyOwned(f"{duty} is in use by {holder[0] if holder else 'another session'}")


def lock_number(name: str) -> int:
    """Return the 64-bit number of a named advisory lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def plain_url(url: str) -> str:
    """Return the address as the driver itself reads it, without SQLAlchemy's `+psycopg`."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


_held: weakref.WeakSet[FileOwnership] = weakref.WeakSet()


def _close_in_child() -> None:
    """A forked child shares the lock; were it to outlive us, nobody could own the file."""
    for ownership in list(_held):
        ownership.forget()


os.register_at_fork(after_in_child=_close_in_child)
