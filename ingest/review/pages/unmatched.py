"""Contacts that no client is known for: the list, one of them, and the ways to decide."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.contacts import ContactPoint
from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.forwards import clients_by_forwards
from ingest.review.pages.clients import find_clients
from ingest.review.pages.ties import LOOK_BACK
from ingest.review.signed import clients_by_signature
from ingest.review.web import NotFound, Visit
from storage import pages, reads, reads_ties
from storage.bounces import undeliverable

MOST_FOUND = 8


async def listing(visit: Visit) -> web.Response:
    """Show what waits, grouped by number or address."""
    after = visit.asked("after", 500) or None
    cause = visit.asked("cause") if visit.asked("cause") in ("unknown", "ambiguous") else None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        page = reads.list_review_items(
            connection, viewer, now=visit.now, cause=cause, after=after, limit=30
        )
        return {
            "page": page,
            "total": reads.count_review_items(connection, viewer, now=visit.now),
            "resembling": len(
                reads_ties.all_resembling(connection, viewer, since=visit.now - LOOK_BACK)
            ),
            "about": pages.summaries(
                connection, viewer, [it.point for it in page.items], now=visit.now
            ),
        }

    return await show.page(
        visit, "unmatched.html", area="unmatched", cause=cause, **await visit.read(ask)
    )


async def detail(visit: Visit) -> web.Response:
    """Show one number or address with its history and what was decided about it."""
    point, after = _point(visit), visit.asked("after", 500) or None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        found = reads.review_item(connection, viewer, point, now=visit.now, after=after)
        holders = reads.list_clients(connection, viewer, now=visit.now, number=point, limit=10)
        if found is None:
            if not holders.items:
                raise NotFound
            found = _untouched(point)  # a client's, and it has never called or written
        by_signature = clients_by_signature(connection, viewer, point, now=visit.now)
        by_forwards = clients_by_forwards(connection, viewer, point, now=visit.now)
        wanted = {decision.what.get("client") for decision in found.decisions}
        wanted |= {it.client for it in by_signature} | {it.client for it in by_forwards}
        return {
            "found": found,
            "point": point,
            "decidable": found.point.can_belong_to_a_client,
            "about": pages.summaries(connection, viewer, [point], now=visit.now)[point],
            "lost": undeliverable(connection, [point]).get(point),
            "signed": by_signature,
            "forwarded": by_forwards,
            "touched": pages.touched(connection, viewer, point),
            "holders": holders.items,
            "names": pages.client_names(connection, viewer, wanted),
        }

    return await show.page(visit, "point.html", area="unmatched", **await visit.read(ask))


async def link(visit: Visit) -> web.Response:
    """Ask which client a point belongs to."""
    point, text = _decidable(visit), visit.asked("q")
    found = await visit.read(find_clients, text, now=visit.now, limit=MOST_FOUND)
    return await show.part_or_page(
        visit, "link.html", area="unmatched", point=point, found=found.items, searched=text
    )


async def found_clients(visit: Visit) -> web.Response:
    """Show the clients found so far, while a person types."""
    point, text = _decidable(visit), visit.asked("q")
    found = await visit.read(find_clients, text, now=visit.now, limit=MOST_FOUND)
    template = "found.html" if visit.fragment else "link.html"
    return await show.part_or_page(
        visit, template, area="unmatched", point=point, found=found.items, searched=text
    )


async def new_client(visit: Visit) -> web.Response:
    """Ask for the name of a new client, with what the wire said as a beginning."""
    point = _decidable(visit)
    about = await visit.read(pages.summaries, [point], now=visit.now)
    return await show.part_or_page(
        visit,
        "new_client.html",
        area="unmatched",
        point=point,
        suggested=about[point].name or "",
    )


def _untouched(point: str) -> reads.ReviewDetail:
    return reads.ReviewDetail(
        point=ContactPoint.parse(point),
        item=None,
        decisions=(),
        timeline=reads.Page(items=(), next=None),
    )


def _point(visit: Visit) -> str:
    try:
        return str(ContactPoint.parse(visit.request.match_info["point"]))
    except ValueError:
        raise NotFound from None


def _decidable(visit: Visit) -> str:
    point = _point(visit)
    if not ContactPoint.parse(point).can_belong_to_a_client:
        raise NotFound
    return point
