"""Flags as a person sees them: state and handler are computed when they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ingest.domain.directory import Directory, who_answers_for
from ingest.domain.interactions import FlagKind
from ingest.domain.people import Viewer
from storage import directory
from storage.facts import chunks
from storage.reads_common import (
    PAGE,
    Named,
    OwnLine,
    Page,
    beyond,
    clients_named,
    lines_named,
    page_of,
    visible_subjects,
)
from storage.tables import flags, interactions, withdrawn_flags


class FlagState(StrEnum):
    """How far a flag is, at the moment it is read."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  #: seen by someone, still open
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"  #: no touch supports it any more


class FlagOrder(StrEnum):
    """By which moment a list of flags is ordered, the latest first."""

    OPENED = "opened_at"  #: steady while one pages through
    TOUCHED = "last_at"  #: the one whose client called last comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFilter:
    """Which flags are asked for; what is None does not matter."""

    state: FlagState | None = None
    open: bool | None = None  #: True: open or acknowledged; False: closed
    kind: FlagKind | None = None
    client: str | None = None
    point: str | None = None  #: a contact point as stored
    from_at: datetime | None = None  #: opened at or after
    until: datetime | None = None  #: opened before


EVERY_FLAG = FlagFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagView:
    """Why someone must look at a client or number, and who it is for now."""

    id: str
    key: str  #: kind and subject: what decisions about it hang on
    number: int
    kind: FlagKind
    subject: str
    client: Named | None
    point: str | None  #: if no client is known
    departed: Named | None
    line: OwnLine | None
    state: FlagState
    opened_at: datetime
    last_at: datetime | None  #: of its latest touch; None: withdrawn
    closed_at: datetime | None
    closed_why: str | None
    acknowledged_at: datetime | None
    withdrawn_at: datetime | None
    handler: Named | None  #: None: nobody is left to answer for it
    interactions: tuple[str, ...]
    live: bool  #: a touch of it is going on right now

    @property
    def is_open(self) -> bool:
        """Tell whether someone still must look."""
        return self.state in (FlagState.OPEN, FlagState.ACKNOWLEDGED)


def list_flags(
    connection: Connection,
    viewer: Viewer,
    wanted: FlagFilter = EVERY_FLAG,
    *,
    now: datetime,
    order: FlagOrder = FlagOrder.OPENED,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[FlagView]:
    """Return the flags that pass the filter, the latest first.

    Withdrawn flags are in no list. Raises BadCursor if `after` is of no earlier page.
    """
    column = flags.c[order.value]
    rows = connection.execute(
        select(flags)
        .where(*_conditions(viewer, wanted, now), beyond(column, flags.c.id, after))
        .order_by(column.desc(), flags.c.id.desc())
        .limit(limit + 1)
    ).all()
    return page_of(
        rows, limit, lambda shown: _views(connection, viewer, shown, now), order.value, "id"
    )


def count_flags(
    connection: Connection, viewer: Viewer, wanted: FlagFilter, *, now: datetime
) -> int:
    """Return the length of the list that the same filter gives."""
    conditions = _conditions(viewer, wanted, now)
    return int(connection.scalar(select(func.count()).select_from(flags).where(*conditions)) or 0)


def flag(connection: Connection, viewer: Viewer, flag_id: str, *, now: datetime) -> FlagView | None:
    """Return a flag by any id ever shown, withdrawn ones too; None: not for this viewer."""
    row = connection.execute(
        select(flags).where(flags.c.id == flag_id, *_for(viewer, flags.c.subject, now))
    ).first()
    if row is not None:
        return _views(connection, viewer, [row], now)[0]
    gone = connection.execute(
        select(withdrawn_flags).where(withdrawn_flags.c.id == flag_id)
    ).first()
    return None if gone is None else _withdrawn(connection, viewer, gone, now)


def _conditions(viewer: Viewer, wanted: FlagFilter, now: datetime) -> list[ColumnElement[bool]]:
    columns = flags.c
    is_open = or_(columns.closed_at.is_(None), columns.closed_at > now)
    states = {
        FlagState.OPEN: and_(is_open, columns.acknowledged_at.is_(None)),
        FlagState.ACKNOWLEDGED: and_(is_open, columns.acknowledged_at.is_not(None)),
        FlagState.CLOSED: columns.closed_at <= now,
    }
    found = _for(viewer, columns.subject, now)
    if wanted.state is not None:
        found.append(states.get(wanted.state, columns.id.is_(None)))
    if wanted.open is not None:
        found.append(is_open if wanted.open else columns.closed_at <= now)
    if wanted.kind is not None:
        found.append(columns.kind == wanted.kind)
    if wanted.client is not None:
        found.append(columns.subject == f"client:{wanted.client}")
    if wanted.point is not None:
        found.append(columns.subject == wanted.point)
    if wanted.from_at is not None:
        found.append(columns.opened_at >= wanted.from_at)
    if wanted.until is not None:
        found.append(columns.opened_at < wanted.until)
    return found


def _for(viewer: Viewer, subject: Any, now: datetime) -> list[ColumnElement[bool]]:
    return [] if viewer.sees_everything else [subject.in_(visible_subjects(viewer, now))]


def _views(
    connection: Connection, viewer: Viewer, rows: Sequence[Any], now: datetime
) -> list[FlagView]:
    if not rows:
        return []
    known = directory.load_directory(connection)
    duty = directory.load_policies(connection).at(now).duty
    ids = {row.id: _client_of(row.subject) for row in rows}
    primaries = directory.load_primaries(connection, [it for it in ids.values() if it])
    handlers = {
        row.id: who_answers_for(
            known,
            primary=primaries.get(ids[row.id] or "", ()),
            line=row.line,
            departed=row.departed,
            duty=duty,
            at=now,
        )
        for row in rows
    }
    names = clients_named(connection, viewer, ids.values(), now)
    ours = lines_named(connection, (row.line for row in rows))
    touches = {row.id: tuple(json.loads(row.touches)) for row in rows}
    live = _going_on(connection, {it for found in touches.values() for it in found})
    return [
        FlagView(
            id=row.id,
            key=row.key,
            number=row.number,
            kind=FlagKind(row.kind),
            subject=row.subject,
            client=names.get(ids[row.id] or ""),
            point=None if ids[row.id] else row.subject,
            departed=_person(known, row.departed),
            line=ours.get(row.line),
            state=_state(row, now),
            opened_at=row.opened_at,
            last_at=row.last_at,
            closed_at=row.closed_at,
            closed_why=row.closed_why,
            acknowledged_at=row.acknowledged_at,
            withdrawn_at=None,
            handler=_person(known, handlers[row.id]),
            interactions=touches[row.id],
            live=not live.isdisjoint(touches[row.id]),
        )
        for row in rows
    ]


def _client_of(subject: str) -> str | None:
    kind, _, ident = subject.partition(":")
    return ident if kind == "client" else None


def _person(known: Directory, employee: str | None) -> Named | None:
    person = known.employees.get(employee) if employee else None
    return Named(id=person.id, name=person.name) if person else None


def _state(row: Any, now: datetime) -> FlagState:
    if row.closed_at is not None and row.closed_at <= now:
        return FlagState.CLOSED
    return FlagState.OPEN if row.acknowledged_at is None else FlagState.ACKNOWLEDGED


def _going_on(connection: Connection, touches: set[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(sorted(touches)):
        found.update(
            connection.scalars(
                select(interactions.c.id).where(
                    interactions.c.id.in_(chunk), interactions.c.ended.is_(False)
                )
            )
        )
    return found


def _withdrawn(connection: Connection, viewer: Viewer, row: Any, now: datetime) -> FlagView | None:
    kind, _, subject = row.key.partition("|")
    client = _client_of(subject)
    names = clients_named(connection, viewer, [client], now)
    if not viewer.sees_everything and client not in names:
        return None
    return FlagView(
        id=row.id,
        key=row.key,
        number=0,
        kind=FlagKind(kind),
        subject=subject,
        client=names.get(client or ""),
        point=None if client else subject,
        departed=None,
        line=None,
        state=FlagState.WITHDRAWN,
        opened_at=row.opened_at,
        last_at=None,
        closed_at=None,
        closed_why=None,
        acknowledged_at=None,
        withdrawn_at=row.withdrawn_at,
        handler=None,
        interactions=(),
        live=False,
    )
