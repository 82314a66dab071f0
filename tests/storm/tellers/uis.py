"""UIS: notifications by our own template, in Moscow's time; nothing is signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.demo.pbx.script import Report, Request, Script, Secrets, plain
from tests.storm.calls import PASS_RING_S, Tale
from tests.storm.tellers.told import Told, tale

ZONE = ZoneInfo("Europe/Moscow")


def told(call: Tale) -> Iterator[Told]:
    """Yield what notifications tell of a call."""
    yield _event(call, "out_call" if call.outbound else "in_call", 0.0, agent=_caller(call))
    for phone in call.rings if not call.outbound else ():
        yield _event(call, "waiting", 0.0, agent=phone)
    if call.passed_to:
        yield _event(call, "waiting", call.passed_at_s, agent=call.passed_to)
    for phone, answer_s, end_s in _talks(call):
        yield _event(call, "talk_start", answer_s, agent=phone)
        yield _event(call, "talk_end", end_s, agent=phone, talk_time_duration=end_s - answer_s)
    if not call.taken and not call.outbound:
        yield _event(call, "lost", call.length_s, employee_ids=[int(it) for it in call.rings])
    yield _event(
        call,
        "call_end",
        call.length_s,
        agent=call.last if call.taken else _caller(call),
        talk_time_duration=_talked_s(call),
        total_time_duration=call.length_s,
    )
    if call.recording:
        link = _link(call)
        yield _event(call, "record", call.length_s + 40.0, agent=call.last, file_link=link)


def rows(script: Script) -> list[dict[str, object]]:
    """Return the one row of a call in `get.calls_report`."""
    call = tale(script)
    talked = [phone for phone, _, _ in _talks(call)]
    people = dict.fromkeys([*call.rings, *talked])
    return [
        {
            "id": int(call.key),
            "start_time": _written(call, 0.0)[:19],
            "finish_time": _written(call, call.length_s)[:19],
            "direction": "out" if call.outbound else "in",
            "is_lost": not call.taken and not call.outbound,
            "contact_phone_number": None if call.withheld else plain(call.remote),
            "virtual_phone_number": plain(call.line),
            "wait_duration": round(call.ring_s),
            "talk_duration": round(_talked_s(call)),
            "total_duration": round(call.length_s),
            "full_record_file_link": _link(call),
            "is_transfer": call.passed_to is not None,
            "last_talked_employee_id": int(talked[-1]) if talked else None,
            "employees": [
                {
                    "employee_id": int(phone),
                    "is_answered": phone in talked,
                    "is_talked": phone in talked,
                }
                for phone in people
            ],
        }
    ]


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the request; what proves it is the end of its address."""
    return Request(
        url=f"{url}/{secrets['path_token']}",
        headers={"Content-Type": "application/json"},
        body=json.dumps(report.fields).encode(),
    )


def _talks(call: Tale) -> Iterator[tuple[str, float, float]]:
    """Yield who talked, from when to when."""
    if not call.taken:
        return
    end_s = call.passed_at_s if call.passed_to else call.length_s
    yield str(call.taken_by), call.ring_s, end_s
    if call.passed_to:
        yield call.passed_to, call.passed_at_s + PASS_RING_S, call.length_s


def _talked_s(call: Tale) -> float:
    return sum(end_s - answer_s for _, answer_s, end_s in _talks(call))


def _caller(call: Tale) -> str | None:
    return call.taken_by if call.outbound else None


def _link(call: Tale) -> str | None:
    return f"https://media.uiscom.ru/{call.key}/{call.recording}" if call.recording else None


def _event(call: Tale, name: str, after_s: float, agent: str | None = None, **more: Any) -> Told:
    fields = {
        "event": name,
        "notification_time": _written(call, after_s),
        "call_session_id": int(call.key),
        "direction": "out" if call.outbound else "in",
        "virtual_phone_number": plain(call.line),
        "contact_phone_number": None if call.withheld else plain(call.remote),
        **({"employee_id": int(agent)} if agent else {}),
        **more,
    }
    whose = f" {agent}" if name in ("waiting", "talk_start", "talk_end") else ""
    return Told(Report(after_s, "", fields), f"{name}{whose}")


def _written(call: Tale, after_s: float) -> str:
    return call.at(after_s).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S.000")
