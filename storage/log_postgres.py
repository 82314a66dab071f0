"""A delivery log in PostgreSQL: several partitions, one appender at a time in each.

An appender takes the partition's advisory lock before it reads the last position, and holds it
until its commit, so positions become visible in their order. Identities alone would not promise
that: of two commits in flight the later number may be seen first.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ingest.domain.deliveries import Delivery, NewDelivery
from storage.blobs import INLINE_BYTES, Blobs
from storage.log import READ_BYTES, Bounds, Imprint, Kept, LogUnavailable
from storage.log_postgres_sql import (
    EMPTY,
    FILE_IS_NAMED,
    FILES_OF,
    IMPRINT,
    INSERT,
    KNOWN_EVENTS,
    KNOWN_KEYS,
    LAST,
    READ_END,
    ROWS,
    SCHEMA,
)
from storage.log_rows import Lying, check_storable, delivery_of, digest_of, imprint_of, to_json
from storage.owner import NETWORK, lock_number, plain_url

STATEMENT_TIMEOUT_MS = 5_000
#: A notification serialises commits of the whole database, so an appender sends few of them;
#: who listens also polls.
NOTIFY_EVERY_S = 0.05


def open_postgres_log(
    url: str,
    *,
    name: str,
    blobs: Path,
    partitions: int = 1,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
) -> PostgresLog:
    """Open a log, making its tables if they are not there; for edges and readers alike.

    `partitions` counts only when it is made: the database remembers. `blobs` is the directory of
    long bodies, which all processes of this database must share. Raises LogUnavailable.
    """
    return PostgresLog(
        url,
        name=name,
        blobs=blobs,
        partitions=partitions,
        statement_timeout_ms=statement_timeout_ms,
    )


@dataclass(slots=True)
class _Session:
    """One connection with its lock; made when first used, made again after a failure."""

    lock: threading.Lock
    connection: psycopg.Connection | None = None
    notified_at: float = 0.0


class PostgresLog:
    """A delivery log in PostgreSQL, for its edges and its readers."""

    def __init__(
        self, url: str, *, name: str, blobs: Path, partitions: int, statement_timeout_ms: int
    ) -> None:
        if not re.fullmatch(r"[a-z]{1,20}", name):
            raise ValueError(f"a log's name is some small letters, not {name!r}")
        self.name = name
        self.channel = f"keepline_{name}"
        self._url = plain_url(url)
        # The order of positions rests on each statement seeing what the lock let in, and the
        # promise to the sender on a commit that waits for the disk, whatever the server's defaults.
        self._options = (
            f"-c statement_timeout={statement_timeout_ms} -c synchronous_commit=on"
            " -c default_transaction_isolation=read\\ committed"
        )
        self._blobs = Blobs(blobs)
        self._reading = _Session(threading.Lock())
        self._remembering = _Session(threading.Lock())
        self._listening = _Session(threading.Lock())
        self._epochs = self._prepare(partitions)
        self._appending = [_Session(threading.Lock()) for _ in self._epochs]

    @property
    def partitions(self) -> int:
        """Return how many partitions the database says there are."""
        return len(self._epochs)

    def append(
        self,
        partition: int,
        deliveries: Sequence[NewDelivery],
        *,
        memory: Mapping[str, Any] | None = None,
    ) -> list[Kept]:
        """Keep all of these and the memory in one durable transaction, or nothing of it."""
        check_storable(deliveries)
        digests = [digest_of(new) for new in deliveries]
        with self._session(self._appending[partition]) as connection:
            with connection.transaction():
                kept = self._append(connection, partition, deliveries, digests)
                self._remember(connection, memory)
                self._notify(connection, partition, kept)
            return kept

    def empty(self, partition: int, positions: Iterable[int]) -> int:
        """Drop body and head of these rows; key, hash, size and times stay. Returns how many."""
        wanted = [int(position) for position in positions]
        with self._session(self._remembering) as connection:
            with connection.transaction():
                files = connection.execute(self._sql(FILES_OF), (partition, wanted)).fetchall()
                changed = connection.execute(self._sql(EMPTY), (partition, wanted)).rowcount
            for (digest,) in files:
                self._remove_unless_named(connection, digest)
        return changed

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Write edge memory, durably; None as a value forgets the name."""
        with self._session(self._remembering) as connection, connection.transaction():
            self._remember(connection, memory)

    def read(
        self, partition: int, after: int, limit: int = 500, *, max_bytes: int = READ_BYTES
    ) -> list[Delivery]:
        """Return the next deliveries beyond position `after`, in order."""
        with self._session(self._reading) as connection:
            end = connection.execute(
                self._sql(READ_END), (partition, after, limit, max_bytes)
            ).fetchone()
            if end is None or end[0] is None:
                return []
            rows = connection.execute(
                self._sql(ROWS), (partition, after, end[0]), binary=True
            ).fetchall()
        return [self._delivery(partition, row) for row in rows]

    def bounds(self, partition: int) -> Bounds:
        """Return the epoch, the first and the last position."""
        with self._session(self._reading) as connection:
            row = connection.execute(
                self._sql(
                    "SELECT (SELECT epoch FROM {partition} WHERE partition = %(p)s),"
                    " min(position), coalesce(max(position), 0) FROM {log} WHERE partition = %(p)s"
                ),
                {"p": partition},
            ).fetchone()
        if row is None or row[0] is None:
            raise LogUnavailable(f"the log {self.name} has no partition {partition}")
        return Bounds(epoch=row[0], first=row[1], last=row[2])

    def key_at(self, partition: int, position: int) -> str | None:
        """Return the key of the row at that position, or None if there is none."""
        imprint = self.imprint(partition, position)
        return imprint.key if imprint else None

    def get(self, partition: int, position: int) -> Delivery | None:
        """Return one delivery, or None if there is none."""
        with self._session(self._reading) as connection:
            row = connection.execute(
                self._sql(ROWS), (partition, position - 1, position), binary=True
            ).fetchone()
        return self._delivery(partition, row) if row else None

    def imprint(self, partition: int, position: int) -> Imprint | None:
        """Return what stays of that delivery for ever, or None if there is none."""
        with self._session(self._reading) as connection:
            row = connection.execute(self._sql(IMPRINT), (partition, position)).fetchone()
        return imprint_of(row) if row else None

    def memory(self, name: str) -> Any:
        """Return what was remembered under that name, or None."""
        with self._session(self._reading) as connection:
            row = connection.execute(
                self._sql("SELECT value FROM {memory} WHERE name = %s"), (name,)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def memories(self, prefix: str) -> dict[str, Any]:
        """Return everything remembered under names that begin so."""
        with self._session(self._reading) as connection:
            rows = connection.execute(
                self._sql(
                    "SELECT name, value FROM {memory} WHERE starts_with(name, %s) ORDER BY name"
                ),
                (prefix,),
            ).fetchall()
        return {name: json.loads(value) for name, value in rows}

    def wait(self, timeout_s: float) -> bool:
        """Return True when somebody appended, False after the time; whoever waits also polls."""
        with self._session(self._listening) as connection:
            connection.execute(SQL("LISTEN {}").format(Identifier(self.channel)))
            return any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))

    def close(self) -> None:
        """Let go of the connections; who waits for something stops when its time has come."""
        for session in (self._listening, self._reading, self._remembering, *self._appending):
            with session.lock:
                _drop(session)

    def _append(
        self,
        connection: psycopg.Connection,
        partition: int,
        deliveries: Sequence[NewDelivery],
        digests: list[bytes],
    ) -> list[Kept]:
        if not deliveries:
            return []
        self._write_files(connection, deliveries, digests)
        kept, rows = self._lying(connection, partition, deliveries).sort_out(
            partition, deliveries, digests
        )
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(self._sql(INSERT), (partition, *columns))
        return kept

    def _write_files(
        self,
        connection: psycopg.Connection,
        deliveries: Sequence[NewDelivery],
        digests: list[bytes],
    ) -> None:
        """Write the long bodies; until our commit nobody takes their files for unused."""
        long = {
            digest: new.body
            for new, digest in zip(deliveries, digests, strict=True)
            if len(new.body) > INLINE_BYTES
        }
        for digest in sorted(long):
            connection.execute(
                "SELECT pg_advisory_xact_lock_shared(%s)", (self._file_lock(digest),)
            )
            self._blobs.write(digest, long[digest])

    def _lying(
        self,
        connection: psycopg.Connection,
        partition: int,
        deliveries: Sequence[NewDelivery],
    ) -> Lying:
        """Lock the partition; then ask what lies here already, and where it ends."""
        sources = [new.source for new in deliveries]
        keys = [new.key for new in deliveries]
        named = [(new.source, new.event_id) for new in deliveries if new.event_id is not None]
        with connection.pipeline():  # one round trip; each statement sees what the lock let in
            connection.execute(
                "SELECT pg_advisory_xact_lock(%s)",
                (lock_number(f"keepline append {self.name} {partition}"),),
            )
            lying = connection.execute(self._sql(KNOWN_KEYS), (sources, keys))
            events = connection.execute(
                self._sql(KNOWN_EVENTS), ([s for s, _ in named], [e for _, e in named])
            )
            last = connection.execute(self._sql(LAST), (partition,))
        return Lying(
            {(source, key): (there, position) for source, key, there, position in lying},
            set(events.fetchall()),
            int(cast(tuple[int], last.fetchone())[0]),
        )

    def _remember(self, connection: psycopg.Connection, memory: Mapping[str, Any] | None) -> None:
        for name, value in sorted((memory or {}).items()):  # sorted: no two block each other
            if value is None:
                connection.execute(self._sql("DELETE FROM {memory} WHERE name = %s"), (name,))
            else:
                connection.execute(
                    self._sql(
                        "INSERT INTO {memory} (name, value) VALUES (%s, %s)"
                        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
                    ),
                    (name, to_json(value)),
                )

    def _notify(self, connection: psycopg.Connection, partition: int, kept: list[Kept]) -> None:
        session = self._appending[partition]
        now = time.monotonic()
        if kept and now - session.notified_at >= NOTIFY_EVERY_S:
            session.notified_at = now
            connection.execute("SELECT pg_notify(%s, %s)", (self.channel, str(partition)))

    def _remove_unless_named(self, connection: psycopg.Connection, digest: bytes) -> None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._file_lock(digest),))
            named = connection.execute(self._sql(FILE_IS_NAMED), (digest,)).fetchone()
            if named is None:
                self._blobs.remove(digest)

    def _file_lock(self, digest: bytes) -> int:
        return lock_number(f"keepline file {self.name} {digest.hex()}")

    def _delivery(self, partition: int, row: Any) -> Delivery:
        return delivery_of(row, log=self, partition=partition, blobs=self._blobs)

    def _prepare(self, partitions: int) -> list[str]:
        """Make what is missing; return the epochs of all partitions."""
        with self._session(self._remembering) as connection, connection.transaction():
            connection.execute(
                "SELECT pg_advisory_xact_lock(%s)", (lock_number(f"keepline make {self.name}"),)
            )
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(self._sql(SCHEMA))
            select = self._sql("SELECT epoch FROM {partition} ORDER BY partition")
            if not connection.execute(select).fetchone():
                for number in range(partitions):
                    connection.execute(
                        self._sql("INSERT INTO {partition} (partition, epoch) VALUES (%s, %s)"),
                        (number, secrets.token_hex(16)),
                    )
            return [epoch for (epoch,) in connection.execute(select)]

    def _sql(self, text: LiteralString) -> Composed:
        return SQL(text).format(
            log=Identifier(f"{self.name}_log"),
            partition=Identifier(f"{self.name}_log_partition"),
            memory=Identifier(f"{self.name}_log_memory"),
            event_index=Identifier(f"{self.name}_log_event"),
            file_index=Identifier(f"{self.name}_log_file"),
        )

    @contextmanager
    def _session(self, session: _Session) -> Iterator[psycopg.Connection]:
        """Lend a living connection; after a failure the next user makes a new one."""
        with session.lock:
            try:
                if session.connection is None or not _lives(session.connection):
                    _drop(session)
                    session.connection = psycopg.connect(
                        self._url,
                        autocommit=True,
                        **NETWORK,
                        options=self._options,
                        application_name=f"keepline {self.name} log",
                    )
                yield session.connection
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
                _drop(session)
                raise LogUnavailable(f"the log {self.name}: {_one_line(error)}") from error


def _lives(connection: psycopg.Connection) -> bool:
    """Tell whether an idle connection is still open: a closed one is readable, with nothing."""
    if connection.closed:
        return False
    try:
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return True


def _drop(session: _Session) -> None:
    connection, session.connection = session.connection, None
    if connection is not None:
        connection.close()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
