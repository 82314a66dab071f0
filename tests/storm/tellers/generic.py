"""Our own format, as a telephone system of the company's own sends it: there is no history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.demo.pbx.script import Report
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told


def told(call: Tale) -> Iterator[Told]:
    """Yield what is told of a call."""
    yield _event(call, "ringing", 0.0)
    for phone in call.rings:
        yield _event(call, "ringing", 0.0, phone)
    if call.taken:
        yield _event(call, "answered", call.ring_s, call.taken_by, answered_by="person")
    if call.voicemail:
        yield _event(call, "answered", call.ring_s, answered_by="voicemail")
    if call.passed_to:
        passed_s = call.passed_at_s
        yield _event(call, "ringing", passed_s, call.passed_to)
        yield _event(call, "leg_ended", passed_s, call.taken_by, transfer="blind")
        yield _event(call, "answered", passed_s + PASS_RING_S, call.passed_to)
    last = call.last if call.taken else None
    outcome = _outcome(call)
    yield _event(call, "ended", call.length_s, last, outcome=outcome, talk_s=call.talk_s)
    if call.recording:
        yield _event(call, "recording", call.length_s + 40.0, recording_id=call.recording)


def _event(call: Tale, kind: str, after_s: float, phone: str | None = None, **more: Any) -> Told:
    remote = None if call.withheld else call.remote
    data = {
        "call_id": call.key,
        "direction": "outbound" if call.outbound else "inbound",
        "from": call.line if call.outbound else remote,
        "to": remote if call.outbound else call.line,
        "withheld": call.withheld,
        **({"extension": phone} if phone else {}),
        **({"leg": f"{call.key}-{phone}"} if phone and kind != "ended" else {}),
        **more,
    }
    moment = call.at(after_s).isoformat()
    fields = {"type": f"call.{kind}", "timestamp": moment, "data": data}
    whose = f" {phone}" if phone and kind != "ended" else ""
    return Told(Report(after_s, "", fields), f"{kind}{whose}")


def _outcome(call: Tale) -> str:
    if call.taken:
        return "answered"
    if call.voicemail:
        return "voicemail"
    return "busy" if call.busy else "no_answer"
