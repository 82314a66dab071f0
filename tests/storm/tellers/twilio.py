"""Twilio: a parent call, the telephones that it makes ring, and its recording.

The list of calls tells of the legs; it does not name recordings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import format_datetime

from ingest.demo.pbx.script import Report, Script, plain
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told, tale

RECORDINGS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/"


def told(call: Tale) -> Iterator[Told]:
    """Yield what status callbacks tell of a call."""
    if not call.outbound:  # the question for instructions states no time
        voice = {**_parent(call), "CallStatus": "ringing"}
        yield Told(Report(0.0, "/voice", voice), "voice", timed=False)
    for phone, begin_s, answer_s, end_s in _legs(call):
        child = _child(call, phone)
        yield _status(call, child, "initiated", begin_s, 0)
        yield _status(call, child, "ringing", begin_s, 1)
        if answer_s is not None:
            yield _status(call, child, "in-progress", answer_s, 2)
        over = "no-answer" if answer_s is None else "completed"
        yield _status(call, child, over, end_s, 3, 0.0 if answer_s is None else end_s - answer_s)
    if call.outbound:
        yield _status(call, _parent(call), "initiated", 0.0, 0)
        yield _status(call, _parent(call), "ringing", 0.0, 1)
        if call.taken:
            yield _status(call, _parent(call), "in-progress", call.ring_s, 2)
    yield _status(call, _parent(call), _over(call), call.length_s, 3, _lasted_s(call))
    if call.recording:
        fields = {
            "CallSid": call.key,
            "RecordingSid": call.recording,
            "RecordingUrl": RECORDINGS + call.recording,
            "RecordingStatus": "completed",
        }
        yield Told(Report(call.length_s + 40.0, "/recording", fields), "recording")


def rows(script: Script) -> list[dict[str, object]]:
    """Return the legs of a call in `Calls.json`."""
    call = tale(script)
    parent = _row(call, _parent(call), _over(call), 0.0, call.length_s, _lasted_s(call))
    return [parent] + [
        _row(
            call,
            _child(call, phone),
            "no-answer" if answer_s is None else "completed",
            begin_s,
            end_s,
            0.0 if answer_s is None else end_s - answer_s,
        )
        for phone, begin_s, answer_s, end_s in _legs(call)
    ]


def _legs(call: Tale) -> Iterator[tuple[str, float, float | None, float]]:
    """Yield each telephone of a call that came in: when it rang, was taken and put down."""
    for phone in call.rings if not call.outbound else ():
        if not (call.taken and phone == call.taken_by):
            yield phone, 0.0, None, call.ring_s
        else:
            yield phone, 0.0, call.ring_s, call.passed_at_s if call.passed_to else call.length_s
    if call.passed_to:
        passed_s = call.passed_at_s
        yield call.passed_to, passed_s, passed_s + PASS_RING_S, call.length_s


def _parent(call: Tale) -> dict[str, str]:
    remote = "Anonymous" if call.withheld else call.remote
    return {
        "CallSid": call.key,
        "From": call.line if call.outbound else remote,
        "To": call.remote if call.outbound else call.line,
        "Direction": "outbound-api" if call.outbound else "inbound",
    }


def _child(call: Tale, phone: str) -> dict[str, str]:
    return {
        "CallSid": f"{call.key}{plain(phone)}",
        "ParentCallSid": call.key,
        "From": _parent(call)["From"],
        "To": phone,
        "Direction": "outbound-dial",
    }


def _over(call: Tale) -> str:
    if not call.outbound or call.taken:
        return "completed"
    return "busy" if call.busy else "no-answer"


def _lasted_s(call: Tale) -> float:
    return call.talk_s if call.outbound else call.length_s


def _status(
    call: Tale,
    leg: dict[str, str],
    kind: str,
    after_s: float,
    number: int,
    lasted_s: float | None = None,
) -> Told:
    fields = {
        **leg,
        "CallStatus": kind,
        "Timestamp": _written(call, after_s),
        "CallbackSource": "call-progress-events",
        "SequenceNumber": number,
        **({} if lasted_s is None else {"CallDuration": round(lasted_s)}),
    }
    whose = f" of {leg['To']}" if "ParentCallSid" in leg else ""
    return Told(Report(after_s, "/status", fields), f"{kind}{whose}")


def _row(
    call: Tale, leg: dict[str, str], status: str, begin_s: float, end_s: float, lasted_s: float
) -> dict[str, object]:
    return {
        "sid": leg["CallSid"],
        "parent_call_sid": leg.get("ParentCallSid"),
        "from": leg["From"],
        "to": leg["To"],
        "direction": leg["Direction"],
        "status": status,
        "duration": str(round(lasted_s)),
        "start_time": _written(call, begin_s),
        "end_time": _written(call, end_s),
    }


def _written(call: Tale, after_s: float) -> str:
    return format_datetime(call.at(after_s).astimezone(UTC))
