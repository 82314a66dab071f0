"""What was decided about a timeline: closings, flags and review items, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    delete,
    insert,
    select,
)

from ingest.domain.interactions import (
    Decided,
    Flag,
    Moment,
    ReviewItem,
)
from storage.database import insert_rows, update_rows
from storage.derived import Row, shown_status
from storage.facts import chunks
from storage.plain import to_list, to_text
from storage.rows import among, as_stored
from storage.tables import (
    flag_touches,
    flags,
    interactions,
    review_items,
    to_micros,
    withdrawn_flags,
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
    concerned = {
        moment.id
        for result in decided
        for moment in moments.get(result.subject, ())
        if moment.principal
    }
    updates = []
    rows = connection.execute(_STATUSES, {"wanted": concerned}) if concerned else ()
    for touch, opinion, person, shown, closed_at, closed_by in rows:
        at, by = closed.get(touch, (None, None))
        status = shown_status(opinion, person, by)
        if (status, at, by) != (shown, closed_at, closed_by):
            updates.append({"id": touch, "status": status, "closed_at": at, "closed_by": by})
    update_rows(connection, interactions, updates)
    return {str(row["id"]) for row in updates}


_STATUSES = select(
    interactions.c.id,
    interactions.c.opinion,
    interactions.c.decided,
    interactions.c.status,
    interactions.c.closed_at,
    interactions.c.closed_by,
).where(among(interactions.c.id))


def _write_flags(connection: Connection, decided: Sequence[Decided], now: datetime) -> set[str]:
    subjects = [result.subject for result in decided]
    old: dict[str, Row] = {
        row["id"]: dict(row)
        for row in connection.execute(_FLAGS_OF, {"wanted": subjects}).mappings()
    }
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
    update_rows(connection, flags, other)
    _write_flag_touches(
        connection,
        {
            key: (to_list(old[key]["touches"]) if key in old else [], new[key].touches)
            for key in (row["id"] for row in (*fresh, *other))
        },
    )
    return {*gone, *(row["id"] for row in fresh), *(row["id"] for row in other)}


_FLAGS_OF = select(flags).where(among(flags.c.subject))


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


def _write_review(connection: Connection, decided: Sequence[Decided]) -> set[str]:
    subjects = [result.subject for result in decided]
    rows = connection.execute(_REVIEW_OF, {"wanted": subjects})
    names = tuple(rows.keys())
    old = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    new = {result.review.point: _review_row(result.review) for result in decided if result.review}
    stale = sorted(key for key in old if old[key] != new.get(key))
    if stale:
        connection.execute(_DELETE_REVIEW, {"wanted": stale})
    fresh = [row for key, row in new.items() if old.get(key) != row]
    insert_rows(connection, review_items, fresh)
    return {*stale, *(row["point"] for row in fresh)}


_REVIEW_OF = select(*as_stored(review_items)).where(among(review_items.c.point))
_DELETE_REVIEW = delete(review_items).where(among(review_items.c.point))


def _review_row(item: ReviewItem) -> Row:
    return {
        "point": item.point,
        "cause": item.cause,
        "first_at": to_micros(item.first_at),
        "last_at": to_micros(item.last_at),
        "calls": item.calls,
        "mails": item.mails,
        "missed": item.missed,
    }
