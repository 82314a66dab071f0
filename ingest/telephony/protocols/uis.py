"""Notifications of UIS, CoMagic and the new Novofon: their JSON is typed in by an administrator.

The service fills placeholders into a template, so the names are ours: docs/providers.md has the
template for each kind of notification, with a fixed `event`. Nothing is signed.
Facts: planfix.com/ru/help (Integration with UIS); andrey149502/comagic-api; bzdvdn/comagic-sdk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, local_time, required, seconds, text, url, word
from ingest.telephony.request import sent_fields
from ingest.telephony.signatures import require_path_token

# {"event": "talk_start", "notification_time": "2026-11-18 10:00:11.234", "direction": "in",
#  "call_session_id": 1998677401, "virtual_phone_number": "74951230004",
#  "contact_phone_number": "79067778899", "employee_id": 410101}
STAGES = {
    "in_call": CallStage.RINGING,
    "out_call": CallStage.RINGING,
    "waiting": CallStage.RINGING,  # once for each employee whose telephone rings
    "talk_start": CallStage.ANSWERED,
    "talk_end": CallStage.LEG_ENDED,  # after a transfer another talk follows
    "lost": CallStage.ENDED,  # call_end comes as well
    "call_end": CallStage.ENDED,
    "record": CallStage.RECORDING,
}
#: What the kind of notification says where it has no field for it.
DIRECTION_OF = {
    "in_call": Direction.INBOUND,
    "lost": Direction.INBOUND,
    "out_call": Direction.OUTBOUND,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}
YES = ("true", "1")


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part."""
    require_path_token(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: notifications carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return the one event that a notification tells of."""
    fields = sent_fields(request)
    name = text(fields, "event")
    if name is None:
        raise UnreadableDelivery("the field event is missing: the template is not ours")
    stage = STAGES.get(name)
    if stage is None:
        raise IgnoredDelivery(f"unknown event {name!r}")
    told = READERS[stage](fields) if stage in READERS else {}
    if name == "lost":
        told = {"outcome": Outcome.NO_ANSWER, "talk_s": 0.0}
    return [
        CallEvent(
            call_keys=(required(fields, "call_session_id"),),
            stage=stage,
            occurred_at=local_time(fields, "notification_time", account.zone, request.received_at),
            **_parties(fields, _direction(fields, name)),
            **told,
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: the service reads nothing."""
    return HookResponse()


def _direction(fields: Fields, name: str) -> Direction | None:
    if str(fields.get("is_internal")).lower() in YES:
        return Direction.INTERNAL
    return word(fields, "direction", DIRECTIONS) or DIRECTION_OF.get(name)


def _parties(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    contact = text(fields, "contact_phone_number")
    outbound = direction is Direction.OUTBOUND
    return {
        "direction": direction,
        "caller": None if outbound else contact,
        "callee": contact if outbound else None,
        "withheld": contact is None and direction is Direction.INBOUND,
        "line": text(fields, "virtual_phone_number"),
        "agent": text(fields, "employee_id"),
        "leg": text(fields, "leg_id"),
    }


def _leg_ended(fields: Fields) -> dict[str, Any]:
    return {"talk_s": seconds(fields, "talk_time_duration")}


def _ended(fields: Fields) -> dict[str, Any]:
    talk_s = seconds(fields, "talk_time_duration")
    outcome = None if talk_s is None else Outcome.ANSWERED if talk_s else Outcome.NO_ANSWER
    return {
        "outcome": outcome,
        "talk_s": talk_s,
        "duration_s": seconds(fields, "total_time_duration"),
    }


def _recording(fields: Fields) -> dict[str, Any]:
    link = url(fields, "file_link")
    return {"recording_url": link, "recording_ready": link is not None}


READERS: Mapping[CallStage, Callable[[Fields], dict[str, Any]]] = {
    CallStage.LEG_ENDED: _leg_ended,
    CallStage.ENDED: _ended,
    CallStage.RECORDING: _recording,
}
