"""MTS VATS: trunk by trunk, in Moscow's time; a period without calls is status 204."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import Script
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("aa.mts.ru",)
MOSCOW = ZoneInfo("Europe/Moscow")
TRUNKS = ("7", "8")  #: calls out go over the second


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def statistics(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {knows.secrets['api_key']}":
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=MOSCOW)
            for name in ("Begin", "End")
        )
        trunk, place = request.query["TrunkId"], int(request.query["Offset"])
        calls = knows.between(since, until)
        rows = [row(call) for call in calls if trunk == TRUNKS[call.outbound]]
        shown = rows[place : place + int(request.query["Limit"])]
        return web.json_response(shown) if shown else web.Response(status=204)

    return [web.get("/api/ac20/trunks/statistics", statistics)]


def row(call: Script) -> dict[str, object]:
    ours, theirs = call.line.removeprefix("+7"), call.remote.removeprefix("+7")
    return {
        "callId": call.key,
        "trunkId": TRUNKS[call.outbound],
        "an": ours if call.outbound else theirs,
        "dn": theirs if call.outbound else ours,
        "via": ours,
        "rel": 0,
        "startTime": call.begins_at.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S"),
        "wait": round(call.ring_s),
        "duration": round(call.length_s),
        "recDur": 0,
    }
