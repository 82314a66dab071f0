"""Clients, employees and lines as a person sees them at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

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
    address_of,
    from_cursor,
    named,
    page_of,
    slice_of,
    visible_clients,
)
from storage.reads_flags import FlagFilter, FlagView, list_flags
from storage.tables import client_primaries, clients, contacts, flags, holdings


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who was named for a line or client from a moment on."""

    from_at: datetime
    employee: Named | None  #: None: from here on nobody
    left_at: datetime | None  #: when that employee had left, seen from now


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """A client as lists show it."""

    id: str
    name: str
    segment: str | None
    client_since: datetime | None
    external_id: str | None
    primary: Named | None  #: effective now
    named_primary: Named | None  #: named now, employed or not
    primary_left_at: datetime | None  #: when the one named now had left
    open_flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointView:
    """A number or address of a client, and how we know."""

    id: str
    point: str
    address: str
    raw: str | None
    contact: Named | None
    from_at: datetime
    until: datetime | None
    recorded_at: datetime
    recorded_by: str
    provenance: str | None
    decision: str | None  #: that made it


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactView:
    """A person at a client."""

    id: str
    name: str
    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCard:
    """All that is shown of one client, but its timeline: `list_interactions(client=...)`."""

    client: ClientView
    points: tuple[PointView, ...]
    contacts: tuple[ContactView, ...]
    primaries: tuple[Holder, ...]  #: over time, the first first
    flags: tuple[FlagView, ...]  #: the latest first


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


# Clients ---------------------------------------------------------------------------------------


def list_clients(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    search: str | None = None,
    number: str | None = None,
    employee: str | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[ClientView]:
    """Return clients in order of their names.

    `search`: a part of the name, in any case, or our or the import's id; `number`: who holds that
    contact point now; `employee`: who has that named primary now. Raises BadCursor.
    """
    rows = connection.execute(
        select(clients)
        .where(
            *_client_conditions(viewer, now, search, number, employee),
            _after_name(clients.c.search, clients.c.id, after),
        )
        .order_by(clients.c.search, clients.c.id)
        .limit(limit + 1)
    ).all()
    return page_of(rows, limit, lambda shown: _client_views(connection, shown, now), "search", "id")


def _client_conditions(
    viewer: Viewer,
    now: datetime,
    search: str | None,
    number: str | None,
    employee: str | None,
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [current(clients)]
    if not viewer.sees_everything:
        found.append(clients.c.id.in_(visible_clients(viewer, now)))
    if search is not None:
        found.append(
            or_(
                clients.c.search.contains(search.casefold(), autoescape=True),
                clients.c.id == search,
                clients.c.external_id == search,
            )
        )
    if number is not None:
        held = select(holdings.c.client_id).where(
            holdings.c.point == number,
            current(holdings),
            holdings.c.from_at <= now,
            or_(holdings.c.until.is_(None), holdings.c.until > now),
        )
        found.append(clients.c.id.in_(held))
    if employee is not None:
        named_now = _named_primaries([employee], now).subquery()
        found.append(clients.c.id.in_(select(named_now.c.client_id)))
    return found


def _named_primaries(employees: Sequence[str], now: datetime) -> Any:
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


def _after_name(name: Any, key: Any, cursor: str | None) -> ColumnElement[bool]:
    if cursor is None:
        return true()
    text, ident = from_cursor(cursor, str, str)
    return and_(name >= text, or_(name > text, key > ident))


def client(
    connection: Connection, viewer: Viewer, client_id: str, *, now: datetime
) -> ClientCard | None:
    """Return all that is known of one client but its timeline; None: not for this viewer."""
    mine = [] if viewer.sees_everything else [clients.c.id.in_(visible_clients(viewer, now))]
    row = connection.execute(
        select(clients).where(clients.c.id == client_id, current(clients), *mine)
    ).first()
    if row is None:
        return None
    [view] = _client_views(connection, [row], now)
    known = directory.load_directory(connection)
    changes = directory.load_primaries(connection, [client_id]).get(client_id, ())
    return ClientCard(
        client=view,
        points=_points(connection, client_id),
        contacts=_contacts(connection, client_id),
        primaries=_holders(known, changes, now),
        flags=list_flags(
            connection, viewer, FlagFilter(client=client_id), now=now, limit=100
        ).items,
    )


def _client_views(connection: Connection, rows: Sequence[Any], now: datetime) -> list[ClientView]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    known = directory.load_directory(connection)
    primaries = directory.load_primaries(connection, ids)
    flagged = _open_flags(connection, ids, now)
    found = []
    for row in rows:
        changes = primaries.get(row.id, ())
        holder = named_at(changes, now)
        found.append(
            ClientView(
                id=row.id,
                name=row.name,
                segment=row.segment,
                client_since=row.client_since,
                external_id=row.external_id,
                primary=_person(known, known.primary_at(changes, now)),
                named_primary=_person(known, holder),
                primary_left_at=known.left(holder, now),
                open_flags=flagged.get(row.id, 0),
            )
        )
    return found


def _open_flags(connection: Connection, ids: Sequence[str], now: datetime) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(ids):
        for row in connection.execute(
            select(flags.c.subject, func.count().label("number"))
            .where(
                flags.c.subject.in_([f"client:{client}" for client in chunk]),
                or_(flags.c.closed_at.is_(None), flags.c.closed_at > now),
            )
            .group_by(flags.c.subject)
        ):
            found[row.subject.removeprefix("client:")] = row.number
    return found


def _points(connection: Connection, client_id: str) -> tuple[PointView, ...]:
    rows = connection.execute(
        select(holdings)
        .where(holdings.c.client_id == client_id, current(holdings))
        .order_by(holdings.c.from_at, holdings.c.point)
    ).all()
    people = named(connection, contacts, (row.contact_id for row in rows))
    return tuple(
        PointView(
            id=row.id,
            point=row.point,
            address=address_of(row.point),
            raw=row.raw,
            contact=people.get(row.contact_id),
            from_at=row.from_at,
            until=row.until,
            recorded_at=row.recorded_at,
            recorded_by=row.recorded_by,
            provenance=row.provenance,
            decision=row.decision_id,
        )
        for row in rows
    )


def _contacts(connection: Connection, client_id: str) -> tuple[ContactView, ...]:
    return tuple(
        ContactView(id=row.id, name=row.name, role=row.role)
        for row in connection.execute(
            select(contacts)
            .where(contacts.c.client_id == client_id, current(contacts))
            .order_by(contacts.c.name)
        )
    )


def _holders(known: Directory, changes: Sequence[Change], now: datetime) -> tuple[Holder, ...]:
    return tuple(
        Holder(
            from_at=change.from_at,
            employee=_person(known, change.employee),
            left_at=known.left(change.employee, now),
        )
        for change in changes
    )


def _person(known: Directory, employee: str | None) -> Named | None:
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
                supervisor=_person(known, person.supervisor),
                employed=person.employed_at(now),
                left_at=person.left_at(now),
                leaves_at=next(
                    (
                        change.from_at
                        for change in person.employment
                        if change.from_at > now and not change.employed
                    ),
                    None,
                ),
                lines=tuple(sorted(held[person.id], key=lambda line: line.address)),
                clients=numbers.get(person.id, 0) if person.id in counted else None,
            )
        )
    return found


def _count_clients(connection: Connection, people: Sequence[str], now: datetime) -> dict[str, int]:
    """Return how many clients have each of these employees as their named primary."""
    found: dict[str, int] = {}
    for chunk in chunks(people):
        named_now = _named_primaries(chunk, now).subquery()
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
        holder=_person(known, known.holder_at(line.id, now)),
        holders=_holders(known, line.holders, now),
    )


def _own_line(line: Line) -> OwnLine:
    return OwnLine(id=line.id, kind=line.kind.value, address=line.point.value, name=line.name)
