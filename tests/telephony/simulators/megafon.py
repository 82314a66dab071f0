"""MegaFon VATS: one list for a period, cut at the limit without a word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Rows, Simulated, refused

HOSTS = ("avrora.megapbx.example",)


def routes(knows: Simulated, *, tell: Rows | None = None) -> Sequence[web.RouteDef]:
    told = tell or rows_of

    async def history(request: web.Request) -> web.Response:
        if request.headers.get("X-API-KEY") != knows.secrets["api_key"]:
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            for name in ("start", "end")
        )
        rows = [row for call in knows.between(since, until) for row in told(call)]
        return web.json_response(rows[: int(request.query["limit"])])

    return [web.get("/crmapi/v1/history/json", history)]


def rows_of(call: Script) -> list[dict[str, object]]:
    return [row(call)]


def row(call: Script) -> dict[str, object]:
    status = "success" if call.taken else ("noanswer" if call.outbound else "missed")
    return {
        "uid": call.key,
        "type": "out" if call.outbound else "in",
        "status": status,
        "client": plain(call.remote),
        "user": f"user{call.taken_by}" if call.taken_by else "",
        "destination": call.taken_by or "",
        "diversion": plain(call.line),
        "start": call.begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wait": round(call.ring_s),
        "duration": round(call.talk_s),
        "record": "",
    }
