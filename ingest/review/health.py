"""Health of the service, for supervisors of processes and for Prometheus.

`/livez`: this process answers. `/readyz`: it can do its work, or what keeps it from that.
`/metrics`: its figures. None of them names a person or a secret, so they ask for no token.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog
from aiohttp import web
from sqlalchemy import select

from ingest.review.metrics import Lag, Snapshot, metrics_text
from storage.database import Database

log = structlog.get_logger()

#: A check that has not answered by then has failed: who asks whether we are ready is in a hurry.
CHECK_S = 0.04

#: Returns None if all is well, else what is wrong in one sentence without any name or secret.
Check = Callable[[], str | None]

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def add_health(
    app: web.Application, *, checks: Mapping[str, Check], snapshot: Callable[[], Snapshot]
) -> None:
    """Serve `/livez`, `/readyz` and `/metrics`. Checks and snapshot run in threads of their own."""
    prober = Prober(checks, snapshot)

    async def ready(request: web.Request) -> web.Response:
        found = await prober.ask()
        well = all(wrong is None for wrong in found.values())
        told = {
            "status": "ready" if well else "not ready",
            "checks": {name: wrong or "ok" for name, wrong in found.items()},
        }
        return _answer(200 if well else 503, msgspec.json.encode(told), "application/json")

    async def metrics(request: web.Request) -> web.Response:
        try:
            text = await prober.run(lambda: metrics_text(snapshot()))
        except Exception as error:
            log.warning("metrics.failed", cause=type(error).__name__)
            return _answer(503, b"the figures cannot be learnt at the moment\n", "text/plain")
        answer = _answer(200, text, "text/plain")
        answer.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
        return answer

    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    app.on_cleanup.append(prober.close)


async def live(request: web.Request) -> web.Response:
    """Answer that the process lives; looks at nothing else."""
    return _answer(200, b"ok\n", "text/plain")


def _answer(status: int, body: bytes, kind: str) -> web.Response:
    return web.Response(status=status, body=body, content_type=kind, headers=_HEADERS)


class Prober:
    """Runs checks beside each other, each at most once at a time, and waits for none for long."""

    def __init__(self, checks: Mapping[str, Check], snapshot: Callable[[], Snapshot]) -> None:
        self._checks = dict(checks)
        self._running: dict[str, asyncio.Future[str | None]] = {}
        # Threads of their own: those that answer people may all be busy with slow questions.
        self._threads = ThreadPoolExecutor(len(self._checks) + 1, thread_name_prefix="health")

    async def ask(self) -> dict[str, str | None]:
        """Return what each check says within CHECK_S; one without an answer says so."""
        running = {name: self._started(name) for name in self._checks}
        if running:
            await asyncio.wait(running.values(), timeout=CHECK_S)
        return {name: _said(future) for name, future in running.items()}

    async def run(self, work: Callable[[], bytes]) -> bytes:
        """Run longer work in a thread beside the checks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self, app: web.Application) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _started(self, name: str) -> asyncio.Future[str | None]:
        """Return the check's run; one that hangs is not begun a second time."""
        running = self._running.get(name)
        if running is None or running.done():
            check = functools.partial(_run, name, self._checks[name])
            running = asyncio.get_running_loop().run_in_executor(self._threads, check)
            self._running[name] = running
        return running


def _run(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        log.warning("health.failed", check=name, cause=type(error).__name__)
        return f"failed: {type(error).__name__}"


def _said(future: asyncio.Future[str | None]) -> str | None:
    if not future.done():
        return f"no answer within {CHECK_S * 1000:.0f} ms"
    return "cancelled" if future.cancelled() else future.result()


# Checks ----------------------------------------------------------------------------------------


def database_check(database: Database) -> Check:
    """Return the check that the main database can be read."""

    def check() -> str | None:
        with database.read() as connection:
            connection.execute(select(1)).one()
        return None

    return check


def lag_check(lags: Callable[[], Sequence[Lag]], most_s: float = 60.0) -> Check:
    """Return the check that the worker is less than `most_s` behind every delivery log."""

    def check() -> str | None:
        behind = max(lags(), key=lambda lag: lag.seconds, default=None)
        if behind is None or behind.seconds <= most_s:
            return None
        return f"the worker is {behind.seconds:.0f} s behind the {behind.log} log"

    return check


def logs_check(report: Callable[[], Mapping[str, Any]]) -> Check:
    """Return the check that the edges answer, and that no delivery log refuses new senders.

    `report` is what the edges say: `away`, and `full`, why each log refuses senders or None.
    """

    def check() -> str | None:
        said = report()
        if said.get("away"):
            return "the edges do not answer"
        full = said.get("full") or {}
        refusing = [f"{name}: {why}" for name, why in sorted(full.items()) if why]
        return "; ".join(refusing) or None

    return check
