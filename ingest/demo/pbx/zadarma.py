"""Zadarma: NOTIFY_* events, each signed over three of its fields."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets as random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, whole

_ZADARMA_ZONE = ZoneInfo("Europe/Amsterdam")
_ZADARMA_SIGNED = {
    "NOTIFY_ANSWER": ("caller_id", "destination", "call_start"),
    "NOTIFY_OUT_START": ("internal", "destination", "call_start"),
    "NOTIFY_OUT_END": ("internal", "destination", "call_start"),
    "NOTIFY_RECORD": ("pbx_call_id", "call_id_with_rec"),
}
_ZADARMA_SIGNED_ELSE = ("caller_id", "called_did", "call_start")


def reports(call: Script) -> Iterator[Report]:
    """Yield what is told of a call, in order of time."""
    start = whole(call.begins_at)
    common = {
        "pbx_call_id": call.key,
        "call_start": start.astimezone(_ZADARMA_ZONE).strftime("%Y-%m-%d %H:%M:%S"),
    }
    ended = {
        "duration": math.ceil((call.ends_at - start).total_seconds()) if call.taken else 0,
        "disposition": "answered" if call.taken else "no answer",
        "status_code": 16,
        "is_recorded": 0,
    }

    def told(name: str, after_s: float, **more: Any) -> Report:
        return Report(after_s, "", {"event": name, **common, **more})

    if call.outbound:
        parties = {
            "internal": call.taken_by,
            "destination": call.remote,
            "caller_id": call.line,
        }
        yield told("NOTIFY_OUT_START", 0.0, **parties)
        yield told("NOTIFY_OUT_END", call.length_s, **parties, **ended)
        return
    parties = {"caller_id": call.remote, "called_did": call.line}
    yield told("NOTIFY_START", 0.0, **parties)
    for ext in call.rings:
        yield told("NOTIFY_INTERNAL", 0.0, **parties, internal=ext)
    if call.taken and call.live:  # this event states no time of its own
        yield told(
            "NOTIFY_ANSWER",
            call.ring_s,
            caller_id=call.remote,
            destination=call.taken_by,
            internal=call.taken_by,
        )
    agent = {"last_internal": call.taken_by} if call.taken else {}
    yield told("NOTIFY_END", call.length_s, **parties, **agent, **ended)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    names = _ZADARMA_SIGNED.get(report.fields["event"], _ZADARMA_SIGNED_ELSE)
    signed = "".join(str(report.fields[name]) for name in names)
    digest = hmac.new(secrets["api_secret"].encode(), signed.encode(), hashlib.sha1).hexdigest()
    return Request(
        url=url + report.path,
        headers={**FORM, "Signature": base64.b64encode(digest.encode()).decode()},
        body=urlencode(report.fields).encode(),
    )


def new_secrets() -> dict[str, str]:
    """Return made-up secrets for one source."""
    return {"api_secret": random.token_hex(16)}
