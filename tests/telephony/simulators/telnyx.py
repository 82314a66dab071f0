"""Telnyx: the events themselves, since a moment, in pages that are counted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.demo.pbx.script import Report, Request, Script, Secrets
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.telnyx.com",)
MOST = 4  #: of a page, whatever is asked for
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def events(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {knows.secrets['api_key']}":
            return refused()
        bounds = [name for name in request.query if name.startswith("filter[occurred_at]")]
        if bounds != ["filter[occurred_at][gte]"]:
            return refused(400)  # one bound is all that may be passed
        since = datetime.fromisoformat(request.query[bounds[0]])
        rows = [row for call in knows.calls for row in entries(call)]
        rows = [row for row in rows if datetime.fromisoformat(row["event_timestamp"]) >= since]
        rows.sort(key=lambda row: str(row["event_timestamp"]))
        page = int(request.query["page[number]"])
        return web.json_response(
            {
                "data": rows[(page - 1) * MOST : page * MOST],
                "meta": {"total_pages": -(-len(rows) // MOST), "page_number": page},
            }
        )

    return [web.get("/v2/call_events", events)]


def entries(call: Script) -> Iterator[dict[str, Any]]:
    for report in reports(call):
        data = report.fields["data"]
        payload = data["payload"]
        yield {
            "record_type": "call_event",
            "type": "webhook",
            "name": data["event_type"],
            "call_leg_id": payload["call_leg_id"],
            "call_session_id": payload["call_session_id"],
            "event_timestamp": data["occurred_at"],
            "metadata": {"payload": payload, "delivered_to": "https://hooks.example.org"},
        }


def reports(call: Script) -> Iterator[Report]:
    first = {"direction": "outgoing" if call.outbound else "incoming"}
    ends = {
        "from": call.line if call.outbound else call.remote,
        "to": call.remote if call.outbound else call.line,
    }
    yield event("call.initiated", call, "first", 0.0, {**ends, **first})
    for telephone in () if call.outbound else call.rings:
        yield from of_telephone(call, telephone)
    if call.outbound and call.taken:
        yield event("call.answered", call, "first", call.ring_s, ends)
    cause = "normal_clearing" if call.taken or not call.outbound else "timeout"
    yield event("call.hangup", call, "first", call.length_s, {**ends, "hangup_cause": cause})


def of_telephone(call: Script, telephone: str) -> Iterator[Report]:
    took = call.taken and telephone == call.taken_by
    ends = {"from": call.remote, "to": telephone}
    yield event("call.initiated", call, telephone, 0.0, {**ends, "direction": "outgoing"})
    if took:
        yield event("call.answered", call, telephone, call.ring_s, ends)
    over = call.length_s if took else call.ring_s
    cause = "normal_clearing" if took else "timeout"
    yield event("call.hangup", call, telephone, over, {**ends, "hangup_cause": cause})


def event(kind: str, call: Script, leg: str, after_s: float, told: dict[str, str]) -> Report:
    at = call.at(after_s).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    payload = {
        "call_session_id": call.key,
        "call_leg_id": f"leg-{call.key}-{leg}",
        "start_time": call.begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        **told,
    }
    named = {"event_type": kind, "id": f"{call.key}-{leg}-{kind}", "occurred_at": at}
    return Report(after_s, "", {"data": {**named, "payload": payload}})


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    body, stamp = json.dumps(dict(report.fields)).encode(), str(int(now.timestamp()))
    proof = base64.b64encode(KEY.sign(stamp.encode() + b"|" + body)).decode()
    headers = {"Telnyx-Timestamp": stamp, "Telnyx-Signature-Ed25519": proof}
    return Request(url=url + report.path, headers=headers, body=body)
