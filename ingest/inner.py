"""The inner door: the supervisors' site, the API, health and metrics, on a port of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest import local
from ingest.asking import ask_app
from ingest.core import Core
from ingest.custody.office import company_zone
from ingest.custody.replay import replay
from ingest.custody.silence import Silences
from ingest.domain.mailboxes import MailboxState, state_from_memory
from ingest.edges import DOOR_MEMORY, Edges, remembered_states
from ingest.review.api import add_api
from ingest.review.context import Context
from ingest.review.health import add_health, database_check, lag_check, logs_check
from ingest.review.metrics import Lag, Snapshot, lags, take_snapshot
from ingest.review.site import build_site
from ingest.settings import Settings, split_listen
from ingest.telephony.desk import part_state_name
from storage.log import LogReader, LogUnavailable

ASK_AGAIN_S = 1.0  #: how long an answer of edges in another process is good for


@dataclass(frozen=True, slots=True)
class EdgesView:
    """The edges as the core sees them, in this process or another."""

    report: Callable[[], Mapping[str, Any]]  #: see `Edges.report`; {} when they do not answer
    states: Callable[[], Mapping[str, Mapping[str, Any]]]  #: mailbox id -> remembered state


def edges_here(edges: Edges) -> EdgesView:
    """Return the view of edges in this very process."""

    def states() -> Mapping[str, Mapping[str, Any]]:
        return remembered_states(edges.logs["mail"])

    return EdgesView(report=edges.report, states=states)


def edges_by_socket(settings: Settings, logs: Mapping[str, LogReader]) -> EdgesView:
    """Return the view of edges in another process: by their socket, else as last remembered."""
    asked: dict[str, Any] = {"at": -ASK_AGAIN_S, "said": {}}

    def report() -> Mapping[str, Any]:
        if time.monotonic() - asked["at"] >= ASK_AGAIN_S:
            asked["at"] = time.monotonic()
            try:
                asked["said"] = local.ask(
                    settings.edges_socket, "state", {}, patience_s=local.PATIENCE_S
                )
            except (local.NotRunning, local.Refused, local.Lost, OSError):
                asked["said"] = {"away": True, "door": _remembered(logs)}
        said: Mapping[str, Any] = asked["said"]
        return said

    return EdgesView(report=report, states=lambda: remembered_states(logs["mail"]))


def _remembered(logs: Mapping[str, LogReader]) -> Any:
    try:
        return logs["calls"].memory(DOOR_MEMORY) or {}
    except LogUnavailable:
        return {}


class InnerDoor:
    """Serves people and programs of the company."""

    def __init__(self, settings: Settings, core: Core, edges: EdgesView) -> None:
        self.settings = settings
        self.core = core
        self.edges = edges
        self.silences = Silences(core.database, core.office.logs, core.clock)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Open the door. Raises OSError if its address is taken."""
        self._runner = web.AppRunner(self.app(), access_log=None)
        await self._runner.setup()
        host, port = split_listen(self.settings.inner_listen)
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close the door; open event streams end."""
        if self._runner is not None:
            await asyncio.wait_for(self._runner.cleanup(), 10)

    def app(self) -> web.Application:
        """Return the application: site, API, health and metrics."""
        core, database = self.core, self.core.database
        app = web.Application()
        build_site(
            app,
            Context(
                database=database,
                regions=core.book.region,
                clock=core.clock,
                zone=self._zone,
                sources=core.book.sources,
                door=self._door,
                trouble=logs_check(self.edges.report),
                mailboxes=self._mailboxes,
                logs=core.office.logs,
                replay=self._replay,
                wake=core.worker.wake,
                companions=self._companions,
                every_companion=self._every_companion,
                ask_app=ask_app,
                extract=core.extract,
                office=core.office,
                silences=self.silences,
                sound=core.sound,
                inner_url=self.settings.inner_url,
            ),
        )
        add_api(
            app,
            database=database,
            clock=core.clock,
            regions=core.book.region,
            door=self._door,
            mailboxes=self._mailboxes,
        )
        add_health(
            app,
            checks={
                "main database": database_check(database),
                "delivery logs": logs_check(self.edges.report),
                "worker": lag_check(self._lags),
            },
            snapshot=self._snapshot,
        )
        return app

    def _zone(self) -> ZoneInfo:
        with self.core.database.read() as connection:
            return company_zone(connection, self.core.clock())

    def _door(self) -> Mapping[str, Any]:
        return self.edges.report().get("door") or {}

    def _mailboxes(self) -> Mapping[str, MailboxState]:
        try:
            states = self.edges.states()
        except LogUnavailable:
            return {}
        return {mailbox: state_from_memory(plain) for mailbox, plain in states.items()}

    def _companions(self, source: str) -> Mapping[str, Mapping[str, Any]]:
        prefix = part_state_name(source, "")
        return {name.removeprefix(prefix): it for name, it in self._part_states(prefix).items()}

    def _every_companion(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for name, state in self._part_states("source:").items():
            _, source, part = name.split(":", 2)  # a source's name has no colon
            found.setdefault(source, {})[part] = state
        return found

    def _part_states(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        try:
            found = self.core.office.logs["calls"].memories(prefix)
        except LogUnavailable:
            return {}
        return {
            name: state
            for name, state in found.items()
            if isinstance(state, dict) and "state" in state
        }

    def _replay(self, ids: Sequence[str]) -> int:
        done = replay(self.core.office, tell=lambda done, total: None, ids=ids)
        return int(done["read"])

    def _lags(self) -> list[Lag]:
        return lags(self.core.database, self.core.office.logs, self.core.clock())

    def _snapshot(self) -> Snapshot:
        counters = self.core.worker.counters
        return take_snapshot(
            self.core.database,
            self.core.office.logs,
            now=self.core.clock(),
            edges=self.edges.report(),
            mailboxes=self._mailboxes(),
            worker={
                "read": counters.read,
                "ignored": counters.ignored,
                "parked": counters.parked,
                "redecided": counters.redecided,
                "retries": counters.retries,
                "batches": counters.batches,
            },
            silences=self.silences,
        )
