"""Fetches recordings as they become available, and lets them go when policy says so."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from aiohttp.abc import AbstractResolver

from ingest.detached import detached
from ingest.domain.recordings import RecordingOf
from ingest.readers import Sources
from ingest.sound import SoundStore
from ingest.telephony.recordings import FetchLimits, NotFetched, fetch
from ingest.telephony.sound_tokens import SoundTokens
from storage import directory, recordings
from storage.database import Database
from storage.recordings import OldSound, Recording

log = structlog.get_logger()

LOOK_S = 1.0  #: between looks for what is due: some links live ten minutes
AT_ONCE = 4  #: of one source; providers slow down or refuse those who take more
MOST_AT_ONCE = 64  #: of all sources
BATCH = 32  #: looked at in one look
THREADS = 4  #: of our own: a store that is slow holds up nobody else
STORE_S = 900.0  #: that the store may take for one recording, 256 MiB over a slow line
EXPIRE_S = 3600.0
EXPIRE_AT_ONCE = 500

#: Waits before the second, third, ... try; after the last the recording is given up.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 15, 45, 90, 180, 300, 900, 3600, 3 * 3600, 8 * 3600, 12 * 3600)
)


T = TypeVar("T")


class Recorder:
    """Looks for recordings that are due, and fetches them. One in a process that owns main."""

    def __init__(
        self,
        database: Database,
        sources: Callable[[], Sources],
        store: SoundStore,
        drafts: Path,
        clock: Callable[[], datetime],
        *,
        limits: FetchLimits | None = None,
        resolver: AbstractResolver | None = None,
        has_room: Callable[[], bool] = lambda: True,
        store_s: float = STORE_S,
    ) -> None:
        """`has_room` tells whether the disk has room for more; else nothing is fetched."""
        self.store = store
        self._database = database
        self._sources = sources
        self._drafts = drafts
        self._clock = clock
        self._limits = limits
        self._resolver = resolver
        self._has_room = has_room
        self._store_s = store_s
        self._uploads = asyncio.Semaphore(THREADS)
        self._had_room = True
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tokens = SoundTokens()
        self._busy: Counter[str] = Counter()  #: how many of each source are being fetched
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="recorder")
        #: Sound is not said to be kept while old sound is deleted: it may be the same file.
        self._deleting = threading.Lock()

    async def run(self) -> None:
        """Fetch for ever; cancelled to end."""
        emptied, expire_at = False, 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    if not emptied:
                        await self._in_thread(self._empty_drafts)
                        emptied = True
                    await self.look()
                    if loop.time() >= expire_at:
                        expire_at = loop.time() + EXPIRE_S
                        await self._in_thread(self.expire)
                except Exception:
                    log.exception("recordings.failed")
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        """Begin to fetch what is due and not being fetched yet, of each source a few."""
        if not await self._in_thread(self._room_left):
            return
        busy = [source for source, number in self._busy.items() if number >= AT_ONCE]
        for one in await self._in_thread(self._due, busy):
            is_much = len(self._running) >= MOST_AT_ONCE or self._busy[one.source] >= AT_ONCE
            if one.id not in self._running and not is_much:
                self._begin(one)

    def _begin(self, one: Recording) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._busy[one.source] -= 1
            del self._running[one.id]

        self._busy[one.source] += 1
        self._running[one.id] = task = asyncio.create_task(self._one(one))
        task.add_done_callback(done)

    def _room_left(self) -> bool:
        has_room = self._has_room()
        if has_room is not self._had_room:
            self._had_room = has_room
            log.warning("recordings.room", has_room=has_room)
        return has_room

    async def settle(self) -> None:
        """Wait until nothing is being fetched."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def expire(self) -> int:
        """Delete sound older than policy allows; returns how many files went."""
        now, gone = self._clock(), 0
        with self._database.read() as connection:
            days = directory.policy_value(connection, "recordings_days", now)
        while days is not None:
            old = self._expire(now - timedelta(days=float(days)))
            gone += len(old.digests)
            if len(old.ids) < EXPIRE_AT_ONCE:
                break
        return gone

    def _expire(self, before: datetime) -> OldSound:
        """Delete some old sound and then say so: what was not deleted is found again."""
        with self._deleting:
            with self._database.read() as connection:
                old = recordings.old_sound(connection, before=before, limit=EXPIRE_AT_ONCE)
            for digest in old.digests:
                self.store.remove(digest)
            with self._database.write() as connection:
                recordings.expire(connection, old.ids)
        return old

    def _due(self, busy: list[str]) -> list[Recording]:
        with self._database.read() as connection:
            return recordings.due(connection, now=self._clock(), limit=BATCH, without=busy)

    async def _in_thread(self, work: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)

    async def _one(self, one: Recording) -> None:
        try:
            await self._fetch(one)
        except Exception as error:
            log.exception("recording.failed", recording=one.id)
            because = f"keeping it failed: {type(error).__name__}"
            with contextlib.suppress(Exception):
                await self._in_thread(self._failed, one, because, False)

    async def _fetch(self, one: Recording) -> None:
        known = self._sources().get(one.source)
        if known is None:
            because = f"no source is named {one.source}"
            await self._in_thread(self._failed, one, because, False)
            return
        if await self._in_thread(self._hidden, one):
            because = "policy hides this call, so its sound is not kept"
            await self._in_thread(self._failed, one, because, True)
            return
        provider, account = known
        draft = self._drafts / f".{secrets.token_hex(8)}"
        wanted = RecordingOf(call_key=one.provider_key, url=one.url, id=one.provider_id)
        try:
            found = await fetch(
                provider,
                account,
                wanted,
                draft,
                limits=self._limits,
                resolver=self._resolver,
                now=self._clock(),
                tokens=self._tokens,
            )
        except NotFetched as error:
            await self._in_thread(self._failed, one, str(error), error.final)
            return
        try:
            async with self._uploads:
                await detached(self.store.take, found.digest, draft, within_s=self._store_s)
        finally:
            await self._in_thread(functools.partial(draft.unlink, missing_ok=True))
        await self._in_thread(self._kept, one, found.digest, found.size, found.content_type)

    def _hidden(self, one: Recording) -> bool:
        with self._database.read() as connection:
            return recordings.suppressed(connection, one.call_key)

    def _kept(self, one: Recording, digest: str, size: int, content_type: str) -> None:
        with self._deleting:
            if self.store.size(digest) is None:
                raise OSError("the same sound was too old elsewhere and is deleted")
            with self._database.write() as connection:
                recordings.keep(
                    connection,
                    one.id,
                    digest=digest,
                    size=size,
                    content_type=content_type,
                    at=self._clock(),
                )
        log.info("recording.kept", source=one.source, octets=size)

    def _failed(self, one: Recording, because: str, final: bool) -> None:
        last = final or one.tries >= len(WAITS)
        next_at = None if last else self._clock() + WAITS[one.tries]
        with self._database.write() as connection:
            recordings.fail(connection, one.id, because=because[:500], next_at=next_at)
        log.info("recording.not_fetched", source=one.source, given_up=last)

    def _empty_drafts(self) -> None:
        """Delete what a process that died left half fetched."""
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._drafts.glob(".*"):
            left.unlink(missing_ok=True)
