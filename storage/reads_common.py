"""What every reading for a person shares: pages, cursors, and what a viewer may see."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, false, literal, or_, select, true

from ingest.domain.contacts import ContactPoint
from ingest.domain.people import Viewer
from storage.facts import chunks
from storage.tables import (
    client_primaries,
    clients,
    employees,
    employment,
    from_micros,
    lines,
    to_micros,
)

T = TypeVar("T")

PAGE = 50  #: rows of a page unless asked otherwise


class BadCursor(ValueError):
    """This is no cursor that an earlier page gave out; begin without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some rows of a list, and where the next ones begin."""

    items: tuple[T, ...] = ()
    next: str | None = None  #: opaque; None: there are no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An employee or a client, as far as a list shows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLine:
    """One of our lines, as far as a list shows it."""

    id: str
    kind: str
    address: str  #: number, extension or mail address
    name: str


# Cursors ---------------------------------------------------------------------------------------


def to_cursor(*values: str | int | datetime) -> str:
    """Return the place after a row with these sort values as one opaque word."""
    plain = [to_micros(value) if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def from_cursor(cursor: str, *kinds: type) -> list[Any]:
    """Return the sort values that `to_cursor` was given. Raises BadCursor for anything else."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list):
            raise ValueError("no list")
        return [_sort_value(value, kind) for value, kind in zip(values, kinds, strict=True)]
    except (ValueError, OverflowError, RecursionError) as error:
        raise BadCursor("this cursor was not given out by an earlier page") from error


def _sort_value(value: object, kind: type) -> object:
    if kind is datetime and isinstance(value, int):
        return from_micros(value)
    if kind is str and isinstance(value, str):
        return value
    raise ValueError("another kind of value")


def beyond(at: Any, key: Any, cursor: str | None) -> ColumnElement[bool]:
    """Return the condition for rows after the cursor in a list with the latest first."""
    if cursor is None:
        return true()
    moment, ident = from_cursor(cursor, datetime, str)
    # The first half alone lets an index on the moment find the place.
    return and_(at <= moment, or_(at < moment, key < ident))


def page_of(
    rows: Sequence[Any], limit: int, make: Callable[[Sequence[Any]], Sequence[T]], *sort: str
) -> Page[T]:
    """Return a page from rows of which one more than `limit` was asked for."""
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return Page(
        items=tuple(make(shown)),
        next=None if last is None else to_cursor(*(getattr(last, name) for name in sort)),
    )


def slice_of(
    rows: Sequence[T], name: Callable[[T], str], after: str | None, limit: int
) -> tuple[Sequence[T], str | None]:
    """Return a page of rows that all fit in memory, sorted by name and id, and the next cursor."""
    if after is not None:
        place = tuple(from_cursor(after, str, str))
        rows = [row for row in rows if (name(row), _id_of(row)) > place]
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, to_cursor(name(shown[-1]), _id_of(shown[-1])) if more else None


def _id_of(row: Any) -> str:
    return str(row.id)


# What a viewer may see -------------------------------------------------------------------------


def visible_clients(viewer: Viewer, now: datetime) -> Select[tuple[str]]:
    """Return the query of the clients a manager may see: whose effective primary he is now."""
    if viewer.employee is None:
        return select(clients.c.id.label("client_id")).where(false())
    mine, later = client_primaries.alias("mine"), client_primaries.alias("later")
    employed = (
        select(employment.c.employed)
        .where(
            employment.c.employee_id == viewer.employee,
            employment.c.from_at <= now,
            employment.c.retracted_at.is_(None),
        )
        .order_by(employment.c.from_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    named_later = (
        select(literal(1))
        .where(
            later.c.client_id == mine.c.client_id,
            later.c.from_at > mine.c.from_at,
            later.c.from_at <= now,
            later.c.retracted_at.is_(None),
        )
        .exists()
    )
    return (
        select(mine.c.client_id)
        .join(clients, clients.c.id == mine.c.client_id)
        .where(
            clients.c.retracted_at.is_(None),
            mine.c.employee_id == viewer.employee,
            mine.c.from_at <= now,
            mine.c.retracted_at.is_(None),
            employed,
            ~named_later,
        )
    )


def visible_subjects(viewer: Viewer, now: datetime) -> Select[tuple[str]]:
    """Return the query of the timelines a manager may see."""
    mine = visible_clients(viewer, now).subquery()
    return select(literal("client:").concat(mine.c.client_id))


def seen_of(
    connection: Connection, viewer: Viewer, wanted: Iterable[str | None], now: datetime
) -> set[str]:
    """Return which of these clients the viewer may see."""
    ids = sorted({client for client in wanted if client})
    if viewer.sees_everything:
        return set(ids)
    found: set[str] = set()
    mine = visible_clients(viewer, now).subquery()
    for chunk in chunks(ids):
        found.update(
            connection.scalars(select(mine.c.client_id).where(mine.c.client_id.in_(chunk)))
        )
    return found


# Names -----------------------------------------------------------------------------------------


def named(connection: Connection, table: Any, ids: Iterable[str | None]) -> dict[str, Named]:
    """Return the name of each of these clients or employees, also of one since taken back."""
    found: dict[str, Named] = {}
    for chunk in chunks(sorted({key for key in ids if key})):
        for row in connection.execute(
            select(table.c.id, table.c.name).where(table.c.id.in_(chunk))
        ):
            found[row.id] = Named(id=row.id, name=row.name)
    return found


def clients_named(
    connection: Connection, viewer: Viewer, ids: Iterable[str | None], now: datetime
) -> dict[str, Named]:
    """Return the names of those of these clients that the viewer may see."""
    return named(connection, clients, seen_of(connection, viewer, ids, now))


def employees_named(connection: Connection, ids: Iterable[str | None]) -> dict[str, Named]:
    """Return the names of these colleagues."""
    return named(connection, employees, ids)


def lines_named(connection: Connection, ids: Iterable[str | None]) -> dict[str, OwnLine]:
    """Return each of these lines as lists show it."""
    found: dict[str, OwnLine] = {}
    for chunk in chunks(sorted({key for key in ids if key})):
        for row in connection.execute(
            select(lines.c.id, lines.c.kind, lines.c.point, lines.c.name).where(
                lines.c.id.in_(chunk)
            )
        ):
            found[row.id] = OwnLine(
                id=row.id, kind=row.kind, address=address_of(row.point), name=row.name
            )
    return found


def address_of(point: str) -> str:
    """Return the number or address of a stored contact point, without its kind."""
    return ContactPoint.parse(point).value
