"""Two processes: edges and core apart, each started again when it dies.

This process does nothing else and imports little. A part ends when its supervisor is no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys

import structlog

from ingest import logs
from ingest.opening import open_secrets, own_main, own_service
from ingest.settings import Settings

log = structlog.get_logger()

PARTS = ("core", "edges")
RESTART_S = 0.5  #: before a part that was killed is started again
RESTART_MOST_S = 10.0  #: the same, when it ends with an error again and again
STOP_S = 25.0  #: for both parts to end by themselves
PARENT_S = 0.5  #: between looks of a part whether its supervisor lives


def serve(settings: Settings) -> int:
    """Run both parts until SIGTERM or Ctrl-C; returns the exit status.

    Raises AlreadyOwned, naming the other process.
    """
    logs.configure(settings.log_level, settings.log_format)
    with own_service(settings):
        own_main(settings).release()  # who owns it alone is named here, not by a part in a loop
        open_secrets(settings)
        return asyncio.run(_supervise(settings))


async def _supervise(settings: Settings) -> int:
    environment = {**os.environ, **as_environment(settings)}
    stopping = asyncio.Event()
    running: dict[str, asyncio.subprocess.Process] = {}

    async def keep(part: str) -> None:
        pause = RESTART_S
        command = (sys.executable, "-m", "ingest", "serve", "--part", part)
        while not stopping.is_set():
            running[part] = await asyncio.create_subprocess_exec(
                *command, "--parent", str(os.getpid()), env=environment
            )
            (settings.data_dir / f"{part}.pid").write_text(f"{running[part].pid}\n")
            if stopping.is_set():  # asked to while it was being started
                running[part].terminate()
            status = await running[part].wait()
            # One that was killed is started at once, one that gives up is given some time.
            pause = RESTART_S if status <= 0 else min(pause * 2, RESTART_MOST_S)
            if not stopping.is_set():
                log.warning("part.ended", part=part, status=status, seconds=pause)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause)

    keepers = [asyncio.create_task(keep(part)) for part in PARTS]
    await until_stopped()
    stopping.set()
    _tell(running, signal.SIGTERM)
    _, late = await asyncio.wait(keepers, timeout=STOP_S)
    if late:
        log.error("parts.killed", seconds=STOP_S)
        _tell(running, signal.SIGKILL)
        await asyncio.wait(late)
    for part in PARTS:
        (settings.data_dir / f"{part}.pid").unlink(missing_ok=True)
    return 1 if late else 0


def _tell(running: dict[str, asyncio.subprocess.Process], number: int) -> None:
    for process in running.values():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


async def until_stopped(parent: int | None = None) -> None:
    """Return when this process is asked to end, or when its parent is no more."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set() and parent in (None, os.getppid()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PARENT_S if parent else None)


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as variables, for a child process to be started with the same ones."""
    plain = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"KEEPLINE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in plain.items()
    }
