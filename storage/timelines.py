"""Timelines: the touches of one client or contact point, as deciding needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    not_,
    or_,
    select,
)

from ingest.domain.calls import Direction, Outcome
from ingest.domain.interactions import (
    Kind,
    Moment,
    Participant,
    Status,
    Touch,
)
from storage.plain import to_list
from storage.rows import among
from storage.tables import (
    flags,
    interactions,
    participants,
)


def settled_before(
    connection: Connection, moments: Mapping[str, datetime], closable: Collection[str]
) -> set[str]:
    """Return the subjects of which nothing before their moment can still change.

    Nothing from before is open at it or was closed at or after it, and no flag was ever raised:
    what follows from earlier touches then follows from them alone, and stands.
    """
    settled = set(moments)
    if not settled:
        return settled
    asked = {"wanted": moments, "closable": closable, "earliest": min(moments.values())}
    settled.difference_update(connection.scalars(_FLAGGED, {"wanted": moments}).all())
    for subject, occurred_at, closed_at in connection.execute(_MAY_CHANGE, asked).all():
        at = moments[subject]
        if occurred_at < at and (closed_at is None or closed_at >= at):
            settled.discard(subject)
    return settled


_TAKING_PART = participants.join(interactions, interactions.c.id == participants.c.interaction_id)
_FLAGGED = select(flags.c.subject).where(among(flags.c.subject))
_MAY_CHANGE = (
    select(participants.c.subject, interactions.c.occurred_at, interactions.c.closed_at)
    .select_from(
        participants.join(interactions, interactions.c.id == participants.c.interaction_id)
    )
    .where(
        among(participants.c.subject),
        participants.c.principal,
        among(func.coalesce(interactions.c.decided, interactions.c.opinion), "closable"),
        or_(
            interactions.c.closed_at.is_(None),
            interactions.c.closed_at >= bindparam("earliest"),
        ),
    )
)


def timelines(
    connection: Connection,
    subjects: Iterable[str],
    since: Mapping[str, datetime] | None = None,
    written: Mapping[str, Touch] | None = None,
) -> dict[str, list[Moment]]:
    """Return every touch of each of these subjects, as its neighbours see it.

    Of a subject in `since` only those at or after its moment. `written`: touches at hand as they
    were just stored; they are not read back.
    """
    since, written = since or {}, written or {}
    whole = [subject for subject in subjects if subject not in since]
    found = _timelines(connection, whole, None, written)
    if since:
        found |= _timelines(connection, since, min(since.values()), written)
    for touch in written.values():
        for part in touch.participants:
            told = found.get(part.subject) if part.subject else None
            if told is not None:
                told[touch.id] = told_of(touch, part, told.get(touch.id))
    return {
        subject: list(told.values())
        if subject not in since
        else [it for it in told.values() if it.occurred_at >= since[subject]]
        for subject, told in found.items()
    }


def _timelines(
    connection: Connection,
    subjects: Iterable[str],
    from_at: datetime | None,
    without: Collection[str],
) -> dict[str, dict[str, Moment]]:
    found: dict[str, dict[str, Moment]] = {subject: {} for subject in subjects}
    if not found:
        return {}
    asked: dict[str, Any] = {"wanted": found, "without": without}
    if from_at is None:
        rows = connection.execute(_TOLD, asked)
    else:
        rows = connection.execute(_TOLD_SINCE, {**asked, "from_at": from_at})
    for row in rows.all():
        told = found[row.subject]
        told[row.id] = _moment(row, told.get(row.id))
    return found


_TOLD = (
    select(
        participants.c.subject,
        participants.c.point,
        participants.c.contact_id,
        participants.c.cause,
        participants.c.principal,
        participants.c.quiet,
        interactions.c.id,
        interactions.c.kind,
        interactions.c.direction,
        interactions.c.occurred_at,
        interactions.c.ended,
        interactions.c.outcome,
        interactions.c.talk_s,
        interactions.c.dialled,
        interactions.c.employee_id,
        interactions.c.opinion,
        interactions.c.decided,
        interactions.c.machine,
        interactions.c.suppressed,
        interactions.c.message_id,
        interactions.c.answers,
    )
    .select_from(
        participants.join(interactions, interactions.c.id == participants.c.interaction_id)
    )
    .where(among(participants.c.subject), not_(among(participants.c.interaction_id, "without")))
    .order_by(participants.c.interaction_id, participants.c.ordinal)
)
_TOLD_SINCE = _TOLD.where(interactions.c.occurred_at >= bindparam("from_at"))


def _moment(row: Any, earlier: Moment | None) -> Moment:
    """Return the touch; a client with two addresses on one mail is told once."""
    same_contact = earlier is None or earlier.contact == row.contact_id
    return Moment(
        id=row.id,
        kind=Kind(row.kind),
        direction=Direction(row.direction),
        occurred_at=row.occurred_at,
        ended=row.ended,
        outcome=Outcome(row.outcome) if row.outcome else None,
        talk_s=row.talk_s,
        dialled=tuple(to_list(row.dialled)),
        employee=row.employee_id,
        status=Status(row.decided or row.opinion),
        machine=row.machine,
        suppressed=row.suppressed,
        principal=row.principal or (earlier is not None and earlier.principal),
        quiet=row.quiet and (earlier is None or earlier.quiet),
        point=row.point if earlier is None else earlier.point,
        contact=row.contact_id if same_contact else None,
        cause=row.cause,
        message_id=row.message_id,
        answers=tuple(to_list(row.answers)),
    )


def told_of(touch: Touch, part: Participant, earlier: Moment | None) -> Moment:
    """Return a touch at hand as `_moment` would read it back, by one of its participants."""
    same_contact = earlier is None or earlier.contact == part.contact
    return Moment(
        id=touch.id,
        kind=touch.kind,
        direction=touch.direction,
        occurred_at=touch.occurred_at,
        ended=touch.ended,
        outcome=touch.outcome,
        talk_s=touch.talk_s,
        dialled=touch.dialled,
        employee=touch.employee,
        status=touch.decided or touch.status,
        machine=touch.machine,
        suppressed=touch.suppressed,
        principal=part.principal or (earlier is not None and earlier.principal),
        quiet=part.quiet and (earlier is None or earlier.quiet),
        point=str(part.point) if earlier is None else earlier.point,
        contact=part.contact if same_contact else None,
        cause=part.cause,
        message_id=touch.message_id,
        answers=touch.answers,
    )
