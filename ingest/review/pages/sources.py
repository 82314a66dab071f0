"""Sources and mailboxes: what came from each, when last, and what is wrong."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.web import Visit
from storage import pages, reads


async def page(visit: Visit) -> web.Response:
    """Show every source and mailbox."""

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        return {
            "sources": reads.list_sources(connection, viewer, now=visit.now),
            "mailboxes": reads.list_mailboxes(connection, viewer, now=visit.now),
            "strange": pages.strange_lines(connection, viewer, now=visit.now),
        }

    door = visit.context.door()
    return await show.page(
        visit,
        "sources.html",
        area="sources",
        counters=door.get("sources", {}),
        unknown=door.get("unknown", 0),
        states=visit.context.mailboxes(),
        **await visit.read(ask),
    )
