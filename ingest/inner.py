"""The inner door: the supervisors' site, the API, health and metrics, on a port of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ingest import local
from ingest.core import Core
from ingest.edges import DOOR_MEMORY, Edges, remembered_states
from ingest.settings import Settings, split_listen
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
                asked["said"] = local.ask(settings.edges_socket, "state", {})
            except (local.NotRunning, local.Refused, OSError):
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
        return web.Application()
