"""The main database: one writer, any number of readers; SQLite or PostgreSQL, one code."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Table, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool, StaticPool

from storage.owner import NETWORK, SERVER_OPTIONS, lock_number
from storage.tables import Moment, to_micros

BUSY_S = 5.0  #: how long a connection waits for a lock before it gives up
#: On PostgreSQL, of one statement, waiting for another writer counted in, and between two.
WRITING_S = 120
READING_S = 60  #: the same of a reader

#: Of the write-ahead log, 16 MiB, before they are carried into the file: the same pages of indexes
#: are in every batch, and are carried over once, not once for each.
CHECKPOINT_PAGES = 4_000

CLOSE_S = 10.0  #: how long closing waits for transactions under way

_WRITERS = lock_number("keepline writer main")


class DatabaseClosed(Exception):
    """The process is ending: nothing more is read or written."""


class Database:
    """A main database, opened as its owner (`writable`) or only for reading.

    All writing goes through `write()`: one connection, one transaction at a time. On SQLite the
    transaction takes the write lock at its start, so what is read in it cannot change before it
    commits. On PostgreSQL it takes an advisory lock at its start for the same reason: a core that
    lost its ownership unawares may still be writing when its successor begins.
    """

    def __init__(self, url: str, *, writable: bool = True) -> None:
        self.url = url
        self.dialect = make_url(url).get_backend_name()
        self._writing = threading.RLock()
        self._using = threading.Condition()
        self._users = 0
        self._closed = False
        self._writer = _engine(url, writer=True) if writable else None
        self._reader = _engine(url, writer=False)

    @property
    def writer(self) -> Engine:
        """Return the writing engine, for migrations. Raises RuntimeError if opened to read."""
        if self._writer is None:
            raise RuntimeError("this process may only read the main database")
        return self._writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the one write transaction; commits at the end, rolls back on an exception."""
        with self._use(), self._writing, self.writer.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(_TAKE_TURN, {"number": _WRITERS})
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction that sees one state of the database."""
        with self._use(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._using:
            if self._closed:
                raise DatabaseClosed("the main database is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._using:
                self._users -= 1
                self._using.notify_all()

    def close(self) -> None:
        """Wait for the transactions under way, then close every connection.

        A SQLite connection closed under the thread that uses it takes the process with it.
        """
        with self._using:
            self._closed = True
            if not self._using.wait_for(lambda: self._users == 0, CLOSE_S):
                return  # they end with the process
        self._reader.dispose()
        if self._writer is not None:
            self._writer.dispose()


_TAKE_TURN = text("SELECT pg_advisory_xact_lock(:number)")


def sqlite_url(path: Path) -> str:
    """Return the address of a SQLite file."""
    return f"sqlite:///{path}"


def _engine(url: str, *, writer: bool) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite(url, writer=writer)
    asked = address.query.get("options", ())
    options = [asked] if isinstance(asked, str) else list(asked)
    seconds = WRITING_S if writer else READING_S
    options.append(f"{SERVER_OPTIONS} -c statement_timeout={seconds}s")
    options.append(f"-c idle_in_transaction_session_timeout={seconds}s")
    if not writer:
        options.append("-c default_transaction_read_only=on")
    return create_engine(
        url,
        pool_size=1 if writer else 8,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED" if writer else "REPEATABLE READ",
        hide_parameters=True,  # errors are logged, and the values are people's
        connect_args={**NETWORK, "options": " ".join(options)},
    )


def _sqlite(url: str, *, writer: bool) -> Engine:
    path = make_url(url).database or ""

    def connect() -> sqlite3.Connection:
        if writer:
            connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            os.chmod(path, 0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        else:
            # A reader that is the last to close would otherwise checkpoint and delete the WAL.
            connection = sqlite3.connect(
                f"file:{path}?mode=ro",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA query_only=1")
            connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA cache_size=-65536")
        return connection

    engine = create_engine(
        url,
        creator=connect,
        hide_parameters=True,
        poolclass=StaticPool if writer else QueuePool,
        **({} if writer else {"pool_size": 8, "max_overflow": 0}),
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver's own transaction handling begins too late for a consistent read.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def dialect_insert(connection: Connection, table: Any) -> Any:
    """Return the database's own insert, which can say `on conflict`."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgres_insert

    return postgres_insert(table)


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    ignore: bool = False,
    renew: tuple[str, ...] = (),
) -> None:
    """Insert rows that all have the same columns, by the driver itself: half the cost of Core's.

    A row whose key is there already is left as it stands with `ignore`; with `renew` these columns
    of it are written. Values are as storage writes them; moments may be given as they are.
    """
    if not rows:
        return
    names = tuple(rows[0])
    asked = _insert_text(connection.dialect, table, names, ignore, renew)
    connection.exec_driver_sql(asked.text, asked.values(rows))


def insert_values(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    ignore: bool = False,
    renew: tuple[str, ...] = (),
) -> None:
    """Insert rows given as values in the order of the names, moments as microseconds.

    As `insert_rows`, for what comes in thousands: nothing is looked at row by row.
    """
    if rows:
        asked = _insert_text(connection.dialect, table, names, ignore, renew)
        connection.exec_driver_sql(asked.text, list(rows))


def update_values(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write rows given as values in the order of the names; found by the last of them."""
    if rows:
        asked = _update_text(connection.dialect, table, names)
        connection.exec_driver_sql(asked.text, list(rows))


def update_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, by: str = "id"
) -> None:
    """Write the columns given of rows found by one of them, in the way of `insert_rows`."""
    if not rows:
        return
    names = (*(name for name in rows[0] if name != by), by)
    asked = _update_text(connection.dialect, table, names)
    connection.exec_driver_sql(asked.text, asked.values(rows))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A statement in the driver's own words, and the columns whose values it takes, in order."""

    text: str
    names: tuple[str, ...]
    moments: tuple[int, ...]  #: places of those that hold moments

    def values(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Return the values of each row, moments in microseconds."""
        pick = itemgetter(*self.names) if len(self.names) > 1 else None
        found = []
        for row in rows:
            values = list(pick(row) if pick else row.values())
            for place in self.moments:
                if isinstance(values[place], datetime):
                    values[place] = to_micros(values[place])
            found.append(tuple(values))
        return found


def _asked(table: Table, names: tuple[str, ...], text: str) -> _Asked:
    places = [place for place, name in enumerate(names) if isinstance(table.c[name].type, Moment)]
    return _Asked(text, names, tuple(places))


@lru_cache(maxsize=256)
def _insert_text(
    dialect: Dialect, table: Table, names: tuple[str, ...], ignore: bool, renew: tuple[str, ...]
) -> _Asked:
    quote = dialect.identifier_preparer.quote
    columns = ", ".join(quote(name) for name in names)
    places = ", ".join([_place(dialect)] * len(names))
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    if renew:
        written = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in renew)
        keys = ", ".join(quote(column.name) for column in table.primary_key)
        tail = f" ON CONFLICT ({keys}) DO UPDATE SET {written}"
    text = f"INSERT INTO {table.name} ({columns}) VALUES ({places}){tail}"  # noqa: S608
    return _asked(table, names, text)


@lru_cache(maxsize=256)
def _update_text(dialect: Dialect, table: Table, names: tuple[str, ...]) -> _Asked:
    place = _place(dialect)
    *written, by = (f"{dialect.identifier_preparer.quote(name)} = {place}" for name in names)
    text = f"UPDATE {table.name} SET {', '.join(written)} WHERE {by}"  # noqa: S608
    return _asked(table, names, text)


def _place(dialect: Dialect) -> str:
    return "?" if dialect.name == "sqlite" else "%s"
