"""Zadarma: signed questions, rows for each leg, a thousand at a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Rows, Simulated, refused

HOSTS = ("api.zadarma.com",)
ZONE = ZoneInfo("Europe/Amsterdam")
MOST = 1000


def routes(knows: Simulated, *, tell: Rows | None = None) -> Sequence[web.RouteDef]:
    told = tell or legs

    async def statistics(request: web.Request) -> web.Response:
        query = request.rel_url.raw_query_string
        signed = request.path + query + hashlib.md5(query.encode()).hexdigest()
        secret = knows.secrets["api_secret"].encode()
        digest = hmac.new(secret, signed.encode(), hashlib.sha1).hexdigest()
        proof = f"{knows.secrets['api_key']}:{base64.b64encode(digest.encode()).decode()}"
        if request.headers.get("Authorization") != proof:
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
            for name in ("start", "end")
        )
        rows = [row for call in knows.between(since, until) for row in told(call)]
        skip, limit = int(request.query["skip"]), min(int(request.query["limit"]), MOST)
        stats = rows[skip : skip + limit]
        return web.json_response({"status": "success", "version": 2, "stats": stats})

    return [web.get("/v1/statistics/pbx/", statistics)]


def legs(call: Script) -> list[dict[str, object]]:
    def leg(**told: object) -> dict[str, object]:
        return {
            "call_id": 1439981389.25,
            "callstart": call.begins_at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S"),
            "seconds": round(call.length_s) if call.taken else 0,
            "is_recorded": "false",
            "pbx_call_id": call.key,
            "disposition": "answered" if call.taken else "no answer",
            **told,
        }

    if call.outbound:
        told = {"sip": call.taken_by, "clid": plain(call.line), "destination": plain(call.remote)}
        return [leg(**told)]
    return [
        leg(
            sip=phone,
            clid=plain(call.remote),
            destination=phone,
            **({} if phone == call.taken_by else {"disposition": "no answer", "seconds": 0}),
        )
        for phone in call.rings
    ]
