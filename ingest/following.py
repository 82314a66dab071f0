"""What runs as long as something is wanted: followers of mailboxes, companions of sources.

One task for each, and never two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")

AGAIN_S = 30.0  #: before what failed is tried again
STOP_S = 10.0  #: the longest that is waited, when the service ends, for one that is busy


class Followers(Generic[T]):
    """Keeps one follower running for each thing that is wanted.

    `follow` is given the thing and an event; it runs until the event is set, and returns earlier
    only if there is nothing to do until the thing changes.
    """

    def __init__(
        self,
        follow: Callable[[T, asyncio.Event], Awaitable[None]],
        *,
        kind: str = "mailbox",
        again_s: float = AGAIN_S,
        patience_s: float = STOP_S,
    ) -> None:
        self._follow = follow
        self._kind = kind
        self._again_s = again_s
        self._patience_s = patience_s
        self._running: dict[str, tuple[T, asyncio.Event, asyncio.Task[None]]] = {}

    def keep_to(self, wanted: Mapping[str, T]) -> None:
        """Start following new things, stop those gone or changed.

        A changed one is followed anew at the first look after its old follower has ended: two of
        them would move one cursor.
        """
        for id_, (thing, stop, task) in list(self._running.items()):
            if wanted.get(id_) != thing:
                stop.set()
                if task.done():
                    del self._running[id_]
        for id_, thing in wanted.items():
            if id_ not in self._running:
                stop = asyncio.Event()
                task = asyncio.create_task(self._keep_following(id_, thing, stop))
                self._running[id_] = (thing, stop, task)

    async def stop(self) -> None:
        """Stop all of them and wait until they have ended; one that is busy too long is cut off.

        That loses nothing: what was not kept moves no cursor.
        """
        for _, stop, _ in self._running.values():
            stop.set()
        tasks = [task for *_, task in self._running.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._patience_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_following(self, id_: str, thing: T, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._follow(thing, stop)
                return
            except Exception:
                log.exception(f"{self._kind}.failed", **{self._kind: id_})
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._again_s)
