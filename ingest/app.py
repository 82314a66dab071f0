"""The composition root: the one place where everything is built and handed down.

`keepline serve` runs edges and core in one process, or, with `processes = 2`, each in its own,
started again when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from ingest import local, logs
from ingest.accounts import Book
from ingest.core import Core
from ingest.edges import Edges, log_file
from ingest.inner import InnerDoor, edges_by_socket, edges_here
from ingest.secrets import load_secrets
from ingest.settings import Settings
from storage.database import Database
from storage.log import LogReader
from storage.log_postgres import open_postgres_log
from storage.log_sqlite import open_reader
from storage.owner import DatabaseOwnership, FileOwnership, own_database, own_file

log = structlog.get_logger()

RESTART_S = 0.5  #: before a part that died is started again
RESTART_MOST_S = 10.0  #: the same, when it ends with an error again and again
PARENT_S = 0.5  #: between looks of a part whether its supervisor lives
WAIT_FOR_MAIN_S = 60.0


def now() -> datetime:
    """Return this moment: the only clock of the house, handed down from here."""
    return datetime.now(UTC)


def own_main(settings: Settings) -> FileOwnership | DatabaseOwnership:
    """Own the main database. Raises AlreadyOwned, naming who has it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.database_url:
        return own_database(settings.database_url, "core")
    return own_file(settings.main_file)


@asynccontextmanager
async def running_all(settings: Settings) -> AsyncIterator[tuple[Edges, Core]]:
    """Run edges and core in this process."""
    secrets = load_secrets(settings.key_path, create=True)
    with own_main(settings):
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
    secrets = load_secrets(settings.key_path, create=True)
    with own_main(settings):
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
    secrets = load_secrets(settings.key_path, create=True)
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


def log_readers(settings: Settings) -> dict[str, LogReader]:
    """Return readers of the delivery logs that another process owns."""
    if settings.database_url:
        return {
            name: open_postgres_log(
                settings.database_url,
                name=name,
                blobs=settings.data_dir / "blobs",
                partitions=settings.log_partitions,
            )
            for name in ("calls", "mail")
        }
    return {
        name: open_reader(log_file(settings.data_dir, name), name=name)
        for name in ("calls", "mail")
    }


def _closings_by_socket(settings: Settings) -> Callable[[list[tuple[str, bytes]]], Awaitable[int]]:
    async def keep(closings: list[tuple[str, bytes]]) -> int:
        plain = [[key, body.decode()] for key, body in closings]
        said = await asyncio.to_thread(
            local.ask, settings.edges_socket, "append", {"closings": plain}
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
    """Serve until SIGTERM or Ctrl-C; returns the exit status.

    A part that a supervisor started ends with it. Raises AlreadyOwned, naming the other process.
    """
    logs.configure(settings.log_level, settings.log_format)
    if part != "all":
        return run(_serve_part(settings, part, parent))
    with own_file(data_dir_of(settings) / "service"):
        if settings.processes == 2:
            own_main(settings).release()  # a core that runs by itself: refused here, not in a loop
            return run(_supervise(settings))
        return run(_serve_part(settings, part, None))


async def _serve_part(settings: Settings, part: str, parent: int | None) -> int:
    running = {"all": running_all, "edges": running_edges, "core": running_core}[part]
    async with running(settings):
        log.info("service.started", part=part, pid=os.getpid())
        await until_stopped(parent)
    log.info("service.stopped", part=part)
    return 0


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return int(uvloop.run(main))


async def until_stopped(parent: int | None = None) -> None:
    """Return when the process is asked to end, or when its parent is no more."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set() and parent in (None, os.getppid()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PARENT_S if parent else None)


async def _supervise(settings: Settings) -> int:
    """Keep one process of each part running; end both when asked to."""
    environment = {**os.environ, **as_environment(settings)}
    stopping = asyncio.Event()
    children: dict[str, asyncio.subprocess.Process] = {}

    async def keep(part: str) -> None:
        pause = RESTART_S
        command = [sys.executable, "-m", "ingest", "serve", "--part", part]
        while not stopping.is_set():
            children[part] = await asyncio.create_subprocess_exec(
                *command, "--parent", str(os.getpid()), env=environment
            )
            (settings.data_dir / f"{part}.pid").write_text(f"{children[part].pid}\n")
            status = await children[part].wait()
            # One that was killed is started at once, one that gives up is given some time.
            pause = RESTART_S if status <= 0 else min(pause * 2, RESTART_MOST_S)
            if not stopping.is_set():
                log.warning("part.ended", part=part, status=status, seconds=pause)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause)

    load_secrets(settings.key_path, create=True)
    keepers = [asyncio.create_task(keep(part)) for part in ("core", "edges")]
    await until_stopped()
    stopping.set()
    for child in children.values():
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
    await asyncio.gather(*keepers, return_exceptions=True)
    return 0


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as variables, for a child process to be started with the same ones."""
    import json

    plain = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"KEEPLINE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in plain.items()
    }


def data_dir_of(settings: Settings) -> Path:
    """Return the data directory, made if it was not there."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings.data_dir
