"""What waits for a supervisor: unmatched contact points, deliveries not read, decisions made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ingest.domain.contacts import ContactPoint
from ingest.domain.deliveries import End
from ingest.domain.interactions import ReviewItem
from ingest.domain.people import Viewer
from storage import decisions as decided
from storage.decisions import Decision
from storage.reads_common import PAGE, Page, beyond, page_of
from storage.reads_filter import InteractionFilter
from storage.reads_interactions import InteractionView, list_interactions
from storage.tables import decisions, deliveries, review_items


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDetail:
    """A contact point with all that happened there."""

    point: ContactPoint
    item: ReviewItem | None  #: None: nothing waits there any more
    decisions: tuple[Decision, ...]  #: about this point, the latest first
    timeline: Page[InteractionView]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery that was not read, and why."""

    id: str  #: its place, such as `calls-0-17`
    fixed_id: str  #: the same in whatever log it lies
    log: str
    partition: int
    position: int
    source: str
    key: str
    received_at: datetime
    end: End
    reason: str | None


# Unmatched contact points ----------------------------------------------------------------------


def list_review_items(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    cause: str | None = None,
    number: str | None = None,
    from_at: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[ReviewItem]:
    """Return the points that no client is known for, the one heard of last first.

    `from_at` and `until` are about the latest touch. Managers see none. Raises BadCursor.
    """
    if not viewer.sees_everything:
        return Page()
    columns = review_items.c
    conditions: list[ColumnElement[bool]] = [beyond(columns.last_at, columns.point, after)]
    if cause is not None:
        conditions.append(columns.cause == cause)
    if number is not None:
        conditions.append(columns.point == number)
    if from_at is not None:
        conditions.append(columns.last_at >= from_at)
    if until is not None:
        conditions.append(columns.last_at < until)
    rows = connection.execute(
        select(review_items)
        .where(*conditions)
        .order_by(columns.last_at.desc(), columns.point.desc())
        .limit(limit + 1)
    ).all()
    return page_of(rows, limit, lambda shown: [_item(row) for row in shown], "last_at", "point")


def count_review_items(connection: Connection, viewer: Viewer, *, now: datetime) -> int:
    """Return how many points wait."""
    if not viewer.sees_everything:
        return 0
    return int(connection.scalar(select(func.count()).select_from(review_items)) or 0)


def review_item(
    connection: Connection,
    viewer: Viewer,
    point: str,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = PAGE,
) -> ReviewDetail | None:
    """Return a contact point with its touches, the latest first; None: nothing is known of it."""
    if not viewer.sees_everything:
        return None
    try:
        parsed = ContactPoint.parse(point)
    except ValueError:
        return None
    row = connection.execute(select(review_items).where(review_items.c.point == point)).first()
    timeline = list_interactions(
        connection, viewer, InteractionFilter(number=point), now=now, after=after, limit=limit
    )
    made = tuple(decided.of_target(connection, point))
    if row is None and not timeline.items and not made:
        return None
    return ReviewDetail(
        point=parsed, item=_item(row) if row else None, decisions=made, timeline=timeline
    )


def _item(row: Any) -> ReviewItem:
    return ReviewItem(
        point=row.point,
        cause=row.cause,
        first_at=row.first_at,
        last_at=row.last_at,
        calls=row.calls,
        mails=row.mails,
        missed=row.missed,
    )


# Deliveries not read ---------------------------------------------------------------------------


def list_deliveries(
    connection: Connection,
    viewer: Viewer,
    end: End,
    *,
    now: datetime,
    source: str | None = None,
    from_at: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[DeliveryView]:
    """Return the deliveries with that end, the latest first. Managers see none. BadCursor."""
    if not viewer.sees_everything:
        return Page()
    columns = deliveries.c
    conditions = [columns.end == end, beyond(columns.received_at, columns.id, after)]
    if source is not None:
        conditions.append(columns.source == source)
    if from_at is not None:
        conditions.append(columns.received_at >= from_at)
    if until is not None:
        conditions.append(columns.received_at < until)
    rows = connection.execute(
        select(deliveries)
        .where(*conditions)
        .order_by(columns.received_at.desc(), columns.id.desc())
        .limit(limit + 1)
    ).all()
    return page_of(
        rows, limit, lambda shown: [_delivery(row) for row in shown], "received_at", "id"
    )


def count_deliveries(connection: Connection, viewer: Viewer, end: End, *, now: datetime) -> int:
    """Return how many deliveries had that end."""
    if not viewer.sees_everything:
        return 0
    return int(
        connection.scalar(
            select(func.count()).select_from(deliveries).where(deliveries.c.end == end)
        )
        or 0
    )


def delivery(
    connection: Connection, viewer: Viewer, delivery_id: str, *, now: datetime
) -> DeliveryView | None:
    """Return what became of a delivery, by its place (`calls-0-17`) or its fixed id."""
    if not viewer.sees_everything:
        return None
    columns = deliveries.c
    where = columns.id == delivery_id
    log, _, place = delivery_id.partition("-")
    partition, _, position = place.partition("-")
    if partition.isdecimal() and position.isdecimal() and len(place) < 18:
        where = or_(
            where,
            (columns.log == log)
            & (columns.partition == int(partition))
            & (columns.position == int(position)),
        )
    # Two logs in turn may have had that place: the later delivery is the one meant.
    row = connection.execute(
        select(deliveries).where(where).order_by(columns.received_at.desc()).limit(1)
    ).first()
    return None if row is None else _delivery(row)


def _delivery(row: Any) -> DeliveryView:
    return DeliveryView(
        id=f"{row.log}-{row.partition}-{row.position}",
        fixed_id=row.id,
        log=row.log,
        partition=row.partition,
        position=row.position,
        source=row.source,
        key=row.key,
        received_at=row.received_at,
        end=End(row.end),
        reason=row.reason,
    )


# Decisions -------------------------------------------------------------------------------------


def list_decisions(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    target: str | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[Decision]:
    """Return what people decided, the latest first, also what was undone. Managers see none."""
    if not viewer.sees_everything:
        return Page()
    columns = decisions.c
    conditions = [beyond(columns.recorded_at, columns.id, after)]
    if target is not None:
        conditions.append(columns.target == target)
    rows = connection.execute(
        select(decisions)
        .where(*conditions)
        .order_by(columns.recorded_at.desc(), columns.id.desc())
        .limit(limit + 1)
    ).all()
    return page_of(
        rows,
        limit,
        lambda shown: [it for row in shown if (it := decided.get(connection, row.id))],
        "recorded_at",
        "id",
    )
