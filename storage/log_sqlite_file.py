"""The file of a SQLite delivery log: its tables, who may open it and how.

Readers open it with `mode=ro`: a reader that could write would, as the last to close, checkpoint
and delete the WAL under the owner's feet.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from storage.blobs import sync_directory
from storage.log import LogUnavailable, WrongLog
from storage.log_rows import IN_FILE

SCHEMA_VERSION = 1
BUSY_S = 2.0

#: Of the writer: in SQLite's 2 MiB the bodies of one group would push out the pages of indexes.
CACHE_KIB = 8 * 1024

#: Before it, two connections that write or checkpoint at the same moment can damage a WAL.
SAFE_SQLITE = (3, 51, 3)

SCHEMA = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE delivery (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    event_id TEXT,
    received_us INTEGER NOT NULL,
    head TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    place INTEGER NOT NULL,
    body BLOB
) STRICT;
CREATE UNIQUE INDEX delivery_key ON delivery (source, key);
CREATE INDEX delivery_event ON delivery (source, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX delivery_file ON delivery (sha256) WHERE place = {IN_FILE};
CREATE TABLE edge_memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""


def sqlite_warning(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """Return what an operator should know of this SQLite, or None."""
    if version >= SAFE_SQLITE:
        return None
    return (
        f"SQLite {'.'.join(map(str, version))} is older than"
        f" {'.'.join(map(str, SAFE_SQLITE))}, which mended a damage to WAL files; Keepline keeps"
        " to one writing connection a file, other programs must not write to them"
    )


def connect_writer(path: Path, name: str) -> sqlite3.Connection:
    """Open the file to write, making it if it is not there. The caller owns it."""
    made = _make_private(path)
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_S
    )
    try:
        if not _is_foreign(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")  # what expired leaves the file
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if _is_empty(connection):
            _make_tables(connection, name)
        _check_identity(connection, path, name)
        if made:
            sync_directory(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, name: str) -> sqlite3.Connection:
    """Open the file to read. Raises LogUnavailable until its owner has made it."""
    if not path.exists():
        raise LogUnavailable(f"{path} does not exist yet: its edges have not started")
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_S,
    )
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        if _is_empty(connection):
            raise LogUnavailable(f"{path} is being made by its edges")
        _check_identity(connection, path, name)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def as_unavailable(path: Path) -> Iterator[None]:
    """Say LogUnavailable for what the disk or the database may get over."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError):
        raise
    except (sqlite3.Error, OSError) as error:
        raise LogUnavailable(f"{path.name}: {error}") from error


def _make_private(path: Path) -> bool:
    """Make the file before SQLite does, readable by its owner only; tell whether it was made."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        path.chmod(0o600)
        return False
    return True


def _make_tables(connection: sqlite3.Connection, name: str) -> None:
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
    connection.executemany(
        "INSERT INTO about (name, value) VALUES (?, ?)",
        [("log", name), ("epoch", secrets.token_hex(16))],
    )
    connection.execute("COMMIT")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _is_foreign(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds something, and no delivery log: then nothing is changed."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return not _is_empty(connection) and version != SCHEMA_VERSION


def _check_identity(connection: sqlite3.Connection, path: Path, name: str) -> None:
    if _is_foreign(connection):
        raise WrongLog(f"{path} is no delivery log of version {SCHEMA_VERSION}")
    row = connection.execute("SELECT value FROM about WHERE name = 'log'").fetchone()
    if row is None or row[0] != name:
        raise WrongLog(f"{path} is the log {row[0] if row else 'of nobody'!r}, not {name!r}")
