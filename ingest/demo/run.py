"""`keepline demo`: the real service, an invented company, and a story that is checked.

Everything goes the way it goes at a customer's: settings, commands, HTTP, IMAP. The data lie in
a folder of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import aiohttp

from ingest import logs
from ingest.app import now as clock
from ingest.app import run as run_loop
from ingest.app import running_all
from ingest.commands.calling import errors, fail, say
from ingest.core import Core
from ingest.demo import company as office
from ingest.demo import everyday, setup, story, verdict
from ingest.demo.company import company
from ingest.demo.evidence import touches
from ingest.demo.going_on import go_on
from ingest.demo.house import House, settings_for
from ingest.demo.mailserver import NoMailServer, running, until_ready
from ingest.demo.pbx.script import Script
from ingest.demo.simulators import Refused
from ingest.demo.stage import SHORTEST_S, Stage
from ingest.demo.talking import has_display, hint, progress, welcome
from ingest.demo.threads import in_thread
from ingest.domain.interactions import Kind
from ingest.settings import BadSettings
from storage.owner import AlreadyOwned

UNHURRIED_S = 120.0  #: of the story when somebody watches it
AT_ONCE = 24  #: calls of the past told at the same time
CAUGHT_UP_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How the demo was started."""

    seconds: float | None = None  #: of the story, which is then checked; None: go on until Ctrl-C
    browser: bool = True
    port: int = 8080  #: of the public door; the inner door takes the next free one
    data_dir: Path | None = None  #: kept; None: a temporary folder, removed at the end


def demo(asked: Asked) -> int:
    """Run the demo; returns the exit status."""
    if asked.seconds is not None and asked.seconds < SHORTEST_S:
        fail(f"--seconds: the story needs at least {SHORTEST_S:.0f}", 2)
    if asked.data_dir and asked.data_dir.exists() and any(asked.data_dir.iterdir()):
        fail(f"--data-dir: {asked.data_dir} is not empty; name a new folder", 2)
    logs.configure("error", "text")
    status, folder = 1, None
    try:
        folder = (asked.data_dir or Path(tempfile.mkdtemp(prefix="keepline-demo-"))).absolute()
        status = run_loop(_until_stopped(asked, folder))
    except KeyboardInterrupt:  # before anything ran that has to be ended in order
        status = 0
    except (NoMailServer, AlreadyOwned, BadSettings, Refused, OSError) as error:
        errors.print(f"keepline: {error}", markup=False)
    if folder and asked.data_dir is None and status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder and status:
        errors.print(f"The demo's data are kept in {folder}", markup=False)
    return status


async def _until_stopped(asked: Asked, folder: Path) -> int:
    """Play until it is over or somebody presses Ctrl-C; either way everything is closed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    playing = asyncio.create_task(_play(asked, folder))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not playing.done():
        say("Stopping.")
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        if asked.seconds is not None:
            say("The story was not over: nothing was checked.")
        return 0
    return playing.result()


async def _play(asked: Asked, folder: Path) -> int:
    async with _house(asked, folder) as house:
        began = clock()
        stage = Stage(
            company=house.company,
            pbxs=house.pbxs,
            mail=house.mail,
            database=house.core.database,
            clock=clock,
            begins_at=began + timedelta(seconds=0.2),
            length_s=asked.seconds or UNHURRIED_S,
        )
        welcome(house)
        if asked.browser and has_display():
            await asyncio.to_thread(webbrowser.open, house.settings.inner_url)
        await story.play(stage)
        if asked.seconds is not None:
            return await verdict.print_verdict(stage, house.past, house.edges, say)
        await go_on(house)
        return 0


# Building --------------------------------------------------------------------------------------


@asynccontextmanager
async def _house(asked: Asked, folder: Path) -> AsyncIterator[House]:
    """Run the service, the mail server and the telephone systems, with ten days behind them."""
    settings = await in_thread(settings_for, asked.port, folder)
    preferred = [f"127.0.0.1:{asked.port}", f"127.0.0.1:{asked.port + 1}"]
    if [settings.public_listen, settings.inner_listen] != preferred:
        hint(f"Taken: one of {' and '.join(preferred)}.")
        hint(f"Using {settings.public_listen} for providers, {settings.inner_listen} for people.")
    invented = company(clock().astimezone(ZoneInfo(office.ZONE)).date())
    past = everyday.past(invented, clock(), Random(1))  # noqa: S311 (the same past each time)
    async with contextlib.AsyncExitStack() as stack:
        mail = stack.enter_context(running(office.MAILBOXES, folder / "imap.log"))
        edges, core = await stack.enter_async_context(running_all(settings))
        hint("Importing the company")
        rows = await setup.import_company(core, invented, folder / "imports", progress("importing"))
        people = await in_thread(setup.add_people, core)
        sources = await in_thread(setup.add_sources, core)
        hint(f"{rows} rows imported. Telling ten days of calls and mails.")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        pbxs = setup.connected(sources, http, core)
        await setup.until_known(edges)
        await in_thread(until_ready, mail)
        house = House(
            settings=settings,
            company=invented,
            edges=edges,
            core=core,
            pbxs=pbxs,
            mail=mail,
            people=people,
            past=past,
        )
        await _tell_the_past(house)
        yield house


async def _tell_the_past(house: House) -> None:
    """Post and deliver what happened before, and wait until it is recorded."""
    past, gate = house.past, asyncio.Semaphore(AT_ONCE)
    by_box = {box: [it for it in past.letters if it.mailbox == box] for box in house.mail}

    async def recount(source: str, script: Script) -> None:
        async with gate:
            await house.pbxs[source].recount(script)

    await asyncio.gather(
        *(recount(source, script) for source, script in past.calls),
        *(in_thread(house.mail[box].put, letters) for box, letters in by_box.items()),
    )
    await in_thread(setup.add_mailboxes, house.core, house.mail)
    wanted = len(past.calls) + past.mails
    show = progress("recorded")
    ends = clock() + timedelta(seconds=CAUGHT_UP_S)
    while clock() < ends:
        recorded = await in_thread(_recorded, house.core)
        show("calls and mails", recorded, wanted)
        if recorded >= wanted:
            return
        await asyncio.sleep(0.1)


def _recorded(core: Core) -> int:
    with core.database.read() as connection:
        return sum(touches(connection, kind) for kind in Kind)
