"""Live pages: one look at the `changes` sequence for all of them, told on as server-sent events.

An event says only "look again": what to show is asked anew by the page, with its own rights. A
page that lost the connection looks again when it is back, so no event is ever needed twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from ingest.review.context import Context
from ingest.worker import last_change

log = structlog.get_logger()

POLL_S = 0.25
BEAT_S = 15.0  #: between beats, each of which also asks whether the person is still signed in
MOST_LISTENERS = 500


class Changes:
    """Tells every open page that something changed; looks only while somebody listens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listeners: set[asyncio.Event] = set()
        self._poller: asyncio.Task[None] | None = None
        self._closing = False
        self._salt = secrets.token_bytes(16)

    def mark(self, number: int) -> str:
        """Return what a page carries of the change it was drawn at; tells no count to anybody."""
        return hashlib.blake2b(str(number).encode(), key=self._salt, digest_size=8).hexdigest()

    async def follow(
        self, request: web.Request, still_welcome: Callable[[], Awaitable[bool]]
    ) -> web.StreamResponse:
        """Stream events until the page goes away or its session ends."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "30"})
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        changed = asyncio.Event()
        self._listeners.add(changed)
        self._look()
        drawn_at = request.query.get("drawn")
        latest = await self._last()
        if drawn_at and latest is not None and drawn_at != self.mark(latest):
            changed.set()  # something came between drawing the page and listening
        try:
            await response.write(b"retry: 2000\n\n")
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await changed.wait()
                if self._closing:
                    break
                if not await still_welcome():
                    await response.write(b"event: bye\ndata: .\n\n")
                    break
                told = b"event: change\ndata: .\n\n" if changed.is_set() else b": beat\n\n"
                changed.clear()
                await response.write(told)
        except ConnectionError:
            pass  # the page was closed
        finally:
            self._listeners.discard(changed)
        return response

    def _look(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        seen = await self._last()
        while self._listeners:
            await asyncio.sleep(POLL_S)
            found = await self._last()
            if found is not None and found != seen:
                seen = found
                for listener in self._listeners:
                    listener.set()

    async def _last(self) -> int | None:
        def ask() -> int:
            with self._context.database.read() as connection:
                return last_change(connection)

        try:
            return await asyncio.to_thread(ask)
        except Exception as error:  # a database that is away comes back
            log.warning("changes.unreadable", cause=type(error).__name__)
            return None

    async def close(self) -> None:
        """End every stream, so that pages turn to the next process, and stop looking."""
        self._closing = True
        for listener in self._listeners:
            listener.set()
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller
