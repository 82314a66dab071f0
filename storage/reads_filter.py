"""Which interactions are asked for, as conditions that the database is quick at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, or_, select

from ingest.domain.calls import Direction
from ingest.domain.interactions import FlagKind, Kind, Status
from ingest.domain.people import Viewer
from storage.reads_common import visible_subjects
from storage.tables import flag_touches, flags, interactions, participants

#: A filter that few touches pass is looked up by those; one that many pass is tried on the
#: touches in order of time, where enough of them are soon found.
FEW = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionFilter:
    """Which interactions are asked for; what is None does not matter."""

    from_at: datetime | None = None  #: at or after
    until: datetime | None = None  #: before
    client: str | None = None
    number: str | None = None  #: a contact point as stored, such as `tel:+74951234567`
    source: str | None = None  #: name of a source, or id of a mailbox
    status: Status | None = None
    kind: Kind | None = None
    direction: Direction | None = None
    employee: str | None = None  #: whose touch it was then
    line: str | None = None  #: id of our line that is shown
    flag: str | None = None  #: id of a flag
    flag_kind: FlagKind | None = None
    #: Mails that await a reply since one of these times, each from a moment (None: ever) to before
    #: another: what `overdue_spans` gives for those that wait too long.
    overdue: tuple[tuple[datetime | None, datetime], ...] | None = None


def conditions(wanted: InteractionFilter) -> list[ColumnElement[bool]]:
    """Return the parts of the filter that look at the interaction alone."""
    columns = interactions.c
    equal = {
        columns.source: wanted.source,
        columns.status: wanted.status,
        columns.kind: wanted.kind,
        columns.direction: wanted.direction,
        columns.employee_id: wanted.employee,
        columns.own_line: wanted.line,
    }
    found: list[ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.from_at is not None:
        found.append(columns.occurred_at >= wanted.from_at)
    if wanted.until is not None:
        found.append(columns.occurred_at < wanted.until)
    if wanted.overdue is not None:
        found.append(columns.status == Status.AWAITING_REPLY)
        found.append(or_(false(), *(_between(*span) for span in wanted.overdue)))
    found.append(columns.suppressed == false())
    return found


def _between(begin: datetime | None, end: datetime) -> ColumnElement[bool]:
    occurred_at = interactions.c.occurred_at
    return occurred_at < end if begin is None else and_(occurred_at >= begin, occurred_at < end)


EVERYTHING = InteractionFilter()


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Ids of the interactions that one part of a filter lets pass, asked for in two ways."""

    ids: Select[tuple[str]]  #: all of them
    this: ColumnElement[bool]  #: that an interaction at hand is one of them


def narrowing(viewer: Viewer, wanted: InteractionFilter, now: datetime) -> list[Narrowing]:
    """Return the parts of the filter that look at participants or flags."""
    found = []
    if wanted.client is not None:
        found.append(of_participants(viewer, now, subject=f"client:{wanted.client}"))
    if wanted.number is not None:
        found.append(of_participants(viewer, now, point=wanted.number))
    if wanted.flag is not None or wanted.flag_kind is not None:
        found.append(_of_flags(viewer, now, wanted.flag, wanted.flag_kind))
    if not viewer.sees_everything and wanted.client is None and wanted.number is None:
        found.append(of_participants(viewer, now))
    return found


def of_participants(
    viewer: Viewer, now: datetime, *, subject: str | None = None, point: str | None = None
) -> Narrowing:
    """Return the touches in which that subject or point took part, before the viewer's eyes."""

    def asked_of(subject_column: Any, point_column: Any) -> list[ColumnElement[bool]]:
        asked = []
        if subject is not None:
            asked.append(subject_column == subject)
        if point is not None:
            asked.append(point_column == point)
        if not viewer.sees_everything:
            asked.append(subject_column.in_(visible_subjects(viewer, now)))
        return asked

    part = participants.c
    # Of one touch its few participants are looked at. Bare columns would tempt SQLite, which
    # keeps no statistics, to read all touches of the subject again for each one.
    hidden = asked_of(func.coalesce(part.subject, ""), func.coalesce(part.point, ""))
    return Narrowing(
        select(part.interaction_id).where(*asked_of(part.subject, part.point)),
        select(part.interaction_id)
        .where(part.interaction_id == interactions.c.id, *hidden)
        .correlate(interactions)
        .exists(),
    )


def _of_flags(viewer: Viewer, now: datetime, flag: str | None, kind: FlagKind | None) -> Narrowing:
    """Return the touches of that flag, or of all flags of that kind."""
    link = flag_touches.c
    ids = select(link.interaction_id).join(flags, flags.c.id == link.flag_id)
    if flag is not None:
        ids = ids.where(flags.c.id == flag)
    if kind is not None:
        ids = ids.where(flags.c.kind == kind)
    if not viewer.sees_everything:
        ids = ids.where(flags.c.subject.in_(visible_subjects(viewer, now)))
    this = ids.where(link.interaction_id == interactions.c.id).correlate(interactions).exists()
    return Narrowing(ids, this)


def narrow(connection: Connection, part: Narrowing) -> ColumnElement[bool]:
    """Return the condition to be let pass, in the way that costs less."""
    few = connection.scalars(part.ids.limit(FEW + 1)).all()
    return interactions.c.id.in_(sorted(set(few))) if len(few) <= FEW else part.this
