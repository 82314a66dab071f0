"""RingCentral: a token for a JWT credential, the account's call log in pages of two."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("platform.ringcentral.com",)
PER_PAGE = 2


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def token(request: web.Request) -> web.Response:
        pair = f"{knows.secrets['client_id']}:{knows.secrets['client_secret']}".encode()
        form = await request.post()
        known = request.headers["Authorization"] == f"Basic {base64.b64encode(pair).decode()}"
        if not known or form["assertion"] != knows.secrets["jwt"]:
            return refused(400)
        value = f"token{len(knows.tickets)}"
        knows.tickets[value] = True
        return web.json_response({"access_token": value, "expires_in": 3600})

    async def log(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not knows.tickets.get(shown):
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            for name in ("dateFrom", "dateTo")
        )
        page = int(request.query["page"])
        rows = [record(call) for call in knows.between(since, until)]
        onward = {"nextPage": {"uri": "https://platform.ringcentral.com/x"}}
        return web.json_response(
            {
                "records": rows[(page - 1) * PER_PAGE : page * PER_PAGE],
                "paging": {"page": page, "perPage": PER_PAGE},
                "navigation": onward if len(rows) > page * PER_PAGE else {},
            }
        )

    return [
        web.post("/restapi/oauth/token", token),
        web.get("/restapi/v1.0/account/~/call-log", log),
    ]


def record(call: Script) -> dict[str, object]:
    missed = "No Answer" if call.outbound else "Missed"
    return {
        "telephonySessionId": call.key,
        "type": "Voice",
        "direction": "Outbound" if call.outbound else "Inbound",
        "result": ("Call connected" if call.outbound else "Accepted") if call.taken else missed,
        "startTime": call.begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "duration": round(call.length_s),
        "from": {"phoneNumber": call.line if call.outbound else call.remote},
        "to": {"phoneNumber": call.remote if call.outbound else call.line},
        "legs": [
            {
                "startTime": call.begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "result": "Accepted" if call.taken and phone == call.taken_by else "Missed",
                "extension": {"id": int(phone)},
            }
            for phone in call.rings
        ],
    }
