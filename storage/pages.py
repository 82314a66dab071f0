"""What only the site's pages ask: details beside the lists of `reads`, and what the menu counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, or_, select

from ingest.domain.calls import CallEvent, Outcome
from ingest.domain.deliveries import End
from ingest.domain.directory import named_at
from ingest.domain.interactions import Kind, Role
from ingest.domain.mails import Mail, Sighting
from ingest.domain.people import Viewer
from storage import directory, wire
from storage.facts import chunks
from storage.reads_common import Named, OwnLine, lines_named, named, visible_subjects
from storage.reads_flags import FlagFilter, count_flags
from storage.reads_interactions import InteractionView, interaction
from storage.reads_review import count_deliveries, count_review_items
from storage.tables import (
    clients,
    deliveries,
    flags,
    interactions,
    lines,
    participants,
    redecide_jobs,
)

MOST_IDS = 10_000  #: deliveries replayed by one press
LATEST = 20_000  #: parked deliveries that are sorted into classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Badges:
    """What the menu counts."""

    flags: int = 0
    unmatched: int = 0
    parked: int = 0
    redeciding: tuple[int, int] | None = None  #: touches done and in all; None: nothing waits


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUsed:
    """A line of ours that a point used, and who held it at the latest such touch."""

    line: OwnLine
    holder: Named | None  #: named then
    left: bool  #: that one had left by then
    shared: bool  #: answered by many, so that nobody in particular holds it
    touches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSummary:
    """What a list of unmatched points shows of each, beside its counts."""

    lines: tuple[LineUsed, ...] = ()
    flag: str | None = None  #: kind of its open flag
    name: str | None = None  #: as the wire said last, written by a stranger


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSaid:
    """The latest conversation with somebody: who spoke and for how long, or what was written."""

    touch: str
    kind: Kind
    at: datetime
    employee: Named | None
    talk_s: float | None
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedClass:
    """Deliveries of one source that wait for the same reason."""

    source: str
    reason: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangeLine:
    """A number or extension that took part on our side and is none of our lines."""

    point: str
    source: str
    touches: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One report of a call as it was read."""

    received_at: datetime
    event: CallEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """How much is recorded of one point."""

    calls: int = 0
    mails: int = 0
    since: datetime | None = None


def badges(connection: Connection, viewer: Viewer, *, now: datetime) -> Badges:
    """Return what the menu counts for this person."""
    open_flags = count_flags(connection, viewer, FlagFilter(open=True), now=now)
    if not viewer.sees_everything:
        return Badges(flags=open_flags)
    return Badges(
        flags=open_flags,
        unmatched=count_review_items(connection, viewer, now=now),
        parked=count_deliveries(connection, viewer, End.PARKED, now=now),
        redeciding=_redeciding(connection),
    )


def _redeciding(connection: Connection) -> tuple[int, int] | None:
    """Return how far the jobs that go through many touches are."""
    jobs = connection.execute(
        select(redecide_jobs.c.done, redecide_jobs.c.from_at).where(redecide_jobs.c.done > 0)
    ).all()
    if not jobs:
        return None
    total = 0
    for job in jobs:
        since = [] if job.from_at is None else [interactions.c.occurred_at >= job.from_at]
        total += connection.scalar(select(func.count(interactions.c.id)).where(*since)) or 0
    return sum(job.done for job in jobs), total


# Unmatched -------------------------------------------------------------------------------------


def summaries(
    connection: Connection, viewer: Viewer, points: Sequence[str], *, now: datetime
) -> dict[str, PointSummary]:
    """Return what a list shows of each of these points. Managers see none."""
    if not viewer.sees_everything or not points:
        return {}
    used = _lines_used(connection, points)
    flagged = {
        row.subject: row.kind
        for chunk in chunks(points)
        for row in connection.execute(
            select(flags.c.subject, flags.c.kind).where(
                flags.c.subject.in_(chunk),
                or_(flags.c.closed_at.is_(None), flags.c.closed_at > now),
            )
        )
    }
    names = {
        row.point: row.name
        for chunk in chunks(points)
        for row in connection.execute(
            select(participants.c.point, func.max(participants.c.name).label("name"))
            .where(participants.c.point.in_(chunk))
            .group_by(participants.c.point)
        )
    }
    return {
        point: PointSummary(
            lines=tuple(used.get(point, ())), flag=flagged.get(point), name=names.get(point)
        )
        for point in points
    }


def _lines_used(connection: Connection, points: Sequence[str]) -> dict[str, list[LineUsed]]:
    part, touch = participants.c, interactions.c
    rows = [
        row
        for chunk in chunks(points)
        for row in connection.execute(
            select(
                part.point,
                touch.own_line,
                func.count(touch.id.distinct()).label("touches"),
                func.max(touch.occurred_at, type_=touch.occurred_at.type).label("last_at"),
            )
            .join(interactions, touch.id == part.interaction_id)
            .where(part.point.in_(chunk), touch.own_line.is_not(None))
            .group_by(part.point, touch.own_line)
            .order_by(func.count(touch.id.distinct()).desc(), touch.own_line)
        )
    ]
    known = directory.load_directory(connection)
    ours = lines_named(connection, (row.own_line for row in rows))
    found: dict[str, list[LineUsed]] = defaultdict(list)
    for row in rows:
        if row.own_line not in ours:
            continue
        line = known.lines.get(row.own_line)
        holder = named_at(line.holders, row.last_at) if line else None
        person = known.employees.get(holder) if holder else None
        found[row.point].append(
            LineUsed(
                line=ours[row.own_line],
                holder=Named(id=person.id, name=person.name) if person else None,
                left=person is not None and person.left_at(row.last_at) is not None,
                shared=line is not None and line.shared,
                touches=row.touches,
            )
        )
    return found


def touched(connection: Connection, viewer: Viewer, point: str) -> Touched:
    """Return how much is recorded of a point. Managers see nothing."""
    if not viewer.sees_everything:
        return Touched()
    touch = interactions.c
    rows = connection.execute(
        select(
            touch.kind,
            func.count().label("number"),
            func.min(touch.occurred_at, type_=touch.occurred_at.type).label("first"),
        )
        .where(
            touch.id.in_(select(participants.c.interaction_id).where(participants.c.point == point))
        )
        .group_by(touch.kind)
    ).all()
    counts = {row.kind: row.number for row in rows}
    return Touched(
        calls=counts.get(Kind.CALL, 0),
        mails=counts.get(Kind.MAIL, 0),
        since=min((row.first for row in rows), default=None),
    )


# Flags -----------------------------------------------------------------------------------------


def last_said(
    connection: Connection, viewer: Viewer, subject: str, before: datetime, *, now: datetime
) -> LastSaid | None:
    """Return the latest conversation in a timeline before a moment: an answered call or a mail."""
    part, touch = participants.c, interactions.c
    mine = [] if viewer.sees_everything else [part.subject.in_(visible_subjects(viewer, now))]
    spoke = and_(touch.kind == Kind.CALL, touch.outcome == Outcome.ANSWERED)
    found = connection.scalar(
        select(touch.id)
        .join(participants, part.interaction_id == touch.id)
        .where(
            part.subject == subject,
            touch.occurred_at < before,
            touch.suppressed.is_(False),
            touch.machine.is_(False),
            or_(spoke, touch.kind == Kind.MAIL),
            *mine,
        )
        .order_by(touch.occurred_at.desc(), touch.id)
        .limit(1)
    )
    view = interaction(connection, viewer, found, now=now) if found else None
    if view is None:
        return None
    return LastSaid(
        touch=view.id,
        kind=view.kind,
        at=view.occurred_at,
        employee=view.employee,
        talk_s=view.talk_s,
        subject=view.subject,
    )


# One touch -------------------------------------------------------------------------------------


def readings(connection: Connection, viewer: Viewer, touch: InteractionView) -> tuple[Reading, ...]:
    """Return every report of a call as read, in order of receipt. Managers see none."""
    if not viewer.sees_everything or touch.kind is not Kind.CALL or touch.suppressed:
        return ()
    stored = wire.reports_of(connection, touch.keys)
    found = {it.id: it.report for it in stored}
    return tuple(
        Reading(received_at=report.received_at, event=report.event)
        for _, report in sorted(found.items(), key=lambda it: (it[1].received_at, it[0]))
    )


def mail_reading(
    connection: Connection, viewer: Viewer, touch: InteractionView
) -> tuple[Mail, Sequence[Sighting]] | None:
    """Return a mail's headers as read and every sighting of it. Managers see none."""
    if not viewer.sees_everything or touch.kind is not Kind.MAIL or touch.suppressed:
        return None
    return wire.mails_of(connection, [touch.id]).get(touch.id)


# Parked, sources, decisions --------------------------------------------------------------------


def parked_classes(connection: Connection, viewer: Viewer) -> tuple[ParkedClass, ...]:
    """Return what is parked by source and reason, the largest class first.

    Counted among the latest LATEST: of a million parked ones the page would take seconds else.
    """
    if not viewer.sees_everything:
        return ()
    latest = (
        select(deliveries.c.source, deliveries.c.reason, deliveries.c.received_at)
        .where(deliveries.c.end == End.PARKED)
        .order_by(deliveries.c.received_at.desc())
        .limit(LATEST)
        .subquery()
    )
    columns = latest.c
    rows = connection.execute(
        select(
            columns.source,
            columns.reason,
            func.count().label("number"),
            func.max(columns.received_at, type_=columns.received_at.type).label("last_at"),
        )
        .group_by(columns.source, columns.reason)
        .order_by(func.count().desc(), columns.source)
        .limit(100)
    )
    return tuple(
        ParkedClass(
            source=row.source, reason=row.reason or "", count=row.number, last_at=row.last_at
        )
        for row in rows
    )


def parked_ids(connection: Connection, viewer: Viewer, source: str, reason: str) -> tuple[str, ...]:
    """Return the ids (such as `calls-0-17`) of one class of parked deliveries, the oldest first."""
    if not viewer.sees_everything:
        return ()
    columns = deliveries.c
    rows = connection.execute(
        select(columns.log, columns.partition, columns.position)
        .where(
            columns.end == End.PARKED,
            columns.source == source,
            func.coalesce(columns.reason, "") == reason,
        )
        .order_by(columns.received_at, columns.id)
        .limit(MOST_IDS)
    )
    return tuple(f"{row.log}-{row.partition}-{row.position}" for row in rows)


def strange_lines(
    connection: Connection, viewer: Viewer, *, now: datetime, days: int = 30
) -> tuple[StrangeLine, ...]:
    """Return numbers that lately took part on our side and are in no line."""
    if not viewer.sees_everything:
        return ()
    part, touch = participants.c, interactions.c
    ours = select(lines.c.point).where(lines.c.retracted_at.is_(None))
    rows = connection.execute(
        select(
            part.point,
            touch.source,
            func.count().label("touches"),
            func.max(touch.occurred_at, type_=touch.occurred_at.type).label("last_at"),
        )
        .join(interactions, touch.id == part.interaction_id)
        .where(
            touch.occurred_at >= now - timedelta(days=days),
            touch.kind == Kind.CALL,
            part.role == Role.LINE,
            part.point.not_in(ours),
        )
        .group_by(part.point, touch.source)
        .order_by(func.count().desc(), part.point)
        .limit(50)
    )
    return tuple(
        StrangeLine(point=row.point, source=row.source, touches=row.touches, last_at=row.last_at)
        for row in rows
    )


def client_names(
    connection: Connection, viewer: Viewer, ids: Iterable[str | None]
) -> dict[str, str]:
    """Return the names of clients that decisions speak of, also of those since taken back."""
    if not viewer.sees_everything:
        return {}
    return {key: it.name for key, it in named(connection, clients, ids).items()}
