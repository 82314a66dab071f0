"""The first import of one folder: what is left of it, alone or shared, and when it rests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from ingest.mail.imap import Session
from ingest.mail.imap_protocol import ConnectionBroken
from ingest.mail.imap_words import Fetched
from ingest.mail.importing import SharedImport
from ingest.mail.rate import Rate
from ingest.mail.taking import Batch

if TYPE_CHECKING:
    from ingest.mail.watch import Watch

log = structlog.get_logger()

WINDOW = 5_000  #: messages whose UIDs are listed at once
LEAST_LOOK_S = 0.05  #: while others import, new mail is looked for no more often


class FirstImport:
    """What one watch has left of its folder's first import."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.pace = watch.pace
        self.older: deque[int] = deque()  #: UIDs below the cursor, newest first
        self.older_from = 0  #: sequence number up to which they are still to be listed
        self.listed_to = 0  #: the lowest UID listed so far
        self.rate = Rate()
        self._shared: SharedImport | None = None

    async def advance(self) -> None:
        """Go on with the first import until it is time to look for new mail."""
        turns, now = self.watch.follower.crowd.turns, asyncio.get_running_loop().time()
        if reason := self.watch.follower.desk.full():
            await self._rest(reason)
        elif self._shared is None and await self._is_small():
            turns.leave(self.watch)
            await self._import_alone()
        elif not turns.mine(self.watch, self.watch.follower.mailbox.host, now):
            await self.end_shared()
            await self.watch.show(rests="other mailboxes have their turn")
            await self.watch.wait(self.pace.turn_s)
        elif self._shared is not None or self._may_share():
            await self._import_shared()
        else:
            await self._import_alone()
        if self.watch.cursor.complete:
            turns.leave(self.watch)
        await self.watch.session.noop()

    async def _rest(self, reason: str) -> None:
        self.watch.follower.crowd.turns.leave(self.watch)
        await self.end_shared()
        await self.watch.show(rests=reason)
        await asyncio.sleep(self.pace.full_s)

    async def _is_small(self) -> bool:
        """Tell whether what is left of the import is done in no time, without turn or help."""
        await self._list_older(self.pace.helped_from)
        return len(self.older) < self.pace.helped_from

    def _may_share(self) -> bool:
        return self.pace.helpers > 0 and self.watch.follower.may_have_help()

    async def _import_shared(self) -> None:
        """Let several connections import meanwhile; goes on alone when they cannot."""
        if self._shared is None:
            self._shared = SharedImport(
                self._helping, self._take_shared, self._keep_older, helpers=self.pace.helpers
            )
        shared, batch = self._shared, self.pace.batch
        if shared.waiting * batch < WINDOW:
            await self._list_older(WINDOW)
            slices = []
            while self.older:
                slices.append([self.older.popleft() for _ in range(min(batch, len(self.older)))])
            await shared.feed(slices, last=self.older_from == 0)
        await shared.wait(max(self.pace.look_s, LEAST_LOOK_S))
        if not shared.done:
            return
        reason = shared.trouble()
        await self.end_shared()
        if reason is None:
            await self.watch.finish()
            return
        if not self.watch.follower.desk.full():  # else it was nothing of the server's
            log.info("import.alone", mailbox=self.watch.follower.mailbox.id, reason=reason[:200])
            self.watch.follower.no_help()

    async def end_shared(self) -> None:
        """End the other connections, if there are any, and list what they left."""
        if self._shared is not None:
            shared, self._shared = self._shared, None
            await shared.stop()
            self.list_anew()

    @asynccontextmanager
    async def _helping(self) -> AsyncIterator[Session]:
        """Give a further connection with the folder open under the same numbering."""
        async with self.watch.follower.helping() as session:
            opened = await session.open(self.watch.folder.wire_name)
            if opened.uidvalidity != self.watch.cursor.uidvalidity:
                raise ConnectionBroken("the folder was renumbered meanwhile")
            yield session

    async def _take_shared(
        self,
        session: Session,
        uids: Sequence[int],
        outlined: dict[int, Fetched] | None,
        then: Sequence[int],
    ) -> Batch:
        return await self.watch.batch(session, uids, outlined=outlined, then=then, imported=True)

    async def _import_alone(self) -> None:
        """Take older mails until it is time to look for new ones."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.pace.look_s
        while not self.watch.cursor.complete:
            await self._list_older(self.pace.batch)
            if not self.older:
                await self.watch.finish()
                return
            uids = [self.older[at] for at in range(min(self.pace.batch, len(self.older)))]
            batch = await self.watch.batch(self.watch.session, uids, imported=True)
            await self._keep_older(batch)
            for _ in batch.covered:
                self.older.popleft()
            if loop.time() >= ends or self.watch.follower.desk.full():
                return

    async def _keep_older(self, batch: Batch) -> None:
        self.rate.add(len(batch.deliveries), asyncio.get_running_loop().time())
        await self.watch.keep(
            batch,
            lambda cursor: cursor.down(
                batch.covered[-1], len(batch.deliveries), batch.recognised, batch.newest
            ),
        )

    def list_anew(self) -> None:
        """Forget what was listed: it is listed again from the cursor downwards."""
        self.older.clear()
        self.older_from = self.watch.session.exists
        self.listed_to = self.watch.cursor.low

    async def _list_older(self, least: int) -> None:
        """List UIDs below the cursor until there are so many of them or no more.

        From high sequence numbers to low: when others expunge messages meanwhile, numbers only
        fall, so that a window may overlap the one before and never leaves a message out.
        """
        while len(self.older) < least and self.older_from > 0:
            first = max(1, self.older_from - WINDOW + 1)
            uids = await self.watch.session.uids_at(first, self.older_from)
            below = self.listed_to
            self.older.extend(uid for uid in reversed(uids) if uid < below)
            self.listed_to = min(below, *uids[:1]) if uids else below
            self.older_from = first - 1
