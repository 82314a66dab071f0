"""Sources and mailboxes: what came from each, when last, and what is wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.web import Visit
from storage import pages, reads

MOST = 500  #: shown of each


async def page(visit: Visit) -> web.Response:
    """Show every source and mailbox."""

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        return {
            "sources": reads.list_sources(connection, viewer, now=visit.now, limit=MOST).items,
            "mailboxes": reads.list_mailboxes(connection, viewer, now=visit.now, limit=MOST).items,
            "strange": pages.strange_lines(connection, viewer, now=visit.now),
        }

    # Both may ask another process, so not here in the loop.
    door = await asyncio.to_thread(visit.context.door)
    states = await asyncio.to_thread(visit.context.mailboxes)
    return await show.page(
        visit,
        "sources.html",
        area="sources",
        counters=door.get("sources", {}),
        unknown=door.get("unknown", 0),
        states=states,
        **await visit.read(ask),
    )
