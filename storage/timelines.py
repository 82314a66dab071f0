"""Timelines: the touches of one client or contact point, as deciding needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    func,
    or_,
    select,
)

from ingest.domain.calls import Direction, Outcome
from ingest.domain.interactions import (
    Kind,
    Moment,
    Status,
)
from storage.facts import chunks
from storage.plain import to_list
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
    part, touch = participants.c, interactions.c
    earliest = min(moments.values())
    for chunk in chunks(sorted(moments)):
        settled.difference_update(
            connection.scalars(select(flags.c.subject).where(flags.c.subject.in_(chunk)))
        )
        for row in connection.execute(
            select(part.subject, touch.occurred_at, touch.closed_at)
            .select_from(participants.join(interactions, touch.id == part.interaction_id))
            .where(
                part.subject.in_(chunk),
                part.principal,
                func.coalesce(touch.decided, touch.opinion).in_(closable),
                or_(touch.closed_at.is_(None), touch.closed_at >= earliest),
            )
        ):
            at = moments[row.subject]
            if row.occurred_at < at and (row.closed_at is None or row.closed_at >= at):
                settled.discard(row.subject)
    return settled


def timelines(
    connection: Connection,
    subjects: Iterable[str],
    since: Mapping[str, datetime] | None = None,
) -> dict[str, list[Moment]]:
    """Return every touch of each of these subjects, as its neighbours see it.

    Of a subject in `since` only those at or after its moment.
    """
    since = since or {}
    whole = {subject for subject in subjects if subject not in since}
    found = _timelines(connection, whole, None)
    if since:
        recent = _timelines(connection, since, min(since.values()))
        for subject, told in recent.items():
            found[subject] = [it for it in told if it.occurred_at >= since[subject]]
    return found


def _timelines(
    connection: Connection, subjects: Iterable[str], from_at: datetime | None
) -> dict[str, list[Moment]]:
    found: dict[str, dict[str, Moment]] = {subject: {} for subject in subjects}
    part, touch = participants.c, interactions.c
    recent = [touch.occurred_at >= from_at] if from_at is not None else []
    for chunk in chunks(sorted(found)):
        for row in connection.execute(
            select(
                part.subject,
                part.point,
                part.contact_id,
                part.cause,
                part.principal,
                part.quiet,
                touch.id,
                touch.kind,
                touch.direction,
                touch.occurred_at,
                touch.ended,
                touch.outcome,
                touch.talk_s,
                touch.dialled,
                touch.employee_id,
                touch.opinion,
                touch.decided,
                touch.machine,
                touch.suppressed,
                touch.message_id,
                touch.answers,
            )
            .select_from(participants.join(interactions, touch.id == part.interaction_id))
            .where(part.subject.in_(chunk), *recent)
            .order_by(part.interaction_id, part.ordinal)
        ):
            told = found[row.subject]
            earlier = told.get(row.id)
            told[row.id] = _moment(row, earlier)
    return {subject: list(told.values()) for subject, told in found.items()}


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
