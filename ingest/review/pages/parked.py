"""Deliveries that could not be read: why, what they hold, and reading them again after a fix."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy import Connection

from ingest.custody import masking
from ingest.domain.deliveries import Delivery, End
from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.web import NotFound, Visit, redirect
from ingest.review.words import ngettext
from storage import pages, reads
from storage.log import LogUnavailable

log = structlog.get_logger()


async def listing(visit: Visit) -> web.Response:
    """Show what is parked, by reason and one by one; or what was ignored and why."""
    ignored = visit.asked("end") == "ignored"
    source, after = visit.asked("source") or None, visit.asked("after", 500) or None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        end = End.IGNORED if ignored else End.PARKED
        return {
            "classes": () if ignored else pages.parked_classes(connection, viewer),
            "latest": pages.LATEST,
            "page": reads.list_deliveries(
                connection, viewer, end, now=visit.now, source=source, after=after
            ),
        }

    return await show.page(
        visit,
        "parked.html",
        area="parked",
        ignored=ignored,
        said=_said(visit),
        **await visit.read(ask),
    )


async def detail(visit: Visit) -> web.Response:
    """Show one delivery: what became of it, and its bytes without secrets."""
    found = await visit.read(reads.delivery, visit.request.match_info["id"], now=visit.now)
    if found is None:
        raise NotFound
    kept = await asyncio.to_thread(kept_of, visit, found.log, found.partition, found.position)
    sources = await asyncio.to_thread(visit.context.sources)
    fields, values = masking.secrets_of(sources.get(found.source))
    return await show.page(
        visit,
        "delivery.html",
        area="parked",
        it=found,
        kept=kept,
        head=_head(kept, fields, values) if kept else "",
        body=masking.masked_body(kept.body or b"", fields, values) if kept else "",
        longer=kept is not None and len(kept.body or b"") > masking.SHOWN_BYTES,
        said=_said(visit),
    )


async def replay(visit: Visit) -> web.Response:
    """Read one delivery again."""
    found = await visit.read(reads.delivery, visit.request.match_info["id"], now=visit.now)
    if found is None:
        raise NotFound
    count = await _replay(visit, [found.id])
    return redirect(f"/parked/{found.id}?replayed={count}&of=1")


async def replay_class(visit: Visit) -> web.Response:
    """Read again every delivery of one source that waits for one reason."""
    ids = await visit.read(pages.parked_ids, visit.field("source"), visit.field("reason", 5000))
    count = await _replay(visit, list(ids))
    return redirect(f"/parked?replayed={count}&of={len(ids)}")


async def _replay(visit: Visit, ids: list[str]) -> int:
    count = await asyncio.to_thread(visit.context.replay, ids) if ids else 0
    log.info("delivery.replayed", user=visit.person.user, asked=len(ids), read=count)
    visit.context.wake()
    return count


def kept_of(visit: Visit, name: str, partition: int, position: int) -> Delivery | None:
    """Return a delivery with its bytes; None if its log cannot be read or holds it no more."""
    kept = visit.context.logs.get(name)
    try:
        return kept.get(partition, position) if kept else None
    except LogUnavailable:
        return None


def _head(kept: Delivery, fields: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return the request's first line and headers, without what proves its sender."""
    head = kept.head
    if "method" not in head:
        return ""
    query = masking.masked_query(str(head.get("query", "")), fields, values)
    # What follows the source's name may be the unguessable part that proves the sender.
    path = f"/hooks/{kept.source}{masking.masked_path(head.get('path', ''))}"
    first = f"{head['method']} {path}" + (f"?{query}" if query else "")
    return "\n".join([first, *(f"{name}: {value}" for name, value in masking.masked_headers(kept))])


def _said(visit: Visit) -> str:
    """Return what the replay before this page came to."""
    read, asked = visit.asked("replayed"), visit.asked("of")
    if not (read.isdecimal() and asked.isdecimal() and len(read + asked) < 20):
        return ""
    text = ngettext(
        "{n} of {all} delivery was read.", "{n} of {all} deliveries were read.", int(asked)
    )
    return text.format(n=read, all=asked)
