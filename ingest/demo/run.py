"""`keepline demo`: the real service, an invented company, and a story that is checked.

Everything goes the way it goes at a customer's: settings, commands, HTTP, IMAP. The data lie in
a folder of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from ingest.demo.company import Company, company
from ingest.demo.everyday import Past
from ingest.demo.evidence import touches
from ingest.demo.mailserver import MailServer, NoMailServer, running, until_ready
from ingest.demo.pbx.script import Script
from ingest.demo.simulators import Pbx
from ingest.demo.stage import SHORTEST_S, Stage
from ingest.demo.threads import in_thread
from ingest.domain.interactions import Kind
from ingest.edges import Edges
from ingest.settings import BadSettings, Settings, load_settings
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


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The service that runs, with everything around it that speaks to it."""

    settings: Settings
    company: Company
    edges: Edges
    core: Core
    pbxs: dict[str, Pbx]
    mail: dict[str, MailServer]
    people: dict[str, setup.SignIn]
    past: Past


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
    except (NoMailServer, AlreadyOwned, BadSettings, OSError) as error:
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
        _welcome(house)
        if asked.browser and _has_display():
            await asyncio.to_thread(webbrowser.open, house.settings.inner_url)
        await story.play(stage)
        if asked.seconds is not None:
            return await verdict.print_verdict(stage, house.past, house.edges, say)
        await _go_on(house)
        return 0


# Building --------------------------------------------------------------------------------------


@asynccontextmanager
async def _house(asked: Asked, folder: Path) -> AsyncIterator[House]:
    """Run the service, the mail server and the telephone systems, with ten days behind them."""
    settings = await in_thread(settings_for, asked, folder)
    invented = company(clock().astimezone(ZoneInfo(office.ZONE)).date())
    past = everyday.past(invented, clock(), Random(1))  # noqa: S311 (the same past each time)
    async with contextlib.AsyncExitStack() as stack:
        mail = stack.enter_context(running(office.MAILBOXES, folder / "imap.log"))
        edges, core = await stack.enter_async_context(running_all(settings))
        _hint("Importing the company")
        rows = await setup.import_company(
            core, invented, folder / "imports", _progress("importing")
        )
        people = await in_thread(setup.add_people, core)
        sources = await in_thread(setup.add_sources, core)
        _hint(f"{rows} rows imported. Telling ten days of calls and mails.")
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
    show = _progress("recorded")
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


def settings_for(asked: Asked, folder: Path) -> Settings:
    """Return the settings of a demo on free ports; its folder gets a file that says the same."""
    public = _free_port(asked.port)
    inner = _free_port(max(asked.port, public) + 1)
    if (public, inner) != (asked.port, asked.port + 1):
        _hint(f"Port {asked.port} or {asked.port + 1} is taken: using {public} and {inner}.")
    settings = load_settings(
        data_dir=folder,
        database_url=None,
        key_file=None,
        public_url=f"http://127.0.0.1:{public}",
        public_listen=f"127.0.0.1:{public}",
        inner_url=f"http://127.0.0.1:{inner}",
        inner_listen=f"127.0.0.1:{inner}",
        processes=1,
        trusted_proxies=[],
        disk_free_min=0.0,
        log_level="error",
        log_format="text",
    )
    (folder / "imports").mkdir(parents=True, exist_ok=True)
    (folder / "keepline.toml").write_text(_toml(settings), encoding="utf-8")
    return settings


def _free_port(wanted: int) -> int:
    """Return that port, or the next one that nobody listens on."""
    for port in range(wanted, 65536):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {wanted} on is free")


def _toml(settings: Settings) -> str:
    """Return the file by which commands find this demo."""
    names = ("data_dir", "public_url", "public_listen", "inner_url", "inner_listen")
    return "".join(f'{name} = "{getattr(settings, name)}"\n' for name in names)


# Talking ---------------------------------------------------------------------------------------


def _welcome(house: House) -> None:
    supervisor, manager = house.people[setup.SUPERVISOR], house.people[setup.MANAGER]
    config = house.settings.data_dir / "keepline.toml"
    yesterday = house.company.annas_last_day.isoformat()
    caller = story.annas_caller(house.company)
    say(house.settings.inner_url)
    say(f"Sign in as {supervisor.login} with password {supervisor.password}")
    say("")
    say("Three things to try:")
    say(f"1. {caller.name} is ringing right now. Its manager, {office.NAMES[office.ANNA]},")
    say("   left yesterday: see Today, and who answers for it now.")
    say(f"2. Link the unknown number {story.STRANGER}: look at the consequences first, then undo.")
    say("3. Let somebody leave, and watch what that changes:")
    say(f"   keepline --config {config} employee leave fedor --on {yesterday}")
    say("")
    say(f"A manager sees less: user {manager.login}, password {manager.password}. Ctrl-C ends it.")


def _hint(text: str) -> None:
    errors.print(text, markup=False)


def _progress(title: str) -> Callable[[str, int, int], None]:
    """Return what shows how far something is: one line that rewrites itself on a terminal."""

    def show(what: str, done: int, total: int) -> None:
        if errors.is_terminal:
            end = "\n" if done >= total else "\r"
            sys.stderr.write(f"  {title} {what}: {done} of {total}   {end}")
        elif done >= total:
            _hint(f"  {title} {what}: {done} of {total}")

    return show


def _has_display() -> bool:
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# Going on --------------------------------------------------------------------------------------


async def _go_on(house: House) -> None:
    """Let calls and mails come, gently, until cancelled; now and then one that is amiss."""
    rng = Random()  # noqa: S311 (nothing is kept secret by it)
    orphans = house.company.of(office.ANNA)[story.STORY_OF_ANNA :]
    async with asyncio.TaskGroup() as group:
        number = 0
        while True:
            number += 1
            key = f"{secrets.token_hex(4)}-{number}"
            moment: datetime = clock()
            if number % 6 == 0:
                letter = everyday.everyday_letter(house.company, moment, key, rng)
                put = house.mail[letter.mailbox].put
                group.create_task(in_thread(put, [letter]))
            elif number % 6 == 3:
                call = story.orphans_call(rng.choice(orphans), moment, key, rng)
                group.create_task(house.pbxs["mobile"].play(call))
            else:
                source, call = everyday.ordinary_call(house.company, moment, key, rng, live=True)
                group.create_task(house.pbxs[source].play(call))
            await asyncio.sleep(rng.uniform(3.0, 12.0))
