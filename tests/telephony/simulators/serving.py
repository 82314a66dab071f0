"""Serving a simulated interface, and a client that finds it under the provider's own name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ingest.demo.pbx.script import Script
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.telephony import api_client


@dataclass(kw_only=True)
class Simulated:
    """What a provider knows and how it behaves."""

    calls: Sequence[Script]
    secrets: Mapping[str, str]
    trouble: list[web.Response] = field(default_factory=list)  #: answers to the next questions
    asked: list[str] = field(default_factory=list)  #: paths and queries, as they came
    tickets: dict[str, Any] = field(default_factory=dict)

    def between(self, since: datetime, until: datetime) -> list[Script]:
        """Return the calls that began in that period, the earliest first."""
        found = [call for call in self.calls if since <= call.begins_at < until]
        return sorted(found, key=lambda call: (call.begins_at, call.key))


Routes = Callable[[Simulated], Sequence[web.RouteDef]]
Rows = Callable[[Script], list[dict[str, object]]]  #: what an interface tells of one call


@dataclass
class Server:
    """A running simulator."""

    port: int
    hosts: tuple[str, ...]
    knows: Simulated

    async def ask(self, request: ApiRequest, **_: Any) -> ApiResponse:
        """Ask as `api_client.call` does: the provider's hosts are found at the simulator."""
        problem = api_client.why_not_allowed(request.url, self.hosts)
        assert problem is None, problem
        parts = urlsplit(request.url)
        beneath = parts.path + (f"?{parts.query}" if parts.query else "")
        return await api_client.call(
            replace(request, url=f"http://127.0.0.1:{self.port}{beneath}"),
            hosts=("127.0.0.1",),
            loopback=True,
        )


@asynccontextmanager
async def served(routes: Routes, knows: Simulated, hosts: tuple[str, ...]) -> AsyncIterator[Server]:
    """Serve a simulator until this is closed."""

    @web.middleware
    async def troubled(request: web.Request, handler: Any) -> web.StreamResponse:
        knows.asked.append(request.path_qs)
        if knows.trouble:
            return knows.trouble.pop(0)
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[troubled])
    app.add_routes(routes(knows))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield Server(port=port, hosts=hosts, knows=knows)
    finally:
        await runner.cleanup()


def refused(status: int = 401) -> web.Response:
    """Return a refusal."""
    return web.json_response({"message": "refused"}, status=status)


def busy(seconds: int) -> web.Response:
    """Return the answer of who asks us to come later."""
    return web.Response(status=429, headers={"Retry-After": str(seconds)})
