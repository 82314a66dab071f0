"""Clients: the list, and one client's card with its whole history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.pages.interactions import point_of
from ingest.review.signed import numbers_of_client
from ingest.review.web import NotFound, Visit
from storage import pages, reads
from storage.reads import ClientView, InteractionFilter, Page


async def listing(visit: Visit) -> web.Response:
    """Show clients by name, or those that a search finds."""
    found = await visit.read(
        find_clients, visit.asked("q"), now=visit.now, after=visit.asked("after", 500) or None
    )
    return await show.page(
        visit, "clients.html", area="clients", page=found, searched=visit.asked("q")
    )


def find_clients(
    connection: Connection,
    viewer: Viewer,
    text: str,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = 50,
) -> Page[ClientView]:
    """Return the clients that a name, a number or an address means."""
    looks_like_point = "@" in text or sum(char.isdigit() for char in text) >= 7
    if looks_like_point:
        found = reads.list_clients(
            connection, viewer, now=now, number=point_of(text), after=after, limit=limit
        )
        if found.items:
            return found
    return reads.list_clients(
        connection, viewer, now=now, search=text or None, after=after, limit=limit
    )


async def card(visit: Visit) -> web.Response:
    """Show one client."""
    key, after = visit.request.match_info["id"], visit.asked("after", 500) or None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        found = reads.client(connection, viewer, key, now=visit.now)
        if found is None:
            raise NotFound
        return {
            "card": found,
            "page": reads.list_interactions(
                connection, viewer, InteractionFilter(client=key), now=visit.now, after=after
            ),
            "signed": numbers_of_client(connection, viewer, key, now=visit.now),
            "said": pages.last_said(connection, viewer, f"client:{key}", visit.now, now=visit.now),
        }

    return await show.page(visit, "client.html", area="clients", **await visit.read(ask))
