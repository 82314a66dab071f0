"""Plivo Voice: X-Plivo-Signature-V3 over address, form and nonce. Not tried against a live account.

The hangup callback tells everything. StartTime, AnswerTime and EndTime are in the account's zone,
SessionStart is UTC. Numbers come without a plus.
Facts: plivo/plivo-python utils/signature_v3.py; bodies from third-party integrations.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

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
from ingest.telephony.fields import Fields, formatted, required, seconds, text, url, word
from ingest.telephony.histories import plivo as history
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import form_fields, form_pairs
from ingest.telephony.signatures import require_proof, same
from ingest.telephony.sounds import PLIVO_SOUND

# CallUUID=11f4&Direction=outbound&From=12025550100&To=442079460123&CallStatus=completed
#  &Event=Hangup&HangupCauseName=Normal+Hangup&Duration=66&StartTime=2026-11-17+19%3A30%3A00
#  &AnswerTime=2026-11-17+19%3A30%3A10&EndTime=2026-11-17+19%3A31%3A16
STAGES = {
    "ringing": CallStage.RINGING,
    "in-progress": CallStage.ANSWERED,
    "completed": CallStage.ENDED,
    "busy": CallStage.ENDED,
    "failed": CallStage.ENDED,
    "timeout": CallStage.ENDED,
    "no-answer": CallStage.ENDED,
    "cancel": CallStage.ENDED,
    "rejected": CallStage.ENDED,
}
OUTCOMES = {
    "busy": Outcome.BUSY,
    "failed": Outcome.FAILED,
    "timeout": Outcome.NO_ANSWER,
    "no-answer": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "rejected": Outcome.REJECTED,
}
#: `DialBLegStatus`: of a telephone that an incoming call was connected to.
DIALLED = {
    "ring": CallStage.RINGING,
    "answer": CallStage.ANSWERED,
    "connected": CallStage.ANSWERED,
    "hangup": CallStage.LEG_ENDED,
}
CAUSES = {
    "NO_ANSWER": Outcome.NO_ANSWER,
    "USER_BUSY": Outcome.BUSY,
    "CALL_REJECTED": Outcome.REJECTED,
    "ORIGINATOR_CANCEL": Outcome.CANCELLED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
STAMP = "%Y-%m-%d %H:%M:%S"
NEUTRAL = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
MOST_SIGNATURES = 20  #: in one header, for several auth tokens


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Plivo-Signature-V3 signs the address, the form and the nonce."""
    require_proof(request, account, ("auth_token",), lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: callbacks carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what a voice request, a hangup or a recording callback says."""
    fields = form_fields(request.body)
    if text(fields, "RecordUrl"):
        return [_recording(fields)]
    if text(fields, "DialBLegStatus"):
        return [_dialled(fields)]
    status = (text(fields, "CallStatus") or "").lower()
    stage = STAGES.get(status)
    if stage is None:
        raise IgnoredDelivery(f"the CallStatus {status!r} does not change a call")
    direction = word(fields, "Direction", DIRECTIONS)
    by_program = direction is Direction.INBOUND  # whose answer is no person's
    if by_program and stage is CallStage.ANSWERED:
        stage = CallStage.RINGING
    over = stage is CallStage.ENDED
    zone, near = account.zone, request.received_at
    answered_at = None if by_program else formatted(fields, "AnswerTime", STAMP, zone, near)
    return [
        CallEvent(
            call_keys=(required(fields, "CallUUID"),),
            stage=stage,
            outcome=Outcome.ANSWERED if over and answered_at else OUTCOMES.get(status),
            started_at=formatted(fields, "StartTime", STAMP, zone, near),
            answered_at=answered_at,
            ended_at=formatted(fields, "EndTime", STAMP, zone, near),
            talk_s=seconds(fields, "Duration") if over and answered_at else None,
            **_sides(fields, direction),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Give an empty document, for an address that is asked for instructions."""
    return HookResponse(body=NEUTRAL, content_type="application/xml")


def _dialled(fields: Fields) -> CallEvent:
    """Return what a telephone did that the call was connected to; names of fields unconfirmed."""
    stage = DIALLED.get((text(fields, "DialBLegStatus") or "").lower())
    if stage is None:
        raise IgnoredDelivery(f"the DialBLegStatus {text(fields, 'DialBLegStatus')!r} is not known")
    leg = required(fields, "DialBLegUUID")
    over = stage is CallStage.LEG_ENDED
    return CallEvent(
        call_keys=tuple(dict.fromkeys((required(fields, "CallUUID"), leg))),
        stage=stage,
        leg=leg,
        agent=text(fields, "DialBLegTo"),
        outcome=CAUSES.get(text(fields, "DialBLegHangupCause") or "") if over else None,
    )


def _sides(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    sender, receiver = text(fields, "From"), text(fields, "To")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": receiver, "line": sender}
    caller = shown(sender)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": receiver,
    }


def _recording(fields: Fields) -> CallEvent:
    return CallEvent(
        call_keys=(required(fields, "CallUUID"),),
        stage=CallStage.RECORDING,
        recording_id=text(fields, "RecordingID"),
        recording_url=url(fields, "RecordUrl"),
        recording_ready=True,
    )


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    nonce = request.header("x-plivo-signature-v3-nonce")
    if not nonce:
        return False
    try:
        signed = _signed(request) + b"." + nonce.encode("utf-8", "surrogatepass")
    except (UnreadableDelivery, ValueError) as error:
        raise BadSignature("the request's address or form is unreadable") from error
    token = secrets["auth_token"].encode("utf-8", "surrogatepass")
    expected = base64.b64encode(hmac.new(token, signed, hashlib.sha256).digest())
    sent = (request.header("x-plivo-signature-v3") or "").split(",", MOST_SIGNATURES)
    return any(same(each.strip(), expected) for each in sent)


def _signed(request: HookRequest) -> bytes:
    """Return what is signed: address, `?`, sorted query, and the form's sorted names and values."""
    parts = urlsplit(request.url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}".encode("utf-8", "surrogatepass")
    query = form_pairs(parts.query.encode("utf-8", "surrogatepass"))
    form = b"".join(name + value for name, value in sorted(form_pairs(request.body)))
    if not query:
        return base + b"?" + form if form else base
    written = b"&".join(name + b"=" + value for name, value in sorted(query))
    return base + b"?" + written + (b"." + form if form else b"")


PLIVO = Provider(
    name="plivo",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("auth_token",),
    reads={Kind.PULL: history.reading(_sides)},
    history=history.HISTORY,
    recordings=PLIVO_SOUND,
)
