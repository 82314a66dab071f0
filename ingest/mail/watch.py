"""The watch of one connection over one folder: what is new, what is old, waiting for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import NoReturn, Protocol

import structlog

from ingest.domain.mailboxes import Mailbox
from ingest.keeper import KeepFailed
from ingest.mail import cursor as cursors
from ingest.mail.crowd import Crowd
from ingest.mail.cursor import Cursor, cursor_name, seen_name
from ingest.mail.desk import Desk
from ingest.mail.first_import import WINDOW, FirstImport
from ingest.mail.folders import INBOX, Folder
from ingest.mail.imap import Limits, Opened, Session
from ingest.mail.imap_protocol import Refused
from ingest.mail.imap_words import Fetched
from ingest.mail.pace import Pace
from ingest.mail.taking import Batch, Known, Place, take

log = structlog.get_logger()


class Host(Protocol):
    """Whom a watch works for: the follower of its mailbox."""

    mailbox: Mailbox
    desk: Desk
    clock: Callable[[], datetime]
    limits: Limits
    pace: Pace
    crowd: Crowd

    async def look_for_folders(self, session: Session) -> None:
        """Begin to follow the folders that should be followed."""

    async def show(
        self, folder: Folder, cursor: Cursor, *, rate: float | None, rests: str | None
    ) -> None:
        """Show that a folder is followed and how far it is kept."""

    def give_up_on(self, folder: Folder, uidvalidity: int, uid: int) -> bool:
        """Tell whether the server refused to give out this mail for good."""

    def helping(self) -> AbstractAsyncContextManager[Session]:
        """Give a further connection that is signed in."""

    def may_have_help(self) -> bool:
        """Tell whether the server may be asked for further connections."""

    def no_help(self) -> None:
        """Note that further connections did not work out."""


class Watch:
    """One connection's watch over one folder."""

    def __init__(self, follower: Host, session: Session, folder: Folder) -> None:
        self.follower = follower
        self.session = session
        self.folder = folder
        self.pace = follower.pace
        self.cursor = Cursor(uidvalidity=0, low=1, high=0)
        self.idle_refused = False
        self.name = cursor_name(follower.mailbox.id, folder.name)
        self._keeping = asyncio.Lock()  #: whoever moves the cursor holds it
        self.first_import = FirstImport(self)
        self._trusted_at: float | None = None

    async def watch(self) -> NoReturn:
        """Keep what is new, then a part of what is old, else wait; again and again."""
        try:
            await self._open()
            while True:
                if not self.cursor.complete:
                    await self.first_import.advance()
                    await self._take_new()
                elif await self.wait(self.pace.poll_s):
                    await self._take_new()
                else:
                    await self._open()
        finally:
            self.follower.crowd.turns.leave(self)
            await self.first_import.end_shared()

    async def _open(self) -> None:
        """Open the folder and learn what is new in it, if only from what it says of itself."""
        if self.folder.name == INBOX:
            await self.follower.look_for_folders(self.session)
        opened = await self.session.open(self.folder.wire_name)
        remembered = (await self.follower.desk.recall([self.name])).get(self.name)
        last = cursors.from_memory(remembered) if remembered else None
        if last is not None and self._is_as_it_was(last, opened):
            self.cursor = last
            await self.show()
            return
        self.cursor = cursors.begin(
            remembered,
            uidvalidity=opened.uidvalidity,
            top=await self._top(opened),
            exists=opened.exists,
            now=self.follower.clock(),
        )
        self.first_import.list_anew()
        if last is not None and last.uidvalidity != self.cursor.uidvalidity:
            mailbox = self.follower.mailbox.id
            log.warning("folder.renumbered", mailbox=mailbox, folder=self.folder.name)
        await self._take_new()
        await self._trust(opened)

    # -- trust in what a folder says of itself ---------------------------------------------

    def _is_as_it_was(self, last: Cursor, opened: Opened) -> bool:
        """Tell whether nothing came in since all was kept, which the folder's own counts say.

        There are servers whose counts stand still; now and then they are not believed.
        """
        if last.uidvalidity != opened.uidvalidity or not last.complete:
            return False
        now = asyncio.get_running_loop().time()
        if self._trusted_at is not None and now - self._trusted_at > self.pace.trust_s:
            return False
        self._trusted_at = self._trusted_at or now
        return opened.mark is not None and last.mark == opened.mark

    async def _trust(self, opened: Opened) -> None:
        """Remember what the folder said of itself before all that it held was kept."""
        self._trusted_at = asyncio.get_running_loop().time()
        if not self.cursor.complete or opened.mark == self.cursor.mark:
            return
        async with self._keeping:
            cursor = self.cursor.marked(opened.mark)
            await self.follower.desk.remember({self.name: cursors.to_memory(cursor)})
            self.cursor = cursor
        await self.show()

    # -- new mail --------------------------------------------------------------------------

    async def _top(self, opened: Opened) -> int:
        """Return the UID of the newest message. UIDNEXT is not asked: some servers overstate it."""
        newest = await self.session.uids_at(opened.exists, opened.exists) if opened.exists else []
        return max(newest, default=0)

    async def wait(self, for_s: float) -> bool:
        """Wait for news; False: time to look at the folder anew."""
        if self.session.can_idle and not self.idle_refused:
            try:
                return await self.session.idle(min(self.pace.idle_renew_s, for_s))
            except Refused:
                self.idle_refused = True
        await asyncio.sleep(for_s)
        return False

    async def _take_new(self) -> None:
        uids = await self._uids_above(self.cursor.high)
        while uids:
            batch = await self.batch(self.session, uids[: self.pace.batch])
            await self.keep(batch, partial(_up, last=batch.covered[-1]))
            uids = uids[len(batch.covered) :]
        await self.show()

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

    # -- reading and keeping ---------------------------------------------------------------

    async def batch(
        self,
        session: Session,
        uids: Sequence[int],
        *,
        outlined: Mapping[int, Fetched] | None = None,
        then: Sequence[int] = (),
        imported: bool = False,
    ) -> Batch:
        """Return what these messages came to, read on that connection."""
        follower, cursor = self.follower, self.cursor
        if reason := follower.desk.full():
            raise KeepFailed(reason)
        place = Place(
            mailbox=follower.mailbox.id,
            folder=self.folder,
            uidvalidity=cursor.uidvalidity,
            received_at=follower.clock(),
            imported=imported,
        )
        known: Known | None = self._known if cursor.recognising else None
        return await take(
            session,
            place,
            uids,
            limits=follower.limits,
            most_bytes=self.pace.batch_bytes,
            known=known,
            give_up_on=partial(follower.give_up_on, self.folder, cursor.uidvalidity),
            outlined=outlined,
            then=then,
        )

    async def _known(self, identities: Iterable[str]) -> Mapping[str, int]:
        names = {seen_name(self.follower.mailbox.id, each): each for each in identities}
        found = await self.follower.desk.recall(names)
        return {names[name]: size for name, size in found.items()}

    async def keep(self, batch: Batch, move: Callable[[Cursor], Cursor]) -> None:
        """Keep a batch and move the cursor, in one transaction."""
        async with self._keeping:
            cursor = move(self.cursor)
            memory = {**batch.seen, self.name: cursors.to_memory(cursor)}
            await self.follower.desk.keep(batch.deliveries, memory)
            self.cursor = cursor
        await self.show()

    async def finish(self) -> None:
        """Note that the oldest mail is kept."""
        async with self._keeping:
            cursor = self.cursor.finished()
            await self.follower.desk.remember({self.name: cursors.to_memory(cursor)})
            self.cursor = cursor
        await self.show()

    async def show(self, rests: str | None = None) -> None:
        """Show how far the folder is kept; `rests`: why the first import does not go on."""
        now = asyncio.get_running_loop().time()
        rate = None if self.cursor.complete or rests else self.first_import.rate.lately(now)
        await self.follower.show(self.folder, self.cursor, rate=rate, rests=rests)


def _up(cursor: Cursor, *, last: int) -> Cursor:
    return cursor.up(last)
