"""The edge that follows mailboxes: new mail within seconds, the older mail newest first.

One connection follows one folder. IDLE is a hint; what was read is decided by the cursor alone,
and cursor and mail are kept in one transaction. A mailbox that fails is tried again with growing
pauses and disturbs no other; one whose password is refused is paused until a person acts.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import structlog

from ingest.domain.deliveries import NewDelivery
from ingest.domain.mailboxes import FolderState, Mailbox, MailboxState, state_to_memory
from ingest.keeper import Keeper, KeepFailed
from ingest.mail import cursor as cursors
from ingest.mail.cursor import Cursor, cursor_name, seen_name
from ingest.mail.folders import INBOX, Folder, to_follow
from ingest.mail.imap import Limits, LoginRefused, Opened, Session, connected
from ingest.mail.imap_protocol import ConnectionBroken, Refused
from ingest.mail.taking import Batch, Known, Place, take
from storage.log import LogUnavailable

log = structlog.get_logger()

#: Reasons for refusing a login that have nothing to do with the password (RFC 5530).
PASSING_REFUSALS = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})
WINDOW = 5_000  #: messages whose UIDs are listed at once
PASSING = (ConnectionBroken, Refused, OSError, ValueError, KeepFailed, LogUnavailable)
REMEMBER_STATE_S = 5.0  #: a state that differs only in its progress is written no more often


class Paused(Exception):
    """The mailbox is not followed until a person acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how much."""

    idle_renew_s: float = 240.0  #: routers and servers cut what is silent for longer
    poll_s: float = 60.0  #: beneath IDLE: the folder is looked at this often in any case
    look_s: float = 0.5  #: during the first import new mail is looked for this often
    list_s: float = 600.0  #: a folder of sent mail made later is found after so long
    batch: int = 50  #: mails in one transaction
    batch_bytes: int = 4 * 1024 * 1024  #: in one transaction, or one mail if it is larger
    retry_first_s: float = 2.0
    retry_most_s: float = 300.0
    steady_s: float = 30.0  #: a connection that held so long was a good one
    login_tries: int = 3  #: a few more may lock the account
    refusal_tries: int = 6  #: then a mail that the server will not give out is kept without text


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a follower needs of the delivery log."""

    keep: Callable[[Sequence[NewDelivery], Mapping[str, Any]], Awaitable[object]]
    recall: Callable[[Iterable[str]], Awaitable[dict[str, Any]]]  #: names -> what is remembered
    remember: Callable[[Mapping[str, Any]], Awaitable[None]]
    full: Callable[[], str | None] = lambda: None  #: why nothing should be read now


def desk_of(keeper: Keeper) -> Desk:
    """Return the desk of a keeper and its log."""
    held = keeper.log

    def recall(names: Iterable[str]) -> dict[str, Any]:
        found = {name: held.memory(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    async def remember(memory: Mapping[str, Any]) -> None:
        await keeper.keep_many([], memory)

    return Desk(
        keep=keeper.keep_many,
        recall=lambda names: asyncio.to_thread(recall, list(names)),
        remember=remember,
        full=lambda: keeper.full,
    )


def pause_name(mailbox: str) -> str:
    """Return the name under which a pause is remembered; forgetting it resumes the mailbox."""
    return f"pause:{mailbox}"


def state_name(mailbox: str) -> str:
    """Return the name under which a mailbox's state is remembered."""
    return f"mailbox:{mailbox}"


def retry_after(failures: int, pace: Pace, chance: float) -> float:
    """Return how many seconds to wait after so many failures; `chance` from 0 to 1 spreads it."""
    growing = pace.retry_first_s * 2.0 ** min(failures - 1, 20)
    return min(pace.retry_most_s, growing) * (0.5 + 0.5 * chance)


async def follow(
    mailbox: Mailbox,
    *,
    desk: Desk,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
    on_state: Callable[[MailboxState], None] = lambda state: None,
    chance: Callable[[], float] = random.random,
    limits: Limits | None = None,
    pace: Pace | None = None,
) -> None:
    """Follow one mailbox until `stop` is set; returns earlier only if the mailbox is paused."""
    follower = _Follower(mailbox, desk, clock, on_state, chance, limits or Limits(), pace or Pace())
    following = asyncio.ensure_future(follower.run())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        following.cancel()
        ended, _ = await asyncio.gather(following, stopping, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


class _Follower:
    """What following one mailbox holds over time."""

    def __init__(
        self,
        mailbox: Mailbox,
        desk: Desk,
        clock: Callable[[], datetime],
        on_state: Callable[[MailboxState], None],
        chance: Callable[[], float],
        limits: Limits,
        pace: Pace,
    ) -> None:
        self.mailbox = mailbox
        self.desk = desk
        self.clock = clock
        self.on_state = on_state
        self.chance = chance
        self.limits = limits
        self.pace = pace
        self.state = MailboxState(mailbox=mailbox.id)
        self._written: tuple[MailboxState, float] | None = None
        self._signing_in = asyncio.Lock()
        self._refusals = 0
        self._list_at = 0.0
        self._refused_mails = Counter[tuple[str, int, int]]()
        self._folders: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Follow all folders until cancelled or paused."""
        reason = await self._paused_before()
        if reason is None:
            try:
                async with self._group:
                    self._adopt(to_follow(()))
            except* Paused as group:
                reason = str(group.exceptions[0])
        log.warning("mailbox.paused", mailbox=self.mailbox.id, reason=reason)
        await self._show(paused=reason, error=None)

    async def _paused_before(self) -> str | None:
        name = pause_name(self.mailbox.id)
        pause = (await self.desk.recall([name])).get(name)
        if not pause or pause.get("version") != self.mailbox.version:
            return None
        return str(pause["reason"])

    def _adopt(self, folders: Iterable[Folder]) -> None:
        """Begin to follow the folders that are not followed yet."""
        for folder in folders:
            if folder.name not in self._folders:
                task = self._group.create_task(self._follow(folder))
                self._folders[folder.name] = task
                known = FolderState(folder=folder.name, sent=folder.sent)
                self.state = replace(self.state, folders=(*self.state.folders, known))

    async def look_for_folders(self, session: Session) -> None:
        """Adopt the folders that should be followed; asked of the server only now and then."""
        now = asyncio.get_running_loop().time()
        if now >= self._list_at:
            listed = await session.folders()
            self._list_at = now + self.pace.list_s
            self._adopt(to_follow(listed, self.mailbox.folders))

    def give_up_on(self, folder: Folder, uidvalidity: int, uid: int) -> bool:
        """Count that the server refused to give this mail out; tell whether it did so for good."""
        which = folder.name, uidvalidity, uid
        self._refused_mails[which] += 1
        return self._refused_mails[which] >= self.pace.refusal_tries

    # -- one folder ------------------------------------------------------------------------

    async def _follow(self, folder: Folder) -> None:
        """Follow one folder, connection after connection."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with self._signed_in() as session:
                    await _Watch(self, session, folder).watch()
            except Paused:
                raise
            except Exception as error:
                reason = _brief(error)
                if not isinstance(error, PASSING):  # our own mistake: others go on all the same
                    log.exception("folder.failed", mailbox=self.mailbox.id, folder=folder.name)
            failures = 1 if loop.time() - began > self.pace.steady_s else failures + 1
            log.info("folder.lost", mailbox=self.mailbox.id, folder=folder.name, reason=reason)
            await self._show_folder(folder, connected=False, error=reason)
            await asyncio.sleep(retry_after(failures, self.pace, self.chance()))

    @asynccontextmanager
    async def _signed_in(self) -> AsyncIterator[Session]:
        async with connected(self.mailbox, self.limits) as session:
            async with self._signing_in:
                await self._sign_in(session)
            yield session

    async def _sign_in(self, session: Session) -> None:
        """Sign in; one connection at a time, so that a wrong password is tried only so often."""
        try:
            await session.sign_in(self.mailbox)
        except LoginRefused as refusal:
            if refusal.code in PASSING_REFUSALS:
                raise
            self._refusals += 1
            if self._refusals < self.pace.login_tries:
                raise
            reason = (
                f"The mail server refused the login {self._refusals} times: {refusal.text} "
                "Correct login or password of the mailbox; it then resumes."
            )
            pause = {
                "version": self.mailbox.version,
                "reason": reason,
                "at": self.clock().isoformat(),
            }
            await self.desk.remember({pause_name(self.mailbox.id): pause})
            raise Paused(reason) from refusal
        self._refusals = 0

    # -- what others see -------------------------------------------------------------------

    async def show(self, folder: Folder, cursor: Cursor) -> None:
        """Show that a folder is followed and how far it is kept."""
        await self._show_folder(
            folder,
            connected=True,
            error=None,
            uidvalidity=cursor.uidvalidity,
            low=cursor.low,
            high=cursor.high,
            kept=cursor.kept,
            total=cursor.total,
            complete=cursor.complete,
            alert=cursor.alert,
        )

    async def _show_folder(self, folder: Folder, **changes: Any) -> None:
        folders = {state.folder: state for state in self.state.folders}
        folders[folder.name] = replace(folders[folder.name], **changes)
        await self._show(
            folders=tuple(folders.values()),
            error=folders[INBOX].error,
            last_event_at=self.clock() if changes["connected"] else self.state.last_event_at,
        )

    async def _show(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.on_state(self.state)
        now = asyncio.get_running_loop().time()
        if self._written is not None:
            written, at = self._written
            if _gist(written) == _gist(self.state) and now - at < REMEMBER_STATE_S:
                return
        self._written = self.state, now
        try:
            await self.desk.remember({state_name(self.mailbox.id): state_to_memory(self.state)})
        except (KeepFailed, LogUnavailable):
            self._written = None  # shown again with the next change


class _Watch:
    """One connection's watch over one folder."""

    def __init__(self, follower: _Follower, session: Session, folder: Folder) -> None:
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
        return cursors.begin(
            remembered,
            uidvalidity=opened.uidvalidity,
            top=await self._top(opened),
            exists=opened.exists,
            now=self.follower.clock(),
        )

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


def _gist(state: MailboxState) -> tuple[object, ...]:
    """Return what of a state is worth a write of its own: all but progress and times."""
    folders = tuple((f.folder, f.connected, f.error, f.complete) for f in state.folders)
    return state.paused, state.error, folders


def _brief(error: BaseException) -> str:
    """Return one line on an error; parts of it may have been written by the server."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(char for char in text if char.isprintable())[:300]
