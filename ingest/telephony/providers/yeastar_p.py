"""Yeastar P-Series: events by webhook, JSON inside of JSON. Not tried against a live account.

30011 tells of the telephones while a call goes on, and has no time; 30012 is a record of what is
over, in the PBX's own time. Records are of legs: several may have one call id.
Facts: help.yeastar.com/en/p-series/developer-guide (event-call-status-changed, event-new-cdr). That
X-Signature signs the body is told by other people's code only, so part of the path will do instead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

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
from ingest.telephony.fields import (
    Fields,
    later,
    local_time,
    number,
    part,
    required,
    seconds,
    text,
)
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.zones import pbx_zone
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_proof, same
from ingest.telephony.sounds import OWN_SOUND

# {"type": 30012, "sn": "3633D2199067", "msg": "{\"call_id\": \"1795000000.16\",
#  \"time_start\": \"2026-11-17 11:00:00\", \"call_from\": \"03023125042\", \"call_to\": \"703\",
#  \"call_duration\": 68, \"talk_duration\": 60, \"status\": \"ANSWERED\", \"type\": \"Inbound\",
#  \"recording\": \"20261117110000-1795000000.16.wav\", \"did_number\": \"03023125000\"}"}
RECORD, PROGRESS = 30012, 30011
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
}
#: The guide prints ANSWERD, PBXs send ANSWERED.
OUTCOMES = {
    "answered": Outcome.ANSWERED,
    "answerd": Outcome.ANSWERED,
    "no answer": Outcome.NO_ANSWER,
    "no_answer": Outcome.NO_ANSWER,
    "noanswer": Outcome.NO_ANSWER,
    "busy": Outcome.BUSY,
    "failed": Outcome.FAILED,
    "voicemail": Outcome.VOICEMAIL,
}
# {"call_id": "1795000000.16", "members": [
#   {"inbound": {"from": "03023125042", "to": "03023125000", "member_status": "ANSWERED"}},
#   {"extension": {"number": "703", "channel_id": "PJSIP/703-0", "member_status": "ANSWER"}}]}
STAGES = {
    "ALERT": CallStage.RINGING,
    "RING": CallStage.RINGING,
    "EARLYMEDIA": CallStage.RINGING,
    "ANSWER": CallStage.ANSWERED,
    "ANSWERED": CallStage.ANSWERED,
    "HOLD": CallStage.HELD,
    "BYE": CallStage.LEG_ENDED,
}
MOST_MEMBERS = 200


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Signature signs the body, or the path begins with the token."""
    require_proof(request, account, (), lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events have no id of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what one record says, or what each telephone of a call that goes on does."""
    envelope = json_object(request.body)
    kind = number(envelope, "type")
    if kind not in (RECORD, PROGRESS):
        raise IgnoredDelivery(f"events of type {text(envelope, 'type')!r} do not change a call")
    message = _message(envelope)
    if kind == RECORD:
        return [_record(message, account, request.received_at)]
    return list(_members(message)) or _nothing()


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


def _message(envelope: Fields) -> Fields:
    """Return `msg`, which is JSON in a text; some versions send the object itself."""
    sent = envelope.get("msg")
    if isinstance(sent, str):
        return json_object(sent.encode("utf-8", "surrogatepass"))
    return part(envelope, "msg")


def _record(fields: Fields, account: Account, near: datetime) -> CallEvent:
    started_at = local_time(fields, "time_start", pbx_zone(account), near)
    whole_s, talk_s = seconds(fields, "call_duration"), seconds(fields, "talk_duration")
    ended_at = later(started_at, whole_s)
    status = (text(fields, "status") or "").lower()
    outcome = OUTCOMES.get(status, Outcome.ANSWERED if talk_s else Outcome.NO_ANSWER)
    sides = _sides(fields, account)
    took = sides["direction"] is not Direction.INBOUND or "agent" in sides
    if outcome is Outcome.ANSWERED and not took:
        outcome = Outcome.NO_ANSWER  # by a menu or a queue; a person's leg has its own record
    waited_s = None if whole_s is None else max(0.0, whole_s - (talk_s or 0.0))
    answered_at = later(started_at, waited_s) if outcome is Outcome.ANSWERED else None
    return CallEvent(
        call_keys=(required(fields, "call_id"),),
        stage=CallStage.ENDED,
        occurred_at=ended_at,
        started_at=started_at,
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=outcome,
        recording_id=text(fields, "recording"),
        recording_ready=text(fields, "recording") is not None,
        **sides,
    )


def _sides(fields: Fields, account: Account) -> dict[str, Any]:
    kind = (text(fields, "type") or "").lower()
    if kind not in DIRECTIONS:
        raise UnreadableDelivery(f"the type of the call is an unknown word: {kind[:40]!r}")
    direction = DIRECTIONS[kind]
    theirs, called = text(fields, "call_from"), text(fields, "call_to")
    told: dict[str, Any] = {"direction": direction}
    match direction:
        case Direction.INBOUND:
            told |= {"caller": shown(theirs), "withheld": shown(theirs) is None}
            told["line"] = text(fields, "did_number")
            if is_extension(called, account):
                told["agent"] = called
        case Direction.OUTBOUND:
            told |= {"callee": called, "agent": theirs}
        case Direction.INTERNAL:
            told |= {"caller": theirs, "callee": called, "agent": called}
    return told


def _members(fields: Fields) -> Iterator[CallEvent]:
    """Yield what each telephone of ours does. Lines to the outside say who is at their end."""
    call_id = required(fields, "call_id")
    members = fields.get("members")
    if not isinstance(members, list) or len(members) > MOST_MEMBERS:
        raise UnreadableDelivery(f"members is no list of at most {MOST_MEMBERS}")
    objects = [part({"members": member}, "members") for member in members]
    sides: dict[str, Any] = {}
    for member in objects:
        if coming := part(member, "inbound"):
            caller = shown(text(coming, "from"))
            sides = {"direction": Direction.INBOUND, "caller": caller, "line": text(coming, "to")}
        elif going := part(member, "outbound"):
            sides = {"direction": Direction.OUTBOUND, "callee": text(going, "to")}
    for member in objects:
        extension = part(member, "extension")
        stage = STAGES.get((text(extension, "member_status") or "").upper())
        if stage is None:
            continue
        if sides.get("direction") is Direction.OUTBOUND and stage is CallStage.ANSWERED:
            stage = _of_the_far_side(objects)
        yield CallEvent(
            call_keys=(call_id,),
            stage=stage,
            agent=text(extension, "number"),
            leg=text(extension, "channel_id"),
            **sides,
        )


def _of_the_far_side(members: Sequence[Fields]) -> CallStage:
    """Return whether the other side of a call to the outside has answered."""
    states = [text(part(member, "outbound"), "member_status") for member in members]
    talks = any((state or "").upper() in ("ANSWER", "ANSWERED") for state in states)
    return CallStage.ANSWERED if talks else CallStage.RINGING


def _nothing() -> list[CallEvent]:
    raise IgnoredDelivery("no telephone of ours takes part yet")


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    secret, token = secrets.get("webhook_secret"), secrets.get("path_token")
    if not secret:  # a set without it is that of a PBX that signs nothing
        sent = request.path.removeprefix("/").partition("/")[0]
        return bool(token) and same(sent, token or "")
    octets = secret.encode("utf-8", "surrogatepass")
    digest = hmac.new(octets, request.body, hashlib.sha256).digest()
    return same(request.header("x-signature") or "", base64.b64encode(digest))


YEASTAR_P = Provider(
    name="yeastar_p",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("webhook_secret", "path_token"),
    any_secret=True,
    recordings=OWN_SOUND,
)
