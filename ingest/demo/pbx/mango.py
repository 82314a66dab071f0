"""Mango Office: events of each leg, then a summary."""

from __future__ import annotations

import hashlib
import json
import secrets as random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain


def reports(call: Script) -> Iterator[Report]:
    """Yield what is told of a call, in order of time."""
    line, remote = plain(call.line), plain(call.remote)
    seq = iter(range(1, 1000))

    def leg(state: str, after_s: float, ext: str | None, **more: Any) -> Report:
        ours: dict[str, Any] = {"number": f"sip:{ext}@avrora.example", "extension": ext}
        theirs: dict[str, Any] = {"number": remote}
        if ext is None:
            ours = {"number": line}
        (theirs if call.outbound else ours)["line_number"] = line
        fields = {
            "entry_id": call.key,
            "call_id": f"{call.key}:{ext or line}",
            "timestamp": int(call.at(after_s).timestamp()),
            "seq": next(seq),
            "call_state": state,
            "location": "abonent",
            "from": ours if call.outbound else theirs,
            "to": theirs if call.outbound else ours,
            **more,
        }
        return Report(after_s, "/events/call", fields)

    telephones = call.rings or (None,)
    for ext in telephones:
        yield leg("Appeared", 0.0, ext)
    if call.taken:
        yield leg("Connected", call.ring_s, call.taken_by)
    for ext in telephones:
        over_s = call.length_s if ext == call.taken_by else call.ring_s
        yield leg("Disconnected", over_s, ext, disconnect_reason=1110)
    ours = {"extension": call.taken_by, "number": line} if call.taken_by else {"number": line}
    yield Report(
        call.length_s,
        "/events/summary",
        {
            "entry_id": call.key,
            "call_direction": 2 if call.outbound else 1,
            "from": ours if call.outbound else {"number": remote},
            "to": {"number": remote} if call.outbound else ours,
            "line_number": line,
            "create_time": int(call.begins_at.timestamp()),
            "forward_time": int(call.begins_at.timestamp()),
            "talk_time": int(call.at(call.ring_s).timestamp()) if call.taken else 0,
            "end_time": int(call.ends_at.timestamp()),
            "entry_result": 1,
            "disconnect_reason": 1110,
        },
    )


def between_colleagues(key: str, one: str, other: str, at: datetime) -> Report:
    """Return the summary of an internal call."""
    begun = int(at.timestamp())
    fields = {
        "entry_id": key,
        "call_direction": 0,
        "from": {"extension": one, "number": f"sip:{one}@avrora.example"},
        "to": {"extension": other, "number": f"sip:{other}@avrora.example"},
        "line_number": "",
        "create_time": begun - 40,
        "talk_time": begun - 30,
        "end_time": begun,
        "entry_result": 1,
        "disconnect_reason": 1110,
    }
    return Report(0.0, "/events/summary", fields)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    text = json.dumps(report.fields)
    key, salt = secrets["vpbx_api_key"], secrets["vpbx_api_salt"]
    sign = hashlib.sha256((key + text + salt).encode()).hexdigest()
    body = urlencode({"vpbx_api_key": key, "sign": sign, "json": text}).encode()
    return Request(url=url + report.path, headers=FORM, body=body)


def new_secrets() -> dict[str, str]:
    """Return made-up secrets for one source."""
    return {"vpbx_api_key": random.token_hex(16), "vpbx_api_salt": random.token_hex(16)}
