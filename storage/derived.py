"""Derivations: written only where they differ from what stands there.

A row that deciding anew does not change keeps its bytes. Each function returns what it changed,
so that `rebuild` can count and a page can look again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    delete,
    or_,
    select,
    union,
)

from ingest.domain.interactions import (
    Participant,
    Side,
    Status,
    Touch,
)
from storage.database import insert_values, update_values
from storage.facts import chunks
from storage.plain import to_text
from storage.rows import among, as_stored
from storage.tables import (
    call_keys,
    call_witnesses,
    flags,
    from_micros,
    interactions,
    participants,
    review_items,
    to_micros,
)

Values = tuple[Any, ...]  #: of a row, in the order of its columns
Closing = tuple[int | None, str | None]  #: when, in microseconds, and by which touch

OPEN: Closing = (None, None)


# Call keys -------------------------------------------------------------------------------------


def interactions_of_keys(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """Return the interaction that each of these call keys belongs to, where known."""
    wanted = set(keys)
    if not wanted:
        return {}
    return _pairs(connection.execute(_INTERACTIONS_OF_KEYS, {"wanted": wanted}).all())


_INTERACTIONS_OF_KEYS = select(call_keys.c.key, call_keys.c.interaction_id).where(
    among(call_keys.c.key)
)


def keys_of_interactions(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return every call key of these interactions."""
    return set(keys_with_interactions(connection, ids))


def keys_with_interactions(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Return every call key of these interactions, with the interaction it belongs to."""
    wanted = set(ids)
    if not wanted:
        return {}
    return _pairs(connection.execute(_KEYS_OF_INTERACTIONS, {"wanted": wanted}).all())


_KEYS_OF_INTERACTIONS = select(call_keys.c.key, call_keys.c.interaction_id).where(
    among(call_keys.c.interaction_id)
)


def _pairs(rows: Iterable[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in rows}


def write_call_keys(
    connection: Connection,
    rows: Mapping[str, tuple[str, str, str]],
    known: Mapping[str, str] | None = None,
) -> set[str]:
    """Store key -> (source, provider's key, interaction id) where it differs; returns which.

    `known`: what `interactions_of_keys` says of all of them, if it was asked before.
    """
    if known is None:
        known = interactions_of_keys(connection, rows)
    new = [
        (key, source, provider, interaction)
        for key, (source, provider, interaction) in rows.items()
        if key not in known
    ]
    moved = [
        (interaction, key)
        for key, (_, _, interaction) in rows.items()
        if key in known and known[key] != interaction
    ]
    insert_values(connection, call_keys, _CALL_KEY, new)
    update_values(connection, call_keys, ("interaction_id", "key"), moved)
    return {key for key, *_ in new} | {key for _, key in moved}


_CALL_KEY = ("key", "source", "provider_key", "interaction_id")


def forget_call_keys(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Remove keys that no report speaks of any more; returns those that were there."""
    known = set(interactions_of_keys(connection, keys))
    for chunk in chunks(sorted(known)):
        connection.execute(delete(call_keys).where(call_keys.c.key.in_(chunk)))
    return known


# Interactions ----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Written:
    """Touches as they stand in the database now, with what storing them concerns."""

    touches: dict[str, Touch] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)  #: touches whose rows are not what they were
    #: in whose timelines they lie or lay, with the earliest moment concerned: to be decided anew,
    #: changed or not
    subjects: dict[str, datetime] = field(default_factory=dict)
    #: what later touches did to those that stood there before; it stays until decided anew
    closed: dict[str, Closing] = field(default_factory=dict)

    def concern(self, subject: str, at: datetime) -> None:
        """Note that something at that moment concerns a subject."""
        known = self.subjects.get(subject)
        if known is None or at < known:
            self.subjects[subject] = at


def write_touches(connection: Connection, touches: Sequence[tuple[str, Touch]]) -> Written:
    """Store touches (with their source) where they differ."""
    written = Written(touches={touch.id: touch for _, touch in touches})
    old_rows = _interactions_by_id(connection, written.touches)
    old_parts = _participants_of(connection, written.touches)
    inserted, updated, gone = [], [], []
    parts_new: list[Values] = []
    for source, touch in touches:
        key = touch.id
        old, before = old_rows.get(key), old_parts.get(key, [])
        first_at = touch.occurred_at
        closed = OPEN
        if old is not None:
            first_at = min(first_at, from_micros(old[_OCCURRED_AT]))
            if touch.principal is not None:
                closed = written.closed[key] = old[_CLOSED_AT], old[_CLOSED_BY]
        parts = []
        for ordinal, part in enumerate(touch.participants):
            parts.append(_participant_values(key, ordinal, part))
            if part.subject:
                written.concern(part.subject, first_at)
        row = _interaction_values(source, touch, closed)
        if old is None:
            inserted.append(row)
            written.changed.add(key)
        elif row != old:
            updated.append((*row[1:], key))
            written.changed.add(key)
        if parts != before:
            written.changed.add(key)
            if before:
                gone.append(key)
            parts_new += parts
        for part_before in before:
            if part_before[_SUBJECT] is not None:
                written.concern(part_before[_SUBJECT], first_at)
    insert_values(connection, interactions, _INTERACTION, inserted)
    update_values(connection, interactions, (*_INTERACTION[1:], "id"), updated)
    if gone:
        connection.execute(_DELETE_PARTICIPANTS, {"wanted": gone})
    insert_values(connection, participants, _PARTICIPANT, parts_new)
    return written


def drop_interactions(connection: Connection, ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """Remove interactions that joined another; returns the ids removed and their subjects."""
    wanted = set(ids)
    if not wanted:
        return set(), set()
    found = set(connection.scalars(_KNOWN_INTERACTIONS, {"wanted": wanted}).all())
    subjects = {
        part[_SUBJECT]
        for parts in _participants_of(connection, wanted).values()
        for part in parts
        if part[_SUBJECT]
    }
    connection.execute(_DELETE_PARTICIPANTS, {"wanted": wanted})
    connection.execute(_DELETE_INTERACTIONS, {"wanted": wanted})
    return found, subjects


_KNOWN_INTERACTIONS = select(interactions.c.id).where(among(interactions.c.id))
_DELETE_INTERACTIONS = delete(interactions).where(among(interactions.c.id))
_DELETE_PARTICIPANTS = delete(participants).where(among(participants.c.interaction_id))


def _interaction_values(source: str, touch: Touch, closed: Closing) -> Values:
    """Return a touch as it is stored, in the order of the table's columns."""
    remote = next((part.point for part in touch.participants if part.side is not Side.OWN), None)
    opinion, decided = touch.status.value, touch.decided
    closed_at, closed_by = closed
    return (
        touch.id,
        touch.kind.value,
        source,
        to_text(touch.keys),
        to_micros(touch.occurred_at),
        to_micros(touch.learned_at),
        touch.direction.value,
        touch.ended,
        to_micros(touch.ended_at) if touch.ended_at else None,
        touch.outcome.value if touch.outcome else None,
        touch.talk_s,
        to_text(touch.dialled) if touch.dialled else "[]",
        touch.own_line,
        touch.employee,
        str(remote) if remote else None,
        touch.machine,
        touch.suppressed,
        opinion,
        decided.value if decided else None,
        shown_status(opinion, decided, closed_by),
        closed_at,
        closed_by,
        touch.message_id,
        to_text(touch.answers) if touch.answers else "[]",
        to_text(touch.details),
    )


_INTERACTION = tuple(column.name for column in interactions.c)
_OCCURRED_AT, _CLOSED_AT, _CLOSED_BY = (
    _INTERACTION.index(name) for name in ("occurred_at", "closed_at", "closed_by")
)


def shown_status(opinion: str, decided: str | None, closed_by: str | None) -> str:
    """Return the status to show: a person's, else done if closed, else the opinion."""
    if decided:
        return str(decided)
    return Status.DONE.value if closed_by else opinion


def _participant_values(interaction: str, ordinal: int, part: Participant) -> Values:
    """Return a participant as it is stored, in the order of the table's columns."""
    return (
        interaction,
        ordinal,
        str(part.point),
        part.role.value,
        part.side.value,
        part.name,
        part.client,
        part.contact,
        part.method,
        part.cause,
        part.subject,
        part.principal,
        part.quiet,
    )


_PARTICIPANT = tuple(column.name for column in participants.c)
_SUBJECT = _PARTICIPANT.index("subject")


def _interactions_by_id(connection: Connection, ids: Collection[str]) -> dict[str, Values]:
    """Return rows as they are stored: what is written is compared with them as it will stand."""
    if not ids:
        return {}
    rows = connection.execute(_INTERACTIONS, {"wanted": ids}).all()
    return {row[0]: tuple(row) for row in rows}


_INTERACTIONS = select(*as_stored(interactions)).where(among(interactions.c.id))


def _participants_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Values]]:
    found: dict[str, list[Values]] = defaultdict(list)
    if ids:
        for row in connection.execute(_PARTICIPANTS, {"wanted": ids}).all():
            found[row[0]].append(tuple(row))
    return found


_PARTICIPANTS = (
    select(*as_stored(participants))
    .where(among(participants.c.interaction_id))
    .order_by(participants.c.interaction_id, participants.c.ordinal)
)


# Looking up what to decide anew ----------------------------------------------------------------


def touches_of_points(
    connection: Connection,
    points: Sequence[str],
    *,
    from_at: datetime | None,
    until: datetime | None,
    after: str,
    limit: int,
) -> list[str]:
    """Return the next interactions, by id, in which one of these points took part."""
    statement = (
        select(participants.c.interaction_id)
        .where(participants.c.point.in_(points), participants.c.interaction_id > after)
        .distinct()
        .order_by(participants.c.interaction_id)
        .limit(limit)
    )
    if from_at is not None or until is not None:
        statement = statement.join(interactions, interactions.c.id == participants.c.interaction_id)
    if from_at is not None:
        statement = statement.where(interactions.c.occurred_at >= from_at)
    if until is not None:
        statement = statement.where(interactions.c.occurred_at < until)
    return list(connection.scalars(statement))


def touches_since(
    connection: Connection,
    from_at: datetime | None,
    *,
    after: str,
    limit: int,
    sources: Sequence[str] = (),
) -> list[str]:
    """Return the next interactions, by id, at or after that moment, of these sources or all.

    Of sources also those touches that another source leads, and in which one of these saw the
    call begin at or after that moment.
    """
    conditions: list[Any] = [interactions.c.id > after]
    recent = [] if from_at is None else [interactions.c.occurred_at >= from_at]
    if sources:
        seen: list[Any] = [call_witnesses.c.source.in_(sources)]
        if from_at is not None:
            seen.append(call_witnesses.c.started_at >= from_at)
        conditions.append(
            or_(
                and_(interactions.c.source.in_(sources), *recent),
                interactions.c.id.in_(select(call_witnesses.c.interaction_id).where(*seen)),
            )
        )
    else:
        conditions += recent
    return list(
        connection.scalars(
            select(interactions.c.id)
            .where(and_(*conditions))
            .order_by(interactions.c.id)
            .limit(limit)
        )
    )


def all_subjects(connection: Connection, *, after: str, limit: int) -> list[str]:
    """Return the next subjects, in order, that have a timeline, flags or a review item."""
    # One statement, so that one collation orders and compares all of them.
    everything = union(
        *(
            select(column.label("subject")).where(column > after)
            for column in (participants.c.subject, flags.c.subject, review_items.c.point)
        )
    ).subquery()
    return list(
        connection.scalars(select(everything.c.subject).order_by(everything.c.subject).limit(limit))
    )
