"""Writing facts: inserted once, retracted at most once, never edited."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from storage import noting
from storage.database import dialect_insert
from storage.tables import counters, participants, redecide_jobs

IN_CHUNK = 500  #: values in one `in (...)`


class Conflict(Exception):
    """The facts already say something else at that very moment; nothing was written."""


def new_id() -> str:
    """Return a fresh id for a fact."""
    return str(uuid4())


def record(
    connection: Connection,
    table: Table,
    *,
    at: datetime,
    by: str,
    id: str | None = None,
    provenance: str | None = None,
    decision: str | None = None,
    **values: Any,
) -> str:
    """Insert one fact and return its id."""
    key = id or new_id()
    connection.execute(
        insert(table),
        {
            "id": key,
            "recorded_at": at,
            "recorded_by": by,
            "provenance": provenance,
            "decision_id": decision,
            **values,
        },
    )
    noting.note(connection, table, [{"id": key, **values}])
    return key


def record_all(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, at: datetime, by: str
) -> None:
    """Insert many facts of one table; each row brings its own id."""
    common = {"recorded_at": at, "recorded_by": by, "provenance": None, "decision_id": None}
    if rows:
        connection.execute(insert(table), [{**common, **row} for row in rows])
        noting.note(connection, table, rows)


def retract(
    connection: Connection, table: Table, ids: Iterable[str], *, at: datetime, by: str, why: str
) -> int:
    """Take facts back; those already taken back stay as they are. Returns how many."""
    count = 0
    for chunk in chunks(list(ids)):
        noting.note_ids(connection, table, chunk)
        count += connection.execute(
            update(table)
            .where(table.c.id.in_(chunk), table.c.retracted_at.is_(None))
            .values(retracted_at=at, retracted_by=by, retracted_why=why)
        ).rowcount
    return count


def chunks(values: Sequence[Any], size: int = IN_CHUNK) -> Iterable[Sequence[Any]]:
    """Yield the values in slices that one statement can take."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


# Deciding anew ---------------------------------------------------------------------------------


def redecide_points(
    connection: Connection,
    points: Iterable[str],
    *,
    from_at: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Ask for every touch that one of these points took part in to be matched anew.

    Points that nothing was heard of yet cost nothing.
    """
    raise_version(connection)
    for chunk in chunks(sorted(set(points))):
        heard = connection.scalars(
            select(participants.c.point).where(participants.c.point.in_(chunk)).distinct()
        ).all()
        if heard:
            _ask(connection, "points", sorted(heard), from_at, until)


def redecide_subjects(connection: Connection, subjects: Iterable[str]) -> None:
    """Ask for the timelines of these subjects to be decided anew."""
    raise_version(connection)
    for chunk in chunks(sorted(set(subjects))):
        heard = connection.scalars(
            select(participants.c.subject).where(participants.c.subject.in_(chunk)).distinct()
        ).all()
        if heard:
            _ask(connection, "subjects", sorted(heard))


def redecide_keys(connection: Connection, keys: Iterable[str]) -> None:
    """Ask for the touches with these keys to be made anew."""
    raise_version(connection)
    for chunk in chunks(sorted(set(keys))):
        _ask(connection, "keys", list(chunk))


def redecide_source(connection: Connection, source: str, from_at: datetime | None = None) -> None:
    """Ask for every touch of that source, from that moment on or ever, to be made anew."""
    raise_version(connection)
    _ask(connection, "source", [source], from_at)


def redecide_since(connection: Connection, from_at: datetime) -> None:
    """Ask for every touch from that moment on to be made anew."""
    raise_version(connection)
    _ask(connection, "all", [], from_at)


def _ask(
    connection: Connection,
    scope: str,
    targets: Sequence[str],
    from_at: datetime | None = None,
    until: datetime | None = None,
) -> None:
    connection.execute(
        insert(redecide_jobs),
        {"scope": scope, "targets": json.dumps(list(targets)), "from_at": from_at, "until": until},
    )


def raise_version(connection: Connection) -> None:
    """Say that the directory, policy or decisions are not what they were."""
    bump(connection, "directory_version")


def version(connection: Connection) -> int:
    """Return how often the directory, policy or decisions have changed."""
    return counter(connection, "directory_version")


def hold_version(connection: Connection) -> int:
    """Return the version as it stays until this transaction ends: whoever raises it waits.

    Without that a fact written on another connection of PostgreSQL would not find the touches
    of a batch in flight, nor the batch the fact. On SQLite one writer at a time is the rule.
    """
    statement = select(counters.c.value).where(counters.c.name == "directory_version")
    found = connection.scalar(statement.with_for_update(read=True))
    return bump(connection, "directory_version", 0) if found is None else int(found)


def bump(connection: Connection, name: str, by: int = 1) -> int:
    """Raise a counter and return what it is now."""
    statement = dialect_insert(connection, counters).values(name=name, value=by)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": counters.c.value + by}
        )
    )
    return counter(connection, name)


def counter(connection: Connection, name: str) -> int:
    """Return a counter; 0 if it was never raised."""
    found = connection.scalar(
        select(counters.c.value).where(counters.c.name == bindparam("name")), {"name": name}
    )
    return int(found or 0)


def count(connection: Connection, table: Table, *where: Any) -> int:
    """Return how many rows of the table fulfil the conditions."""
    return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)
