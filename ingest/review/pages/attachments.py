"""An attachment of a mail, given out so that no browser opens it by itself."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.mails import Attachment
from ingest.domain.people import Viewer
from ingest.mail.sniff import HARMLESS
from ingest.review import show
from ingest.review.pages.parked import kept_of
from ingest.review.web import NotFound, Visit
from ingest.review.words import _
from storage import arrivals, pages, reads

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}

#: What no file name of ours holds: separators, what a shell or Windows reads as something else,
#: and what turns the direction of writing round so that exe.fdp looks like a document.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069]')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    attachment: Attachment
    number: int
    places: Sequence[tuple[str, int, int]]  #: log, partition, position of each copy


async def download(visit: Visit) -> web.Response:
    """Answer an attachment's octets as a file to be saved."""
    key, digest = visit.request.match_info["id"], visit.request.match_info["digest"]
    found = await visit.read(_find, key, digest, visit)
    content = await _content(visit, found)
    if isinstance(content, str):
        return await _sorry(visit, key, content)
    looks = found.attachment.looks or ""
    name = safe_name(found.attachment.name)
    return web.Response(
        body=content,
        headers={
            **HEADERS,
            "Content-Type": looks if looks in HARMLESS else "application/octet-stream",
            "Content-Disposition": (
                f'attachment; filename="{name.encode("ascii", "replace").decode()}";'
                f" filename*=UTF-8''{quote(name, safe='')}"
            ),
        },
    )


def safe_name(name: str | None) -> str:
    """Return a file name that is only that: no path, no hidden file, no device, no trick."""
    name = _UNSAFE.sub("_", name or "").strip(" .")
    if not name:
        return "attachment.bin"
    return name if len(name) <= 120 else name[:80] + "_" + name[-39:]


def _find(connection: Connection, viewer: Viewer, key: str, digest: str, visit: Visit) -> _Found:
    touch = reads.interaction(connection, viewer, key, now=visit.now)
    read = None if touch is None else pages.mail_reading(connection, viewer, touch)
    if touch is None or read is None:
        raise NotFound
    for number, attachment in enumerate(read[0].attachments):
        if attachment.digest == digest:
            places = arrivals.copies(connection, viewer, touch.id)
            return _Found(attachment=attachment, number=number, places=places)
    raise NotFound


async def _content(visit: Visit, found: _Found) -> bytes | str:
    """Return the attachment out of the first copy that still holds it; or why there is none.

    Copies of one mail need not be alike in every octet, so what is given out is what was listed.
    """
    why = _("The mail's octets are not kept any more.")
    for place in found.places:
        kept = await asyncio.to_thread(kept_of, visit, *place)
        if kept is None or not kept.body:
            continue
        content = await asyncio.to_thread(visit.context.extract, kept.body, found.number)
        if isinstance(content, str):
            why = content
        elif hashlib.sha256(content).hexdigest() == found.attachment.digest:
            return content
    return why


async def _sorry(visit: Visit, key: str, why: str) -> web.Response:
    return await show.page(
        visit, "sorry.html", area="interactions", status=410, why=why, back=f"/interactions/{key}"
    )
