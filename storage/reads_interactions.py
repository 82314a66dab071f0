"""Interactions as a person sees them: lists, one touch with all its sides, a mail's text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint
from ingest.domain.interactions import Kind, Policy, Side, Status
from ingest.domain.mails import Passage
from ingest.domain.people import Viewer
from ingest.domain.working_hours import due_at, overdue_before
from storage import directory, wire
from storage.facts import chunks
from storage.reads_common import (
    PAGE,
    Named,
    OwnLine,
    Page,
    address_of,
    beyond,
    clients_named,
    employees_named,
    lines_named,
    named,
    page_of,
    visible_subjects,
)
from storage.reads_filter import (
    EVERYTHING,
    InteractionFilter,
    Narrowing,
    conditions,
    narrow,
    narrowing,
    of_participants,
)
from storage.tables import (
    call_keys,
    call_reports,
    contacts,
    deliveries,
    flag_touches,
    flags,
    interactions,
    mail_bodies,
    mails,
    participants,
    sightings,
)

#: A call back that comes later than this after the missed call is late. One time for every client,
#: by the clock and not by working hours: no promise to clients is recorded yet.
CALL_BACK_WITHIN = timedelta(hours=24)


class ClosedAs(StrEnum):
    """What a later call was to the call that it closed."""

    CALLED_BACK = "called_back"
    CALLED_BACK_LATE = "called_back_late"
    CLIENT_REACHED_US = "client_reached_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantView:
    """One point that took part, as far as the viewer may see it."""

    point: str  #: as stored, such as `tel:+74951234567`
    address: str  #: number or address alone; "" if withheld
    role: str
    side: str
    name: str | None  #: as the wire said, written by a stranger
    client: Named | None = None
    contact: Named | None = None
    method: str | None = None  #: why linked
    cause: str | None = None  #: why not linked


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRef:
    """A flag that a touch belongs to."""

    id: str
    kind: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionView:
    """One call or mail, as far as the viewer may see it."""

    id: str
    keys: tuple[str, ...]
    kind: Kind
    source: str
    direction: Direction
    occurred_at: datetime
    learned_at: datetime
    ended: bool
    ended_at: datetime | None
    status: Status  #: shown: a person's, else done if closed, else the machine's
    default_status: Status  #: the machine's, before later touches
    decided: Status | None  #: a person's
    closed_at: datetime | None
    closed_by: str | None  #: interaction
    closed_as: ClosedAs | None  #: of a call that a later one closed
    outcome: str | None
    talk_s: float | None
    own_line: OwnLine | None
    dialled: tuple[OwnLine, ...]
    employee: Named | None  #: effective holder of the line then
    participants: tuple[ParticipantView, ...]
    flags: tuple[FlagRef, ...]
    deliveries: tuple[str, ...]  #: such as `calls-0-17`
    machine: bool
    suppressed: bool  #: a person decided: never log; its content is not shown
    subject: str | None  #: of a mail
    due_at: datetime | None = None  #: of a mail that awaits a reply: by the company's hours
    details: Mapping[str, Any] = field(default_factory=dict)

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether a mail has waited for its reply longer than the company promised."""
        return self.due_at is not None and self.due_at < now

    @property
    def remote(self) -> ParticipantView | None:
        """Return the first participant that is not ours."""
        return next((part for part in self.participants if part.side != Side.OWN), None)

    @property
    def clients(self) -> tuple[Named, ...]:
        """Return the linked clients, each once."""
        found = {part.client.id: part.client for part in self.participants if part.client}
        return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class MailBody:
    """A mail's text as its writer sent it: never to be shown unsanitised."""

    text: str
    html: str
    passages: tuple[Passage, ...] = ()  #: of the text; (): it was never parted


# Lists -----------------------------------------------------------------------------------------


def list_interactions(
    connection: Connection,
    viewer: Viewer,
    wanted: InteractionFilter = EVERYTHING,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[InteractionView]:
    """Return the interactions that pass the filter, the latest first.

    Raises BadCursor if `after` is not the `next` of an earlier page.
    """
    columns = interactions.c
    passed = conditions(wanted)
    passed += [narrow(connection, it) for it in narrowing(viewer, wanted, now)]
    rows = connection.execute(
        select(interactions)
        .where(*passed, beyond(columns.occurred_at, columns.id, after))
        .order_by(columns.occurred_at.desc(), columns.id.desc())
        .limit(limit + 1)
    ).all()
    return page_of(
        rows, limit, lambda shown: views(connection, viewer, shown, now), "occurred_at", "id"
    )


def count_interactions(
    connection: Connection, viewer: Viewer, wanted: InteractionFilter, *, now: datetime
) -> int:
    """Return the length of the list that the same filter gives."""
    return count_each(connection, viewer, [wanted], now=now)[0]


def count_each(
    connection: Connection,
    viewer: Viewer,
    wanted: Sequence[InteractionFilter],
    *,
    now: datetime,
) -> list[int]:
    """Return the length of the list that each of these filters gives."""
    if viewer.sees_everything:
        return [_count(connection, it, narrowing(viewer, it, now)) for it in wanted]
    narrowed = [it for it in wanted if it.client or it.number or it.flag or it.flag_kind]
    if narrowed:
        return [_count(connection, it, narrowing(viewer, it, now)) for it in wanted]
    # A manager's touches are looked at once for all filters, never all touches for each.
    row = connection.execute(
        select(*(func.count().filter(and_(*conditions(it))) for it in wanted))
        .select_from(interactions)
        .where(interactions.c.id.in_(of_participants(viewer, now).ids))
    ).one()
    return [int(number) for number in row]


def _count(connection: Connection, wanted: InteractionFilter, parts: Sequence[Narrowing]) -> int:
    passed = [*conditions(wanted), *(interactions.c.id.in_(it.ids) for it in parts)]
    return int(
        connection.scalar(select(func.count()).select_from(interactions).where(*passed)) or 0
    )


# One touch -------------------------------------------------------------------------------------


def interaction(
    connection: Connection, viewer: Viewer, key: str, *, now: datetime
) -> InteractionView | None:
    """Return the interaction that an id or any key ever shown leads to; None: not for him.

    Of a touch that is never to be logged only its time and key are shown.
    """
    current = connection.scalar(select(call_keys.c.interaction_id).where(call_keys.c.key == key))
    row = connection.execute(
        select(interactions).where(interactions.c.id == (current or key))
    ).first()
    if row is None or not _may_see(connection, viewer, row.id, now):
        return None
    [view] = views(connection, viewer, [row], now)
    return view


def mail_body(
    connection: Connection, viewer: Viewer, key: str, *, now: datetime
) -> MailBody | None:
    """Return the text of a mail that the viewer may see; None: there is none."""
    row = connection.execute(
        select(mail_bodies.c.text, mail_bodies.c.html, mails.c.reading)
        .join(interactions, interactions.c.id == mail_bodies.c.id)
        .outerjoin(mails, mails.c.id == mail_bodies.c.id)
        .where(mail_bodies.c.id == key, interactions.c.suppressed.is_(False))
    ).first()
    if row is None or not _may_see(connection, viewer, key, now):
        return None
    passages = wire.read_mail(row.reading).passages if row.reading else ()
    return MailBody(text=row.text, html=row.html, passages=passages)


def _may_see(connection: Connection, viewer: Viewer, touch: str, now: datetime) -> bool:
    if viewer.sees_everything:
        return True
    part = participants.c
    return (
        connection.scalar(
            select(part.ordinal)
            .where(part.interaction_id == touch, part.subject.in_(visible_subjects(viewer, now)))
            .limit(1)
        )
        is not None
    )


# Putting views together ------------------------------------------------------------------------


def views(
    connection: Connection, viewer: Viewer, rows: Sequence[Any], now: datetime
) -> list[InteractionView]:
    """Return what the viewer may see of rows of `interactions`, in the same order."""
    ids = [row.id for row in rows if not row.suppressed]
    parts = _participants(connection, viewer, ids, now)
    flagged = _flags(connection, viewer, ids, now)
    people = employees_named(connection, (row.employee_id for row in rows))
    dialled = {row.id: tuple(json.loads(row.dialled)) for row in rows}
    ours = lines_named(
        connection,
        {*(row.own_line for row in rows), *(it for ids in dialled.values() for it in ids)},
    )
    kept = _deliveries(connection, rows)
    closers = _seen_closers(connection, viewer, rows, now)
    due = _due(connection, rows, now)
    found = []
    for row in rows:
        details = {} if row.suppressed else json.loads(row.details)
        closer = closers.get(row.closed_by)
        found.append(
            InteractionView(
                id=row.id,
                keys=tuple(json.loads(row.key_ids)),
                kind=Kind(row.kind),
                source=row.source,
                direction=Direction(row.direction),
                occurred_at=row.occurred_at,
                learned_at=row.learned_at,
                ended=row.ended,
                ended_at=row.ended_at,
                status=Status(row.status),
                default_status=Status(row.opinion),
                decided=Status(row.decided) if row.decided else None,
                closed_at=row.closed_at if closer else None,
                closed_by=row.closed_by if closer else None,
                closed_as=_closed_as(row, closer) if closer else None,
                outcome=row.outcome,
                talk_s=row.talk_s,
                own_line=ours.get(row.own_line),
                dialled=tuple(ours[line] for line in dialled[row.id] if line in ours),
                employee=people.get(row.employee_id),
                participants=tuple(parts.get(row.id, ())),
                flags=tuple(flagged.get(row.id, ())),
                deliveries=tuple(kept.get(row.id, ())),
                machine=row.machine,
                suppressed=row.suppressed,
                subject=details.pop("subject", None),
                due_at=due.get(row.id),
                details=details,
            )
        )
    return found


def _participants(
    connection: Connection, viewer: Viewer, ids: Sequence[str], now: datetime
) -> dict[str, list[ParticipantView]]:
    """Return our own side and, of the others, those the viewer may see."""
    rows: list[Any] = []
    for chunk in chunks(ids):
        rows.extend(
            connection.execute(
                select(participants)
                .where(participants.c.interaction_id.in_(chunk))
                .order_by(participants.c.interaction_id, participants.c.ordinal)
            )
        )
    known = clients_named(connection, viewer, {row.client_id for row in rows}, now)
    if not viewer.sees_everything:
        rows = [row for row in rows if row.side == Side.OWN or row.client_id in known]
    persons = named(connection, contacts, {row.contact_id for row in rows})
    found: dict[str, list[ParticipantView]] = defaultdict(list)
    for row in rows:
        point = ContactPoint.parse(row.point)
        found[row.interaction_id].append(
            ParticipantView(
                point=row.point,
                address=address_of(row.point) if point.kind.value != "withheld" else "",
                role=row.role,
                side=row.side,
                name=row.name,
                client=known.get(row.client_id),
                contact=persons.get(row.contact_id),
                method=row.method,
                cause=row.cause,
            )
        )
    return found


def _flags(
    connection: Connection, viewer: Viewer, ids: Sequence[str], now: datetime
) -> dict[str, list[FlagRef]]:
    found: dict[str, list[FlagRef]] = defaultdict(list)
    mine = [] if viewer.sees_everything else [flags.c.subject.in_(visible_subjects(viewer, now))]
    for chunk in chunks(ids):
        for row in connection.execute(
            select(flag_touches.c.interaction_id, flags.c.id, flags.c.kind, flags.c.closed_at)
            .join(flags, flags.c.id == flag_touches.c.flag_id)
            .where(flag_touches.c.interaction_id.in_(chunk), *mine)
            .order_by(flags.c.opened_at, flags.c.id)
        ):
            is_open = row.closed_at is None or row.closed_at > now
            found[row.interaction_id].append(FlagRef(id=row.id, kind=row.kind, open=is_open))
    return found


def _deliveries(connection: Connection, rows: Sequence[Any]) -> dict[str, list[str]]:
    """Return the deliveries that each of these touches was read from."""
    found: dict[str, list[str]] = defaultdict(list)
    place = [deliveries.c.log, deliveries.c.partition, deliveries.c.position]
    touch_of = {
        key: row.id for row in rows if row.kind == Kind.CALL for key in json.loads(row.key_ids)
    }
    for chunk in chunks(sorted(touch_of)):
        for row in connection.execute(
            select(call_reports.c.key, *place)
            .join(deliveries, deliveries.c.id == call_reports.c.delivery_id)
            .where(call_reports.c.key.in_(chunk))
            .distinct()
            .order_by(*place)
        ):
            found[touch_of[row.key]].append(f"{row.log}-{row.partition}-{row.position}")
    for chunk in chunks([row.id for row in rows if row.kind == Kind.MAIL]):
        for row in connection.execute(
            select(sightings.c.mail_id, *place)
            .join(deliveries, deliveries.c.id == sightings.c.id)
            .where(sightings.c.mail_id.in_(chunk))
            .order_by(*place)
        ):
            found[row.mail_id].append(f"{row.log}-{row.partition}-{row.position}")
    return {touch: list(dict.fromkeys(names)) for touch, names in found.items()}


def _seen_closers(
    connection: Connection, viewer: Viewer, rows: Sequence[Any], now: datetime
) -> dict[str, Direction]:
    """Return which of the touches that closed these the viewer may see, and who began each."""
    columns, part = interactions.c, participants.c
    found: dict[str, Direction] = {}
    for chunk in chunks(sorted({row.closed_by for row in rows if row.closed_by})):
        query = select(columns.id, columns.direction).where(columns.id.in_(chunk))
        if not viewer.sees_everything:
            seen = select(part.interaction_id).where(
                part.interaction_id.in_(chunk), part.subject.in_(visible_subjects(viewer, now))
            )
            query = query.where(columns.id.in_(seen))
        found.update((row.id, Direction(row.direction)) for row in connection.execute(query))
    return found


def _due(connection: Connection, rows: Sequence[Any], now: datetime) -> dict[str, datetime]:
    """Return until when each mail that awaits a reply should have one. Never stored."""
    waiting = [row for row in rows if row.status == Status.AWAITING_REPLY]
    if not waiting:
        return {}
    policies = directory.load_policies(connection)
    zone = ZoneInfo(directory.policy_value(connection, "zone", now) or "UTC")
    found = {}
    for row in waiting:
        policy = policies.at(row.occurred_at)
        found[row.id] = due_at(row.occurred_at, policy.reply_within, policy.working_hours, zone)
    return found


def overdue_spans(
    connection: Connection, now: datetime
) -> tuple[tuple[datetime | None, datetime], ...]:
    """Return when those mails came whose reply is overdue now: what a filter calls `overdue`.

    What comes later is due later as long as one rule is valid, so each rule has one moment up to
    which all is overdue, and a database finds them by status and time alone.
    """
    zone = ZoneInfo(directory.policy_value(connection, "zone", now) or "UTC")
    rules: list[tuple[datetime | None, Policy]] = [(None, Policy())]
    for from_at, policy in directory.load_policies(connection).changes:
        valid = rules[-1][1]
        same = (policy.reply_within, policy.working_hours) == (
            valid.reply_within,
            valid.working_hours,
        )
        if not same:
            rules.append((from_at, policy))
    ends = [*(from_at for from_at, _ in rules[1:]), None]
    found = []
    for (begin, policy), end in zip(rules, ends, strict=True):
        before = overdue_before(now, policy.reply_within, policy.working_hours, zone)
        if end is not None:
            before = min(before, end)
        if begin is None or begin < before:
            found.append((begin, before))
    return tuple(found)


def _closed_as(row: Any, closer: Direction) -> ClosedAs | None:
    if row.kind != Kind.CALL:
        return None
    if closer is Direction.INBOUND:
        return ClosedAs.CLIENT_REACHED_US
    late = row.closed_at - row.occurred_at > CALL_BACK_WITHIN
    return ClosedAs.CALLED_BACK_LATE if late else ClosedAs.CALLED_BACK
