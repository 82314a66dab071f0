"""MegaFon VATS: events without times, then a history record; a call passed on has two ids.

The history of the interface counts the wait and the talk apart, knows no telephones that rang in
vain, calls every call out that came to nothing alike, and does not tell which two ids are one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from ingest.demo.pbx.script import Report, Script, plain
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told, tale


def told(call: Tale) -> Iterator[Told]:
    """Yield what webhooks tell of a call."""
    for phone in call.rings:
        yield _event(call, call.key, "OUTGOING" if call.outbound else "INCOMING", 0.0, phone)
    if call.taken and call.taken_by:
        yield _event(call, call.key, "ACCEPTED", call.ring_s, call.taken_by)
    for phone in call.rings:
        if not (call.taken and phone == call.taken_by):
            yield _event(call, call.key, "CANCELLED", call.ring_s, phone)
    if call.passed_to:
        second, passed_s = _second(call), call.passed_at_s
        yield _event(call, second, "INCOMING", passed_s, call.passed_to)
        yield _event(call, second, "ACCEPTED", passed_s + PASS_RING_S, call.passed_to)
        yield _transferred(call)
        yield _event(call, second, "COMPLETED", call.length_s, call.passed_to)
    elif call.taken and call.taken_by:
        yield _event(call, call.key, "COMPLETED", call.length_s, call.taken_by)
    for row in rows(call):
        yield _history(call, row)


def rows(script: Script) -> list[dict[str, object]]:
    """Return the rows of a call in `crmapi/v1/history/json`."""
    call = tale(script)
    if not call.passed_to:
        return [_row(call, call.key, 0.0, call.ring_s, call.talk_s, call.taken_by, call.recording)]
    passed_s, rest_s = call.passed_at_s, call.talk_s - call.passed_s - PASS_RING_S
    second, taker = _second(call), call.passed_to
    return [
        _row(call, call.key, 0.0, call.ring_s, call.passed_s, call.taken_by, None),
        _row(call, second, passed_s, PASS_RING_S, rest_s, taker, call.recording),
    ]


def _second(call: Tale) -> str:
    return f"{call.key}9"


def _row(
    call: Tale,
    key: str,
    begin_s: float,
    wait_s: float,
    talk_s: float,
    phone: str | None,
    recording: str | None,
) -> dict[str, object]:
    missed = "noanswer" if call.outbound else "missed"
    return {
        "uid": key,
        "type": "out" if call.outbound else "in",
        "status": "success" if call.taken else missed,
        "client": "" if call.withheld else plain(call.remote),
        "user": f"user{phone}" if phone else "",
        "destination": phone or "",
        "diversion": plain(call.line),
        "start": call.at(begin_s).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wait": round(wait_s),
        "duration": round(talk_s),
        "record": f"https://records.avrora.example/{recording}.mp3" if recording else "",
    }


def _history(call: Tale, row: dict[str, object]) -> Told:
    """Return the record that is sent when it is over: its duration is the whole."""
    phone = str(row["destination"])
    status = "Success"
    if not call.taken:
        status = "Busy" if call.busy else "Cancel" if call.outbound else "Missed"
    fields = {
        **_common(call, str(row["uid"]), phone),
        "cmd": "history",
        "type": row["type"],
        "status": status,
        "start": str(row["start"]).replace("-", "").replace(":", ""),
        "duration": int(str(row["wait"])) + int(str(row["duration"])),
        **({"link": row["record"]} if row["record"] else {}),
    }
    number = "history" if row["uid"] == call.key else "history of the second"
    return Told(Report(call.length_s, "", fields), number)


def _event(call: Tale, key: str, kind: str, after_s: float, phone: str) -> Told:
    direction = "out" if call.outbound else "in"
    fields = {**_common(call, key, phone), "cmd": "event", "type": kind, "direction": direction}
    return Told(Report(after_s, "", fields), f"{kind} {phone}", timed=False)


def _transferred(call: Tale) -> Told:
    fields = {
        **_common(call, call.key, str(call.taken_by)),
        "cmd": "event",
        "type": "TRANSFERRED",
        "direction": "in",
        "second_callid": _second(call),
    }
    return Told(Report(call.passed_at_s + PASS_RING_S, "", fields), "TRANSFERRED", timed=False)


def _common(call: Tale, key: str, phone: str) -> dict[str, str]:
    remote = {} if call.withheld else {"phone": plain(call.remote)}
    agent = {"ext": phone, "user": f"user{phone}"} if phone else {}
    return {**remote, "diversion": plain(call.line), "callid": key, **agent}
