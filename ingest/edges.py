"""The edges of one process: public door, mailboxes, and the delivery logs they own.

They read the main database only to learn which sources and mailboxes there are, and go on with
what they last knew when it cannot be read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from aiohttp import web

from ingest import local, outages
from ingest.accounts import Book
from ingest.asking import ask_grant
from ingest.domain.deliveries import Account, NewDelivery, Provider, Receipt
from ingest.domain.mailboxes import Mailbox, MailboxState
from ingest.following import Followers
from ingest.keeper import Keeper, KeeperLimits, KeepFailed, disk_free_of
from ingest.mail.follower import Crowd, desk_of, follow, state_name
from ingest.mail.tokens import Tokens
from ingest.readers import CLOCK
from ingest.settings import Settings, split_listen
from ingest.telephony import history, history_wishes
from ingest.telephony.companions import COMPANIONS, Companion
from ingest.telephony.connections import DoorRunner
from ingest.telephony.desk import SourceDesk, part_state_name
from ingest.telephony.door import DoorCounters, DoorLimits
from ingest.telephony.endpoints import problem_of_paths
from ingest.telephony.live import asks_usually
from ingest.telephony.lookups import Lookups
from ingest.telephony.server import public_door
from storage.log import DeliveryLog
from storage.log_postgres import open_postgres_log
from storage.log_sqlite import open_log
from storage.owner import DatabaseOwnership, own_database

log = structlog.get_logger()

DOOR_MEMORY = "door"  #: name of the door's counters in the edge memory
PULSE = "pulse"  #: name of the moment when a log was last written
REFRESH_S = 1.0  #: between looks whether sources or mailboxes changed
REMEMBER_S = 5.0  #: between writings of the counters


Wanted = tuple[Companion, Provider, Account]  #: what runs for one source


class Edges:
    """Owns the delivery logs; keeps what comes in. One in a process."""

    def __init__(self, settings: Settings, book: Book, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.book = book
        self.clock = clock
        self.counters = DoorCounters()
        self.lookups = Lookups(book.database)
        self.logs: dict[str, DeliveryLog] = {}
        self.keepers: dict[str, Keeper] = {}
        self.states: dict[str, MailboxState] = {}
        self._unwritable: dict[str, str] = {}
        self._pulses = outages.Pulses()
        self._owned: list[DatabaseOwnership] = []
        self._runner: DoorRunner | None = None
        self._socket: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._followers = Followers(self._follow)
        self._tokens: Tokens | None = None
        self._crowd = Crowd()
        self._companions = Followers(self._accompany, kind="companion")

    async def start(self, *, on_kept: Callable[[], None] = lambda: None) -> None:
        """Own the logs and open the door. Raises storage.owner.AlreadyOwned, OSError."""
        await asyncio.to_thread(self._open_logs)
        for name, kept_log in self.logs.items():
            self.keepers[name] = Keeper(
                kept_log,
                limits=KeeperLimits(disk_free=self.settings.disk_free_min),
                disk_free=disk_free_of(self.settings.data_dir),
            )
            self.keepers[name].on_kept.append(lambda partition, position: on_kept())
        self.counters.restore(await asyncio.to_thread(self.logs["calls"].memory, DOOR_MEMORY))
        self._pulses = await asyncio.to_thread(self._recalled_pulses)
        await asyncio.to_thread(self.book.refresh)
        await self._open_door()
        self._socket = await local.serve(
            self.settings.edges_socket,
            {"append": self._append, "state": self._state, "pull": self._pull},
        )
        self._tasks = [
            asyncio.create_task(self._refresh_for_ever()),
            asyncio.create_task(self._remember_for_ever()),
            asyncio.create_task(self.lookups.follow(self._is_asked)),
        ]

    async def stop(self) -> None:
        """Close the door, let followers and keepers finish, and let go of the logs."""
        if self._runner is not None:
            await self._runner.cleanup()
        for task in self._tasks:
            task.cancel()
        running = (self._followers.stop(), self._companions.stop())
        await asyncio.gather(*self._tasks, *running, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            with contextlib.suppress(FileNotFoundError):
                self.settings.edges_socket.unlink()
        if self.logs:
            with contextlib.suppress(Exception):
                await self._remember_counters()
        for keeper in self.keepers.values():
            await keeper.close()
        for kept_log in self.logs.values():
            await asyncio.to_thread(kept_log.close)
        for owned in self._owned:
            owned.release()

    async def keep_closing(self, closings: list[tuple[str, bytes]]) -> int:
        """Keep the clock source's deliveries, given as (key, body); returns how many were new."""
        now = self.clock()
        kept = await self.keepers["calls"].keep_many(
            [
                NewDelivery(source=CLOCK, key=key, received_at=now, head={}, body=body)
                for key, body in closings
            ],
            {},
        )
        return sum(1 for one in kept if one.receipt is Receipt.NEW)

    # Opening -----------------------------------------------------------------------------------

    def _open_logs(self) -> None:
        settings = self.settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if settings.database_url:
            # Edges of one database share its logs; each partition's appender takes a lock.
            for name in ("calls", "mail"):
                self.logs[name] = open_postgres_log(
                    settings.database_url,
                    name=name,
                    blobs=settings.data_dir / "blobs",
                    partitions=settings.log_partitions,
                )
            self._owned.append(own_database(settings.database_url, "edges"))
            return
        for name in ("calls", "mail"):
            self.logs[name] = open_log(settings.log_file(name), name=name)

    async def _open_door(self) -> None:
        limits = DoorLimits(trusted_proxies=tuple(self.settings.trusted_proxies))
        app = public_door(
            sources=self.book.sources,
            unusable=self.book.unusable,
            keeper=self.keepers["calls"],
            clock=self.clock,
            limits=limits,
            counters=self.counters,
            find_who=self.lookups.answer,
        )
        self._runner = DoorRunner(app, uncapped=limits.proxies)
        await self._runner.setup()
        host, port = split_listen(self.settings.public_listen)
        await web.TCPSite(self._runner, host, port, backlog=1024).start()

    # Sources and mailboxes ---------------------------------------------------------------------

    async def _refresh_for_ever(self) -> None:
        failed = False
        while True:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self.book.refresh)
            try:
                self._followers.keep_to(self.book.mailboxes())
                self._companions.keep_to(_wanted(self.book.sources()))
                failed = False
            except Exception:  # a fault of ours, which must not be the last look
                if not failed:
                    log.exception("sources.failed")
                failed = True
            await asyncio.sleep(REFRESH_S)

    def _is_asked(self) -> bool:
        """Tell whether a source asks who is calling, so that the index is worth its memory."""
        return any(asks_usually(*known) for known in self.book.sources().values())

    async def _follow(self, mailbox: Mailbox, stop: asyncio.Event) -> None:
        def note(state: MailboxState) -> None:
            self.states[mailbox.id] = state

        await follow(
            mailbox,
            desk=desk_of(self.keepers["mail"], self._opened),
            clock=self.clock,
            stop=stop,
            on_state=note,
            crowd=self._crowd,
        )

    async def _opened(self, mailbox: Mailbox, refused: str | None) -> Mailbox:
        """Return a mailbox with a valid token, where it is opened with one."""
        if self._tokens is None:
            desk = desk_of(self.keepers["mail"])
            self._tokens = Tokens(
                self.book.secrets, ask_grant, self.clock, recall=desk.recall, remember=desk.remember
            )
        return await self._tokens.opened(mailbox, refused)

    async def _accompany(self, wanted: Wanted, stop: asyncio.Event) -> None:
        companion, provider, account = wanted
        keeper = self.keepers["calls"]
        desk = SourceDesk(
            provider=provider,
            account=account,
            clock=self.clock,
            stop=stop,
            keep=keeper.keep_many,
            recall=lambda name: asyncio.to_thread(keeper.log.memory, name),
            full=lambda: keeper.full,
            vault=self.book.vault,
        )
        if companion.on_disk:
            ours = (self.settings.data_dir, self.settings.key_path)
            problem = await asyncio.to_thread(problem_of_paths, account, ours)
            if problem is not None:
                await self._refuse(desk, companion.part, problem)
                return
        await companion.run(desk)

    async def _refuse(self, desk: SourceDesk, part: str, because: str) -> None:
        """Say that a source cannot be run so; it is looked at again when it was changed."""
        log.error("companion.refused", source=desk.source, part=part, because=because)
        told = {"state": "refused", "since": self.clock().isoformat(), "because": because}
        await desk.remember({part_state_name(desk.source, part): told})

    # Remembering -------------------------------------------------------------------------------

    async def _remember_for_ever(self) -> None:
        """Write the counters, and a pulse into each log: it shows that they can be written."""
        while True:
            await asyncio.sleep(REMEMBER_S)
            for name, keeper in self.keepers.items():
                now = self.clock()
                memory: dict[str, Any] = {PULSE: now.isoformat()}
                if name == "calls":
                    memory |= self._pulses.memory(now, keeper.full)
                if name == "calls" and self.counters.dirty:
                    memory[DOOR_MEMORY] = self.counters.snapshot()
                try:
                    await keeper.keep_many([], memory)
                    self._unwritable.pop(name, None)
                    if name == "calls":
                        self._pulses.written()
                except Exception as error:
                    self.counters.dirty |= DOOR_MEMORY in memory
                    if name not in self._unwritable:
                        log.error("log.unwritable", log=name, because=type(error).__name__)
                    self._unwritable[name] = "it cannot be written"

    def _recalled_pulses(self) -> outages.Pulses:
        calls = self.logs["calls"]
        return outages.Pulses(calls.memory(PULSE), calls.memory(outages.MEMORY))

    async def _remember_counters(self) -> None:
        memory = {DOOR_MEMORY: self.counters.snapshot()}
        await self.keepers["calls"].keep_many([], memory)

    # What the core asks ------------------------------------------------------------------------

    async def _append(self, asked: Mapping[str, Any], tell: local.Tell) -> Any:
        closings = [(key, body.encode()) for key, body in asked["closings"]]
        kept = await self._keep_records(asked["records"]) if "records" in asked else 0
        return {"new": await self.keep_closing(closings), "kept": kept}

    async def _keep_records(self, records: Mapping[str, Any]) -> int:
        """Keep rows of a call file that a command read; returns how many are new."""
        if records["source"] not in self.book.sources():
            raise local.Refused(f"there is no source {records['source']} that can be used")
        keeper = self.keepers["calls"]
        if keeper.full is not None:
            raise local.Refused(f"nothing can be kept now: {keeper.full}")
        try:
            kept = await keeper.keep_many(records_of(records, self.clock()), {})
        except KeepFailed as error:
            raise local.Refused(f"the rows could not be kept: {error}") from error
        return sum(1 for one in kept if one.receipt is Receipt.NEW)

    async def _pull(self, asked: Mapping[str, Any], tell: local.Tell) -> Any:
        """Ask a source's history for a period; says where the answers lie in the log."""
        source, keeper = asked["source"], self.keepers["calls"]

        def is_asked() -> bool:
            known = self.book.sources().get(source)
            return known is not None and history.wanted(*known)

        granted = await history_wishes.ask_for(
            source,
            datetime.fromisoformat(asked["since"]),
            datetime.fromisoformat(asked["until"]),
            remember=lambda memory: keeper.keep_many([], memory),
            recall=lambda name: asyncio.to_thread(keeper.log.memory, name),
            clock=self.clock,
            tell=tell,
            is_asked=is_asked,
        )
        return {"places": granted.places, "kept": granted.kept, "failed": granted.failed}

    async def _state(self, asked: Mapping[str, Any], tell: local.Tell) -> Any:
        return self.report()

    def report(self) -> dict[str, Any]:
        """Return what health, metrics and pages want to know of the edges, as JSON values."""
        dirty = self.counters.dirty
        door = self.counters.snapshot()
        self.counters.dirty = dirty  # showing is not remembering
        return {
            "full": {
                name: keeper.full or self._unwritable.get(name)
                for name, keeper in self.keepers.items()
            },
            "waiting": {name: keeper.waiting for name, keeper in self.keepers.items()},
            "door": door,
            "lookups": self.lookups.report(),
        }


def records_of(records: Mapping[str, Any], now: datetime) -> list[NewDelivery]:
    """Return rows of a call file, told as (key, head, body), as deliveries of their source."""
    return [
        NewDelivery(
            source=records["source"], key=key, received_at=now, head=head, body=body.encode()
        )
        for key, head, body in records["rows"]
    ]


def _wanted(sources: Mapping[str, tuple[Provider, Account]]) -> dict[str, Wanted]:
    """Return what shall run for these sources, by source and part."""
    return {
        f"{name}:{companion.part}": (companion, provider, account)
        for name, (provider, account) in sources.items()
        for companion in COMPANIONS
        if companion.wanted(provider, account)
    }


def remembered_states(reader: Any) -> dict[str, dict[str, Any]]:
    """Return the state of each mailbox as its follower last remembered it."""
    prefix = state_name("")
    return {name.removeprefix(prefix): plain for name, plain in reader.memories(prefix).items()}
