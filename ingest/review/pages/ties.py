"""Calls that two sources may have reported both: pairs that a person can call one, or two."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from ingest.review import show
from ingest.review.web import Visit
from storage import reads_ties

LOOK_BACK = timedelta(days=14)


async def listing(visit: Visit) -> web.Response:
    """Show the pairs of the last two weeks, the latest first."""
    pairs = await visit.read(reads_ties.all_resembling, since=visit.now - LOOK_BACK)
    return await show.page(visit, "ties.html", area="unmatched", pairs=pairs)
