"""Telphin: a token by client credentials, pages of two, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("apiproxy.telphin.ru",)
PER_PAGE = 2


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        names = ("client_id", "client_secret")
        if any(form[name] != knows.secrets[name] for name in names):
            return refused()
        value = f"token{len(knows.tickets)}"
        knows.tickets[value] = True
        return web.json_response(
            {"access_token": value, "token_type": "Bearer", "expires_in": 3600}
        )

    async def history(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not knows.tickets.get(shown):
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            for name in ("start_datetime", "end_datetime")
        )
        page = int(request.query["page"])
        rows = [row(call) for call in knows.between(since, until)]
        shown_rows = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
        return web.json_response(
            {"page": page, "per_page": PER_PAGE, "order": "asc", "call_history": shown_rows}
        )

    return [
        web.post("/oauth/token", token),
        web.get("/api/ver1.0/client/@me/call_history/", history),
    ]


def row(call: Script) -> dict[str, object]:
    ours = f"100*{call.taken_by}"
    return {
        "call_uuid": call.key,
        "flow": "out" if call.outbound else "in",
        "result": "bridged" if call.taken else "not answered",
        "start_time_gmt": written(call.begins_at),
        "bridged_time_gmt": written(call.at(call.ring_s)) if call.taken else None,
        "hangup_time_gmt": written(call.ends_at),
        "duration": round(call.length_s),
        "bridged_duration": round(call.talk_s),
        "from_username": ours if call.outbound else plain(call.remote),
        "to_username": call.remote if call.outbound else plain(call.line),
        "did_number": plain(call.line),
        "extension_name": f"{ours}@sipproxy.telphin.ru" if call.outbound else None,
        "cdr": [
            {
                "extension_type": "phone",
                "extension_name": f"100*{phone}@sipproxy.telphin.ru",
                "result": "answered" if call.taken and phone == call.taken_by else "not answered",
                "init_time_gmt": f"{written(call.begins_at)}.25",
                "start_time_gmt": written(call.at(call.ring_s)) if call.taken else None,
                "hangup_time_gmt": written(call.ends_at),
            }
            for phone in call.rings
        ],
    }


def written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
