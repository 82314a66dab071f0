"""Zoom Phone webhooks: HMAC-SHA256 over time and body. Not tried against a live account.

Telephones report for themselves: of a queue, each member under the same `call_id`, and then one
member's `callee_missed` is no missed call. The set-up sends a challenge, signed like an event.
Facts: zoom/webhook-sample; developers.zoom.us docs/api/phone/events; `handup_result` is spelt so.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, part, required, rfc3339, text
from ingest.telephony.histories import zoom_phone as history
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_fresh, require_proof, same

# {"event": "phone.callee_ended", "event_ts": 1794935437000, "payload": {"object": {"call_id": "7",
#  "caller": {"phone_number": "+12025550143"}, "callee": {"extension_number": 1001,
#  "phone_number": "+12025550100"}, "ringing_start_time": "2026-11-17T17:10:00Z",
#  "call_end_time": "2026-11-17T17:10:37Z", "handup_result": "Call connected"}}}
STAGES = {
    "phone.callee_ringing": CallStage.RINGING,
    "phone.callee_answered": CallStage.ANSWERED,
    "phone.callee_hold": CallStage.HELD,
    "phone.callee_missed": CallStage.ENDED,
    "phone.callee_rejected": CallStage.ENDED,
    "phone.callee_ended": CallStage.ENDED,
    "phone.caller_ringing": CallStage.RINGING,
    "phone.caller_connected": CallStage.ANSWERED,
    "phone.caller_answered": CallStage.ANSWERED,
    "phone.caller_hold": CallStage.HELD,
    "phone.caller_ended": CallStage.ENDED,
}
#: What an event says by its name.
OUTCOMES = {
    "phone.callee_missed": Outcome.NO_ANSWER,
    "phone.callee_rejected": Outcome.REJECTED,
}
#: `handup_result`, in lower case; others say nothing of their own.
RESULTS = {
    "call connected": Outcome.ANSWERED,
    "no answer": Outcome.NO_ANSWER,
    "call cancel": Outcome.CANCELLED,
    "call canceled": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "call failed": Outcome.FAILED,
    "voicemail": Outcome.VOICEMAIL,
}
CHALLENGE = "endpoint.url_validation"


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless x-zm-signature signs the time and the body."""
    require_proof(request, account, ("secret_token",), lambda secrets: _proves(request, secrets))
    if account.secrets:
        require_fresh(request, _signed_at(request), account.tolerance_s)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what one telephone reports."""
    envelope = json_object(request.body)
    name = required(envelope, "event")
    if name == CHALLENGE:  # kept by versions that did not answer it at the door
        raise IgnoredDelivery("the challenge of the set-up")
    stage = STAGES.get(name)
    if stage is None:
        raise IgnoredDelivery(f"events {name!r} do not change a call")
    call = part(part(envelope, "payload"), "object")
    over = stage is CallStage.ENDED
    result = (text(call, "handup_result") or "").lower()
    return [
        CallEvent(
            call_keys=(required(call, "call_id"),),
            stage=CallStage.LEG_ENDED if over and _is_one_of_many(call) else stage,
            occurred_at=_moment(call, stage),
            outcome=OUTCOMES.get(name, RESULTS.get(result)) if over else None,
            **_sides(call, name),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """Meet a challenge with its token and the token's HMAC, by the secret that signed it.

    Raises BadSignature for a challenge that is not signed: nobody else gets anything sealed.
    """
    found = _challenge(request)
    if found is None:
        return None
    verify(request, account)
    proving = next((each for each in account.secrets if _proves(request, each)), None)
    if proving is None:  # taken for its address alone: there is nothing to seal with
        return HookResponse()
    sealed = _hmac(proving["secret_token"], found.encode("utf-8", "surrogatepass"))
    body = json.dumps({"plainToken": found, "encryptedToken": sealed})
    return HookResponse(body=body.encode(), content_type="application/json")


def _challenge(request: HookRequest) -> str | None:
    if CHALLENGE.encode() not in request.body:
        return None
    try:
        envelope = json_object(request.body)
        if text(envelope, "event") != CHALLENGE:
            return None
        return text(part(envelope, "payload"), "plainToken")
    except UnreadableDelivery:
        return None


def _is_one_of_many(call: Fields) -> bool:
    """Tell whether a queue or group rang this telephone among others."""
    return bool(part(call, "forwarded_by"))


def _moment(call: Fields, stage: CallStage) -> datetime | None:
    match stage:
        case CallStage.RINGING:
            return rfc3339(call, "ringing_start_time")
        case CallStage.ANSWERED:
            return rfc3339(call, "answer_start_time")
        case CallStage.ENDED:
            return rfc3339(call, "call_end_time")
        case _:
            return None


def _sides(call: Fields, name: str) -> dict[str, Any]:
    caller, callee = part(call, "caller"), part(call, "callee")
    ours = callee if name.startswith("phone.callee_") else caller
    agent = text(ours, "extension_number")
    if text(caller, "extension_number") and text(callee, "extension_number"):
        return {
            "direction": Direction.INTERNAL,
            "caller": text(caller, "extension_number"),
            "callee": text(callee, "extension_number"),
            "agent": agent,
        }
    number, dialled = text(caller, "phone_number"), text(callee, "phone_number")
    if ours is caller:
        return {
            "direction": Direction.OUTBOUND,
            "callee": dialled,
            "line": number,
            "agent": agent,
        }
    known = shown(number)
    return {
        "direction": Direction.INBOUND,
        "caller": known,
        "withheld": known is None,
        "callee": dialled,
        "agent": agent,
    }


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    stamp, secret = request.header("x-zm-request-timestamp"), secrets.get("secret_token")
    if not stamp or not secret:
        return False
    signed = f"v0:{stamp}:".encode("utf-8", "surrogatepass") + request.body
    return same(request.header("x-zm-signature") or "", f"v0={_hmac(secret, signed)}")


def _hmac(secret: str, octets: bytes) -> str:
    return hmac.new(secret.encode("utf-8", "surrogatepass"), octets, hashlib.sha256).hexdigest()


def _signed_at(request: HookRequest) -> datetime:
    sent = request.header("x-zm-request-timestamp") or ""
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 10):
        raise BadSignature("x-zm-request-timestamp is no number of seconds")
    return datetime.fromtimestamp(int(sent), UTC)


ZOOM_PHONE = Provider(
    name="zoom_phone",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("secret_token",),
    handshake=handshake,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
