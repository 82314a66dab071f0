"""Clients as a person sees them at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from ingest.domain.directory import named_at
from ingest.domain.people import Viewer
from storage import directory
from storage.bounces import Undeliverable, undeliverable
from storage.directory import current
from storage.facts import chunks
from storage.reads_common import (
    PAGE,
    Named,
    Page,
    address_of,
    from_cursor,
    named,
    page_of,
    visible_clients,
)
from storage.reads_directory import Holder, holders_of, named_primaries, person_of
from storage.reads_flags import FlagFilter, FlagView, list_flags
from storage.tables import clients, contacts, flags, holdings


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
    undeliverable: Undeliverable | None = None  #: mail to it comes back


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
        named_now = named_primaries([employee], now).subquery()
        found.append(clients.c.id.in_(select(named_now.c.client_id)))
    return found


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
        primaries=holders_of(known, changes, now),
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
                primary=person_of(known, known.primary_at(changes, now)),
                named_primary=person_of(known, holder),
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
    lost = undeliverable(connection, (row.point for row in rows))
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
            undeliverable=lost.get(row.point),
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
