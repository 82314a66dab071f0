"""Touches: the list with its filters, one touch with all that it was made from, a mail's text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.interactions import FlagKind, Kind, Status
from ingest.domain.people import Viewer
from ingest.mail.sniff import RUNS
from ingest.matching.numbers import to_point
from ingest.review import mailview, show
from ingest.review.web import NotFound, Visit
from storage import decisions, pages, reads, reads_ties, recordings
from storage.reads import InteractionFilter
from storage.reads_interactions import overdue_spans

E = TypeVar("E", bound=StrEnum)


async def listing(visit: Visit) -> web.Response:
    """Show the touches that pass the filter."""
    asked, after = filter_of(visit), visit.asked("after", 500) or None
    overdue = visit.asked("overdue") == "yes"

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        wanted = asked
        if overdue:  # by the company's hours, which are asked for when it is read
            wanted = replace(asked, overdue=overdue_spans(connection, visit.now))
        client = (
            reads.client(connection, viewer, wanted.client, now=visit.now)
            if wanted.client
            else None
        )
        return {
            "page": reads.list_interactions(connection, viewer, wanted, now=visit.now, after=after),
            "people": reads.list_employees(connection, viewer, now=visit.now, limit=500).items,
            "client": client.client if client else None,
        }

    return await show.page(
        visit,
        "interactions.html",
        area="interactions",
        asked=visit.asked,
        filtered=asked != InteractionFilter(),
        overdue=overdue,
        **await visit.read(ask),
    )


def filter_of(visit: Visit) -> InteractionFilter:
    """Return what the page's address asks for; words that mean nothing are left out."""
    return InteractionFilter(
        from_at=_day(visit, "from"),
        until=_day(visit, "to", after=timedelta(days=1)),
        client=visit.asked("client") or None,
        number=point_of(visit.asked("number")),
        source=visit.asked("source") or None,
        status=_one_of(Status, visit.asked("status")),
        kind=_one_of(Kind, visit.asked("kind")),
        direction=_one_of(Direction, visit.asked("direction")),
        employee=visit.asked("employee") or None,
        line=visit.asked("line") or None,
        flag_kind=_one_of(FlagKind, visit.asked("flag")),
    )


def point_of(text: str) -> str | None:
    """Return the stored spelling of a number or address that a person typed; None for nothing."""
    if not text:
        return None
    try:
        return str(ContactPoint.parse(text))
    except ValueError:
        pass
    if "@" in text:
        return str(ContactPoint(PointKind.EMAIL, text.casefold()))
    return str(to_point(text, "ZZ", ""))


def _one_of(words: type[E], text: str) -> E | None:
    return words(text) if text in set(words) else None


def _day(visit: Visit, name: str, *, after: timedelta = timedelta(0)) -> datetime | None:
    try:
        day = datetime.fromisoformat(visit.asked(name)).date() + after
    except (ValueError, OverflowError):
        return None
    return datetime.combine(day, time(0), visit.zone)


async def detail(visit: Visit) -> web.Response:
    """Show one touch."""
    key = visit.request.match_info["id"]

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        touch = reads.interaction(connection, viewer, key, now=visit.now)
        if touch is None:
            raise NotFound
        made = decisions.of_touch(connection, touch.keys) if viewer.sees_everything else []
        return {
            "it": touch,
            "readings": pages.readings(connection, viewer, touch),
            "mail": pages.mail_reading(connection, viewer, touch),
            "runs": RUNS,
            "body": (
                reads.mail_body(connection, viewer, touch.id, now=visit.now)
                if touch.kind is Kind.MAIL
                else None
            ),
            "made": made,
            "sounds": recordings.of_keys(connection, touch.keys) if not touch.suppressed else [],
            "told_by": reads_ties.reports_of(connection, viewer, touch.id),
            "resembling": reads_ties.resembling(connection, viewer, touch.id),
            "boxes": {
                box.id: box.address
                for box in reads.list_mailboxes(connection, viewer, now=visit.now, limit=500).items
            },
        }

    return await show.page(visit, "interaction.html", area="interactions", **await visit.read(ask))


async def mail(visit: Visit) -> web.Response:
    """Answer a mail's HTML, made harmless, for the frame that shows it."""
    key = visit.request.match_info["id"]
    body = await visit.read(reads.mail_body, key, now=visit.now)
    if body is None:
        raise NotFound
    return web.Response(
        text=mailview.document(body.html), content_type="text/html", headers=mailview.HEADERS
    )
