"""Sources, mailboxes and the counters of today's page, without any secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from ingest.domain.deliveries import End
from ingest.domain.interactions import Kind, Status
from ingest.domain.people import Viewer
from storage.directory import current
from storage.reads_common import PAGE, Page, slice_of
from storage.reads_filter import InteractionFilter
from storage.reads_flags import FlagFilter, count_flags
from storage.reads_interactions import count_each, overdue_spans
from storage.reads_review import count_deliveries, count_review_items
from storage.tables import deliveries, mailboxes, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One account at one provider, without its secrets."""

    id: str
    name: str
    provider: str
    zone: str
    region: str
    added_at: datetime
    last_event_at: datetime | None  #: when a delivery last came that was dealt with
    parked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxView:
    """One mailbox of the company, without its secret."""

    id: str
    address: str
    host: str
    port: int
    tls: str
    added_at: datetime
    last_mail_at: datetime | None  #: when a mail of it was last kept and dealt with
    parked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A number on today's page, and the filter whose list has that length."""

    name: str
    count: int
    filter: InteractionFilter | None = None  #: None: a list other than of interactions


def list_sources(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[SourceView]:
    """Return the sources in use, by name. Managers see none. Raises BadCursor."""
    if not viewer.sees_everything:
        return Page()
    rows = connection.execute(select(sources).where(current(sources))).all()
    rows = sorted(rows, key=lambda row: (row.name, row.id))
    shown, next_ = slice_of(rows, lambda row: str(row.name), after, limit)
    return Page(items=tuple(_source(connection, row) for row in shown), next=next_)


def source(connection: Connection, viewer: Viewer, key: str, *, now: datetime) -> SourceView | None:
    """Return a source in use by its name or id; None: not for this viewer."""
    row = connection.execute(
        select(sources).where(current(sources), or_(sources.c.id == key, sources.c.name == key))
    ).first()
    return _source(connection, row) if row is not None and viewer.sees_everything else None


def _source(connection: Connection, row: Any) -> SourceView:
    return SourceView(
        id=row.id,
        name=row.name,
        provider=row.provider,
        zone=row.zone,
        region=row.region,
        added_at=row.recorded_at,
        last_event_at=_last_of(connection, row.name),
        parked=_parked_of(connection, row.name),
    )


def list_mailboxes(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[MailboxView]:
    """Return the mailboxes in use, by address. Managers see none. Raises BadCursor."""
    if not viewer.sees_everything:
        return Page()
    rows = connection.execute(select(mailboxes).where(current(mailboxes))).all()
    rows = sorted(rows, key=lambda row: (row.address, row.id))
    shown, next_ = slice_of(rows, lambda row: str(row.address), after, limit)
    return Page(items=tuple(_mailbox(connection, row) for row in shown), next=next_)


def mailbox(
    connection: Connection, viewer: Viewer, key: str, *, now: datetime
) -> MailboxView | None:
    """Return a mailbox in use by its id or address; None: not for this viewer."""
    row = connection.execute(
        select(mailboxes).where(
            current(mailboxes), or_(mailboxes.c.id == key, mailboxes.c.address == key)
        )
    ).first()
    return _mailbox(connection, row) if row is not None and viewer.sees_everything else None


def _mailbox(connection: Connection, row: Any) -> MailboxView:
    return MailboxView(
        id=row.id,
        address=row.address,
        host=row.host,
        port=row.port,
        tls=row.tls,
        added_at=row.recorded_at,
        last_mail_at=_last_of(connection, row.id),
        parked=_parked_of(connection, row.id),
    )


def _last_of(connection: Connection, origin: str) -> datetime | None:
    found: datetime | None = connection.scalar(
        select(deliveries.c.received_at)
        .where(deliveries.c.source == origin)
        .order_by(deliveries.c.received_at.desc())
        .limit(1)
    )
    return found


def _parked_of(connection: Connection, origin: str) -> int:
    return int(
        connection.scalar(
            select(func.count())
            .select_from(deliveries)
            .where(deliveries.c.end == End.PARKED, deliveries.c.source == origin)
        )
        or 0
    )


# Today's page ----------------------------------------------------------------------------------


def today_filters(since: datetime) -> dict[str, InteractionFilter]:
    """Return what each counter of today's page counts; what is due counts from whenever it is."""
    return {
        "live": InteractionFilter(status=Status.IN_PROGRESS),
        "calls_today": InteractionFilter(kind=Kind.CALL, from_at=since),
        "mails_today": InteractionFilter(kind=Kind.MAIL, from_at=since),
        "callback_due": InteractionFilter(status=Status.CALLBACK_DUE),
        "awaiting_reply": InteractionFilter(status=Status.AWAITING_REPLY),
        "needs_comment": InteractionFilter(status=Status.NEEDS_COMMENT),
        "not_reached": InteractionFilter(status=Status.NOT_REACHED),
    }


def today(
    connection: Connection, viewer: Viewer, *, now: datetime, since: datetime
) -> tuple[Counter, ...]:
    """Return the counters of today's page, `since` being when the day began.

    Each is the length of its list under the same filter at the same moment.
    """
    overdue = InteractionFilter(overdue=overdue_spans(connection, now))
    filters = {**today_filters(since), "overdue": overdue}
    counts = count_each(connection, viewer, list(filters.values()), now=now)
    counted = [
        Counter(name=name, count=count, filter=wanted)
        for (name, wanted), count in zip(filters.items(), counts, strict=True)
    ]
    others = {"flags_open": count_flags(connection, viewer, FlagFilter(open=True), now=now)}
    if viewer.sees_everything:
        others["unmatched"] = count_review_items(connection, viewer, now=now)
        others["parked"] = count_deliveries(connection, viewer, End.PARKED, now=now)
    return (*counted, *(Counter(name=name, count=count) for name, count in others.items()))
