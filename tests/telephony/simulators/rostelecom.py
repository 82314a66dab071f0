"""Rostelecom: a file is ordered, is not there at first, and comes in a ZIP; signed both ways."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import Report, Request, Script, Secrets, plain
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.cloudpbx.rt.ru",)
MOSCOW = ZoneInfo("Europe/Moscow")
HEAD = (
    "session_id;call_type;direction;state;orig_number;orig_pin;dest_number;answering_sipuri;"
    "answering_pin;start_call_date;duration;is_voicemail;is_record;is_fax;status_code;status_string"
)


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def asked(request: web.Request) -> Any:
        body = await request.read()
        signed = knows.secrets["client_id"].encode() + body + knows.secrets["sign_key"].encode()
        known = request.headers["X-Client-ID"] == knows.secrets["client_id"]
        if not known or request.headers["X-Client-Sign"] != hashlib.sha256(signed).hexdigest():
            return None
        return json.loads(body)

    async def order(request: web.Request) -> web.Response:
        fields = await asked(request)
        if fields is None:
            return refused()
        since, until = (
            datetime.strptime(fields[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=MOSCOW)
            for name in ("date_start", "date_end")
        )
        number = str(len(knows.tickets) + 1)
        lines = [HEAD, *(row(call) for call in knows.between(since, until))]
        knows.tickets[number] = ["\r\n".join(lines), 0]
        return web.json_response({"result": 0, "resultMessage": "", "order_id": number})

    async def download(request: web.Request) -> web.Response:
        fields = await asked(request)
        if fields is None:
            return refused()
        ticket = knows.tickets[fields["order_id"]]
        ticket[1] += 1
        if ticket[1] == 1:
            return web.Response(status=404, text="<h1>File [1.csv.z] not found</h1>")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("history.csv", ticket[0])
        return web.Response(body=packed.getvalue(), content_type="application/zip")

    return [web.post("/domain_call_history", order), web.post("/download_call_history", download)]


def row(call: Script) -> str:
    ours = call.taken_by or ""
    cells: list[object] = [
        call.key,
        1,
        2 if call.outbound else 1,
        1 if call.taken else 2,
        f"sip:{plain(call.line if call.outbound else call.remote)}@avrora.test",
        ours if call.outbound else "",
        f"sip:{plain(call.remote if call.outbound else call.line)}@avrora.test",
        f"sip:{ours}@avrora.test" if call.taken and not call.outbound else "",
        ours if call.taken and not call.outbound else "",
        int(call.begins_at.timestamp()),
        round(call.length_s) if call.taken else 0,
        "false",
        "false",
        "false",
        0,
        "",
    ]
    return ";".join(str(cell) for cell in cells)


def reports(call: Script) -> Iterator[Report]:
    """Yield what events tell of a call, in order of time."""
    ours = "from_pin" if call.outbound else "request_pin"

    def event(after_s: float, state: str, pin: str | None = None) -> Report:
        at = call.at(after_s).astimezone(MOSCOW)
        fields = {
            "session_id": call.key,
            "timestamp": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "type": "outbound" if call.outbound else "incoming",
            "state": state,
            "from_number": f"sip:{plain(call.line if call.outbound else call.remote)}@avrora.test",
            "request_number": (
                f"sip:{plain(call.remote if call.outbound else call.line)}@avrora.test"
            ),
        }
        return Report(after_s, "/call_events", {**fields, ours: pin} if pin else fields)

    yield event(0.0, "new", call.taken_by if call.outbound else None)
    for pin in call.rings:
        yield event(0.0, "calling", pin)
    if call.taken:
        yield event(call.ring_s, "connected", call.taken_by)
    yield event(call.length_s, "end")


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    body = json.dumps(dict(report.fields)).encode()
    signed = secrets["client_id"].encode() + body + secrets["sign_key"].encode()
    headers = {"X-Client-ID": secrets["client_id"]}
    headers["X-Client-Sign"] = hashlib.sha256(signed).hexdigest()
    return Request(url=url + report.path, headers=headers, body=body)
