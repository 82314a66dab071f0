"""What a recorded case expects, compared with what came: one line for each word of the format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import unescape

from ingest.domain.calls import Call, CallEvent, CallStage, Direction, Report
from ingest.domain.contacts import PointKind
from ingest.domain.deliveries import Account, HookResponse
from ingest.matching.numbers import normalise
from ingest.telephony.calls import with_direction
from ingest.telephony.sides import sides

Expectation = Mapping[str, Any]

#: States that speak of a delivery which changes no call.
ENDS_OF_A_DELIVERY = ("ignored", "rejected", "ignored_or_rejected")
#: Words that the flow has looked at before, or that only explain.
NOT_OF_A_CALL = frozenset(
    {
        "calls", "calls_min", "calls_max", "interactions", "http_status", "http_status_in",
        "order", "response",
    }
)  # fmt: skip


@dataclass(kw_only=True)
class Seen:
    """What became of one delivered request."""

    response: HookResponse
    reports: Sequence[Report] = ()
    ignored: str | None = None  #: why it changed no call
    refused: str | None = None  #: why the sender was not believed


@dataclass(kw_only=True)
class View:
    """Comparison of calls with a case's words, by the source's own lines and numbers."""

    account: Account
    tolerance_s: float
    alone: bool = False  #: True: the words are about one request, not about the call so far
    own: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        numbers = (self.e164(number) for number in self.account.own_numbers)
        self.own = frozenset(number for number in numbers if number)

    def delivery(self, expect: Expectation, seen: Seen, calls: Sequence[Call]) -> Iterator[str]:
        """Yield where one delivery, by itself, is not as expected."""
        state = expect.get("state")
        if state in ENDS_OF_A_DELIVERY:
            yield from _end_of_delivery(str(state), seen, calls)
        else:
            yield from self.calls(expect, calls, seen)

    def calls(
        self, expect: Expectation, calls: Sequence[Call], seen: Seen | None = None
    ) -> Iterator[str]:
        """Yield where the calls are not as expected: one, several or none."""
        calls = [self._sided(call) for call in calls]
        wanted = expect.get("calls")
        yield from self._counts(expect, calls)
        if "http_status" in expect and seen is not None and seen.refused is None:
            yield f"http_status: {expect['http_status']} expected, but it was accepted"
        if wanted is not None:
            yield from self._each(wanted, calls)
        elif set(expect) - NOT_OF_A_CALL:
            if len(calls) == 1:
                yield from self.call(expect, calls[0], seen)
            else:
                yield f"1 call expected, {len(calls)} came" + _reason(seen)

    def call(self, expect: Expectation, call: Call, seen: Seen | None = None) -> Iterator[str]:
        """Yield each word of the case that the call does not fulfil."""
        for name, wanted in expect.items():
            if name in NOT_OF_A_CALL:
                continue
            reader = READERS.get(name)
            if reader is None:
                yield f"{name}: this word is not known"
            elif not self._fits(name, wanted, reader(self, call, seen)):
                yield f"{name}: {wanted!r} expected, {reader(self, call, seen)!r} found"

    def e164(self, raw: str | None) -> str | None:
        """Return a whole number in its normal form; None for all else."""
        if raw is None:
            return None
        found = normalise(raw, self.account.region)
        return found.e164 if found.kind is PointKind.PHONE else None

    def person(self, agent: str) -> str:
        """Return the employee that the provider's identity stands for."""
        return str(self.account.config.get("agents", {}).get(agent, agent))

    def people(self, agents: Iterable[str]) -> list[str]:
        """Return the employees that the provider's identities stand for."""
        return [self.person(agent) for agent in agents]

    def is_own(self, raw: str) -> bool:
        """Tell whether the number is one of the source's lines."""
        return self.e164(raw) in self.own

    def only_event(self, seen: Seen | None) -> CallEvent | None:
        """Return the event of the request that the words are about, if they are about one."""
        return seen.reports[-1].event if self.alone and seen and seen.reports else None

    def _sided(self, call: Call) -> Call:
        return with_direction(call, sides(call, self.is_own).direction)

    def _counts(self, expect: Expectation, calls: Sequence[Call]) -> Iterator[str]:
        if not expect.get("calls_min", 0) <= len(calls) <= expect.get("calls_max", len(calls)):
            yield f"calls: {len(calls)} came"
        with_clients = sum(call.direction is not Direction.INTERNAL for call in calls)
        if "interactions" in expect and expect["interactions"] != with_clients:
            yield f"interactions: {expect['interactions']} expected, {with_clients} found"

    def _each(self, wanted: Sequence[Expectation], calls: Sequence[Call]) -> Iterator[str]:
        if len(wanted) != len(calls):
            yield f"{len(wanted)} calls expected, {len(calls)} came"
        for expect in wanted:
            of_key = [call for call in calls if expect.get("call_id") in call.keys]
            if of_key:
                yield from self.call(expect, of_key[0])
            else:
                yield f"no call {expect.get('call_id')!r}"

    def _fits(self, name: str, wanted: Any, found: object) -> bool:
        if wanted is None:
            return found is None
        if name in PEOPLE:
            wanted = self.people(wanted) if isinstance(wanted, list) else self.person(wanted)
        if name in ANY_OF:
            return bool(found in wanted)
        if name in IN_NO_ORDER and isinstance(found, list):
            return sorted(found) == sorted(wanted)
        if name in ONE_OF_KEYS:
            return isinstance(found, tuple) and wanted in found
        if name == "linked_call_ids":
            return isinstance(found, tuple) and set(wanted) <= set(found)
        if isinstance(found, datetime):
            between = (found - datetime.fromisoformat(wanted)).total_seconds()
            return abs(between) <= self.tolerance_s
        if isinstance(found, float):
            return abs(found - float(wanted)) <= self.tolerance_s
        return bool(found == wanted)


def response(expect: Expectation, found: HookResponse) -> Iterator[str]:
    """Yield where an answer is not as expected.

    A status of null: the answer was lost. One of 500 and above: what a recording receiver said so
    that the sender comes again; nobody is to answer that.
    """
    body = found.body.decode("utf-8", "replace")
    status = expect.get("status")
    if status is not None and status < 500 and not _same_status(status, found.status):
        yield f"answer: status {status} expected, {found.status} found"
    sent = {name.lower(): value for name, value in found.headers}
    for name, value in expect.get("headers", {}).items():
        if sent.get(name.lower()) != value:
            yield f"answer: {name}: {value} expected, {sent.get(name.lower())!r} found"
    if not found.content_type.startswith(expect.get("content_type", "")):
        yield f"answer: {expect['content_type']} expected, {found.content_type} found"
    if "body" in expect and expect["body"] != body:
        yield f"answer: body {expect['body']!r} expected, {body!r} found"
    if "json" in expect and not _holds(expect["json"], body):
        yield f"answer: {expect['json']!r} expected, {body!r} found"
    for lacking in expect.get("body_lacks", ()):
        if lacking in body:
            yield f"answer: {lacking!r} must not be told"
    for name in expect.get("must_subscribe", ()):
        if not re.match(rf'(?:<\?[^>]*>\s*)?<[^>]*\s{re.escape(name)}="https?://[^"]+"', body):
            yield f"answer: no address in {name}"
    if "dial" in expect and expect["dial"] != _dialled(body):
        yield f"answer: dial {expect['dial']} expected, {_dialled(body)} found"


def _dialled(body: str) -> list[str]:
    """Return the targets that an answer of XML names, in order."""
    found = re.findall(r"<(Number|Client|Sip)(?:\s[^>]*)?>([^<]*)</\1>", body)
    return [("client:" if noun == "Client" else "") + unescape(said) for noun, said in found]


def _end_of_delivery(state: str, seen: Seen, calls: Sequence[Call]) -> Iterator[str]:
    if calls and seen.reports:
        yield "a call came of what changes none"
    if state == "rejected" and seen.refused is None:
        yield "it was accepted"
    if state == "ignored" and seen.refused is not None:
        yield f"it was refused: {seen.refused}"


def _reason(last: Seen | None) -> str:
    why = last and (last.refused or last.ignored)
    return f" ({why})" if why else ""


def _same_status(wanted: int, found: int) -> bool:
    refusals = (401, 403, 404)
    accepted = wanted // 100 == 2 and found // 100 == 2
    return wanted == found or accepted or (wanted in refusals and found in refusals)


def _holds(wanted: Any, body: str) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    if not isinstance(found, dict) or (wanted == {} and found != {}):
        return False
    return all(str(found.get(name)) == str(value) for name, value in wanted.items())


def _state(view: View, call: Call, seen: Seen | None) -> str | None:
    """Return a call's state; of one request alone, what that request says happened."""
    event = view.only_event(seen)
    if event is None:
        return call.state.value
    return None if event.stage is CallStage.TIED else event.stage.value


def _employee(view: View, call: Call, seen: Seen | None) -> str | None:
    """Return who talked last; of nobody, the one telephone that rang."""
    event = view.only_event(seen)
    if call.talked:
        return view.person(call.talked[-1])
    if event is not None and event.agent:
        return view.person(event.agent)
    return view.person(call.rang[0]) if len(call.rang) == 1 else None


def _from(view: View, call: Call, seen: Seen | None) -> str | None:
    found = sides(call, view.is_own)
    outbound = found.direction is Direction.OUTBOUND
    return view.e164(found.own if outbound else found.remote)


def _to(view: View, call: Call, seen: Seen | None) -> str | None:
    found = sides(call, view.is_own)
    if found.direction is Direction.INTERNAL:
        return None
    outbound = found.direction is Direction.OUTBOUND
    return view.e164(found.remote if outbound else found.own)


def _missed(view: View, call: Call, seen: Seen | None) -> bool:
    """Tell whether a call was missed; an end that names no outcome does not say so alone."""
    event = view.only_event(seen)
    return call.missed and not (event is not None and event.outcome is None)


def _talked_s(view: View, call: Call, seen: Seen | None) -> float | None:
    """Return the seconds of talk; of one request alone, those that it states."""
    event = view.only_event(seen)
    return call.talk_s if event is None or call.talk_s is not None else event.talk_s


def _own_number(view: View, call: Call, seen: Seen | None) -> str | None:
    """Return the employee's number where that is what rings: a line that is a telephone."""
    return view.e164(sides(call, view.is_own).own)


def _started(view: View, call: Call, seen: Seen | None) -> datetime | None:
    return call.started_at if call.start_known else None


Reader = Callable[[View, Call, Seen | None], Any]

#: Words whose value is a list of which any entry will do.
ANY_OF = frozenset({"from_e164_in", "outcome_in"})
#: Words whose value is employees, by their key or by the provider's own identity for them.
PEOPLE = frozenset(
    {"employee_ext", "employee_id", "participants_ext", "participants", "handled_by", "rung_exts"}
)
#: Words whose value is a list in no order: telephones that ring at once.
IN_NO_ORDER = frozenset({"rung_exts"})
#: Words whose value is one of the call's ids.
ONE_OF_KEYS = frozenset({"call_id", "provider_parent", "leg", "transferred_to_call_id"})
READERS: Mapping[str, Reader] = {
    "call_id": lambda view, call, seen: call.keys,
    "provider_parent": lambda view, call, seen: call.keys,
    "leg": lambda view, call, seen: call.keys,
    "transferred_to_call_id": lambda view, call, seen: call.keys,
    "linked_call_ids": lambda view, call, seen: call.keys,
    "direction": lambda view, call, seen: call.direction,
    "from_e164": _from,
    "from_e164_in": _from,
    "to_e164": _to,
    "from_ext": lambda view, call, seen: call.caller,
    "to_ext": lambda view, call, seen: call.callee,
    "internal": lambda view, call, seen: call.direction is Direction.INTERNAL,
    "anonymous": lambda view, call, seen: call.withheld,
    "state": _state,
    "outcome": lambda view, call, seen: call.outcome,
    "outcome_in": lambda view, call, seen: call.outcome,
    "missed": _missed,
    "started_at": _started,
    "answered_at": lambda view, call, seen: call.answered_at,
    "ended_at": lambda view, call, seen: call.ended_at,
    "duration_s": lambda view, call, seen: call.duration_s,
    "talk_s": _talked_s,
    "duration_unknown": lambda view, call, seen: call.duration_s is None,
    "employee_ext": _employee,
    "employee_id": _employee,
    "employee_number": _own_number,
    "participants_ext": lambda view, call, seen: view.people(call.talked),
    "participants": lambda view, call, seen: view.people(call.talked),
    "handled_by": lambda view, call, seen: view.people(call.talked),
    "rung_exts": lambda view, call, seen: view.people(call.rang),
    "queue": lambda view, call, seen: call.queue,
    "transfer": lambda view, call, seen: call.transfer,
    "forwarded_to_e164": lambda view, call, seen: view.e164(call.forwarded_to),
    "recording_url": lambda view, call, seen: call.recording_url,
    "recording_id": lambda view, call, seen: call.recording_id,
    "recording_path": lambda view, call, seen: call.recording_id,
    "recording_ready": lambda view, call, seen: call.recording_ready,
}
