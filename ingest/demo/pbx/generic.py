"""Our own format, signed as Standard Webhooks 1.0.0 says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets as random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ingest.demo.pbx.script import Report, Request, Script, Secrets


def reports(call: Script) -> Iterator[Report]:
    """Yield what is told of a call, in order of time."""
    caller, callee = (call.line, call.remote) if call.outbound else (call.remote, call.line)
    common = {
        "call_id": call.key,
        "direction": "outbound" if call.outbound else "inbound",
        "from": caller,
        "to": callee,
    }

    def told(kind: str, after_s: float, **more: Any) -> Report:
        moment = call.at(after_s).isoformat()
        return Report(after_s, "", {"type": kind, "timestamp": moment, "data": {**common, **more}})

    yield told("call.ringing", 0.0)
    for ext in call.rings:
        yield told("call.ringing", 0.0, extension=ext, leg=f"{call.key}-{ext}")
    agent = {"extension": call.taken_by} if call.taken_by else {}
    if call.taken:
        yield told("call.answered", call.ring_s, **agent)
    outcome = "answered" if call.taken else "no_answer"
    yield told("call.ended", call.length_s, outcome=outcome, talk_s=call.talk_s, **agent)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the request as Standard Webhooks 1.0.0 signs it; a repetition keeps its id."""
    text = json.dumps(report.fields, sort_keys=True)
    return sign_body(text.encode(), secrets, url, now)


def sign_body(body: bytes, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return a request with that very body, signed as Standard Webhooks says."""
    sent_id = "msg_" + hashlib.sha256(body).hexdigest()[:24]
    sent_at = str(int(now.timestamp()))
    octets = base64.b64decode(secrets["secret"].removeprefix("whsec_"))
    digest = hmac.new(octets, f"{sent_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    return Request(
        url=url,
        headers={
            "Content-Type": "application/json",
            "webhook-id": sent_id,
            "webhook-timestamp": sent_at,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        body=body,
    )


def new_secrets() -> dict[str, str]:
    """Return made-up secrets for one source."""
    return {"secret": "whsec_" + base64.b64encode(random.token_bytes(32)).decode()}
