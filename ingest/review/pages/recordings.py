"""The sound of a call: played in the browser, a part at a time; asked for once more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review.web import NotFound, Visit, redirect
from ingest.sound import SoundStore
from storage import reads, recordings
from storage.recordings import Recording, RecordingState

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

#: A player asks for what it needs; nothing in this answer may run.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
}
NAMES = {
    "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/flac": "flac", "audio/amr": "amr",
    "audio/mp4": "m4a", "audio/wav": "wav", "audio/webm": "webm", "audio/aac": "aac",
}  # fmt: skip


async def play(visit: Visit) -> web.StreamResponse:
    """Answer the octets of a recording that the viewer may hear, or the range asked for."""
    one, _ = await visit.read(_heard, visit.request.match_info["id"], visit)
    store = visit.context.sound
    if store is None or one.state is not RecordingState.KEPT or one.digest is None:
        raise NotFound
    size = await asyncio.to_thread(store.size, one.digest)
    if size is None:
        raise NotFound
    start, end = 0, size
    status, headers = 200, dict(HEADERS)
    asked = visit.request.headers.get("Range")
    if asked is not None and (part := range_of(asked, size)) is not None:
        start, end = part
        if start >= end:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    kind = one.content_type or "application/octet-stream"
    headers["Content-Type"] = kind
    headers["Content-Disposition"] = f'inline; filename="{one.id}.{NAMES.get(kind, "bin")}"'
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = end - start
    await response.prepare(visit.request)
    pieces = _pieces(store, one.digest, start, end)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        await response.write(piece)
    await response.write_eof()
    return response


def range_of(text: str, size: int) -> tuple[int, int] | None:
    """Return the part (from, up to) that a Range header asks for; None: it asks for the whole.

    Several ranges at once are answered whole, as the standard allows. An empty part means that
    nothing there can be given.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1 if last else size)


async def again(visit: Visit) -> web.Response:
    """Ask the provider once more for a recording that was given up."""
    one, interaction = await visit.read(_heard, visit.request.match_info["id"], visit)
    await visit.write(lambda connection: recordings.again(connection, one.id, now=visit.now))
    return redirect(f"/interactions/{interaction}")


def _heard(connection: Connection, viewer: Viewer, id_: str, visit: Visit) -> tuple[Recording, str]:
    """Return a recording and its touch. Raises NotFound for what the viewer may not hear."""
    one = recordings.recording(connection, id_)
    interaction = None if one is None else recordings.interaction_of(connection, one)
    if one is None or interaction is None:
        raise NotFound
    touch = reads.interaction(connection, viewer, interaction, now=visit.now)
    if touch is None or touch.suppressed:
        raise NotFound
    return one, interaction


def _pieces(store: SoundStore, digest: str, start: int, end: int) -> Iterator[bytes]:
    return iter(store.read(digest, start, end))
