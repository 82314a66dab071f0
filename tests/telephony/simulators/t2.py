"""T2: a pair of tokens that is renewed once, pages of rows, both sides as whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Simulated

HOSTS = ("ats2.t2.ru",)


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    knows.tickets.setdefault("refresh", knows.secrets["refresh_token"])

    async def renew(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != knows.tickets["refresh"]:
            return web.json_response({"details": "The token has already been updated"}, status=403)
        number = knows.tickets.get("number", 0) + 1
        knows.tickets.update(number=number, access=f"at-{number}", refresh=f"rt-new-{number}")
        return web.json_response(
            {"accessToken": knows.tickets["access"], "refreshToken": knows.tickets["refresh"]}
        )

    async def calls(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != knows.tickets.get("access"):
            return web.json_response({"details": "The token is expired"}, status=403)
        since, until = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
        page, size = int(request.query["page"]), int(request.query["size"])
        rows = [row(call) for call in knows.between(since, until)]
        return web.json_response(rows[page * size : (page + 1) * size])

    return [
        web.put("/crm/openapi/authorization/refresh/token", renew),
        web.get("/crm/openapi/call-records/info", calls),
    ]


def row(call: Script) -> dict[str, object]:
    caller, called = (call.line, call.remote) if call.outbound else (call.remote, call.line)
    missed = "CANCELLED_BY_CALLER" if call.outbound else "NOT_ANSWERED_COMMON"
    return {
        "uuid": call.key,
        "date": call.begins_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "callType": "SINGLE_CHANNEL",
        "destinationNumber": plain(called),
        "callerNumber": plain(caller),
        "calleeNumber": plain(called) if call.taken else None,
        "callDuration": round(call.length_s),
        "conversationDuration": round(call.talk_s),
        "callStatus": "ANSWERED_COMMON" if call.taken else missed,
    }
