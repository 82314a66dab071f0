"""Dialpad: pages that a cursor leads on, the latest call first; events as signed tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Report, Request, Script, Secrets
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("dialpad.com",)
PER_PAGE = 2


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {knows.secrets['api_key']}":
            return refused()
        since, until = (
            datetime.fromtimestamp(int(request.query[name]) / 1000, UTC)
            for name in ("started_after", "started_before")
        )
        begin = int(request.query.get("cursor", "from0").removeprefix("from"))
        found = [row(call) for call in reversed(knows.between(since, until))]
        end = begin + PER_PAGE
        more = {"cursor": f"from{end}"} if end < len(found) else {}
        return web.json_response({"items": found[begin:end], **more})

    return [web.get("/api/v2/call", calls)]


def row(call: Script) -> dict[str, object]:
    return {
        "call_id": int(call.key),
        "state": "hangup",
        "direction": "outbound" if call.outbound else "inbound",
        "external_number": call.remote,
        "internal_number": call.line,
        "date_started": str(milliseconds(call.begins_at)),
        "date_connected": str(milliseconds(call.at(call.ring_s))) if call.taken else None,
        "date_ended": str(milliseconds(call.ends_at)),
        "target": {"id": call.taken_by or call.rings[0], "type": "user"},
        "entry_point_call_id": None,
    }


def reports(call: Script) -> Iterator[Report]:
    """Yield what events tell of a call, in order of time."""
    told = row(call)
    begun = {**told, "date_connected": None, "date_ended": None}
    states = [(0.0, "calling" if call.outbound else "ringing", begun)]
    if call.taken:
        states.append((call.ring_s, "connected", {**told, "date_ended": None}))
    states.append((call.length_s, "hangup", told))
    for after_s, state, fields in states:
        stamp = milliseconds(call.at(after_s))
        yield Report(after_s, "", {**fields, "state": state, "event_timestamp": stamp})


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request: the body is the token."""
    parts = ({"alg": "HS256", "typ": "JWT"}, dict(report.fields))
    signed = ".".join(sealed(json.dumps(part).encode()) for part in parts)
    proof = hmac.new(secrets["jwt_secret"].encode(), signed.encode(), hashlib.sha256).digest()
    return Request(url=url, headers={}, body=f"{signed}.{sealed(proof)}".encode())


def sealed(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
