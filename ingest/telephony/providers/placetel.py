"""Placetel Notify: HMAC-SHA256 over the body. Not tried against a live account.

Events carry no time. `CallAccepted` comes for incoming calls only, so of an outgoing one the
length of talk is known and not when it began. A redirected call gets an unrelated id.
Facts: Placetel/call-control-notify-api README and issue 18.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, required, seconds, text, word
from ingest.telephony.naming import digits, identity_of, xml_response, xml_text
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import form_fields
from ingest.telephony.signatures import require_proof, same

# event=HungUp&from=017139200001&to=03023125000&call_id=a14d51&type=accepted&duration=48
STAGES = {
    "IncomingCall": CallStage.RINGING,
    "OutgoingCall": CallStage.RINGING,
    "CallAccepted": CallStage.ANSWERED,
    "HungUp": CallStage.ENDED,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}
DIRECTION_OF = {
    "IncomingCall": Direction.INBOUND,
    "CallAccepted": Direction.INBOUND,
    "OutgoingCall": Direction.OUTBOUND,
}
#: `type` of HungUp.
OUTCOMES = {
    "accepted": Outcome.ANSWERED,
    "missed": Outcome.NO_ANSWER,
    "voicemail": Outcome.VOICEMAIL,
    "blocked": Outcome.REJECTED,
    "busy": Outcome.BUSY,
    "canceled": Outcome.CANCELLED,
    "unavailable": Outcome.FAILED,
    "congestion": Outcome.FAILED,
}
NEUTRAL = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-PLACETEL-SIGNATURE is the body's HMAC-SHA256 in hexadecimal."""
    require_proof(request, account, ("shared_secret",), lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    fields = form_fields(request.body)
    name = required(fields, "event")
    stage = STAGES.get(name)
    if stage is None:
        raise IgnoredDelivery(f"unknown event {name!r}")
    over = stage is CallStage.ENDED
    outcome = word(fields, "type", OUTCOMES) if over else None
    answered = outcome is Outcome.ANSWERED
    return [
        CallEvent(
            call_keys=(required(fields, "call_id"),),
            stage=stage,
            agent=text(fields, "peer"),
            outcome=outcome,
            talk_s=(seconds(fields, "duration") if answered else 0.0) if over else None,
            **_sides(fields, word(fields, "direction", DIRECTIONS) or DIRECTION_OF.get(name)),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Give an empty document: the call goes on as it is set."""
    return HookResponse(body=NEUTRAL, content_type="application/xml")


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question that IncomingCall is, where the number's routing is External API."""
    try:
        fields = form_fields(request.body)
        if text(fields, "event") != "IncomingCall":
            return None
        return Asked(number=shown(text(fields, "from")), line=text(fields, "to"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Forward to the telephone of who takes the call: a SIP peer, or else a number."""
    taker = found.answerer
    target = identity_of(account, taker) or (digits(taker.direct_number) if taker else None)
    if target is None:
        return HookResponse(body=NEUTRAL, content_type="application/xml")
    number = f"<Number>{xml_text(target)}</Number>"
    return xml_response(f"<Response><Forward><Target>{number}</Target></Forward></Response>")


def _sides(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    sender, receiver = text(fields, "from"), text(fields, "to")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": receiver, "line": sender}
    caller = shown(sender)
    hidden = sender is not None and caller is None
    return {"direction": direction, "caller": caller, "withheld": hidden, "callee": receiver}


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    secret = secrets["shared_secret"].encode("utf-8", "surrogatepass")
    digest = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    return same((request.header("x-placetel-signature") or "").lower(), digest)


PLACETEL = Provider(
    name="placetel",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    lookup=Lookup(asks, answer_who),
    secrets=("shared_secret",),
)
