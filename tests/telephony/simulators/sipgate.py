"""sipgate: pages by offset; forms that an RSA key signs, made for this run."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.sipgate.com",)
PER_PAGE = 2
KEY = generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def history(request: web.Request) -> web.Response:
        pair = f"{knows.secrets['token_id']}:{knows.secrets['token']}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            for name in ("from", "to")
        )
        begin = int(request.query["offset"])
        found = [row(call) for call in knows.between(since, until)]
        page = found[begin : begin + PER_PAGE]
        return web.json_response({"items": page, "totalCount": len(found)})

    return [web.get("/v2/history", history)]


def row(call: Script) -> dict[str, object]:
    direction = "OUTGOING" if call.outbound else "INCOMING"
    return {
        "id": f"entry-{call.key}",
        "callId": call.key,
        "type": "CALL",
        "source": call.line if call.outbound else call.remote,
        "target": call.remote if call.outbound else call.line,
        "direction": direction if call.taken else f"MISSED_{direction}",
        "status": "PICKUP" if call.taken else "NOPICKUP",
        "callStatus": "SUCCESS" if call.taken else "MISSED",
        "created": call.begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration": round(call.length_s),
    }


def reports(call: Script) -> Iterator[Report]:
    """Yield what events tell of a call, in order of time."""
    common = {
        "direction": "out" if call.outbound else "in",
        "from": plain(call.line if call.outbound else call.remote),
        "to": plain(call.remote if call.outbound else call.line),
        "callId": call.key,
        "origCallId": call.key,
    }
    yield Report(0.0, "", {"event": "newCall", **common, "fullUserId[]": list(call.rings)})
    if call.taken:
        yield Report(call.ring_s, "", {"event": "answer", **common, "fullUserId": call.taken_by})
    cause = "normalClearing" if call.taken else ("cancel" if call.outbound else "noAnswer")
    yield Report(call.length_s, "", {"event": "hangup", **common, "cause": cause})


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    body = urlencode(dict(report.fields), doseq=True).encode()
    proof = base64.b64encode(KEY.sign(body, PKCS1v15(), SHA256())).decode()
    return Request(url=url, headers={**FORM, "X-Sipgate-Signature": proof}, body=body)
