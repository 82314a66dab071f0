"""The core of one process: the main database, the worker, the inner door and the schedules."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, select

from ingest import local
from ingest.accounts import Book
from ingest.children import Failure, Readers
from ingest.custody.commands import COMMANDS
from ingest.custody.office import Office
from ingest.domain.mails import Mail
from ingest.keeper import disk_free_of
from ingest.mail.attached import Extracted, extract, question
from ingest.mail.message import parse
from ingest.readers import closing
from ingest.recorder import Recorder
from ingest.secrets import Secrets
from ingest.settings import Settings
from ingest.sound import open_sound
from ingest.telephony.recordings import MIB, FetchLimits
from ingest.worker import Worker
from storage.database import Database
from storage.log import LogReader
from storage.schema import migrate
from storage.tables import call_keys, interactions

log = structlog.get_logger()

CLOSE_AFTER = timedelta(hours=4)  #: a call that long without an end is closed by the clock
CLOCK_S = 60.0  #: between looks for such calls
CLOSE_AT_ONCE = 500
ROOM = 1.25  #: times what the door needs of the disk: with less no sound is fetched onto it
PULL_S = (
    900.0  #: the longest that one answer of a history may take, waits that it asks for included
)

KeepClosings = Callable[[list[tuple[str, bytes]]], Awaitable[int]]


class Core:
    """Owns the main database; records and decides. One in a process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        secrets: Secrets,
        book: Book,
        logs: Mapping[str, LogReader],
        clock: Callable[[], datetime],
        keep_closings: KeepClosings,
    ) -> None:
        self.settings = settings
        self.database = database
        self.book = book
        self.clock = clock
        self.readers: Readers[Mail] = Readers(parse, children=settings.mail_children)
        self.extractors: Readers[Extracted] = Readers(extract)
        self.worker = Worker(
            database=database,
            logs=logs,
            sources=self._sources,
            read_mails=self.read_mails,
            clock=clock,
            attempts=settings.data_dir / "worker.attempt",
        )
        self.office = Office(
            database=database,
            secrets=secrets,
            book=book,
            clock=clock,
            logs=logs,
            read_mails=self.read_mails,
            public_url=settings.public_url,
            wake=self.worker.wake,
            pull=functools.partial(pull_by_socket, settings.edges_socket),
        )
        self.sound = open_sound(settings)
        disk_free = disk_free_of(settings.data_dir)
        self.recorder = Recorder(
            database,
            book.sources,
            self.sound,
            settings.data_dir / "recordings" / "drafts",
            clock,
            limits=FetchLimits(bytes=settings.recording_mib * MIB),
            has_room=lambda: disk_free() >= ROOM * settings.disk_free_min,
        )
        self._keep_closings = keep_closings
        self._thread: threading.Thread | None = None
        self._socket: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring the schema up to date, begin to work and answer commands."""
        await asyncio.to_thread(migrate, self.database)
        await asyncio.to_thread(self.book.refresh)
        self._thread = threading.Thread(target=self.worker.run, name="worker", daemon=True)
        self._thread.start()
        handlers = {name: self._handler(name) for name in COMMANDS}
        self._socket = await local.serve(self.settings.core_socket, handlers)
        self._tasks = [
            asyncio.create_task(self._close_calls_for_ever()),
            asyncio.create_task(self._watch_worker()),
            asyncio.create_task(self.recorder.run()),
        ]

    async def stop(self) -> None:
        """End the batch at hand and let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            with contextlib.suppress(FileNotFoundError):
                self.settings.core_socket.unlink()
        self.worker.stop()
        self.readers.stop()  # a batch of hostile mails may take minutes; it is read again
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 20)
        await asyncio.to_thread(self.readers.close)
        await asyncio.to_thread(self.extractors.close)

    def read_mails(self, raw: Sequence[bytes]) -> list[Mail | str]:
        """Read mails in a child process; what cannot be read becomes its reason."""
        return [
            found.reason if isinstance(found, Failure) else found
            for found in self.readers.read_many(raw)
        ]

    def extract(self, raw: bytes, number: int) -> bytes | str:
        """Return an attachment of a message, read in a child process; or why it cannot be."""
        found = self.extractors.read(question(raw, number))
        return found.reason if isinstance(found, Failure) else found.content

    def _sources(self) -> Any:
        with contextlib.suppress(Exception):  # as last known, if main cannot be read
            self.book.refresh()
        return self.book.sources()

    def _handler(self, name: str) -> local.Handler:
        async def handle(asked: Mapping[str, Any], tell: local.Tell) -> Any:
            work = functools.partial(COMMANDS[name], self.office, tell=tell, **asked)
            result = await asyncio.to_thread(work)
            self.worker.wake()
            return result

        return handle

    async def _watch_worker(self) -> None:
        """End the process if the worker thread died: a supervisor starts it again."""
        while True:
            await asyncio.sleep(1)
            if self._thread is not None and not self._thread.is_alive():
                log.error("worker.died")
                raise SystemExit(3)

    # The clock source --------------------------------------------------------------------------

    async def _close_calls_for_ever(self) -> None:
        while True:
            try:
                waiting = await asyncio.to_thread(self._calls_to_close)
                if waiting and await self._keep_closings(waiting):
                    self.worker.wake()
            except (local.NotRunning, local.Refused, local.Lost, OSError) as error:
                log.warning("clock.waiting", because=str(error))
            except Exception:
                log.exception("clock.failed")
            await asyncio.sleep(CLOCK_S)

    def _calls_to_close(self) -> list[tuple[str, bytes]]:
        with self.database.read() as connection:
            return calls_to_close(connection, self.clock())


def pull_by_socket(
    socket: Path, source: str, since: datetime, until: datetime, tell: local.Tell
) -> Mapping[str, Any]:
    """Ask the edges, in this process or another, to ask a source's history for a period."""
    asked = {"source": source, "since": since.isoformat(), "until": until.isoformat()}
    try:
        said: Mapping[str, Any] = local.ask(socket, "pull", asked, tell, patience_s=PULL_S)
    except local.NotRunning as error:
        raise local.Refused(
            "the edges of the service do not answer; see `keepline check`"
        ) from error
    except local.Lost as error:
        raise local.Refused(f"the provider's history: {error}") from error
    return said


def calls_to_close(connection: Connection, now: datetime) -> list[tuple[str, bytes]]:
    """Return the clock's deliveries (key, body) for calls whose end never came."""
    found = connection.execute(
        select(call_keys.c.source, call_keys.c.provider_key, interactions.c.occurred_at)
        .join(interactions, interactions.c.id == call_keys.c.key)
        .where(interactions.c.ended.is_(False), interactions.c.occurred_at < now - CLOSE_AFTER)
        .limit(CLOSE_AT_ONCE)
    )
    hours = CLOSE_AFTER // timedelta(hours=1)
    return [
        (
            f"closed:{row.source}:{row.provider_key}",
            closing(row.source, row.provider_key, f"no end was reported within {hours} hours"),
        )
        for row in found
    ]
