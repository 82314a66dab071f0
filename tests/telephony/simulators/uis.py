"""UIS: JSON-RPC, two calls at a time, a refusal that comes with status 200."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Rows, Simulated

HOSTS = ("dataapi.uiscom.ru",)
ZONE = ZoneInfo("Europe/Moscow")
MOST = 2


def routes(
    knows: Simulated, *, tell: Rows | None = None, most: int = MOST
) -> Sequence[web.RouteDef]:
    told = tell or rows_of

    async def rpc(request: web.Request) -> web.Response:
        asked = await request.json()
        wanted = asked["params"]
        if wanted["access_token"] != knows.secrets["access_token"]:
            error = {"code": -32001, "message": "Access token has been expired"}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        since, until = (
            datetime.strptime(wanted[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
            for name in ("date_from", "date_till")
        )
        rows = [row for call in knows.between(since, until) for row in told(call)]
        shown = rows[wanted["offset"] : wanted["offset"] + min(wanted["limit"], most)]
        data = [{name: each[name] for name in wanted["fields"]} for each in shown]
        result = {"metadata": {"total_items": len(rows)}, "data": data}
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    return [web.post("/v2.0", rpc)]


def rows_of(call: Script) -> list[dict[str, object]]:
    return [row(call)]


def row(call: Script) -> dict[str, object]:
    return {
        "id": int(call.key),
        "start_time": written(call.begins_at),
        "finish_time": written(call.ends_at),
        "direction": "out" if call.outbound else "in",
        "is_lost": not call.taken and not call.outbound,
        "contact_phone_number": plain(call.remote),
        "virtual_phone_number": plain(call.line),
        "wait_duration": round(call.ring_s),
        "talk_duration": round(call.talk_s),
        "total_duration": round(call.length_s),
        "full_record_file_link": None,
        "is_transfer": False,
        "last_talked_employee_id": int(call.taken_by) if call.taken and call.taken_by else None,
        "employees": [
            {
                "employee_id": int(phone),
                "is_answered": call.taken and phone == call.taken_by,
                "is_talked": call.taken and phone == call.taken_by,
            }
            for phone in call.rings
        ]
        or None,
    }


def written(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
