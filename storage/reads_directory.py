"""Employees and lines as a person sees them at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from ingest.domain.directory import Change, Directory, Employee, Line, LineKind, named_at
from ingest.domain.people import Viewer
from storage import directory
from storage.directory import current
from storage.facts import chunks
from storage.reads_common import (
    PAGE,
    Named,
    OwnLine,
    Page,
    slice_of,
)
from storage.tables import client_primaries, clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who was named for a line or client from a moment on."""

    from_at: datetime
    employee: Named | None  #: None: from here on nobody
    left_at: datetime | None  #: when that employee had left, seen from now


@dataclass(frozen=True, slots=True, kw_only=True)
class EmployeeView:
    """A colleague, with what he holds at this moment."""

    id: str
    name: str
    login: str | None
    supervisor: Named | None
    employed: bool
    left_at: datetime | None
    leaves_at: datetime | None  #: a departure that is still to come
    lines: tuple[OwnLine, ...]  #: named for now
    clients: int | None  #: named primary of now; None: not for this viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One of our lines and who holds it."""

    id: str
    kind: LineKind
    point: str
    address: str
    name: str
    region: str
    shared: bool
    holder: Named | None  #: effective now
    holders: tuple[Holder, ...]  #: over time, the first first


def holders_of(known: Directory, changes: Sequence[Change], now: datetime) -> tuple[Holder, ...]:
    """Return who was named over time, and which of them had left by now."""
    return tuple(
        Holder(
            from_at=change.from_at,
            employee=person_of(known, change.employee),
            left_at=known.left(change.employee, now),
        )
        for change in changes
    )


def person_of(known: Directory, employee: str | None) -> Named | None:
    """Return the colleague of that id by name, or None."""
    person = known.employees.get(employee) if employee else None
    return Named(id=person.id, name=person.name) if person else None


# Employees -------------------------------------------------------------------------------------


def list_employees(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    search: str | None = None,
    employed: bool | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[EmployeeView]:
    """Return colleagues in order of their names. Raises BadCursor."""
    known = directory.load_directory(connection)
    wanted = (search or "").casefold()
    people = [
        person
        for person in known.employees.values()
        if wanted in person.name.casefold() and employed in (None, person.employed_at(now))
    ]
    people.sort(key=lambda person: (person.name, person.id))
    shown, next_ = slice_of(people, lambda person: person.name, after, limit)
    return Page(items=tuple(_employee_views(connection, viewer, shown, known, now)), next=next_)


def employee(
    connection: Connection, viewer: Viewer, employee_id: str, *, now: datetime
) -> EmployeeView | None:
    """Return one colleague; None: there is none of that id."""
    known = directory.load_directory(connection)
    person = known.employees.get(employee_id)
    if person is None:
        return None
    return _employee_views(connection, viewer, [person], known, now)[0]


def _employee_views(
    connection: Connection,
    viewer: Viewer,
    people: Sequence[Employee],
    known: Directory,
    now: datetime,
) -> list[EmployeeView]:
    held: dict[str, list[OwnLine]] = defaultdict(list)
    for line in known.lines.values():
        if holder := named_at(line.holders, now):
            held[holder].append(_own_line(line))
    counted = [
        it.id
        for it in people
        if viewer.sees_everything or (viewer.employee == it.id and it.employed_at(now))
    ]
    numbers = _count_clients(connection, counted, now)
    found = []
    for person in people:
        found.append(
            EmployeeView(
                id=person.id,
                name=person.name,
                login=person.login,
                supervisor=person_of(known, person.supervisor),
                employed=person.employed_at(now),
                left_at=person.left_at(now),
                leaves_at=person.leaves_at(now),
                lines=tuple(sorted(held[person.id], key=lambda line: line.address)),
                clients=numbers.get(person.id, 0) if person.id in counted else None,
            )
        )
    return found


def named_primaries(employees: Sequence[str], now: datetime) -> Any:
    """Return the query of clients and their named primary, where it is one of these, here or not.

    Named is who the last change point until now names.
    """
    mine, later = client_primaries.alias(), client_primaries.alias()
    return select(mine.c.client_id, mine.c.employee_id).where(
        mine.c.employee_id.in_(employees),
        mine.c.retracted_at.is_(None),
        mine.c.from_at <= now,
        ~select(later.c.id)
        .where(
            later.c.client_id == mine.c.client_id,
            later.c.from_at > mine.c.from_at,
            later.c.from_at <= now,
            later.c.retracted_at.is_(None),
        )
        .exists(),
    )


def _count_clients(connection: Connection, people: Sequence[str], now: datetime) -> dict[str, int]:
    """Return how many clients have each of these employees as their named primary."""
    found: dict[str, int] = {}
    for chunk in chunks(people):
        named_now = named_primaries(chunk, now).subquery()
        for row in connection.execute(
            select(named_now.c.employee_id, func.count().label("number"))
            .join(clients, clients.c.id == named_now.c.client_id)
            .where(current(clients))
            .group_by(named_now.c.employee_id)
        ):
            found[row.employee_id] = row.number
    return found


# Lines -----------------------------------------------------------------------------------------


def list_lines(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    kind: LineKind | None = None,
    number: str | None = None,
    employee: str | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[LineView]:
    """Return our lines in order of their addresses; `employee`: named holder now. BadCursor."""
    known = directory.load_directory(connection)
    ours = [
        line
        for line in known.lines.values()
        if kind in (None, line.kind)
        and number in (None, str(line.point))
        and employee in (None, named_at(line.holders, now))
    ]
    ours.sort(key=lambda line: (str(line.point), line.id))
    shown, next_ = slice_of(ours, lambda line: str(line.point), after, limit)
    return Page(items=tuple(_line_view(line, known, now) for line in shown), next=next_)


def line(connection: Connection, viewer: Viewer, line_id: str, *, now: datetime) -> LineView | None:
    """Return one of our lines; None: there is none of that id."""
    known = directory.load_directory(connection)
    found = known.lines.get(line_id)
    return None if found is None else _line_view(found, known, now)


def _line_view(line: Line, known: Directory, now: datetime) -> LineView:
    return LineView(
        id=line.id,
        kind=line.kind,
        point=str(line.point),
        address=line.point.value,
        name=line.name,
        region=line.region,
        shared=line.shared,
        holder=person_of(known, known.holder_at(line.id, now)),
        holders=holders_of(known, line.holders, now),
    )


def _own_line(line: Line) -> OwnLine:
    return OwnLine(id=line.id, kind=line.kind.value, address=line.point.value, name=line.name)
