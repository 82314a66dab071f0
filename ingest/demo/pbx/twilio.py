"""Twilio: a parent call and the telephones that it makes ring, signed over the address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain, whole


def reports(call: Script) -> Iterator[Report]:
    """Yield what is told of a call, in order of time."""
    parent = {
        "CallSid": call.key,
        "From": call.line if call.outbound else call.remote,
        "To": call.remote if call.outbound else call.line,
        "Direction": "outbound-api" if call.outbound else "inbound",
    }

    def status(kind: str, after_s: float, number: int, **more: Any) -> Report:
        fields = {
            "CallStatus": kind,
            "Timestamp": format_datetime(whole(call.at(after_s)).astimezone(UTC)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": number,
            **more,
        }
        return Report(after_s, "/status", fields)

    if call.live and not call.outbound:  # the question for instructions states no time
        yield Report(0.0, "/voice", {**parent, "CallStatus": "ringing"})
    for telephone in call.rings if not call.outbound else ():
        child = {
            "CallSid": f"{call.key}{plain(telephone)}",
            "ParentCallSid": call.key,
            "From": call.remote,
            "To": telephone,
            "Direction": "outbound-dial",
        }
        took = call.taken and telephone == call.taken_by
        yield status("initiated", 0.0, 0, **child)
        yield status("ringing", 0.0, 1, **child)
        if took:
            yield status("in-progress", call.ring_s, 2, **child)
        yield status(
            "completed" if took else "no-answer",
            call.length_s if took else call.ring_s,
            3,
            CallDuration=round(call.talk_s) if took else 0,
            **child,
        )
    over = "no-answer" if call.outbound and not call.taken else "completed"
    lasted_s = call.talk_s if call.outbound else call.length_s
    yield status(over, call.length_s, 3, CallDuration=round(lasted_s), **parent)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    fields = {name: str(value) for name, value in report.fields.items()}
    whole = url + report.path
    signed = whole + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(secrets["auth_token"].encode(), signed.encode(), hashlib.sha1).digest()
    return Request(
        url=whole,
        headers={**FORM, "X-Twilio-Signature": base64.b64encode(digest).decode()},
        body=urlencode(fields).encode(),
    )


def new_secrets() -> dict[str, str]:
    """Return made-up secrets for one source."""
    return {"auth_token": random.token_hex(16)}
