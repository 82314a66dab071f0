"""Telephone systems that say what they would say of one call, signed as they would sign it.

Each provider has a function from a call to its reports, and one from a report to the signed
request. Secrets are made up for each run. Written from the providers' documents, as our readers
are; it shares no code with them, or a mistake would hide itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets as random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

Secrets = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One call as it really goes, before anybody reports it."""

    key: str  #: the provider's id of it
    remote: str  #: E.164
    line: str  #: our number, E.164
    begins_at: datetime
    ring_s: float
    talk_s: float = 0.0  #: 0: nobody takes it
    rings: tuple[str, ...] = ()  #: telephones that ring, or the one that dials
    taken_by: str | None = None  #: the telephone that takes it; None: the line itself
    outbound: bool = False
    live: bool = True  #: False: told afterwards, with stated times alone

    @property
    def taken(self) -> bool:
        """Tell whether two people talk."""
        return self.talk_s > 0

    @property
    def length_s(self) -> float:
        """Return seconds from the first ring to the end."""
        return self.ring_s + self.talk_s

    @property
    def ends_at(self) -> datetime:
        """Return when it is over."""
        return self.at(self.length_s)

    def at(self, after_s: float) -> datetime:
        """Return the moment so many seconds after the beginning."""
        return self.begins_at + timedelta(seconds=after_s)


@dataclass(frozen=True, slots=True)
class Report:
    """What is told at one moment of a call."""

    after_s: float
    path: str  #: beneath the source
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A signed HTTP request, to be posted as it is."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Simulator:
    """One provider: its secrets, its reports of a call, its signature."""

    new_secrets: Callable[[], dict[str, str]]
    reports: Callable[[Script], Iterator[Report]]
    sign: Callable[[Report, Secrets, str, datetime], Request]  #: address of the source, now


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _plain(number: str) -> str:
    return number.removeprefix("+")


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


# Generic ---------------------------------------------------------------------------------------


def _generic_reports(call: Script) -> Iterator[Report]:
    caller, callee = (call.line, call.remote) if call.outbound else (call.remote, call.line)
    common = {
        "call_id": call.key,
        "direction": "outbound" if call.outbound else "inbound",
        "from": caller,
        "to": callee,
    }

    def told(kind: str, after_s: float, **more: Any) -> Report:
        moment = call.at(after_s).isoformat()
        return Report(
            after_s, "", {"type": kind, "timestamp": moment, "data": {**common, **more}}
        )

    yield told("call.ringing", 0.0)
    for ext in call.rings:
        yield told("call.ringing", 0.0, extension=ext, leg=f"{call.key}-{ext}")
    agent = {"extension": call.taken_by} if call.taken_by else {}
    if call.taken:
        yield told("call.answered", call.ring_s, **agent)
    outcome = "answered" if call.taken else "no_answer"
    yield told("call.ended", call.length_s, outcome=outcome, talk_s=call.talk_s, **agent)


def sign_generic(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the request as Standard Webhooks 1.0.0 signs it; a repetition keeps its id."""
    text = json.dumps(report.fields, sort_keys=True)
    return sign_body(text.encode(), secrets, url, now)


def sign_body(body: bytes, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return a request with that very body, signed as Standard Webhooks says."""
    sent_id = "msg_" + hashlib.sha256(body).hexdigest()[:24]
    sent_at = str(int(now.timestamp()))
    octets = base64.b64decode(secrets["secret"].removeprefix("whsec_"))
    digest = hmac.new(octets, f"{sent_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    return Request(
        url=url,
        headers={
            "Content-Type": "application/json",
            "webhook-id": sent_id,
            "webhook-timestamp": sent_at,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        body=body,
    )


def _generic_secrets() -> dict[str, str]:
    return {"secret": "whsec_" + base64.b64encode(random.token_bytes(32)).decode()}


# Mango -----------------------------------------------------------------------------------------


def _mango_reports(call: Script) -> Iterator[Report]:
    line, remote = _plain(call.line), _plain(call.remote)
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


def mango_between_colleagues(key: str, one: str, other: str, at: datetime) -> Report:
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


def _sign_mango(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    text = json.dumps(report.fields)
    key, salt = secrets["vpbx_api_key"], secrets["vpbx_api_salt"]
    sign = hashlib.sha256((key + text + salt).encode()).hexdigest()
    body = urlencode({"vpbx_api_key": key, "sign": sign, "json": text}).encode()
    return Request(url=url + report.path, headers=FORM, body=body)


def _mango_secrets() -> dict[str, str]:
    return {"vpbx_api_key": random.token_hex(16), "vpbx_api_salt": random.token_hex(16)}


# MegaFon ---------------------------------------------------------------------------------------


def _megafon_reports(call: Script) -> Iterator[Report]:
    direction = "out" if call.outbound else "in"
    common = {
        "phone": _plain(call.remote),
        "diversion": _plain(call.line),
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
    yield megafon_history(call)


def megafon_history(call: Script) -> Report:
    """Return the final record; its start and length are whole seconds."""
    start = _whole(call.begins_at).astimezone(UTC)
    agent = {"ext": call.taken_by, "user": f"user{call.taken_by}"} if call.taken_by else {}
    fields = {
        "cmd": "history",
        "type": "out" if call.outbound else "in",
        "status": "Success" if call.taken else ("Cancel" if call.outbound else "Missed"),
        "phone": _plain(call.remote),
        "diversion": _plain(call.line),
        "callid": call.key,
        "start": start.strftime("%Y%m%dT%H%M%SZ"),
        "duration": math.ceil((call.ends_at - start).total_seconds()),
        **agent,
    }
    return Report(call.length_s, "", fields)


def megafon_transfer(first: str, second: str, remote: str, after_s: float) -> Report:
    """Return the event that ties two ids into one call."""
    fields = {
        "cmd": "event",
        "type": "TRANSFERRED",
        "direction": "in",
        "phone": _plain(remote),
        "callid": first,
        "second_callid": second,
    }
    return Report(after_s, "", fields)


def _sign_megafon(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    body = urlencode({**report.fields, "crm_token": secrets["crm_token"]}).encode()
    return Request(url=url + report.path, headers=FORM, body=body)


def _megafon_secrets() -> dict[str, str]:
    return {"crm_token": random.token_hex(16)}


# Zadarma ---------------------------------------------------------------------------------------

_ZADARMA_ZONE = ZoneInfo("Europe/Amsterdam")
_ZADARMA_SIGNED = {
    "NOTIFY_ANSWER": ("caller_id", "destination", "call_start"),
    "NOTIFY_OUT_START": ("internal", "destination", "call_start"),
    "NOTIFY_OUT_END": ("internal", "destination", "call_start"),
}
_ZADARMA_SIGNED_ELSE = ("caller_id", "called_did", "call_start")


def _zadarma_reports(call: Script) -> Iterator[Report]:
    start = _whole(call.begins_at)
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


def _sign_zadarma(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    names = _ZADARMA_SIGNED.get(report.fields["event"], _ZADARMA_SIGNED_ELSE)
    signed = "".join(str(report.fields[name]) for name in names)
    digest = hmac.new(secrets["api_secret"].encode(), signed.encode(), hashlib.sha1).hexdigest()
    return Request(
        url=url + report.path,
        headers={**FORM, "Signature": base64.b64encode(digest.encode()).decode()},
        body=urlencode(report.fields).encode(),
    )


def _zadarma_secrets() -> dict[str, str]:
    return {"api_secret": random.token_hex(16)}


# Twilio ----------------------------------------------------------------------------------------


def _twilio_reports(call: Script) -> Iterator[Report]:
    parent = {
        "CallSid": call.key,
        "From": call.line if call.outbound else call.remote,
        "To": call.remote if call.outbound else call.line,
        "Direction": "outbound-api" if call.outbound else "inbound",
    }

    def status(kind: str, after_s: float, number: int, **more: Any) -> Report:
        fields = {
            "CallStatus": kind,
            "Timestamp": format_datetime(_whole(call.at(after_s)).astimezone(UTC)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": number,
            **more,
        }
        return Report(after_s, "/status", fields)

    if call.live and not call.outbound:  # the question for instructions states no time
        yield Report(0.0, "/voice", {**parent, "CallStatus": "ringing"})
    for telephone in call.rings if not call.outbound else ():
        child = {
            "CallSid": f"{call.key}{_plain(telephone)}",
            "ParentCallSid": call.key,
            "From": call.remote,
            "To": telephone,
            "Direction": "outbound-dial",
        }
        took = call.taken and telephone == call.taken_by
        yield status("initiated", 0.0, 0, **child)
        yield status("ringing", 0.0, 1, **child)
        if took:
            yield status("in-progress", call.ring_s, 2, **child)
        yield status(
            "completed" if took else "no-answer",
            call.length_s if took else call.ring_s,
            3,
            CallDuration=round(call.talk_s) if took else 0,
            **child,
        )
    over = "no-answer" if call.outbound and not call.taken else "completed"
    lasted_s = call.talk_s if call.outbound else call.length_s
    yield status(over, call.length_s, 3, CallDuration=round(lasted_s), **parent)


def _sign_twilio(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    fields = {name: str(value) for name, value in report.fields.items()}
    whole = url + report.path
    signed = whole + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(secrets["auth_token"].encode(), signed.encode(), hashlib.sha1).digest()
    return Request(
        url=whole,
        headers={**FORM, "X-Twilio-Signature": base64.b64encode(digest).decode()},
        body=urlencode(fields).encode(),
    )


def _twilio_secrets() -> dict[str, str]:
    return {"auth_token": random.token_hex(16)}


SIMULATORS: Mapping[str, Simulator] = {
    "generic": Simulator(_generic_secrets, _generic_reports, sign_generic),
    "mango": Simulator(_mango_secrets, _mango_reports, _sign_mango),
    "megafon": Simulator(_megafon_secrets, _megafon_reports, _sign_megafon),
    "twilio": Simulator(_twilio_secrets, _twilio_reports, _sign_twilio),
    "zadarma": Simulator(_zadarma_secrets, _zadarma_reports, _sign_zadarma),
}
