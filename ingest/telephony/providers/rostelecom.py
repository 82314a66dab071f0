"""Rostelecom Virtual PBX (api.cloudpbx.rt.ru). Not tried against a live account.

Events tell neither length nor result: a call was answered if one of them says `connected`.
Facts: the guide of version 7.5 as its users quote it; numbers.cloudpbx.rt.ru/docs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.calls import CallEvent, CallStage, Direction
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, local_time, required, text, word
from ingest.telephony.histories import rostelecom as history
from ingest.telephony.naming import json_response
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_proof, same

# {"session_id": "SDij-0a1b2c3d4e5f", "timestamp": "2026-11-18 10:00:10.214", "type": "incoming",
#  "state": "connected", "from_number": "sip:79051230011@sip.example-vats.test",
#  "request_number": "sip:74951230005@sip.example-vats.test", "request_pin": "317"}
STAGES = {
    "new": CallStage.RINGING,
    "calling": CallStage.RINGING,
    "connected": CallStage.ANSWERED,
    "disconnected": CallStage.LEG_ENDED,
    "end": CallStage.ENDED,
}
DIRECTIONS = {
    "incoming": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
}
#: What else is sent, by the last part of the path.
ASKING = "get_number_info"
OTHER_REQUESTS = {
    ASKING: "the PBX asks who is calling; the call does not change",
    "history_file_completed": "a history file is ready; no call changes",
}
UNDERSTOOD: Mapping[str, Any] = {"result": 0, "resultMessage": ""}
#: Every account's clock, wherever the company is.
MOSCOW = ZoneInfo("Europe/Moscow")


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Client-Sign is the SHA-256 of client id, body and signing key."""
    names = ("client_id", "sign_key")
    require_proof(request, account, names, lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what a call event says; the other requests change no call."""
    fields = json_object(request.body)
    asked = request.path.rpartition("/")[2]
    if asked in OTHER_REQUESTS:
        raise IgnoredDelivery(OTHER_REQUESTS[asked])
    state = text(fields, "state")
    if state is None:
        raise UnreadableDelivery("the field state is missing")
    if state.lower() not in STAGES:  # `analytics` follows the end
        raise IgnoredDelivery(f"the state {state!r} tells nothing of a call's course")
    direction = word(fields, "type", DIRECTIONS)
    return [
        CallEvent(
            call_keys=(required(fields, "session_id"),),
            stage=STAGES[state.lower()],
            occurred_at=local_time(fields, "timestamp", MOSCOW, request.received_at),
            direction=direction,
            **_parties(fields, direction),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say that it was understood, and name nobody to who asks for a name."""
    return json_response(UNDERSTOOD)


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question of `get_number_info`; None: another request."""
    if request.path.rpartition("/")[2] != ASKING:
        return None
    try:
        fields = json_object(request.body)
        return Asked(number=text(fields, "from_number"), line=text(fields, "request_number"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Return the name to show and the pin of who takes the call."""
    pin = found.answerer.extension if found.answerer else None
    said = {"displayName": found.client_name, "PIN": pin}
    told = {name: value for name, value in said.items() if value}
    return json_response({**UNDERSTOOD, **told})


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    client_id, sign_key = secrets["client_id"], secrets["sign_key"]
    signed = client_id.encode() + request.body + sign_key.encode()
    sent = (request.header("x-client-sign") or "").lower()
    return same(sent, hashlib.sha256(signed).hexdigest())


def _parties(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    """Return caller, callee, line and agent; a pin is an extension."""
    asking, asked = text(fields, "from_number"), text(fields, "request_number")
    from_pin, to_pin = text(fields, "from_pin"), text(fields, "request_pin")
    match direction:
        case Direction.OUTBOUND:
            return {"caller": asking, "callee": asked, "agent": from_pin}
        case Direction.INTERNAL:
            return {"caller": from_pin or asking, "callee": to_pin or asked, "agent": from_pin}
        case _:
            inbound = direction is Direction.INBOUND
            return {
                "caller": asking,
                "withheld": asking is None and inbound,
                "callee": asked,
                "agent": to_pin,
            }


ROSTELECOM = Provider(
    name="rostelecom",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    lookup=Lookup(asks, answer_who),
    secrets=("client_id", "sign_key"),
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
