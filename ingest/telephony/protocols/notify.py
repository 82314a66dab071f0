"""The NOTIFY_* protocol of Zadarma, which old cabinets of Novofon speak as well.

One address, forms, a signature over three fields or two: duration and disposition are not
protected by it. `call_start` is in the account's zone, without an offset.
Facts: zadarma/user-api-v1 (lib/Webhook, lib/Client.php); zadarma/openapi.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, formatted, later, required, seconds, text
from ingest.telephony.naming import json_response
from ingest.telephony.request import form_fields, form_octets
from ingest.telephony.signatures import require_proof, same

# event=NOTIFY_ANSWER&caller_id=%2B79051112233&destination=100&call_start=2026-11-18+10%3A00%3A00
#  &pbx_call_id=in_5d41...&internal=100
STAGES = {
    "NOTIFY_START": CallStage.RINGING,
    "NOTIFY_IVR": CallStage.RINGING,  # a menu asks; nobody has answered
    "NOTIFY_INTERNAL": CallStage.RINGING,
    "NOTIFY_ANSWER": CallStage.ANSWERED,
    "NOTIFY_END": CallStage.ENDED,
    "NOTIFY_OUT_START": CallStage.RINGING,
    "NOTIFY_OUT_END": CallStage.ENDED,
    "NOTIFY_RECORD": CallStage.RECORDING,
}
_INBOUND_SIGNED = (b"caller_id", b"called_did", b"call_start")
_OUTBOUND_SIGNED = (b"internal", b"destination", b"call_start")
SIGNED = {
    b"NOTIFY_START": _INBOUND_SIGNED,
    b"NOTIFY_IVR": _INBOUND_SIGNED,
    b"NOTIFY_INTERNAL": _INBOUND_SIGNED,
    b"NOTIFY_END": _INBOUND_SIGNED,
    b"NOTIFY_ANSWER": (b"caller_id", b"destination", b"call_start"),
    b"NOTIFY_OUT_START": _OUTBOUND_SIGNED,
    b"NOTIFY_OUT_END": _OUTBOUND_SIGNED,
    b"NOTIFY_RECORD": (b"pbx_call_id", b"call_id_with_rec"),
}
#: The disposition of an end; whatever else is told was not put through.
DISPOSITIONS = {
    "answered": Outcome.ANSWERED,
    "no answer": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}  #: beginning of pbx_call_id
ASKING = "NOTIFY_START"
HIDDEN = "0"  #: caller_id of somebody who withholds it
CALL_START = "%Y-%m-%d %H:%M:%S"
_ECHO = re.compile(r"zd_echo=([A-Za-z0-9_.-]{1,64})")  #: the query of the cabinet's check


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Signature is the HMAC-SHA1 of the event's signed fields."""
    names = ("api_secret",)
    require_proof(request, account, names, lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    if _echo(request) is not None:  # kept by versions that did not answer it at the door
        raise IgnoredDelivery("the check of the address by the cabinet")
    fields = form_fields(request.body)
    name = required(fields, "event")
    if name not in STAGES:
        raise IgnoredDelivery(f"unknown event {name!r}")
    call_id = required(fields, "pbx_call_id")
    stage = STAGES[name]
    if stage is CallStage.RECORDING:
        return [_recording(fields, call_id)]
    start = formatted(fields, "call_start", CALL_START, account.zone, request.received_at)
    event = _parties(fields, call_id, name)
    end = _end(fields, start) if stage is CallStage.ENDED else {}
    return [CallEvent(call_keys=(call_id,), stage=stage, started_at=start, **event, **end)]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say nothing, so that the PBX routes as it is set."""
    return HookResponse()


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question that NOTIFY_START is: its answer may steer the call."""
    try:
        fields = form_fields(request.body)
        if text(fields, "event") != ASKING:
            return None
        caller = text(fields, "caller_id")
        number = None if caller == HIDDEN else caller
        return Asked(number=number, line=text(fields, "called_did"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Return whom to redirect to and the name for the telephone's display; else say nothing."""
    said = {
        "redirect": found.answerer.extension if found.answerer else None,
        "caller_name": found.client_name,
    }
    told = {name: value for name, value in said.items() if value}
    return json_response(told) if told else HookResponse()


LOOKUP = Lookup(asks, answer_who)


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """Echo the cabinet's check of the address (GET with zd_echo), which nobody signs."""
    echo = _echo(request)
    return None if echo is None else HookResponse(body=echo.encode())


def _echo(request: HookRequest) -> str | None:
    found = _ECHO.fullmatch(request.query)
    return found[1] if found and request.method == "GET" and not request.body else None


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    try:
        form = form_octets(request.body)
    except UnreadableDelivery as error:
        raise BadSignature(str(error)) from error
    sent = request.header("signature") or ""
    secret = secrets["api_secret"].encode()
    known = SIGNED.get(form.get(b"event", b""))
    # an event that is not known yet is proved if any of the rules proves it; it is then ignored
    return any(same(sent, _signature(secret, form, names)) for names in _rules(known))


def _rules(known: tuple[bytes, ...] | None) -> Sequence[tuple[bytes, ...]]:
    return [known] if known else list(dict.fromkeys(SIGNED.values()))


def _signature(secret: bytes, form: Mapping[bytes, bytes], names: tuple[bytes, ...]) -> bytes:
    """Return base64 of the digest's forty hexadecimal digits, not of its octets."""
    signed = b"".join(form.get(name, b"") for name in names)
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha1).hexdigest().encode())


def _parties(fields: Fields, call_id: str, name: str) -> dict[str, Any]:
    direction = DIRECTIONS.get(call_id.partition("_")[0])
    if name.startswith("NOTIFY_OUT_"):
        return {
            "direction": direction or Direction.OUTBOUND,
            "callee": text(fields, "destination"),
            "line": text(fields, "caller_id"),
            "agent": text(fields, "internal"),
        }
    caller = text(fields, "caller_id")
    return {
        "direction": direction or Direction.INBOUND,
        "caller": None if caller == HIDDEN else caller,
        "withheld": caller in (None, HIDDEN),
        "line": text(fields, "called_did"),
        "agent": text(fields, "last_internal") or text(fields, "internal"),
    }


def _end(fields: Fields, start: datetime | None) -> dict[str, Any]:
    disposition = (text(fields, "disposition") or "").lower()
    outcome = DISPOSITIONS.get(disposition, Outcome.FAILED)
    told = {"outcome": outcome, "recording_id": text(fields, "call_id_with_rec")}
    if outcome is not Outcome.ANSWERED:
        return told | {"talk_s": 0.0}  # a duration of 0 here is no length of the ringing
    duration_s = seconds(fields, "duration")
    return told | {"duration_s": duration_s, "ended_at": later(start, duration_s)}


def _recording(fields: Fields, call_id: str) -> CallEvent:
    return CallEvent(
        call_keys=(call_id,),
        stage=CallStage.RECORDING,
        recording_id=required(fields, "call_id_with_rec"),
        recording_ready=True,
    )
