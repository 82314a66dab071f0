"""The followers of one process's mailboxes: one for each mailbox, and never two at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import structlog

from ingest.domain.mailboxes import Mailbox

log = structlog.get_logger()

AGAIN_S = 30.0  #: before a mailbox whose follower failed is followed again

#: Follows a mailbox until the event is set; returns earlier only if the mailbox is paused.
Follow = Callable[[Mailbox, asyncio.Event], Awaitable[None]]


class Followers:
    """Keeps one follower running for each mailbox that is wanted."""

    def __init__(self, follow: Follow, *, again_s: float = AGAIN_S) -> None:
        self._follow = follow
        self._again_s = again_s
        self._running: dict[str, tuple[Mailbox, asyncio.Event, asyncio.Task[None]]] = {}

    def keep_to(self, wanted: Mapping[str, Mailbox]) -> None:
        """Start following new mailboxes, stop those gone or changed.

        A changed one is followed anew at the first look after its old follower has ended: two of
        them would move one cursor.
        """
        for id_, (mailbox, stop, task) in list(self._running.items()):
            if wanted.get(id_) != mailbox:
                stop.set()
                if task.done():
                    del self._running[id_]
        for id_, mailbox in wanted.items():
            if id_ not in self._running:
                stop = asyncio.Event()
                task = asyncio.create_task(self._keep_following(mailbox, stop))
                self._running[id_] = (mailbox, stop, task)

    async def stop(self) -> None:
        """Stop all of them and wait until they have ended."""
        for _, stop, _ in self._running.values():
            stop.set()
        await asyncio.gather(*(task for *_, task in self._running.values()), return_exceptions=True)

    async def _keep_following(self, mailbox: Mailbox, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._follow(mailbox, stop)
                return
            except Exception:
                log.exception("mailbox.failed", mailbox=mailbox.id)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._again_s)
