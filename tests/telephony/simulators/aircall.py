"""Aircall: pages that name the next one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.aircall.io",)
PER_PAGE = 2


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        pair = f"{knows.secrets['api_id']}:{knows.secrets['api_token']}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return refused()
        since, until = (
            datetime.fromtimestamp(int(request.query[name]), UTC) for name in ("from", "to")
        )
        page = int(request.query["page"])
        rows = [row(call) for call in knows.between(since, until)]
        more = len(rows) > page * PER_PAGE
        link = f"https://api.aircall.io/v1/calls?page={page + 1}" if more else None
        return web.json_response(
            {
                "meta": {"total": len(rows), "current_page": page, "next_page_link": link},
                "calls": rows[(page - 1) * PER_PAGE : page * PER_PAGE],
            }
        )

    return [web.get("/v1/calls", calls)]


def row(call: Script) -> dict[str, object]:
    return {
        "id": int(call.key),
        "direction": "outbound" if call.outbound else "inbound",
        "status": "done",
        "started_at": int(call.begins_at.timestamp()),
        "answered_at": int(call.at(call.ring_s).timestamp()) if call.taken else None,
        "ended_at": int(call.ends_at.timestamp()),
        "raw_digits": call.remote,
        "number": {"digits": call.line},
        "user": {"id": int(call.taken_by)} if call.taken_by else None,
    }
