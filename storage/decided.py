"""What was decided about a timeline: closings, flags and review items, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    delete,
    insert,
    select,
    type_coerce,
)

from ingest.domain.interactions import (
    Decided,
    Flag,
    Moment,
    ReviewItem,
)
from storage.database import insert_rows, insert_values, update_rows, update_values
from storage.derived import OPEN, Values, Written, shown_status
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

Row = dict[str, Any]


def write_decided(
    connection: Connection,
    decided: Sequence[Decided],
    moments: Mapping[str, Sequence[Moment]],
    *,
    now: datetime,
    written: Written | None = None,
) -> set[str]:
    """Store closings, flags and review items where they differ; returns what changed.

    `written`: touches of which is known how they stand, because they were just stored.
    """
    changed = _write_closings(connection, decided, moments, written or Written())
    changed |= _write_flags(connection, decided, now)
    changed |= _write_review(connection, decided)
    return changed


def _write_closings(
    connection: Connection,
    decided: Sequence[Decided],
    moments: Mapping[str, Sequence[Moment]],
    written: Written,
) -> set[str]:
    closed = {
        closing.touch: (to_micros(closing.closed_at), closing.closed_by)
        for result in decided
        for closing in result.closings
    }
    updates = []
    unknown = set()
    for result in decided:
        for moment in moments.get(result.subject, ()):
            if not moment.principal:
                continue
            key = moment.id
            touch = written.touches.get(key)
            if touch is None:
                unknown.add(key)
                continue
            now = closed.get(key, OPEN)
            if now != written.closed.get(key, OPEN):
                status = shown_status(touch.status.value, touch.decided, now[1])
                updates.append((status, *now, key))
    rows = connection.execute(_STATUSES, {"wanted": unknown}).all() if unknown else ()
    for key, opinion, person, shown, closed_at, closed_by in rows:
        at, by = closed.get(key, OPEN)
        status = shown_status(opinion, person, by)
        if (status, at, by) != (shown, closed_at, closed_by):
            updates.append((status, at, by, key))
    update_values(connection, interactions, ("status", "closed_at", "closed_by", "id"), updates)
    return {str(row[-1]) for row in updates}


_STATUSES = select(
    interactions.c.id,
    interactions.c.opinion,
    interactions.c.decided,
    interactions.c.status,
    type_coerce(interactions.c.closed_at, BigInteger),
    interactions.c.closed_by,
).where(among(interactions.c.id))


def _write_flags(connection: Connection, decided: Sequence[Decided], now: datetime) -> set[str]:
    subjects = [result.subject for result in decided]
    old: dict[str, Row] = {
        row["id"]: dict(row)
        for row in connection.execute(_FLAGS_OF, {"wanted": subjects}).mappings().all()
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
    # Of a client nothing waits for review, and never did.
    points = [result.subject for result in decided if not result.subject.startswith("client:")]
    if not points:
        return set()
    found = connection.execute(_REVIEW_OF, {"wanted": points}).all()
    old = {row[0]: tuple(row) for row in found}
    new = {it.review.point: _review_values(it.review) for it in decided if it.review}
    stale = sorted(key for key in old if old[key] != new.get(key))
    if stale:
        connection.execute(_DELETE_REVIEW, {"wanted": stale})
    fresh = [row for key, row in new.items() if old.get(key) != row]
    insert_values(connection, review_items, _REVIEW_ITEM, fresh)
    return {*stale, *(row[0] for row in fresh)}


_REVIEW_ITEM = tuple(column.name for column in review_items.c)
_REVIEW_OF = select(*as_stored(review_items)).where(among(review_items.c.point))
_DELETE_REVIEW = delete(review_items).where(among(review_items.c.point))


def _review_values(item: ReviewItem) -> Values:
    """Return an item as it is stored, in the order of the table's columns."""
    return (
        item.point,
        item.cause,
        to_micros(item.first_at),
        to_micros(item.last_at),
        item.calls,
        item.mails,
        item.missed,
    )
