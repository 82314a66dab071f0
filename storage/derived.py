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
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    union,
    update,
)

from ingest.domain.calls import Direction, Outcome
from ingest.domain.interactions import (
    Decided,
    Flag,
    FlagKind,
    Kind,
    Moment,
    Participant,
    ReviewItem,
    Status,
    Touch,
)
from storage.database import insert_rows
from storage.facts import chunks
from storage.plain import to_list, to_text
from storage.tables import (
    call_keys,
    flag_touches,
    flags,
    interactions,
    participants,
    review_items,
    to_micros,
    withdrawn_flags,
)

Row = dict[str, Any]


# Call keys -------------------------------------------------------------------------------------


def interactions_of_keys(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """Return the interaction that each of these call keys belongs to, where known."""
    found: dict[str, str] = {}
    for chunk in chunks(sorted(set(keys))):
        found.update(
            (row.key, row.interaction_id)
            for row in connection.execute(
                select(call_keys.c.key, call_keys.c.interaction_id).where(
                    call_keys.c.key.in_(chunk)
                )
            )
        )
    return found


def keys_of_interactions(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return every call key of these interactions."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(ids))):
        found.update(
            connection.scalars(select(call_keys.c.key).where(call_keys.c.interaction_id.in_(chunk)))
        )
    return found


def write_call_keys(connection: Connection, rows: Mapping[str, tuple[str, str, str]]) -> set[str]:
    """Store key -> (source, provider's key, interaction id) where it differs; returns which."""
    known: dict[str, str] = interactions_of_keys(connection, rows)
    new = [
        {"key": key, "source": source, "provider_key": provider, "interaction_id": interaction}
        for key, (source, provider, interaction) in rows.items()
        if key not in known
    ]
    moved = [
        {"k": key, "i": interaction}
        for key, (_, _, interaction) in rows.items()
        if key in known and known[key] != interaction
    ]
    if new:
        insert_rows(connection, call_keys, new)
    if moved:
        connection.execute(
            update(call_keys)
            .where(call_keys.c.key == bindparam("k"))
            .values(interaction_id=bindparam("i")),
            moved,
        )
    return {str(row["key"]) for row in new} | {row["k"] for row in moved}


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
    old_rows = _rows_by_id(connection, interactions, ids)
    old_parts = _participants_of(connection, ids)
    subjects: dict[str, datetime] = {}

    def concerned(subject: str | None, at: datetime) -> None:
        if subject is not None:
            subjects[subject] = min(at, subjects.get(subject, at))

    changed, inserted, updated = set(), [], []
    gone, parts_new = [], []
    for source, touch in touches:
        old = old_rows.get(touch.id)
        first_at = min(touch.occurred_at, old["occurred_at"]) if old else touch.occurred_at
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
    if inserted:
        insert_rows(connection, interactions, inserted)
    _update_rows(connection, interactions, updated)
    for chunk in chunks(gone):
        connection.execute(delete(participants).where(participants.c.interaction_id.in_(chunk)))
    if parts_new:
        insert_rows(connection, participants, parts_new)
    return changed, subjects


def drop_interactions(connection: Connection, ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """Remove interactions that joined another; returns the ids removed and their subjects."""
    wanted = sorted(set(ids))
    found = set(_rows_by_id(connection, interactions, wanted))
    subjects = {
        part["subject"]
        for parts in _participants_of(connection, wanted).values()
        for part in parts
        if part["subject"]
    }
    for chunk in chunks(wanted):
        connection.execute(delete(participants).where(participants.c.interaction_id.in_(chunk)))
        connection.execute(delete(interactions).where(interactions.c.id.in_(chunk)))
    return found, subjects


def _interaction_row(source: str, touch: Touch, old: Row | None) -> Row:
    """Return the row of a touch; what later touches did to it stays until it is decided anew."""
    alone = touch.principal is None or old is None
    closed_at = None if alone or old is None else old["closed_at"]
    closed_by = None if alone or old is None else old["closed_by"]
    remote = next((part.point for part in touch.participants if part.side.value != "own"), None)
    return {
        "id": touch.id,
        "kind": touch.kind.value,
        "source": source,
        "key_ids": to_text(touch.keys),
        "occurred_at": touch.occurred_at,
        "learned_at": touch.learned_at,
        "direction": touch.direction.value,
        "ended": touch.ended,
        "ended_at": touch.ended_at,
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
        "status": _shown(touch.status.value, touch.decided, closed_by),
        "closed_at": closed_at,
        "closed_by": closed_by,
        "message_id": touch.message_id,
        "answers": to_text(touch.answers),
        "details": to_text(touch.details),
    }


def _shown(opinion: str, decided: str | None, closed_by: str | None) -> str:
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


def _rows_by_id(connection: Connection, table: Table, ids: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for chunk in chunks(ids):
        for row in connection.execute(select(table).where(table.c.id.in_(chunk))).mappings():
            found[row["id"]] = dict(row)
    return found


def _participants_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for chunk in chunks(ids):
        for row in connection.execute(
            select(participants)
            .where(participants.c.interaction_id.in_(chunk))
            .order_by(participants.c.interaction_id, participants.c.ordinal)
        ).mappings():
            found[row["interaction_id"]].append(dict(row))
    return found


def _update_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    columns = [column.name for column in table.c if column.name != "id"]
    statement = (
        update(table)
        .where(table.c.id == bindparam("b_id"))
        .values({name: bindparam(f"b_{name}") for name in columns})
    )
    connection.execute(
        statement, [{f"b_{name}": value for name, value in row.items()} for row in rows]
    )


# Timelines -------------------------------------------------------------------------------------


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


def write_decided(
    connection: Connection,
    decided: Sequence[Decided],
    moments: Mapping[str, Sequence[Moment]],
    *,
    now: datetime,
) -> set[str]:
    """Store closings, flags and review items where they differ; returns what changed."""
    changed = _write_closings(connection, decided, moments)
    changed |= _write_flags(connection, decided, now)
    changed |= _write_review(connection, decided)
    return changed


def _write_closings(
    connection: Connection, decided: Sequence[Decided], moments: Mapping[str, Sequence[Moment]]
) -> set[str]:
    closed = {
        closing.touch: (closing.closed_at, closing.closed_by)
        for result in decided
        for closing in result.closings
    }
    concerned = sorted(
        {
            moment.id
            for result in decided
            for moment in moments.get(result.subject, ())
            if moment.principal
        }
    )
    columns = interactions.c
    updates = []
    for chunk in chunks(concerned):
        for row in connection.execute(
            select(
                columns.id,
                columns.opinion,
                columns.decided,
                columns.status,
                columns.closed_at,
                columns.closed_by,
            ).where(columns.id.in_(chunk))
        ):
            at, by = closed.get(row.id, (None, None))
            status = _shown(row.opinion, row.decided, by)
            if (status, at, by) != (row.status, row.closed_at, row.closed_by):
                updates.append({"b_id": row.id, "b_s": status, "b_at": at, "b_by": by})
    if updates:
        connection.execute(
            update(interactions)
            .where(columns.id == bindparam("b_id"))
            .values(
                status=bindparam("b_s"), closed_at=bindparam("b_at"), closed_by=bindparam("b_by")
            ),
            updates,
        )
    return {str(row["b_id"]) for row in updates}


def _write_flags(connection: Connection, decided: Sequence[Decided], now: datetime) -> set[str]:
    subjects = [result.subject for result in decided]
    old: dict[str, Row] = {}
    for chunk in chunks(subjects):
        for row in connection.execute(select(flags).where(flags.c.subject.in_(chunk))).mappings():
            old[row["id"]] = dict(row)
    new = {flag.id: flag for result in decided for flag in result.flags}
    rows = {key: _flag_row(flag) for key, flag in new.items()}
    gone = sorted(old.keys() - rows.keys())
    fresh = [row for key, row in rows.items() if key not in old]
    other = [row for key, row in rows.items() if key in old and old[key] != row]
    for chunk in chunks(gone):
        connection.execute(delete(flag_touches).where(flag_touches.c.flag_id.in_(chunk)))
        connection.execute(delete(flags).where(flags.c.id.in_(chunk)))
    _note_withdrawn(connection, [old[key] for key in gone], fresh, now)
    insert_rows(connection, flags, fresh)
    _update_rows(connection, flags, other)
    _write_flag_touches(
        connection,
        {
            key: (to_list(old[key]["touches"]) if key in old else [], new[key].touches)
            for key in (row["id"] for row in (*fresh, *other))
        },
    )
    return {*gone, *(row["id"] for row in fresh), *(row["id"] for row in other)}


def _write_flag_touches(
    connection: Connection, flags_: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> None:
    """Store which touches each flag has; of a long one only what differs is written."""
    added = [
        {"flag_id": key, "interaction_id": touch}
        for key, (before, after) in flags_.items()
        for touch in sorted(set(after) - set(before))
    ]
    for key, (before, after) in flags_.items():
        for chunk in chunks(sorted(set(before) - set(after))):
            connection.execute(
                delete(flag_touches).where(
                    flag_touches.c.flag_id == key, flag_touches.c.interaction_id.in_(chunk)
                )
            )
    insert_rows(connection, flag_touches, added)


def _note_withdrawn(
    connection: Connection, gone: Sequence[Row], back: Sequence[Row], now: datetime
) -> None:
    """Remember ids of flags that no touch supports any more: every id shown goes on resolving."""
    for chunk in chunks([row["id"] for row in (*gone, *back)]):
        connection.execute(delete(withdrawn_flags).where(withdrawn_flags.c.id.in_(chunk)))
    if gone:
        connection.execute(
            insert(withdrawn_flags),
            [
                {
                    "id": row["id"],
                    "key": row["key"],
                    "opened_at": row["opened_at"],
                    "withdrawn_at": now,
                }
                for row in gone
            ],
        )


def _flag_row(flag: Flag) -> Row:
    return {
        "id": flag.id,
        "key": flag.key,
        "number": flag.number,
        "kind": flag.kind.value,
        "subject": flag.subject,
        "opened_at": flag.opened_at,
        "opened_by": flag.opened_by,
        "last_at": flag.last_at,
        "departed": flag.departed,
        "line": flag.line,
        "closed_at": flag.closed_at,
        "closed_why": flag.closed_why,
        "acknowledged_at": flag.acknowledged_at,
        "touches": to_text(flag.touches),
    }


def flag_of(row: Mapping[str, Any]) -> Flag:
    """Return the flag that a row of `flags` holds."""
    return Flag(
        subject=row["subject"],
        kind=FlagKind(row["kind"]),
        number=row["number"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        touches=tuple(to_list(row["touches"])),
        last_at=row["last_at"],
        departed=row["departed"],
        line=row["line"],
        closed_at=row["closed_at"],
        closed_why=row["closed_why"],
        acknowledged_at=row["acknowledged_at"],
    )


def _write_review(connection: Connection, decided: Sequence[Decided]) -> set[str]:
    subjects = [result.subject for result in decided]
    old: dict[str, Row] = {}
    for chunk in chunks(subjects):
        for row in connection.execute(
            select(review_items).where(review_items.c.point.in_(chunk))
        ).mappings():
            old[row["point"]] = dict(row)
    new = {result.review.point: _review_row(result.review) for result in decided if result.review}
    stale = sorted(key for key in old if old[key] != new.get(key))
    for chunk in chunks(stale):
        connection.execute(delete(review_items).where(review_items.c.point.in_(chunk)))
    fresh = [row for key, row in new.items() if old.get(key) != row]
    if fresh:
        insert_rows(connection, review_items, fresh)
    return {*stale, *(row["point"] for row in fresh)}


def _review_row(item: ReviewItem) -> Row:
    return {
        "point": item.point,
        "cause": item.cause,
        "first_at": item.first_at,
        "last_at": item.last_at,
        "calls": item.calls,
        "mails": item.mails,
        "missed": item.missed,
    }


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
    """Return the next interactions, by id, at or after that moment, of these sources or all."""
    conditions = [interactions.c.id > after]
    if sources:
        conditions.append(interactions.c.source.in_(sources))
    if from_at is not None:
        conditions.append(interactions.c.occurred_at >= from_at)
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


def micros(moment: datetime | None) -> int | None:
    """Return a moment as stored, for comparing rows of two databases."""
    return None if moment is None else to_micros(moment)
