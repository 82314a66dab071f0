"""The watch of one connection over one folder: what is new, what is old, waiting for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NoReturn, Protocol

import structlog

from ingest.domain.mailboxes import Mailbox
from ingest.keeper import KeepFailed
from ingest.mail import cursor as cursors
from ingest.mail.cursor import Cursor, cursor_name, seen_name
from ingest.mail.desk import Desk
from ingest.mail.folders import INBOX, Folder
from ingest.mail.imap import Limits, Opened, Session
from ingest.mail.imap_protocol import Refused
from ingest.mail.pace import Pace
from ingest.mail.taking import Batch, Known, Place, take

log = structlog.get_logger()

WINDOW = 5_000  #: messages whose UIDs are listed at once


class Host(Protocol):
    """Whom a watch works for: the follower of its mailbox."""

    mailbox: Mailbox
    desk: Desk
    clock: Callable[[], datetime]
    limits: Limits
    pace: Pace

    async def look_for_folders(self, session: Session) -> None:
        """Begin to follow the folders that should be followed."""

    async def show(self, folder: Folder, cursor: Cursor) -> None:
        """Show that a folder is followed and how far it is kept."""

    def give_up_on(self, folder: Folder, uidvalidity: int, uid: int) -> bool:
        """Tell whether the server refused to give out this mail for good."""


class Watch:
    """One connection's watch over one folder."""

    def __init__(self, follower: Host, session: Session, folder: Folder) -> None:
        self.follower = follower
        self.session = session
        self.folder = folder
        self.pace = follower.pace
        self.older: list[int] = []  #: UIDs below the cursor, newest first
        self.older_from = 0  #: sequence number up to which they are still to be listed
        self.idle_refused = False
        self.name = cursor_name(follower.mailbox.id, folder.name)

    async def watch(self) -> NoReturn:
        """Keep what is new, then a batch of what is old, else wait; again and again."""
        cursor = await self._open()
        while True:
            cursor = await self._take_new(cursor)
            await self.follower.show(self.folder, cursor)
            if not cursor.complete:
                cursor = await self._import(cursor)
                await self.session.noop()
            elif not await self._wait():
                cursor = await self._open()

    async def _open(self) -> Cursor:
        if self.folder.name == INBOX:
            await self.follower.look_for_folders(self.session)
        opened = await self.session.open(self.folder.wire_name)
        self.older, self.older_from = [], opened.exists
        remembered = (await self.follower.desk.recall([self.name])).get(self.name)
        cursor = cursors.begin(
            remembered,
            uidvalidity=opened.uidvalidity,
            top=await self._top(opened),
            exists=opened.exists,
            now=self.follower.clock(),
        )
        if remembered and remembered["uidvalidity"] != cursor.uidvalidity:
            mailbox = self.follower.mailbox.id
            log.warning("folder.renumbered", mailbox=mailbox, folder=self.folder.name)
        return cursor

    async def _top(self, opened: Opened) -> int:
        """Return the UID of the newest message. UIDNEXT is not asked: some servers overstate it."""
        newest = await self.session.uids_at(opened.exists, opened.exists) if opened.exists else []
        return max(newest, default=0)

    async def _wait(self) -> bool:
        """Wait for news; False: time to look at the folder anew."""
        if self.session.can_idle and not self.idle_refused:
            try:
                return await self.session.idle(min(self.pace.idle_renew_s, self.pace.poll_s))
            except Refused:
                self.idle_refused = True
        await asyncio.sleep(self.pace.poll_s)
        return False

    async def _take_new(self, cursor: Cursor) -> Cursor:
        uids = await self._uids_above(cursor.high)
        while uids:
            batch = await self._batch(cursor, uids[: self.pace.batch])
            cursor = cursor.up(batch.covered[-1])
            await self._keep(batch, cursor)
            uids = uids[len(batch.covered) :]
        return cursor

    async def _uids_above(self, high: int) -> list[int]:
        """Return the UIDs above this one, in order; looks from the newest message downwards."""
        found: set[int] = set()
        last, width = self.session.exists, self.pace.batch
        while last > 0:
            first = max(1, last - width + 1)
            uids = await self.session.uids_at(first, last)
            found.update(uid for uid in uids if uid > high)
            if uids and uids[0] <= high:
                break
            last, width = first - 1, min(width * 10, WINDOW)
        return sorted(found)

    async def _import(self, cursor: Cursor) -> Cursor:
        """Take older mails until it is time to look for new ones."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.pace.look_s
        while True:
            cursor = await self._take_older(cursor)
            if cursor.complete or loop.time() >= ends:
                return cursor

    async def _take_older(self, cursor: Cursor) -> Cursor:
        await self._list_older(cursor.low)
        if not self.older:
            cursor = cursor.finished()
            await self.follower.desk.remember({self.name: cursors.to_memory(cursor)})
            return cursor
        batch = await self._batch(cursor, self.older[: self.pace.batch])
        cursor = cursor.down(batch.covered[-1], len(batch.deliveries), batch.recognised)
        await self._keep(batch, cursor)
        self.older = self.older[len(batch.covered) :]
        return cursor

    async def _list_older(self, low: int) -> None:
        """List UIDs below the cursor until there is a batch of them or no more.

        From high sequence numbers to low: when others expunge messages meanwhile, numbers only
        fall, so that a window may overlap the one before and never leaves a message out.
        """
        while len(self.older) < self.pace.batch and self.older_from > 0:
            first = max(1, self.older_from - WINDOW + 1)
            below = self.older[-1] if self.older else low
            uids = await self.session.uids_at(first, self.older_from)
            self.older += [uid for uid in reversed(uids) if uid < below]
            self.older_from = first - 1

    async def _batch(self, cursor: Cursor, uids: Sequence[int]) -> Batch:
        follower = self.follower
        if reason := follower.desk.full():
            raise KeepFailed(reason)
        place = Place(
            mailbox=follower.mailbox.id,
            folder=self.folder,
            uidvalidity=cursor.uidvalidity,
            received_at=follower.clock(),
        )
        known: Known | None = self._known if cursor.recognising else None
        return await take(
            self.session,
            place,
            uids,
            limits=follower.limits,
            most_bytes=self.pace.batch_bytes,
            known=known,
            give_up_on=partial(follower.give_up_on, self.folder, cursor.uidvalidity),
        )

    async def _known(self, identities: Iterable[str]) -> Mapping[str, int]:
        names = {seen_name(self.follower.mailbox.id, each): each for each in identities}
        found = await self.follower.desk.recall(names)
        return {names[name]: size for name, size in found.items()}

    async def _keep(self, batch: Batch, cursor: Cursor) -> None:
        memory = {**batch.seen, self.name: cursors.to_memory(cursor)}
        await self.follower.desk.keep(batch.deliveries, memory)
        await self.follower.show(self.folder, cursor)
