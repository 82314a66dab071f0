"""The edge that follows mailboxes: new mail within seconds, the older mail newest first.

One connection follows one folder. IDLE is a hint; what was read is decided by the cursor alone,
and cursor and mail are kept in one transaction. A mailbox that fails is tried again with growing
pauses and disturbs no other; one whose password is refused is paused until a person acts.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

import structlog

from ingest.domain.mailboxes import FolderState, Mailbox, MailboxState, state_to_memory
from ingest.keeper import KeepFailed
from ingest.mail.archives import Archives
from ingest.mail.crowd import Crowd
from ingest.mail.cursor import Cursor, cursor_name, seen_name
from ingest.mail.desk import Desk, desk_of, pause_name, state_name
from ingest.mail.folders import INBOX, Folder, archives, to_follow
from ingest.mail.imap import Limits, LoginRefused, Session
from ingest.mail.imap_dial import connected
from ingest.mail.imap_protocol import ConnectionBroken, Refused
from ingest.mail.oauth import TokenRefused
from ingest.mail.pace import Pace, retry_after
from ingest.mail.watch import Watch
from storage.log import LogUnavailable

__all__ = ["Crowd", "Desk", "Limits", "Pace", "desk_of", "follow", "pause_name", "state_name"]

log = structlog.get_logger()

#: Reasons for refusing a login that have nothing to do with the password (RFC 5530).
PASSING_REFUSALS = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})
PASSING = (ConnectionBroken, Refused, OSError, ValueError, KeepFailed, LogUnavailable)
REMEMBER_STATE_S = 5.0  #: a state that differs only in its progress is written no more often


class Paused(Exception):
    """The mailbox is not followed until a person acts."""


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
    crowd: Crowd | None = None,
) -> None:
    """Follow one mailbox until `stop` is set; returns earlier only if the mailbox is paused.

    `crowd` is what the followers of one process share.
    """
    follower = _Follower(
        *(mailbox, desk, clock, on_state, chance),
        *(limits or Limits(), pace or Pace(), crowd or Crowd()),
    )
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
        crowd: Crowd,
    ) -> None:
        self.mailbox = mailbox
        self.desk = desk
        self.clock = clock
        self.on_state = on_state
        self.chance = chance
        self.limits = limits
        self.pace = pace
        self.crowd = crowd
        self.state = MailboxState(mailbox=mailbox.id)
        self._written: tuple[MailboxState, float] | None = None
        self._signing_in = asyncio.Lock()
        self._refusals = 0
        self._list_at = 0.0
        self._alone_until = 0.0
        self._archives = Archives()
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
        folders = tuple(replace(folder, connected=False) for folder in self.state.folders)
        await self._show(paused=reason, error=None, folders=folders)

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
            self._adopt([each for each in archives(listed) if await self._is_fed(session, each)])

    async def _is_fed(self, session: Session, archive: Folder) -> bool:
        """Tell whether this archive is to be followed: rules move mail there before we see it."""
        name = cursor_name(self.mailbox.id, archive.name)
        if archive.name in self._folders or await self.desk.recall([name]):
            return True  # it was found out before
        inbox = next((each for each in self.state.folders if each.folder == INBOX), None)
        if inbox is None or not inbox.complete:
            return False  # what is not kept yet cannot be told from what was never seen
        try:
            return await self._archives.fed_by_rules(session, archive, self._known, self.clock())
        except Refused:
            return False

    async def _known(self, identities: Iterable[str]) -> Mapping[str, int]:
        """Return the sizes of those of these mails that are kept, by identity."""
        names = {seen_name(self.mailbox.id, each): each for each in identities}
        return {names[name]: size for name, size in (await self.desk.recall(names)).items()}

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
                    await Watch(self, session, folder).watch()
            except Paused:
                raise
            except Exception as error:
                reason = _brief(error)
                if not isinstance(error, PASSING):  # our own mistake: others go on all the same
                    log.exception("folder.failed", mailbox=self.mailbox.id, folder=folder.name)
            failures = 1 if loop.time() - began > self.pace.steady_s else failures + 1
            log.info("folder.lost", mailbox=self.mailbox.id, folder=folder.name, reason=reason)
            await self._show_folder(folder, connected=False, error=reason, rate=None)
            await asyncio.sleep(retry_after(failures, self.pace, self.chance()))

    @asynccontextmanager
    async def _signed_in(self) -> AsyncIterator[Session]:
        async with AsyncExitStack() as stack:
            async with self.crowd.door(self.mailbox.host):
                session = await stack.enter_async_context(connected(self.mailbox, self.limits))
                async with self._signing_in:
                    await self._sign_in(session)
            yield session

    # -- help with a first import ----------------------------------------------------------

    @asynccontextmanager
    async def helping(self) -> AsyncIterator[Session]:
        """Give a further connection; a login refused here says nothing about the password."""
        async with AsyncExitStack() as stack:
            async with self.crowd.door(self.mailbox.host):
                session = await stack.enter_async_context(connected(self.mailbox, self.limits))
                await self._open(session)
                await session.squeeze()
            yield session

    def may_have_help(self) -> bool:
        """Tell whether the server may be asked for further connections."""
        return asyncio.get_running_loop().time() >= self._alone_until

    def no_help(self) -> None:
        """Note that further connections did not work out: for a while there are none."""
        self._alone_until = asyncio.get_running_loop().time() + self.pace.alone_s

    async def _sign_in(self, session: Session) -> None:
        """Sign in; one connection at a time, so that a wrong password is tried only so often."""
        try:
            await self._open(session)
        except TokenRefused as refused:
            if refused.passing:
                raise ConnectionBroken(str(refused)) from refused
            await self._pause(str(refused))
        except LoginRefused as refusal:
            if refusal.code in PASSING_REFUSALS:
                raise
            self._refusals += 1
            if self._refusals < self.pace.login_tries:
                raise
            reason = (
                f"The mail server refused the login {self._refusals} times: {_brief(refusal)}. "
                "Correct login or password of the mailbox; it then resumes."
            )
            await self._pause(reason)
        self._refusals = 0

    async def _open(self, session: Session) -> None:
        """Sign in with what opens the mailbox; a token that is refused is renewed, once."""
        mailbox = await self.desk.opened(self.mailbox, None)
        try:
            await session.sign_in(mailbox)
        except LoginRefused:
            if self.mailbox.grant is None:
                raise
            await session.sign_in(await self.desk.opened(self.mailbox, mailbox.secret))

    async def _pause(self, reason: str) -> NoReturn:
        """Remember that a person must act, and stop. Raises Paused."""
        pause = {
            "version": self.mailbox.version,
            "reason": reason,
            "at": self.clock().isoformat(),
        }
        with suppress(KeepFailed, LogUnavailable):  # pausing matters more than remembering it
            await self.desk.remember({pause_name(self.mailbox.id): pause})
        raise Paused(reason)

    # -- what others see -------------------------------------------------------------------

    async def show(
        self, folder: Folder, cursor: Cursor, *, rate: float | None = None, rests: str | None = None
    ) -> None:
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
            rate=round(rate, 1) if rate is not None else None,
            rests=rests,
            reached=datetime.fromisoformat(cursor.reached) if cursor.reached else None,
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


def _gist(state: MailboxState) -> tuple[object, ...]:
    """Return what of a state is worth a write of its own: all but progress and times."""
    folders = tuple((f.folder, f.connected, f.error, f.complete, f.rests) for f in state.folders)
    return state.paused, state.error, folders


def _brief(error: BaseException) -> str:
    """Return one line on an error; parts of it may have been written by the server."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(char for char in text if char.isprintable())[:300]
