"""Derivations: written only where they differ from what stands there.

A row that deciding anew does not change keeps its bytes. Each function returns what it changed,
so that `rebuild` can count and a page can look again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    Status,
    Touch,
)
from storage.database import insert_rows, update_rows
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

Row = dict[str, Any]


# Call keys -------------------------------------------------------------------------------------


def interactions_of_keys(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """Return the interaction that each of these call keys belongs to, where known."""
    wanted = set(keys)
    if not wanted:
        return {}
    found = connection.execute(_INTERACTIONS_OF_KEYS, {"wanted": wanted})
    return {row[0]: row[1] for row in found}


_INTERACTIONS_OF_KEYS = select(call_keys.c.key, call_keys.c.interaction_id).where(
    among(call_keys.c.key)
)


def keys_of_interactions(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return every call key of these interactions."""
    wanted = set(ids)
    return set(connection.scalars(_KEYS_OF_INTERACTIONS, {"wanted": wanted})) if wanted else set()


_KEYS_OF_INTERACTIONS = select(call_keys.c.key).where(among(call_keys.c.interaction_id))


def write_call_keys(connection: Connection, rows: Mapping[str, tuple[str, str, str]]) -> set[str]:
    """Store key -> (source, provider's key, interaction id) where it differs; returns which."""
    known: dict[str, str] = interactions_of_keys(connection, rows)
    new = [
        {"key": key, "source": source, "provider_key": provider, "interaction_id": interaction}
        for key, (source, provider, interaction) in rows.items()
        if key not in known
    ]
    moved = [
        {"key": key, "interaction_id": interaction}
        for key, (_, _, interaction) in rows.items()
        if key in known and known[key] != interaction
    ]
    insert_rows(connection, call_keys, new)
    update_rows(connection, call_keys, moved, by="key")
    return {row["key"] for row in (*new, *moved)}


def forget_call_keys(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Remove keys that no report speaks of any more; returns those that were there."""
    known = set(interactions_of_keys(connection, keys))
    for chunk in chunks(sorted(known)):
        connection.execute(delete(call_keys).where(call_keys.c.key.in_(chunk)))
    return known


# Interactions ----------------------------------------------------------------------------------


def write_touches(
    connection: Connection, touches: Sequence[tuple[str, Touch]]
) -> tuple[set[str], dict[str, datetime]]:
    """Store touches (with their source) where they differ.

    Returns the ids changed, and the subjects in whose timelines they lie or lay, each with the
    earliest moment concerned: those are to be decided anew, changed or not.
    """
    ids = [touch.id for _, touch in touches]
    old_rows = _interactions_by_id(connection, ids)
    old_parts = _participants_of(connection, ids)
    subjects: dict[str, datetime] = {}

    def concerned(subject: str | None, at: datetime) -> None:
        if subject is not None:
            subjects[subject] = min(at, subjects.get(subject, at))

    changed, inserted, updated = set(), [], []
    gone, parts_new = [], []
    for source, touch in touches:
        old = old_rows.get(touch.id)
        first_at = touch.occurred_at
        if old is not None:
            first_at = min(first_at, from_micros(old["occurred_at"]))
        for subject in touch.subjects:
            concerned(subject, first_at)
        for part in old_parts.get(touch.id, ()):
            concerned(part["subject"], first_at)
        row = _interaction_row(source, touch, old)
        if old is None:
            inserted.append(row)
            changed.add(touch.id)
        elif row != old:
            updated.append(row)
            changed.add(touch.id)
        parts = [_participant_row(touch.id, n, part) for n, part in enumerate(touch.participants)]
        before = old_parts.get(touch.id, [])
        if parts != before:
            changed.add(touch.id)
            if before:
                gone.append(touch.id)
            parts_new.extend(parts)
    insert_rows(connection, interactions, inserted)
    update_rows(connection, interactions, updated)
    if gone:
        connection.execute(_DELETE_PARTICIPANTS, {"wanted": gone})
    insert_rows(connection, participants, parts_new)
    return changed, subjects


def drop_interactions(connection: Connection, ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """Remove interactions that joined another; returns the ids removed and their subjects."""
    wanted = set(ids)
    if not wanted:
        return set(), set()
    found = set(connection.scalars(_KNOWN_INTERACTIONS, {"wanted": wanted}))
    subjects = {
        part["subject"]
        for parts in _participants_of(connection, wanted).values()
        for part in parts
        if part["subject"]
    }
    connection.execute(_DELETE_PARTICIPANTS, {"wanted": wanted})
    connection.execute(_DELETE_INTERACTIONS, {"wanted": wanted})
    return found, subjects


_KNOWN_INTERACTIONS = select(interactions.c.id).where(among(interactions.c.id))
_DELETE_INTERACTIONS = delete(interactions).where(among(interactions.c.id))
_DELETE_PARTICIPANTS = delete(participants).where(among(participants.c.interaction_id))


def _interaction_row(source: str, touch: Touch, old: Row | None) -> Row:
    """Return a touch as stored; what later touches did to it stays until it is decided anew."""
    alone = touch.principal is None or old is None
    closed_at = None if alone or old is None else old["closed_at"]
    closed_by = None if alone or old is None else old["closed_by"]
    remote = next((part.point for part in touch.participants if part.side.value != "own"), None)
    return {
        "id": touch.id,
        "kind": touch.kind.value,
        "source": source,
        "key_ids": to_text(touch.keys),
        "occurred_at": to_micros(touch.occurred_at),
        "learned_at": to_micros(touch.learned_at),
        "direction": touch.direction.value,
        "ended": touch.ended,
        "ended_at": to_micros(touch.ended_at) if touch.ended_at else None,
        "outcome": touch.outcome.value if touch.outcome else None,
        "talk_s": touch.talk_s,
        "dialled": to_text(touch.dialled),
        "own_line": touch.own_line,
        "employee_id": touch.employee,
        "remote": str(remote) if remote else None,
        "machine": touch.machine,
        "suppressed": touch.suppressed,
        "opinion": touch.status.value,
        "decided": touch.decided.value if touch.decided else None,
        "status": shown_status(touch.status.value, touch.decided, closed_by),
        "closed_at": closed_at,
        "closed_by": closed_by,
        "message_id": touch.message_id,
        "answers": to_text(touch.answers),
        "details": to_text(touch.details),
    }


def shown_status(opinion: str, decided: str | None, closed_by: str | None) -> str:
    """Return the status to show: a person's, else done if closed, else the opinion."""
    if decided:
        return str(decided)
    return Status.DONE.value if closed_by else opinion


def _participant_row(interaction: str, ordinal: int, part: Participant) -> Row:
    return {
        "interaction_id": interaction,
        "ordinal": ordinal,
        "point": str(part.point),
        "role": part.role.value,
        "side": part.side.value,
        "name": part.name,
        "client_id": part.client,
        "contact_id": part.contact,
        "method": part.method,
        "cause": part.cause,
        "subject": part.subject,
        "principal": part.principal,
        "quiet": part.quiet,
    }


def _interactions_by_id(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Return rows as they are stored: what is written is compared with them as it will stand."""
    if not ids:
        return {}
    rows = connection.execute(_INTERACTIONS, {"wanted": ids})
    names = tuple(rows.keys())
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


_INTERACTIONS = select(*as_stored(interactions)).where(among(interactions.c.id))


def _participants_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    if ids:
        rows = connection.execute(_PARTICIPANTS, {"wanted": ids})
        names = tuple(rows.keys())
        for row in rows:
            found[row[0]].append(dict(zip(names, row, strict=True)))
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
