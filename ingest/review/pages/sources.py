"""Sources and mailboxes: what came from each, when last, and what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.connections import parts_of
from ingest.review.context import Context
from ingest.review.metrics import Lag, lags
from ingest.review.web import Visit
from storage import pages, reads
from storage.log import LogUnavailable

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
    trouble = await asyncio.to_thread(visit.context.trouble)
    states = await asyncio.to_thread(visit.context.mailboxes)
    silences = await asyncio.to_thread(visit.context.silences)
    running = await asyncio.to_thread(visit.context.every_companion)
    behind = await asyncio.to_thread(_behind, visit.context, visit.now)
    return await show.page(
        visit,
        "sources.html",
        area="sources",
        counters=door.get("sources", {}),
        unknown=door.get("unknown", 0),
        trouble=trouble,
        states=states,
        behind=behind,
        silences=silences,
        parts={name: parts_of(found) for name, found in running.items()},
        said=visit.asked("said"),
        **await visit.read(ask),
    )


def _behind(context: Context, now: datetime) -> dict[str, Lag | None]:
    """Return how far the worker is behind each delivery log; None: that log cannot be read."""
    found: dict[str, Lag | None] = {}
    for name, log in context.logs.items():
        try:
            found[name] = together(lags(context.database, {name: log}, now))
        except LogUnavailable:
            found[name] = None
    return found


def together(partitions: Sequence[Lag]) -> Lag:
    """Return the lag of a whole log: the rows of all its partitions, and the longest wait."""
    return Lag(
        log=partitions[0].log,
        partition=0,
        rows=sum(lag.rows for lag in partitions),
        seconds=max(lag.seconds for lag in partitions),
    )
