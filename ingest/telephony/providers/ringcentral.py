"""RingCentral telephony sessions: a token in a header. Not tried against a live account.

A subscription begins with a handshake: a request without a body whose Validation-Token must come
back. Each event carries one party or several of a session; they are parts of one call. Events may
come out of order; their `eventTime` orders them as `sequence` does.
Facts: ringcentral/ringcentral-api-docs docs/notifications/webhooks, docs/voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
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
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, part, required, rfc3339, text, word
from ingest.telephony.histories import ringcentral as history
from ingest.telephony.protocols import ringcentral_api
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_proof, same
from ingest.telephony.sounds import RINGCENTRAL_SOUND

# {"uuid": "9d4e", "body": {"sequence": 7, "telephonySessionId": "s-db66",
#  "eventTime": "2026-11-17T12:10:43.340Z", "parties": [{"id": "p-db66-2", "extensionId": "8096",
#   "direction": "Inbound", "from": {"phoneNumber": "+12025550143"},
#   "to": {"phoneNumber": "+12025550100"}, "status": {"code": "Disconnected"}}]}}
STAGES = {
    "Setup": CallStage.RINGING,
    "Proceeding": CallStage.RINGING,
    "Answered": CallStage.ANSWERED,
    "Hold": CallStage.HELD,
    "Parked": CallStage.HELD,
    "Voicemail": CallStage.ANSWERED,
    "VoiceMail": CallStage.ANSWERED,
    "Disconnected": CallStage.ENDED,
    "Gone": CallStage.LEG_ENDED,  # the party left, the session goes on
}
VOICEMAIL = ("Voicemail", "VoiceMail")
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
#: `status.reason` of a party that leaves a session which goes on.
LEAVING = frozenset(
    {
        "AgentAnswered", "AttendedTransfer", "BlindTransfer", "CallFlip", "CallPark",
        "CallRedirected", "CallSwitch", "Pickup", "RccTransfer", "TakeOver",
    }
)  # fmt: skip
#: `status.reason` of a party that ends a session; others say nothing of their own.
REASONS = {
    "NoAnswer": Outcome.NO_ANSWER,
    "Timeout": Outcome.NO_ANSWER,
    "Cancelled": Outcome.CANCELLED,
    "TargetBusy": Outcome.BUSY,
    "Rejected": Outcome.REJECTED,
    "InvalidNumber": Outcome.FAILED,
    "NoSuchUser": Outcome.FAILED,
    "InternationalDisabled": Outcome.FAILED,
    "DestinationBlocked": Outcome.FAILED,
    "InternalError": Outcome.FAILED,
}
TRANSFERS = {
    "BlindTransfer": "blind",
    "RccTransfer": "blind",
    "AttendedTransfer": "attended",
}
#: Documents name the first, some set-ups send the second.
HEADERS = ("validation-token", "verification-token")
LONGEST_TOKEN = 1024
MOST_PARTIES = 100


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Validation-Token is the source's."""
    names = ("validation_token",)
    require_proof(request, account, names, lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return the notification's uuid."""
    return text(json_object(request.body), "uuid")


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the event says of each party of the session."""
    if _greeting(request) is not None:  # kept by versions that did not answer it at the door
        raise IgnoredDelivery("the handshake of a subscription")
    body = part(json_object(request.body), "body")
    session = text(body, "telephonySessionId")
    if session is None:
        raise IgnoredDelivery("a notification that is about no telephony session")
    parties = body.get("parties")
    if not isinstance(parties, list) or len(parties) > MOST_PARTIES:
        raise UnreadableDelivery(f"parties is no list of at most {MOST_PARTIES}")
    at = rfc3339(body, "eventTime")
    return [_event(_as_object(party), session, at) for party in parties]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """Give the handshake of a new subscription its token back."""
    token = _greeting(request)
    if token is None:
        return None
    # without this Content-Type RingCentral calls the answer invalid (SUB-525), empty as it is
    json = "application/json"
    return HookResponse(content_type=json, headers=(("Validation-Token", token),))


def _greeting(request: HookRequest) -> str | None:
    """Return the token to give back, if the request is a handshake."""
    token = request.header("validation-token")
    if request.body or not token or len(token) > LONGEST_TOKEN:
        return None
    return token if token.isascii() and token.isprintable() else None


def _event(party: Fields, session: str, at: datetime | None) -> CallEvent:
    status = part(party, "status")
    code, reason = required(status, "code"), text(status, "reason") or ""
    stage = STAGES.get(code)
    if stage is None:
        raise UnreadableDelivery(f"unknown status {code!r}")
    if stage is CallStage.ENDED and reason in LEAVING:
        stage = CallStage.LEG_ENDED
    outcome = REASONS.get(reason) if stage in (CallStage.ENDED, CallStage.LEG_ENDED) else None
    return CallEvent(
        call_keys=(session,),
        stage=stage,
        occurred_at=at,
        leg=text(party, "id"),
        agent=text(party, "extensionId"),
        outcome=Outcome.VOICEMAIL if code in VOICEMAIL or reason in VOICEMAIL else outcome,
        transfer=TRANSFERS.get(reason),
        **_sides(party),
    )


def _sides(party: Fields) -> dict[str, Any]:
    """Return who speaks with whom; between two extensions it is nobody's call."""
    direction = word(party, "direction", DIRECTIONS)
    sender, receiver = part(party, "from"), part(party, "to")
    theirs, called = text(sender, "phoneNumber"), text(receiver, "phoneNumber")
    if text(sender, "extensionId") and text(receiver, "extensionId"):
        return {
            "direction": Direction.INTERNAL,
            "caller": text(sender, "extensionNumber") or theirs,
            "callee": text(receiver, "extensionNumber") or called,
        }
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": called, "line": theirs}
    caller = shown(theirs)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": called,
    }


def _as_object(party: Any) -> Fields:
    return part({"parties": party}, "parties")


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    token = secrets["validation_token"]
    return any(same(request.header(name) or "", token) for name in HEADERS)


RINGCENTRAL = Provider(
    name="ringcentral",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("validation_token",),
    handshake=handshake,
    subscription=ringcentral_api.SUBSCRIPTION,
    recordings=RINGCENTRAL_SOUND,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
