"""Mango Office: a ticket, a while in which nothing is ready, then a table of legs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Rows, Simulated, refused

HOSTS = ("app.mango-office.ru",)


def routes(knows: Simulated, *, tell: Rows | None = None) -> Sequence[web.RouteDef]:
    told = tell or legs

    async def signed(request: web.Request) -> dict[str, str] | None:
        form = {name: str(value) for name, value in (await request.post()).items()}
        key, salt = knows.secrets["vpbx_api_key"], knows.secrets["vpbx_api_salt"]
        sign = hashlib.sha256(f"{key}{form['json']}{salt}".encode()).hexdigest()
        if form["vpbx_api_key"] != key or form["sign"] != sign:
            return None
        asked: dict[str, str] = json.loads(form["json"])
        return asked

    async def ticket(request: web.Request) -> web.Response:
        asked = await signed(request)
        if asked is None:
            return refused()
        number = f"ticket{len(knows.tickets)}"
        knows.tickets[number] = [asked, 1]  # not ready the first time
        return web.json_response({"key": number})

    async def result(request: web.Request) -> web.Response:
        asked = await signed(request)
        if asked is None or asked["key"] not in knows.tickets:
            return refused(404)
        wanted, waits = knows.tickets[asked["key"]]
        if waits:
            knows.tickets[asked["key"]][1] = waits - 1
            return web.Response(status=204)
        since, until = (
            datetime.fromtimestamp(int(wanted[name]), UTC) for name in ("date_from", "date_to")
        )
        names = wanted["fields"].split(",")
        rows = [
            ";".join(str(leg.get(name, "")) for name in names)
            for call in knows.between(since, until)
            for leg in told(call)
        ]
        return web.Response(text="\n".join(rows), content_type="text/csv")

    return [
        web.post("/vpbx/stats/request", ticket),
        web.post("/vpbx/stats/result", result),
    ]


def legs(call: Script) -> list[dict[str, object]]:
    common = {
        "records": "[]",
        "start": int(call.begins_at.timestamp()),
        "disconnect_reason": 1110,
        "entry_id": call.key,
        "line_number": plain(call.line),
        "location": "abonent",
    }
    if call.outbound:
        return [
            {
                **common,
                "from_extension": call.taken_by,
                "from_number": f"sip:{call.taken_by}@avrora.example",
                "to_number": plain(call.remote),
                "answer": int(call.at(call.ring_s).timestamp()) if call.taken else 0,
                "finish": int(call.ends_at.timestamp()),
            }
        ]
    return [
        {
            **common,
            "from_number": plain(call.remote),
            "to_extension": phone,
            "to_number": f"sip:{phone}@avrora.example",
            "answer": int(call.at(call.ring_s).timestamp()) if phone == call.taken_by else 0,
            "finish": int(
                (call.ends_at if phone == call.taken_by else call.at(call.ring_s)).timestamp()
            ),
        }
        for phone in call.rings
    ]
