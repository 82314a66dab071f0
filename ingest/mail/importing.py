"""One folder's first import shared by several connections, newest mail first.

Slices of UIDs are handed out in their order and kept in their order, so that everything from the
cursor's low end upwards is always kept; only the reading happens side by side. When one connection
fails all of them end: whoever began the import goes on from the cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from ingest.mail.imap import Session
from ingest.mail.imap_words import Fetched
from ingest.mail.taking import Batch, joined

SLICES_AHEAD = 3  #: for each connection: how many slices may be read before it is their turn
TOGETHER = 4  #: batches in one transaction

Slice = tuple[int, Sequence[int]]
Connect = Callable[[], AbstractAsyncContextManager[Session]]
Take = Callable[
    [Session, Sequence[int], dict[int, Fetched] | None, Sequence[int]], Awaitable[Batch]
]
"""Reads messages; given what is known of their sizes, and of which the sizes are wanted next."""

Keep = Callable[[Batch], Awaitable[None]]


class SharedImport:
    """Several connections at one import."""

    def __init__(self, connect: Connect, take: Take, keep: Keep, *, helpers: int) -> None:
        self._connect, self._take, self._keep = connect, take, keep
        self._helpers = helpers
        self._slices: deque[Sequence[int]] = deque()
        self._handed = 0  #: slices handed out, which is the number of the next one
        self._kept = 0  #: slices kept, which is the number of the next one to keep
        self._read: dict[int, list[Batch]] = {}  #: by slice: what waits to be kept
        self._whole: set[int] = set()  #: slices that are read to their end
        self._ended = False
        self._moved = asyncio.Condition()
        self._running = asyncio.ensure_future(self._run())

    @property
    def waiting(self) -> int:
        """Return how many slices nobody has begun to read."""
        return len(self._slices)

    @property
    def done(self) -> bool:
        """Tell whether it is over, well or not."""
        return self._running.done()

    def trouble(self) -> str | None:
        """Return why it ended before its time, or None."""
        if not self.done or self._running.cancelled():
            return None
        group = self._running.exception()
        if group is None:
            return None
        first = group.exceptions[0] if isinstance(group, BaseExceptionGroup) else group
        return str(first) or type(first).__name__

    async def feed(self, slices: Sequence[Sequence[int]], *, last: bool) -> None:
        """Add what is to be read, newest first; `last`: there is no more."""
        async with self._moved:
            self._slices.extend(slices)
            self._ended = last
            self._moved.notify_all()

    async def wait(self, for_s: float) -> None:
        """Return when it is over, at the latest after so long."""
        await asyncio.wait({self._running}, timeout=for_s)

    async def stop(self) -> None:
        """End it; what was read and not kept is forgotten."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_in_order())
            for _ in range(self._helpers):
                group.create_task(self._help())

    async def _keep_in_order(self) -> None:
        """Keep what is ready at the cursor's end, several slices in one transaction."""
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._read.get(self._kept) or self._over)
                if self._over:
                    return
                ready = self._ready()
            await self._keep(joined(ready))
            async with self._moved:
                self._moved.notify_all()

    def _ready(self) -> list[Batch]:
        """Take off what may be kept now, and go past the slices that are read to their end."""
        ready: list[Batch] = []
        while (batches := self._read.get(self._kept)) and len(ready) < TOGETHER:
            ready += batches
            batches.clear()
            if self._kept not in self._whole:
                break
            self._whole.remove(self._kept)
            del self._read[self._kept]
            self._kept += 1
        return ready

    @property
    def _over(self) -> bool:
        return self._ended and not self._slices and self._kept == self._handed

    async def _help(self) -> None:
        """Read slice after slice; what the next one holds is asked together with this one."""
        async with self._connect() as session:
            outlined: dict[int, Fetched] | None = None
            here = await self._next()
            while here is not None:
                number, uids = here
                there = self._next_now()
                outlined = await self._read_slice(
                    session, number, uids, outlined, there[1] if there else ()
                )
                here = there or await self._next()

    async def _read_slice(
        self,
        session: Session,
        number: int,
        uids: Sequence[int],
        outlined: dict[int, Fetched] | None,
        then: Sequence[int],
    ) -> dict[int, Fetched] | None:
        """Read one slice; of one that is large no more than a batch waits to be kept."""
        ahead: dict[int, Fetched] | None = None
        while uids:
            batch = await self._take(session, uids, outlined, () if ahead is not None else then)
            outlined = dict(batch.outlined)
            ahead = dict(batch.ahead) if batch.ahead is not None else ahead
            uids = uids[len(batch.covered) :]
            async with self._moved:
                self._read.setdefault(number, []).append(batch)
                if not uids:
                    self._whole.add(number)
                self._moved.notify_all()
                if uids:
                    await self._moved.wait_for(
                        lambda: self._kept == number and not self._read[number]
                    )
        return ahead

    async def _next(self) -> Slice | None:
        """Return the next slice as soon as it may be read; None: there is no more."""
        async with self._moved:
            await self._moved.wait_for(
                lambda: self._may_read() or (self._ended and not self._slices)
            )
            return self._next_now()

    def _next_now(self) -> Slice | None:
        if not self._may_read():
            return None
        self._handed += 1
        return self._handed - 1, self._slices.popleft()

    def _may_read(self) -> bool:
        ahead = self._handed - self._kept
        return bool(self._slices) and ahead < SLICES_AHEAD * self._helpers
