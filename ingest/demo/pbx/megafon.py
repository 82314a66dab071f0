"""MegaFon VATS: events without times, then a history record; the token in the body."""

from __future__ import annotations

import math
import secrets as random
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain, whole


def reports(call: Script) -> Iterator[Report]:
    """Yield what is told of a call, in order of time."""
    direction = "out" if call.outbound else "in"
    common = {
        "phone": plain(call.remote),
        "diversion": plain(call.line),
        "callid": call.key,
    }

    def event(kind: str, after_s: float, ext: str | None) -> Report:
        agent = {"ext": ext, "user": f"user{ext}"} if ext else {}
        return Report(
            after_s,
            "",
            {"cmd": "event", "type": kind, "direction": direction, **common, **agent},
        )

    telephones = call.rings or (None,)
    if call.live:  # its events carry no time, so nothing can be told of them afterwards
        for ext in telephones:
            yield event("OUTGOING" if call.outbound else "INCOMING", 0.0, ext)
        if call.taken:
            yield event("ACCEPTED", call.ring_s, call.taken_by)
        for ext in telephones:
            if not (call.taken and ext == call.taken_by):
                yield event("CANCELLED", call.ring_s, ext)
        if call.taken:
            yield event("COMPLETED", call.length_s, call.taken_by)
    yield history(call)


def history(call: Script) -> Report:
    """Return the final record; its start and length are whole seconds."""
    start = whole(call.begins_at).astimezone(UTC)
    agent = {"ext": call.taken_by, "user": f"user{call.taken_by}"} if call.taken_by else {}
    fields = {
        "cmd": "history",
        "type": "out" if call.outbound else "in",
        "status": "Success" if call.taken else ("Cancel" if call.outbound else "Missed"),
        "phone": plain(call.remote),
        "diversion": plain(call.line),
        "callid": call.key,
        "start": start.strftime("%Y%m%dT%H%M%SZ"),
        "duration": math.ceil((call.ends_at - start).total_seconds()),
        **agent,
    }
    return Report(call.length_s, "", fields)


def transfer(first: str, second: str, remote: str, after_s: float) -> Report:
    """Return the event that ties two ids into one call."""
    fields = {
        "cmd": "event",
        "type": "TRANSFERRED",
        "direction": "in",
        "phone": plain(remote),
        "callid": first,
        "second_callid": second,
    }
    return Report(after_s, "", fields)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    body = urlencode({**report.fields, "crm_token": secrets["crm_token"]}).encode()
    return Request(url=url + report.path, headers=FORM, body=body)


def new_secrets() -> dict[str, str]:
    """Return made-up secrets for one source."""
    return {"crm_token": random.token_hex(16)}
