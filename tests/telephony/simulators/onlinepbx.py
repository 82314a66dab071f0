"""OnlinePBX: a key for the account's own, that may end at any time; then the calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Simulated

HOSTS = ("api.onlinepbx.ru",)


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def auth(request: web.Request) -> web.Response:
        form = await request.post()
        if form["auth_key"] != knows.secrets["api_key"]:
            return web.json_response({"status": "0", "comment": "auth key is wrong"})
        number = len(knows.tickets)
        knows.tickets[f"id{number}:key{number}"] = True
        data = {"key_id": f"id{number}", "key": f"key{number}"}
        return web.json_response({"status": "1", "data": data})

    async def search(request: web.Request) -> web.Response:
        if not knows.tickets.get(request.headers.get("x-pbx-authentication", "")):
            return web.json_response({"status": "0", "isNotAuth": True}, status=401)
        form = await request.post()
        since, until = (
            datetime.fromtimestamp(int(str(form[name])), UTC)
            for name in ("start_stamp_from", "start_stamp_to")
        )
        rows = [row(call) for call in knows.between(since, until)]
        return web.json_response({"status": "1", "data": rows})

    return [
        web.post("/{domain}/auth.json", auth),
        web.post("/{domain}/mongo_history/search.json", search),
    ]


def row(call: Script) -> dict[str, object]:
    took = int(call.at(call.ring_s).timestamp())
    return {
        "uuid": call.key,
        "caller_id_number": plain(call.line if call.outbound else call.remote),
        "destination_number": call.remote if call.outbound else plain(call.line),
        "start_stamp": int(call.begins_at.timestamp()),
        "end_stamp": int(call.ends_at.timestamp()),
        "duration": round(call.length_s),
        "user_talk_time": round(call.talk_s),
        "hangup_cause": "NORMAL_CLEARING",
        "accountcode": "outbound" if call.outbound else "inbound",
        "gateway": plain(call.line),
        "events": [
            {
                "type": "user",
                "number": phone,
                "timestamp": int(call.begins_at.timestamp()),
                "answered_stamp": took if call.taken and phone == call.taken_by else 0,
                "end_stamp": int(call.ends_at.timestamp()),
            }
            for phone in call.rings
        ],
    }
