"""Aircall webhooks: the token in the body is the only proof. Not tried against a live account.

Each event carries the whole call as it is then, so the last one says everything. `call.ended`
comes about half a minute after `call.hungup`, with the recording.
Facts: developer.aircall.io/docs/webhooks-overview; bodies from third-party integrations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ingest.telephony.fields import Fields, epoch, part, required, text, url, word
from ingest.telephony.histories import aircall as history
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_proof, same
from ingest.telephony.sounds import AIRCALL_SOUND

# {"resource": "call", "event": "call.hungup", "timestamp": 1794906055, "token": "58f0",
#  "data": {"id": 780883160, "direction": "inbound", "started_at": 1794906000,
#   "answered_at": 1794906015, "ended_at": 1794906055, "raw_digits": "+49 30 23125042",
#   "number": {"digits": "+43 1 5550123"}, "user": {"id": 731416, "email": "anna@example.test"}}}
STAGES = {
    "call.created": CallStage.RINGING,
    "call.ringing_on_agent": CallStage.RINGING,
    "call.answered": CallStage.ANSWERED,
    "call.hold": CallStage.HELD,
    "call.unhold": CallStage.ANSWERED,
    "call.transferred": CallStage.RINGING,
    "call.hungup": CallStage.ENDED,
    "call.ended": CallStage.ENDED,
    "call.voicemail_left": CallStage.ENDED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the body's token is the one of the webhook."""
    require_proof(request, account, ("token",), lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the event says of the call."""
    envelope = json_object(request.body)
    name = required(envelope, "event")
    stage = STAGES.get(name)
    if stage is None:
        raise IgnoredDelivery(f"events {name!r} do not change a call")
    call = part(envelope, "data")
    over = stage is CallStage.ENDED
    moved = name == "call.transferred"
    return [
        CallEvent(
            call_keys=(required(call, "id"),),
            stage=stage,
            occurred_at=None if over else epoch(envelope, "timestamp"),
            agent=_agent(part(call, "transferred_to" if moved else "user")),
            started_at=epoch(call, "started_at"),
            transfer="blind" if moved else None,
            **_sides(call),
            **(_end(call) if over else {}),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200; a webhook whose answers fail repeatedly is switched off."""
    return HookResponse()


def _sides(call: Fields) -> dict[str, Any]:
    direction = word(call, "direction", DIRECTIONS)
    theirs = text(call, "raw_digits")
    number, line = shown(theirs), text(part(call, "number"), "digits")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": number, "line": line}
    return {
        "direction": direction,
        "caller": number,
        "withheld": theirs is not None and number is None,
        "line": line,
    }


def _end(call: Fields) -> dict[str, Any]:
    answered_at, recording = epoch(call, "answered_at"), url(call, "recording")
    voicemail = bool(call.get("voicemail"))
    missed = Outcome.VOICEMAIL if voicemail else Outcome.NO_ANSWER
    return {
        "outcome": Outcome.ANSWERED if answered_at else missed,
        "answered_at": answered_at,
        "ended_at": epoch(call, "ended_at"),
        "recording_url": recording if answered_at else None,
        "recording_ready": bool(recording and answered_at),
    }


def _listed(call: Fields) -> CallEvent:
    """Return the end of a call as the history lists it: what `call.ended` carries."""
    return CallEvent(
        call_keys=(required(call, "id"),),
        stage=CallStage.ENDED,
        agent=_agent(part(call, "user")),
        started_at=epoch(call, "started_at"),
        **_sides(call),
        **_end(call),
    )


def _agent(user: Fields) -> str | None:
    return text(user, "email") or text(user, "id")


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    try:
        sent = text(json_object(request.body), "token") or ""
    except UnreadableDelivery as error:
        raise BadSignature(str(error)) from error
    return same(sent, secrets["token"])


AIRCALL = Provider(
    name="aircall",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secret_fields=("token",),
    secrets=("token",),
    reads={Kind.PULL: history.reading(_listed)},
    history=history.HISTORY,
    recordings=AIRCALL_SOUND,
)
