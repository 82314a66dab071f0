"""Mango Office: an event of each leg, then the summary; recordings by events of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.demo.pbx.script import Report, Script, plain
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told, tale

BY_CALLER, NO_ANSWER, BY_CALLEE, BUSY, ELSEWHERE = 1110, 1111, 1120, 1121, 1182


def told(call: Tale) -> Iterator[Told]:
    """Yield what webhooks tell of a call."""
    for phone, begin_s, answer_s, end_s, reason in _legs(call):
        seq = iter((1, 2, 3))
        yield _event(call, phone, "Appeared", begin_s, next(seq))
        if answer_s is not None:
            yield _event(call, phone, "Connected", answer_s, next(seq))
        yield _event(call, phone, "Disconnected", end_s, next(seq), disconnect_reason=reason)
    yield _summary(call)
    if call.recording:
        yield from _recording(call, call.recording)


def rows(script: Script) -> list[dict[str, object]]:
    """Return the rows of a call in the table of `stats/result`, one for each leg."""
    call = tale(script)
    common = {
        "records": f"[{call.recording}]" if call.recording else "[]",
        "entry_id": call.key,
        "line_number": plain(call.line),
        "location": "abonent",
    }
    return [
        {
            **common,
            **_sides_of_row(call, phone),
            "start": _epoch(call, begin_s),
            "answer": 0 if answer_s is None else _epoch(call, answer_s),
            "finish": _epoch(call, end_s),
            "disconnect_reason": reason,
        }
        for phone, begin_s, answer_s, end_s, reason in _legs(call)
    ]


def _legs(call: Tale) -> Iterator[tuple[str, float, float | None, float, int]]:
    """Yield each telephone: when it rang, was taken and was put down, and why."""
    for phone in call.rings:
        if not call.taken:
            yield phone, 0.0, None, call.length_s, _reason(call)
        elif phone != call.taken_by:
            yield phone, 0.0, None, call.ring_s, ELSEWHERE
        elif call.passed_to:
            yield phone, 0.0, call.ring_s, call.passed_at_s, BY_CALLEE
        else:
            yield phone, 0.0, call.ring_s, call.length_s, BY_CALLER
    if call.passed_to:
        passed_s = call.passed_at_s
        yield call.passed_to, passed_s, passed_s + PASS_RING_S, call.length_s, BY_CALLER


def _reason(call: Tale) -> int:
    if call.busy:
        return BUSY
    return BY_CALLER if call.outbound else NO_ANSWER


def _event(call: Tale, phone: str, state: str, after_s: float, seq: int, **more: Any) -> Told:
    ours: dict[str, Any] = {"extension": phone, "number": f"sip:{phone}@avrora.example"}
    theirs: dict[str, Any] = {} if call.withheld else {"number": plain(call.remote)}
    (theirs if call.outbound else ours)["line_number"] = plain(call.line)
    if phone == call.passed_to:
        theirs["taken_from_call_id"] = f"{call.key}:{call.taken_by}"
    if state == "Disconnected" and call.passed_to and phone == call.taken_by:
        more["transfer"] = "blind"
        ours["was_transferred"] = True
    fields = {
        "entry_id": call.key,
        "call_id": f"{call.key}:{phone}",
        "timestamp": _epoch(call, after_s),
        "seq": seq,
        "call_state": state,
        "location": "abonent",
        "from": ours if call.outbound else theirs,
        "to": theirs if call.outbound else ours,
        **more,
    }
    return Told(Report(after_s, "/events/call", fields), f"{state} {phone}")


def _summary(call: Tale) -> Told:
    remote = {} if call.withheld else {"number": plain(call.remote)}
    ours: dict[str, Any] = {"extension": "500"}  # the group's number: nobody of it took the call
    if call.taken or call.outbound:
        phone = call.taken_by
        ours = {"extension": phone, "number": f"sip:{phone}@avrora.example"}
    fields = {
        "entry_id": call.key,
        "call_direction": 2 if call.outbound else 1,
        "from": ours if call.outbound else remote,
        "to": remote if call.outbound else ours,
        "line_number": plain(call.line),
        "create_time": _epoch(call, 0.0),
        "forward_time": _epoch(call, 0.0),
        "talk_time": _epoch(call, call.ring_s) if call.taken else 0,
        "end_time": _epoch(call, call.length_s),
        "entry_result": int(call.taken),
        "disconnect_reason": BY_CALLER if call.taken else _reason(call),
    }
    return Told(Report(call.length_s, "/events/summary", fields), "summary")


def _recording(call: Tale, recording: str) -> Iterator[Told]:
    common = {"recording_id": recording, "entry_id": call.key}
    for state, after_s in (("Started", call.ring_s), ("Completed", call.length_s)):
        fields = {
            **common,
            "recording_state": state,
            "call_id": f"{call.key}:{call.taken_by}",
            "extension": call.taken_by,
            "timestamp": _epoch(call, after_s),
            "completion_code": 1000,
        }
        yield Told(Report(after_s, "/events/recording", fields), f"recording {state}")
    added = {**common, "timestamp": _epoch(call, call.length_s + 40.0)}
    yield Told(Report(call.length_s + 40.0, "/events/record/added", added), "record added")


def _sides_of_row(call: Tale, phone: str) -> dict[str, object]:
    if call.outbound:
        return {
            "from_extension": phone,
            "from_number": f"sip:{phone}@avrora.example",
            "to_number": plain(call.remote),
        }
    return {
        "from_number": "" if call.withheld else plain(call.remote),
        "to_extension": phone,
        "to_number": f"sip:{phone}@avrora.example",
    }


def _epoch(call: Tale, after_s: float) -> int:
    return int(call.at(after_s).timestamp())
