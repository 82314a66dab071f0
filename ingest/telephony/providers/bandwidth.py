"""Bandwidth Voice webhooks: HTTP Basic. Not tried against a live account.

The incoming call is answered by a program; a transferred leg (`parentCallId`) is the telephone that
rang. `cause` is not a closed list.
Facts: Bandwidth/api-docs site/docs/voice/webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
)
from ingest.telephony.fields import Fields, required, rfc3339, text, url, word
from ingest.telephony.histories import bandwidth as history
from ingest.telephony.protocols.callers import shown
from ingest.telephony.pulled import known
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_basic
from ingest.telephony.sounds import BANDWIDTH_SOUND

# {"eventType": "transferDisconnect", "eventTime": "2026-11-17T22:00:40.000Z", "callId": "c-e95b",
#  "parentCallId": "c-c54d", "from": "+12025550143", "to": "+12025550100", "direction": "outbound",
#  "transferTo": "+13125550188", "answerTime": "2026-11-17T22:00:10.000Z", "cause": "hangup"}
STAGES = {
    "initiate": CallStage.RINGING,
    "answer": CallStage.ANSWERED,
    "disconnect": CallStage.ENDED,
    "transferAnswer": CallStage.ANSWERED,
    "transferComplete": CallStage.LEG_ENDED,
    "transferDisconnect": CallStage.LEG_ENDED,
    "recordingAvailable": CallStage.RECORDING,
}
CAUSES = {
    "busy": Outcome.BUSY,
    "timeout": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "rejected": Outcome.REJECTED,
    "callback-error": Outcome.FAILED,
    "invalid-bxml": Outcome.FAILED,
    "application-error": Outcome.FAILED,
    "account-limit": Outcome.FAILED,
    "node-capacity-exceeded": Outcome.FAILED,
    "error": Outcome.FAILED,
    "unknown": Outcome.FAILED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
NEUTRAL = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the request holds the application's callback credentials."""
    require_basic(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the event says of the call, or of a telephone that it was transferred to."""
    fields = json_object(request.body)
    kind = required(fields, "eventType")
    stage = STAGES.get(kind)
    if stage is None:
        raise IgnoredDelivery(f"events of type {kind!r} do not change a call")
    if stage is CallStage.RECORDING:
        return [_recording(fields)]
    if parent := text(fields, "parentCallId"):
        return [_of_telephone(fields, stage, parent)]
    return [_of_call(fields, stage)]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Give an empty document, for an address that is asked for instructions."""
    return HookResponse(body=NEUTRAL, content_type="application/xml")


def _of_telephone(fields: Fields, stage: CallStage, parent: str) -> CallEvent:
    leg, answered_at = required(fields, "callId"), rfc3339(fields, "answerTime")
    over = stage is CallStage.LEG_ENDED
    return CallEvent(
        call_keys=tuple(dict.fromkeys((parent, leg))),
        stage=stage,
        occurred_at=rfc3339(fields, "endTime" if over else "eventTime"),
        leg=leg,
        agent=text(fields, "transferTo"),
        answered_at=answered_at,
        outcome=(Outcome.ANSWERED if answered_at else _cause(fields)) if over else None,
    )


def _of_call(fields: Fields, stage: CallStage) -> CallEvent:
    direction = word(fields, "direction", DIRECTIONS)
    by_program = direction is Direction.INBOUND  # whose answer is no person's
    if by_program and stage is CallStage.ANSWERED:
        stage = CallStage.RINGING
    over = stage is CallStage.ENDED
    answered_at = None if by_program else rfc3339(fields, "answerTime")
    return CallEvent(
        call_keys=(required(fields, "callId"),),
        stage=stage,
        occurred_at=None if over else rfc3339(fields, "eventTime"),
        started_at=rfc3339(fields, "startTime"),
        answered_at=answered_at,
        ended_at=rfc3339(fields, "endTime") if over else None,
        outcome=(Outcome.ANSWERED if answered_at else _cause(fields)) if over else None,
        **_sides(fields, direction),
    )


def _listed(call: Fields) -> CallEvent:
    """Return the end of a call as the history lists it: the names of two facts differ."""
    fields = {
        **call,
        "direction": call.get("direction") if known(call, "direction", DIRECTIONS) else None,
        "cause": call.get("disconnectCause"),
        "transferTo": call.get("to"),
    }
    if parent := text(fields, "parentCallId"):
        return _of_telephone(fields, CallStage.LEG_ENDED, parent)
    return _of_call(fields, CallStage.ENDED)


def _sides(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    sender, receiver = text(fields, "from"), text(fields, "to")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": receiver, "line": sender}
    caller = shown(sender)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": receiver,
    }


def _cause(fields: Fields) -> Outcome | None:
    """Return how it failed; `hangup` says only that somebody hung up."""
    return CAUSES.get(text(fields, "cause") or "")


def _recording(fields: Fields) -> CallEvent:
    return CallEvent(
        call_keys=(text(fields, "parentCallId") or required(fields, "callId"),),
        stage=CallStage.RECORDING,
        recording_id=text(fields, "recordingId"),
        recording_url=url(fields, "mediaUrl"),
        recording_ready=True,
    )


BANDWIDTH = Provider(
    name="bandwidth",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("basic_user", "basic_password"),
    reads={Kind.PULL: history.reading(_listed)},
    history=history.HISTORY,
    recordings=BANDWIDTH_SOUND,
)
