"""Zadarma: NOTIFY_* events with the beginning of the call in Amsterdam's time.

Only the beginning is stated: when somebody took the call is the moment at which NOTIFY_ANSWER
comes. The statistics have a row for each leg and do not tell it either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from ingest.demo.pbx.script import Report, Script, plain
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told, tale

ZONE = ZoneInfo("Europe/Amsterdam")
HIDDEN = "0"


def told(call: Tale) -> Iterator[Told]:
    """Yield what webhooks tell of a call."""
    end = {
        "duration": round(call.length_s) if call.taken else 0,
        "disposition": _disposition(call, call.taken),
        "status_code": 16,
        "is_recorded": int(call.recording is not None),
        **({"call_id_with_rec": call.recording} if call.recording else {}),
    }
    if call.outbound:
        ours = {"internal": call.taken_by, "destination": plain(call.remote)}
        parties = {**ours, "caller_id": plain(call.line)}
        yield _event(call, "NOTIFY_OUT_START", 0.0, **parties)
        yield _event(call, "NOTIFY_OUT_END", call.length_s, **parties, **end)
    else:
        yield from _came_in(call, end)
    if call.recording:
        fields = {
            "event": "NOTIFY_RECORD",
            "pbx_call_id": call.key,
            "call_id_with_rec": call.recording,
        }
        yield Told(Report(call.length_s + 40.0, "", fields), "NOTIFY_RECORD")


def rows(script: Script) -> list[dict[str, object]]:
    """Return the rows of a call in the statistics, one for each leg."""
    call = tale(script)
    if call.outbound:
        return [_row(call, str(call.taken_by), 0.0, call.length_s, taken=call.taken)]
    found = [
        _row(
            call,
            phone,
            0.0,
            call.passed_at_s if call.passed_to else call.length_s,
            taken=call.taken and phone == call.taken_by,
        )
        for phone in call.rings
    ]
    if call.passed_to:
        lasts_s = call.length_s - call.passed_at_s
        found.append(_row(call, call.passed_to, call.passed_at_s, lasts_s, taken=True))
    return found


def _came_in(call: Tale, end: dict[str, Any]) -> Iterator[Told]:
    caller = HIDDEN if call.withheld else call.remote
    parties = {"caller_id": caller, "called_did": plain(call.line)}
    yield _event(call, "NOTIFY_START", 0.0, **parties)
    for phone in call.rings:
        yield _event(call, "NOTIFY_INTERNAL", 0.0, **parties, internal=phone)
    if call.taken:
        yield _answer(call, caller, str(call.taken_by), call.ring_s)
    if call.passed_to:
        at_s = call.passed_at_s
        yield _event(call, "NOTIFY_INTERNAL", at_s, **parties, internal=call.passed_to)
        yield _answer(call, caller, call.passed_to, at_s + PASS_RING_S)
    agents = {"internal": call.taken_by, "last_internal": call.last} if call.taken else {}
    yield _event(call, "NOTIFY_END", call.length_s, **parties, **agents, **end)


def _answer(call: Tale, caller: str, phone: str, after_s: float) -> Told:
    name = "NOTIFY_ANSWER"
    found = _event(call, name, after_s, caller_id=caller, destination=phone, internal=phone)
    return Told(found.report, f"{name} {phone}", timed=False)


def _event(call: Tale, name: str, after_s: float, **more: Any) -> Told:
    start = call.begins_at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    fields = {"event": name, "pbx_call_id": call.key, "call_start": start, **more}
    phone = f" {more['internal']}" if name == "NOTIFY_INTERNAL" else ""
    return Told(Report(after_s, "", fields), f"{name}{phone}")


def _row(
    call: Tale, phone: str, begin_s: float, lasts_s: float, *, taken: bool
) -> dict[str, object]:
    theirs = HIDDEN if call.withheld else plain(call.remote)
    recorded = call.recording is not None and taken and phone == call.last
    return {
        "call_id": call.recording if recorded else f"{call.key}.{phone}",
        "callstart": call.at(begin_s).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S"),
        "seconds": round(lasts_s) if taken else 0,
        "is_recorded": "true" if recorded else "false",
        "pbx_call_id": call.key,
        "disposition": _disposition(call, taken),
        "sip": phone,
        "clid": plain(call.line) if call.outbound else theirs,
        "destination": plain(call.remote) if call.outbound else phone,
    }


def _disposition(call: Tale, taken: bool) -> str:
    return "answered" if taken else "busy" if call.busy else "no answer"
