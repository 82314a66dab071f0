"""A delivery log in one SQLite file: WAL, synchronous=FULL, one owner with one writing connection.

`open_log` is for the edges, which own the file; `open_reader` for everybody else, also in other
processes. Readers see rows in the order of their positions, because one connection writes them,
and AUTOINCREMENT never gives a position twice.
"""
# ruff: noqa: S608  what the statements are put together from are constants of this house

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from ingest.domain.deliveries import Delivery, NewDelivery
from storage.blobs import INLINE_BYTES, Blobs
from storage.log import READ_BYTES, Bounds, Imprint, Kept
from storage.log_rows import (
    COLUMNS,
    EMPTIED,
    IMPRINT_COLUMNS,
    IN_FILE,
    Lying,
    Row,
    check_storable,
    delivery_of,
    digest_of,
    imprint_of,
    to_json,
)
from storage.log_sqlite_file import as_unavailable, connect_reader, connect_writer, sqlite_warning
from storage.owner import own_file

__all__ = ["SqliteLog", "SqliteLogReader", "open_log", "open_reader", "sqlite_warning"]

# One step of SQLite hands the interpreter's lock over and back, which under load costs more than
# the step. So a group is asked about in one statement and, up to so many rows, written in one,
# which is then its own transaction.
_ROWS_A_STATEMENT = 64
_ROWS = f"SELECT {COLUMNS} FROM delivery WHERE position > ? ORDER BY position LIMIT ?"
_IMPRINT = f"SELECT {IMPRINT_COLUMNS} FROM delivery WHERE position = ?"
_LYING = """
SELECT d.source, d.key, d.position FROM json_each(?1) AS j
JOIN delivery AS d ON d.source = json_extract(j.value, '$[0]')
                  AND d.key = json_extract(j.value, '$[1]')
UNION ALL
SELECT DISTINCT d.source, d.event_id, NULL FROM json_each(?1) AS j
JOIN delivery AS d ON d.source = json_extract(j.value, '$[0]')
                  AND d.event_id = json_extract(j.value, '$[2]')
"""
#: The same where all are of one source and have no event ids, as mails are: half the price. CROSS
#: keeps SQLite from going through everything of that source instead.
_LYING_KEYS = """
SELECT d.source, d.key, d.position FROM json_each(?2) AS j
CROSS JOIN delivery AS d ON d.source = ?1 AND d.key = j.value
"""
_LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'delivery'), 0)"
_AMONG = "position IN (SELECT value FROM json_each(?))"
_FILES_OF = f"SELECT DISTINCT sha256 FROM delivery WHERE place = {IN_FILE} AND {_AMONG}"
_FILE_IS_NAMED = f"SELECT 1 FROM delivery WHERE sha256 = ? AND place = {IN_FILE}"
_EMPTY = f"""
UPDATE delivery SET body = NULL, head = '{{}}', place = {EMPTIED}
WHERE place <> {EMPTIED} AND {_AMONG}
"""


def open_log(path: Path, *, name: str, blobs: Path | None = None) -> SqliteLog:
    """Own and open a log, making it if the file is not there.

    `blobs` is the directory of long bodies, by default `blobs` beside the file. Raises
    AlreadyOwned, WrongLog or LogUnavailable.
    """
    return SqliteLog(path, name=name, blobs=blobs)


def open_reader(path: Path, *, name: str, blobs: Path | None = None) -> SqliteLogReader:
    """Return a reader of a log that this or another process owns; it connects when first used."""
    return SqliteLogReader(path, name=name, blobs=blobs)


class SqliteLogReader:
    """A delivery log, read only. Until its owner has made the file it raises LogUnavailable."""

    partitions = 1

    def __init__(self, path: Path, *, name: str, blobs: Path | None = None) -> None:
        self.name = name
        self.path = path
        self._blobs = Blobs(blobs or path.parent / "blobs")
        self._reading = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  #: which one the reader has open

    def read(
        self, partition: int, after: int, limit: int = 500, *, max_bytes: int = READ_BYTES
    ) -> list[Delivery]:
        """Return the next deliveries beyond position `after`, in order."""
        _only_zero(partition)
        rows: list[Row] = []
        size = 0
        with self._reads() as reader:
            found = reader.execute(_ROWS, (after, limit))
            for row in found:
                rows.append(row)
                size += 0 if row[8] == EMPTIED else row[7]
                if size >= max_bytes:
                    break
            found.close()  # else its snapshot would stay, and the WAL grow
        return [delivery_of(row, log=self, partition=0, blobs=self._blobs) for row in rows]

    def bounds(self, partition: int) -> Bounds:
        """Return the epoch, the first and the last position.

        Here it is seen if another file lies in the place of the one that is open, as after a
        restore: from then on that one is read.
        """
        _only_zero(partition)
        self._look_at_file()
        epoch, first, last = self._one(
            "SELECT (SELECT value FROM about WHERE name = 'epoch'),"
            " (SELECT min(position) FROM delivery), (SELECT max(position) FROM delivery)"
        )
        return Bounds(epoch=epoch, first=first, last=last or 0)

    def key_at(self, partition: int, position: int) -> str | None:
        """Return the key of the row at that position, or None if there is none."""
        imprint = self.imprint(partition, position)
        return imprint.key if imprint else None

    def get(self, partition: int, position: int) -> Delivery | None:
        """Return one delivery, or None if there is none."""
        found = self.read(partition, position - 1, 1)
        return found[0] if found and found[0].position == position else None

    def imprint(self, partition: int, position: int) -> Imprint | None:
        """Return what stays of that delivery for ever, or None if there is none."""
        _only_zero(partition)
        row = self._one(_IMPRINT, position)
        return imprint_of(row) if row else None

    def memory(self, name: str) -> Any:
        """Return what was remembered under that name, or None."""
        row = self._one("SELECT value FROM edge_memory WHERE name = ?", name)
        return json.loads(row[0]) if row else None

    def memories(self, prefix: str) -> dict[str, Any]:
        """Return everything remembered under names that begin so."""
        with self._reads() as reader:
            rows = reader.execute(
                "SELECT name, value FROM edge_memory WHERE substr(name, 1, length(?1)) = ?1"
                " ORDER BY name",
                (prefix,),
            ).fetchall()
        return {name: json.loads(value) for name, value in rows}

    def close(self) -> None:
        """Let go of the connection."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    @contextmanager
    def _reads(self) -> Iterator[sqlite3.Connection]:
        with self._reading, as_unavailable(self.path):
            if self._reader is None:
                self._file = _identity(self.path) if self.path.exists() else None
                self._reader = connect_reader(self.path, self.name)
            yield self._reader

    def _look_at_file(self) -> None:
        with as_unavailable(self.path):
            lying = _identity(self.path)
        if self._file not in (None, lying):
            self.close()

    def _one(self, statement: str, *values: object) -> Any:
        with self._reads() as reader:
            return reader.execute(statement, values).fetchone()


class SqliteLog(SqliteLogReader):
    """A delivery log as its owner has it: the only writing connection of the file."""

    def __init__(self, path: Path, *, name: str, blobs: Path | None = None) -> None:
        super().__init__(path, name=name, blobs=blobs)
        self._ownership = own_file(path)
        self._writing = threading.Lock()
        self._last: int | None = None  #: the last position; None: ask the file
        try:
            with as_unavailable(path):
                self._writer = connect_writer(path, name)
        except BaseException:
            self._ownership.release()
            raise
        if warning := sqlite_warning():
            structlog.get_logger().warning("sqlite.old", file=path.name, reason=warning)

    def append(
        self,
        partition: int,
        deliveries: Sequence[NewDelivery],
        *,
        memory: Mapping[str, Any] | None = None,
    ) -> list[Kept]:
        """Keep all of these and the memory in one durable transaction, or nothing of it."""
        _only_zero(partition)
        check_storable(deliveries)
        with self._writing, as_unavailable(self.path):
            digests = [self._settle(new) for new in deliveries]
            kept, rows = self._lying(deliveries).sort_out(0, deliveries, digests)
            if memory or len(rows) > _ROWS_A_STATEMENT:
                with self._transaction():
                    self._insert(rows)
                    _remember(self._writer, memory or {})
            else:
                self._insert(rows)
            if rows:
                self._last = rows[-1][0]
        return kept

    def empty(self, partition: int, positions: Iterable[int]) -> int:
        """Drop body and head of these rows; key, hash, size and times stay. Returns how many."""
        _only_zero(partition)
        wanted = to_json([int(position) for position in positions])
        with self._writing, as_unavailable(self.path):
            with self._transaction():
                files = self._writer.execute(_FILES_OF, (wanted,)).fetchall()
                changed = self._writer.execute(_EMPTY, (wanted,)).rowcount
            for (digest,) in files:
                if self._writer.execute(_FILE_IS_NAMED, (digest,)).fetchone() is None:
                    self._blobs.remove(digest)
        return changed

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Write edge memory, durably; None as a value forgets the name."""
        self.append(0, (), memory=memory)

    def close(self) -> None:
        """Close the file and let another process own it."""
        super().close()
        with self._writing:
            self._writer.close()
        self._ownership.release()

    def _look_at_file(self) -> None:
        """Stay with the file that this process owns and writes."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            self._last = None  # a commit that failed may have come through all the same
            if self._writer.in_transaction:  # with a full disk SQLite may have rolled back itself
                self._writer.execute("ROLLBACK")
            raise

    def _settle(self, new: NewDelivery) -> bytes:
        """Return the hash of a body, which lies in a file by then if it is long."""
        digest = digest_of(new)
        if len(new.body) > INLINE_BYTES:
            self._blobs.write(digest, new.body)
        return digest

    def _lying(self, deliveries: Sequence[NewDelivery]) -> Lying:
        if self._last is None:
            self._last = int(self._writer.execute(_LAST).fetchone()[0])
        keys: dict[tuple[str, str], tuple[int, int]] = {}
        events: set[tuple[str, str | None]] = set()
        if deliveries:
            for source, name, position in self._writer.execute(*_lying_of(deliveries)).fetchall():
                if position is None:
                    events.add((source, name))
                else:
                    keys[source, name] = (0, position)
        return Lying(keys, events, self._last)

    def _insert(self, rows: list[Row]) -> None:
        try:
            for start in range(0, len(rows), _ROWS_A_STATEMENT):
                chunk = rows[start : start + _ROWS_A_STATEMENT]
                values = [value for row in chunk for value in row]
                self._writer.execute(_insert_of(len(chunk)), values)
        except BaseException:
            self._last = None  # a commit that failed may have come through all the same
            raise


def _lying_of(deliveries: Sequence[NewDelivery]) -> tuple[str, tuple[str, ...]]:
    """Return the statement that asks which of these lie there, and its values."""
    source = deliveries[0].source
    if all(new.event_id is None and new.source == source for new in deliveries):
        return _LYING_KEYS, (source, to_json([new.key for new in deliveries]))
    return _LYING, (to_json([(new.source, new.key, new.event_id) for new in deliveries]),)


@cache
def _insert_of(rows: int) -> str:
    return f"INSERT INTO delivery ({COLUMNS}) VALUES " + ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * rows)


@cache
def _remember_of(names: int) -> str:
    return (
        f"INSERT INTO edge_memory (name, value) VALUES {','.join(['(?,?)'] * names)}"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def _remember(writer: sqlite3.Connection, memory: Mapping[str, Any]) -> None:
    written: list[tuple[str, str]] = []
    for name, value in memory.items():
        if value is None:
            writer.execute("DELETE FROM edge_memory WHERE name = ?", (name,))
        else:
            written.append((name, to_json(value)))
    for start in range(0, len(written), _ROWS_A_STATEMENT):
        chunk = written[start : start + _ROWS_A_STATEMENT]
        writer.execute(_remember_of(len(chunk)), [value for pair in chunk for value in pair])


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _only_zero(partition: int) -> None:
    if partition != 0:
        raise ValueError(f"a SQLite log has partition 0 only, not {partition}")
