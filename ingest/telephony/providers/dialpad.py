"""Dialpad call events: the whole body is a signed token. Not tried against a live account.

Each event carries the call as it is then, times in milliseconds. A call that passes an office or a
department has a leg for each telephone, which names the first one (`entry_point_call_id`).
Facts: developers.dialpad.com/docs; bodies from third-party integrations. Names of states beside
`ringing` and `hangup` are unconfirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
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
)
from ingest.telephony.fields import Fields, epoch, flag, number, part, required, text, url, word
from ingest.telephony.histories import dialpad as history
from ingest.telephony.protocols import jwt
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_proof
from ingest.telephony.sounds import DIALPAD_SOUND

# {"call_id": 5635304278851584, "state": "hangup", "direction": "inbound",
#  "external_number": "+12025550143", "internal_number": "+13125550188",
#  "date_started": 1794931200000, "date_connected": 1794931209000, "date_ended": 1794931253000,
#  "target": {"id": 5171365938069504, "type": "user"}, "entry_point_call_id": null}
STAGES = {
    "calling": CallStage.RINGING,
    "ringing": CallStage.RINGING,
    "queued": CallStage.RINGING,
    "connected": CallStage.ANSWERED,
    "hold": CallStage.HELD,
    "hangup": CallStage.ENDED,
    "missed": CallStage.ENDED,
    "voicemail": CallStage.ENDED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the body is a token signed with the webhook's secret."""
    require_proof(
        request,
        account,
        ("jwt_secret",),
        lambda secrets: jwt.is_signed(request.body.strip(), secrets["jwt_secret"]),
    )


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the event says of the call, or of one leg of it."""
    body = request.body.strip()
    call = json_object(body) if body.startswith(b"{") else jwt.claims(body)
    state = required(call, "state")
    if state not in STAGES:
        raise IgnoredDelivery(f"the state {state!r} does not change a call")
    return [_event(call, state)]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200; what is answered with 5xx comes again three times, with 4xx never."""
    return HookResponse()


def _event(call: Fields, state: str) -> CallEvent:
    call_id = required(call, "call_id")
    first = text(call, "entry_point_call_id") or text(call, "master_call_id") or call_id
    stage = STAGES[state]
    over = stage is CallStage.ENDED
    if over and first != call_id:
        stage = CallStage.LEG_ENDED
    target = part(call, "target")
    return CallEvent(
        call_keys=tuple(dict.fromkeys((first, call_id))),
        stage=stage,
        occurred_at=_milliseconds(call, "event_timestamp"),
        leg=call_id if first != call_id else None,
        agent=text(target, "id") if text(target, "type") == "user" else None,
        started_at=_milliseconds(call, "date_started"),
        **_sides(call),
        **(_end(call, state) if over else {}),
    )


def _listed(call: Fields) -> CallEvent:
    """Return the end of a call as the history lists it; it may name no state and no moment."""
    state = text(call, "state")
    over = state if state is not None and STAGES.get(state) is CallStage.ENDED else "hangup"
    told = text(call, "event_timestamp") or call.get("date_ended")
    return _event({**call, "event_timestamp": told}, over)


def _sides(call: Fields) -> dict[str, Any]:
    direction = word(call, "direction", DIRECTIONS)
    theirs, line = text(call, "external_number"), text(call, "internal_number")
    if flag(call, "is_internal"):
        return {"direction": Direction.INTERNAL, "caller": theirs, "callee": line}
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": theirs, "line": line}
    caller = shown(theirs)
    return {"direction": direction, "caller": caller, "withheld": caller is None, "line": line}


def _end(call: Fields, state: str) -> dict[str, Any]:
    answered_at = _milliseconds(call, "date_connected")
    links = (call.get("voicemail_link"), call.get("voicemail_share_link"))
    voicemail = state == "voicemail" or any(links)
    missed = Outcome.VOICEMAIL if voicemail else Outcome.NO_ANSWER
    return {
        "outcome": Outcome.ANSWERED if answered_at else missed,
        "answered_at": answered_at,
        "ended_at": _milliseconds(call, "date_ended"),
        "recording_url": _recording(call),
        "recording_ready": _recording(call) is not None,
    }


def _recording(call: Fields) -> str | None:
    details = call.get("recording_details")
    if not isinstance(details, list) or not details or not isinstance(details[0], dict):
        return None
    return url(details[0], "url")


def _milliseconds(fields: Fields, name: str) -> datetime | None:
    found = number(fields, name)
    return epoch({name: found / 1000}, name) if found else None


DIALPAD = Provider(
    name="dialpad",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("jwt_secret",),
    reads={Kind.PULL: history.reading(_listed)},
    history=history.HISTORY,
    recordings=DIALPAD_SOUND,
)
