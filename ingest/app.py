"""The composition root: the one place where everything is built and handed down.

`keepline serve` runs edges and core in one process, or, with `processes = 2`, each in its own:
`ingest.supervisor` then starts this module twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import structlog

from ingest import local, logs
from ingest.accounts import Book
from ingest.core import Core
from ingest.edges import Edges
from ingest.inner import InnerDoor, edges_by_socket, edges_here
from ingest.opening import log_readers, open_secrets, own_main, own_service
from ingest.pauses import settle
from ingest.settings import Settings
from ingest.supervisor import until_stopped
from storage.database import Database
from storage.owner import AlreadyOwned, DatabaseOwnership

log = structlog.get_logger()

THREADS = 32  #: of the loop, for what blocks
WAIT_FOR_MAIN_S = 60.0
LEFT_S = 3.0  #: after everything is let go of, for threads that wait for somebody else
OWNED_S = 1.0  #: between looks whether PostgreSQL still knows who owns it


def now() -> datetime:
    """Return this moment: the only clock of the house, handed down from here."""
    return datetime.now(UTC)


@asynccontextmanager
async def owning_main(settings: Settings) -> AsyncIterator[None]:
    """Own the main database for as long as this is open. Raises AlreadyOwned.

    A PostgreSQL that was away has forgotten its owner: it is taken again, and if another process
    was faster, this one ends.
    """
    owned = own_main(settings)

    async def take_again() -> None:
        nonlocal owned
        while isinstance(owned, DatabaseOwnership):
            await asyncio.sleep(OWNED_S)
            if await asyncio.to_thread(owned.held):
                continue
            try:
                owned = await asyncio.to_thread(own_main, settings)
                log.warning("main.owned_again")
            except AlreadyOwned as error:
                log.error("main.lost", because=str(error))
                raise SystemExit(3) from error
            except Exception as error:
                log.warning("main.away", cause=type(error).__name__)

    watching = asyncio.create_task(take_again())
    try:
        yield
    finally:
        watching.cancel()
        owned.release()


@asynccontextmanager
async def running_all(settings: Settings) -> AsyncIterator[tuple[Edges, Core]]:
    """Run edges and core in this process."""
    secrets = open_secrets(settings)
    async with owning_main(settings):
        database = Database(settings.main_url)
        edge_book = Book(database, secrets, settings.public_url)
        edges = Edges(settings, edge_book, now)
        _prepare(settings, database)
        woken: list[Callable[[], None]] = []

        def wake() -> None:
            for each in woken:
                each()

        async with contextlib.AsyncExitStack() as stack:
            stack.callback(database.close)
            stack.push_async_callback(edges.stop)
            await edges.start(on_kept=wake)
            core = Core(
                settings,
                database,
                secrets,
                Book(database, secrets, settings.public_url),
                edges.logs,
                now,
                edges.keep_closing,
            )
            stack.push_async_callback(core.stop)
            await core.start()
            woken.append(core.worker.wake)
            inner = InnerDoor(settings, core, edges_here(edges))
            stack.push_async_callback(inner.stop)
            await inner.start()
            yield edges, core


@asynccontextmanager
async def running_core(settings: Settings) -> AsyncIterator[Core]:
    """Run the core alone; the edges are another process."""
    secrets = open_secrets(settings)
    async with owning_main(settings):
        database = Database(settings.main_url)
        readers = log_readers(settings)
        core = Core(
            settings,
            database,
            secrets,
            Book(database, secrets, settings.public_url),
            readers,
            now,
            _closings_by_socket(settings),
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(database.close)
            stack.push_async_callback(core.stop)
            await core.start()
            inner = InnerDoor(settings, core, edges_by_socket(settings, readers))
            stack.push_async_callback(inner.stop)
            await inner.start()
            yield core


@asynccontextmanager
async def running_edges(settings: Settings) -> AsyncIterator[Edges]:
    """Run the edges alone; they wait for the core to have made the main database."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secrets = open_secrets(settings)
    database = Database(settings.main_url, writable=False)
    edges = Edges(settings, Book(database, secrets, settings.public_url), now)
    await _wait_for_main(edges.book)
    try:
        await edges.start()
        yield edges
    finally:
        await edges.stop()
        database.close()


def _prepare(settings: Settings, database: Database) -> None:
    """Bring the main database to this version before anything reads it."""
    from storage.schema import migrate

    migrate(database)


def _closings_by_socket(settings: Settings) -> Callable[[list[tuple[str, bytes]]], Awaitable[int]]:
    async def keep(closings: list[tuple[str, bytes]]) -> int:
        plain = [[key, body.decode()] for key, body in closings]
        said = await asyncio.to_thread(
            local.ask,
            settings.edges_socket,
            "append",
            {"closings": plain},
            patience_s=local.PATIENCE_S,
        )
        return int(said["new"])

    return keep


async def _wait_for_main(book: Book) -> None:
    """Wait until the core has made the main database; then go on with whatever it says."""
    for _ in range(int(WAIT_FOR_MAIN_S / 0.1)):
        try:
            await asyncio.to_thread(book.refresh)
            return
        except Exception:  # not made yet, or away: the edges do not need it to begin
            await asyncio.sleep(0.1)
    log.warning("edges.without_main")


# Serving ---------------------------------------------------------------------------------------


def serve(settings: Settings, part: str = "all", parent: int | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, or until the parent is no more; returns the exit status.

    Raises AlreadyOwned, naming the other process.
    """
    logs.configure(settings.log_level, settings.log_format)
    with contextlib.nullcontext() if part != "all" else own_service(settings):
        late = threading.Timer(LEFT_S, _leave)
        late.daemon = True
        try:
            return run(_serve_part(settings, part, parent, late))
        finally:
            late.cancel()


def _leave() -> None:
    """End the process: a thread of it still asks a server that does not answer."""
    log.warning("service.left", seconds=LEFT_S)
    os._exit(0)


async def _serve_part(
    settings: Settings, part: str, parent: int | None, late: threading.Timer
) -> int:
    # Names are looked up, databases asked and files read in these: a few that wait for a server
    # that does not answer must not hold up the pages and the mailboxes.
    threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="keepline")
    asyncio.get_running_loop().set_default_executor(threads)
    running = {"all": running_all, "edges": running_edges, "core": running_core}[part]
    async with running(settings):
        gc.collect()
        settle()
        log.info("service.started", part=part, pid=os.getpid())
        await until_stopped(parent)
    log.info("service.stopped", part=part)
    late.start()  # all is durable and closed; the loop now waits for its threads
    return 0


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return int(uvloop.run(main))
