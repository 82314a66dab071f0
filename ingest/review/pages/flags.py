"""Flags: who must be looked after, by whom, and what was said last."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.web import NotFound, Visit
from storage import decisions as decided
from storage import pages, reads
from storage.reads import FlagFilter, FlagOrder, InteractionFilter


async def listing(visit: Visit) -> web.Response:
    """Show open flags, or closed ones."""
    closed, after = visit.asked("state") == "closed", visit.asked("after", 500) or None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        wanted = FlagFilter(open=not closed)
        page = reads.list_flags(
            connection,
            viewer,
            wanted,
            now=visit.now,
            order=FlagOrder.TOUCHED,
            after=after,
            limit=30,
        )
        return {
            "page": page,
            "total": reads.count_flags(connection, viewer, wanted, now=visit.now),
            "said": {
                it.id: pages.last_said(connection, viewer, it.subject, it.opened_at, now=visit.now)
                for it in page.items
            },
        }

    return await show.page(
        visit, "flags.html", area="flags", closed=closed, **await visit.read(ask)
    )


async def detail(visit: Visit) -> web.Response:
    """Show one flag with its touches."""
    key = visit.request.match_info["id"]

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        flag = reads.flag(connection, viewer, key, now=visit.now)
        if flag is None:
            raise NotFound
        touches = reads.list_interactions(
            connection, viewer, InteractionFilter(flag=key), now=visit.now, limit=100
        )
        return {
            "it": flag,
            "page": touches,
            "said": pages.last_said(
                connection, viewer, flag.subject, flag.opened_at, now=visit.now
            ),
            "made": decided.of_target(connection, flag.key) if viewer.sees_everything else [],
        }

    return await show.page(visit, "flag.html", area="flags", **await visit.read(ask))
