"""Vonage Voice events: a token in Authorization that names the body's hash. Not tried live.

Each leg reports for itself; legs of one conversation are one call. An incoming leg that is answered
was answered by a program. A leg to a number of `config.agents` or to a user is a telephone of ours.
Facts: Nexmo/nexmo-developer; Vonage/vonage-python-sdk verify_jwt.py; api.support.vonage.com
19033783342876 (payload_hash).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from ingest.telephony.fields import Fields, epoch, required, rfc3339, seconds, text, url, word
from ingest.telephony.histories import vonage as history
from ingest.telephony.protocols import jwt
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_fresh, require_proof, same
from ingest.telephony.sounds import VONAGE_SOUND

# {"uuid": "5f5b", "conversation_uuid": "CON-bb17", "status": "completed", "direction": "outbound",
#  "from": "12025550100", "to": "442079460123", "timestamp": "2026-11-17T15:01:00.000Z",
#  "start_time": "2026-11-17T15:00:09.000Z", "duration": "51"}
STAGES = {
    "started": CallStage.RINGING,
    "ringing": CallStage.RINGING,
    "answered": CallStage.ANSWERED,
    "completed": CallStage.ENDED,
    "busy": CallStage.ENDED,
    "cancelled": CallStage.ENDED,
    "unanswered": CallStage.ENDED,
    "timeout": CallStage.ENDED,
    "rejected": CallStage.ENDED,
    "failed": CallStage.ENDED,
    "record": CallStage.RECORDING,
    "transfer": CallStage.TIED,
}
OUTCOMES = {
    "busy": Outcome.BUSY,
    "cancelled": Outcome.CANCELLED,
    "unanswered": Outcome.NO_ANSWER,
    "timeout": Outcome.NO_ANSWER,
    "rejected": Outcome.REJECTED,
    "failed": Outcome.FAILED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the bearer token is signed, fresh, and names the body's hash."""
    names = ("signature_secret",)
    require_proof(
        request, account, names, lambda secrets: _proves(request, secrets["signature_secret"])
    )
    if account.secrets:
        require_fresh(request, _signed_at(request), account.tolerance_s)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the leg's event says of the call."""
    fields = json_object(request.body)
    status = text(fields, "status") or ("record" if url(fields, "recording_url") else None)
    stage = STAGES.get(status or "")
    if stage is None:
        raise IgnoredDelivery(f"the status {status!r} does not change a call")
    if stage is CallStage.TIED:
        return [_joined(fields)]
    if stage is CallStage.RECORDING:
        return [_recording(fields)]
    return [_of_leg(fields, stage, account)]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200; this is the address of events, not the one that gives instructions."""
    return HookResponse()


def _of_leg(fields: Fields, stage: CallStage, account: Account) -> CallEvent:
    leg = required(fields, "uuid")
    direction = word(fields, "direction", DIRECTIONS)
    to_agent = direction is Direction.OUTBOUND and _is_agent(text(fields, "to"), account)
    if direction is Direction.INBOUND and stage is CallStage.ANSWERED:
        raise IgnoredDelivery("a program answered the incoming leg, no person")
    over = stage is CallStage.ENDED
    told: dict[str, Any] = {
        "call_keys": _keys(text(fields, "conversation_uuid"), leg),
        "occurred_at": rfc3339(fields, "timestamp"),
        "ended_at": rfc3339(fields, "end_time") if over else None,
        "outcome": OUTCOMES.get(text(fields, "status") or "") if over else None,
    }
    if over and direction is Direction.OUTBOUND:
        told["talk_s"] = seconds(fields, "duration")
    if to_agent:
        stage = CallStage.LEG_ENDED if over else stage
        return CallEvent(stage=stage, leg=leg, agent=text(fields, "to"), **told)
    return CallEvent(stage=stage, **_sides(fields, stage, direction), **told)


def _listed(fields: Fields, account: Account) -> Sequence[CallEvent]:
    """Return what the history says of one leg that is over, given as its last event.

    Whom a leg calls is told by it alone, so it is said with the least weight: in a conversation
    that came in, the leg that came in says who called whom.
    """
    ended = _of_leg(fields, CallStage.ENDED, account)
    if ended.direction is Direction.INBOUND:
        return [replace(ended, started_at=rfc3339(fields, "start_time"))]
    if ended.stage is CallStage.LEG_ENDED:
        return [ended]
    sides = _sides(fields, CallStage.RINGING, word(fields, "direction", DIRECTIONS))
    return [ended, CallEvent(call_keys=ended.call_keys, stage=CallStage.TIED, **sides)]


def _sides(fields: Fields, stage: CallStage, direction: Direction | None) -> dict[str, Any]:
    """Return the sides. An outgoing leg tells them once, when it begins: a leg to a number of ours
    that nobody listed shall not turn the direction of a call that came in.
    """
    sender, receiver = text(fields, "from"), text(fields, "to")
    if direction is Direction.INBOUND:
        caller = shown(sender)
        sides = {"caller": caller, "withheld": caller is None, "callee": receiver}
        return {"direction": direction, **sides}
    if direction is Direction.OUTBOUND and stage is CallStage.RINGING:
        return {"direction": direction, "line": sender, "callee": receiver}
    return {}


def _joined(fields: Fields) -> CallEvent:
    keys = _keys(text(fields, "conversation_uuid_from"), text(fields, "conversation_uuid_to"))
    if len(keys) < 2:
        raise UnreadableDelivery("a transfer that does not name two conversations")
    return CallEvent(call_keys=keys, stage=CallStage.TIED)


def _recording(fields: Fields) -> CallEvent:
    return CallEvent(
        call_keys=(required(fields, "conversation_uuid"),),
        stage=CallStage.RECORDING,
        recording_id=text(fields, "recording_uuid"),
        recording_url=url(fields, "recording_url"),
        recording_ready=True,
    )


def _keys(*ids: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in ids if each))


def _is_agent(to: str | None, account: Account) -> bool:
    agents = account.config.get("agents")
    listed = isinstance(agents, Mapping) and to in agents
    return to is not None and (listed or not to.lstrip("+").isdigit())


def _token(request: HookRequest) -> bytes:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip().encode("utf-8", "surrogatepass") if scheme.lower() == "bearer" else b""


def _proves(request: HookRequest, secret: str) -> bool:
    token = _token(request)
    if not jwt.is_signed(token, secret):
        return False
    try:
        stated = text(jwt.claims(token), "payload_hash") or ""
    except UnreadableDelivery:
        return False
    return same(stated.lower(), hashlib.sha256(request.body).hexdigest())


def _signed_at(request: HookRequest) -> datetime:
    try:
        return epoch(jwt.claims(_token(request)), "iat") or datetime(2000, 1, 1, tzinfo=UTC)
    except UnreadableDelivery as error:
        raise BadSignature("the token names no moment") from error


VONAGE = Provider(
    name="vonage",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("signature_secret",),
    reads={Kind.PULL: history.reading(_listed)},
    history=history.HISTORY,
    recordings=VONAGE_SOUND,
)
