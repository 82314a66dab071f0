"""Fetches recordings as they become available, and lets them go when policy says so."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from aiohttp.abc import AbstractResolver

from ingest.domain.recordings import RecordingOf
from ingest.readers import Sources
from ingest.sound import SoundStore
from ingest.telephony.recordings import FetchLimits, NotFetched, fetch
from storage import directory, recordings
from storage.database import Database
from storage.recordings import Recording

log = structlog.get_logger()

LOOK_S = 1.0  #: between looks for what is due: some links live ten minutes
AT_ONCE = 4  #: of one source; providers slow down or refuse those who take more
BATCH = 32
EXPIRE_S = 3600.0
EXPIRE_AT_ONCE = 500

#: Waits before the second, third, ... try; after the last the recording is given up.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 15, 45, 90, 180, 300, 900, 3600, 3 * 3600, 8 * 3600, 12 * 3600)
)


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
    ) -> None:
        self.store = store
        self._database = database
        self._sources = sources
        self._drafts = drafts
        self._clock = clock
        self._limits = limits
        self._resolver = resolver
        self._lanes: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Fetch for ever; cancelled to end."""
        await asyncio.to_thread(self._empty_drafts)
        expire_at = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    await self.look()
                    if loop.time() >= expire_at:
                        expire_at = loop.time() + EXPIRE_S
                        await asyncio.to_thread(self.expire)
                except Exception:
                    log.exception("recordings.failed")
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def look(self) -> None:
        """Begin to fetch what is due and not being fetched yet."""
        if len(self._running) >= BATCH:
            return
        for one in await asyncio.to_thread(self._due):
            if one.id not in self._running:
                task = asyncio.create_task(self._one(one))
                self._running[one.id] = task
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running = {id_: it for id_, it in self._running.items() if it is not task}

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
            with self._database.write() as connection:
                digests = recordings.expire(
                    connection, before=now - timedelta(days=float(days)), limit=EXPIRE_AT_ONCE
                )
            for digest in digests:
                self.store.remove(digest)
            gone += len(digests)
            if len(digests) < EXPIRE_AT_ONCE:
                break
        return gone

    def _due(self) -> list[Recording]:
        with self._database.read() as connection:
            return recordings.due(connection, now=self._clock(), limit=BATCH)

    async def _one(self, one: Recording) -> None:
        async with self._lanes[one.source]:
            try:
                await self._fetch(one)
            except Exception as error:
                log.exception("recording.failed", recording=one.id)
                because = f"keeping it failed: {type(error).__name__}"
                with contextlib.suppress(Exception):
                    await asyncio.to_thread(self._failed, one, because, False)

    async def _fetch(self, one: Recording) -> None:
        known = self._sources().get(one.source)
        if known is None:
            because = f"no source is named {one.source}"
            await asyncio.to_thread(self._failed, one, because, False)
            return
        if await asyncio.to_thread(self._hidden, one):
            because = "policy hides this call, so its sound is not kept"
            await asyncio.to_thread(self._failed, one, because, True)
            return
        provider, account = known
        draft = self._drafts / f".{secrets.token_hex(8)}"
        wanted = RecordingOf(call_key=one.provider_key, url=one.url, id=one.provider_id)
        try:
            found = await fetch(
                provider, account, wanted, draft, limits=self._limits, resolver=self._resolver
            )
        except NotFetched as error:
            await asyncio.to_thread(self._failed, one, str(error), error.final)
            return
        await asyncio.to_thread(self.store.take, found.digest, draft)
        await asyncio.to_thread(self._kept, one, found.digest, found.size, found.content_type)

    def _hidden(self, one: Recording) -> bool:
        with self._database.read() as connection:
            return recordings.suppressed(connection, one.call_key)

    def _kept(self, one: Recording, digest: str, size: int, content_type: str) -> None:
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
