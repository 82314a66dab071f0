"""Mango Office VPBX: signed forms on sub-paths of one address; the summary is final.

Facts: Mango Office VPBX API, PDF v1.10 (maxodrom/yii2-mango-office-api, docs/). Not tried against
a live account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
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
from ingest.telephony.fields import Fields, epoch, part, required, text, word
from ingest.telephony.histories import mango as history
from ingest.telephony.request import form_octets, json_object
from ingest.telephony.signatures import require_proof, same
from ingest.telephony.sounds import MANGO_SOUND

# vpbx_api_key=...&sign=...&json={"entry_id":"NDQx","call_id":"MTox","timestamp":1794985218,"seq":2,
#  "call_state":"Connected","location":"abonent","from":{"number":"79001234501"},
#  "to":{"extension":101,"number":"sip:ivanov@x.mangosip.ru","line_number":"74951230001"}}
STAGES = {
    "appeared": CallStage.RINGING,
    "connected": CallStage.ANSWERED,
    "onhold": CallStage.HELD,
    "disconnected": CallStage.LEG_ENDED,  # of one leg; only the summary ends the call
}
#: Where a leg is. A menu or a queue that picks up is no answer.
PERSONS = {"abonent": True, "ivr": False, "queue": False}
DIRECTIONS = {"0": Direction.INTERNAL, "1": Direction.INBOUND, "2": Direction.OUTBOUND}
TRANSFERS = {"consultative": "attended", "blind": "blind", "return_blind": "blind"}
#: Marks of a call that the PBX itself began: its first leg rings the employee and shows the client
#: as caller, so its legs tell neither direction nor answer.
BEGUN_BY_PBX = ("command_id", "callback_initiator")
TOO_SHORT = "4002"  #: completion_code of a recording that is not kept


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless sign is SHA-256 of key, json and salt."""
    names = ("vpbx_api_key", "vpbx_api_salt")
    require_proof(request, account, names, lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: Mango numbers no deliveries; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the event on this sub-path says."""
    if _is_check(request):  # kept by versions that did not answer it at the door
        raise IgnoredDelivery("the connection check of the cabinet")
    for ending, read in READERS.items():
        if request.path.rstrip("/").endswith(ending):
            return [read(json_object(form_octets(request.body).get(b"json", b"")))]
    raise IgnoredDelivery("this sub-path tells nothing of a call's course")


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """Say 200 to the cabinet's check of the connection: no body, to the bare address."""
    return HookResponse() if _is_check(request) else None


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: Mango looks at the status alone."""
    return HookResponse()


def _is_check(request: HookRequest) -> bool:
    return not request.body and request.path in ("", "/") and not request.query


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    try:
        form = form_octets(request.body)
    except UnreadableDelivery as error:
        raise BadSignature(str(error)) from error
    signed_by, salt = secrets["vpbx_api_key"].encode(), secrets["vpbx_api_salt"].encode()
    digest = hashlib.sha256(signed_by + form.get(b"json", b"") + salt).hexdigest()
    return same(form.get(b"vpbx_api_key", b""), signed_by) and same(form.get(b"sign", b""), digest)


def _call(event: Fields) -> CallEvent:
    """Return what one leg did."""
    caller, callee = part(event, "from"), part(event, "to")
    direction = _direction(event, caller, callee)
    stage = word(event, "call_state", STAGES)
    if stage is None:
        raise UnreadableDelivery("the field call_state is missing")
    person = direction is not None and word(event, "location", PERSONS)
    if stage in (CallStage.ANSWERED, CallStage.HELD) and not person:
        stage = CallStage.RINGING
    over = stage is CallStage.LEG_ENDED
    return CallEvent(
        call_keys=(required(event, "entry_id"),),
        stage=stage,
        occurred_at=epoch(event, "timestamp"),
        direction=direction,
        leg=text(event, "call_id"),
        outcome=history.REASONS.get(text(event, "disconnect_reason") or "") if over else None,
        transfer=word(event, "transfer", TRANSFERS),
        **_parties(direction, caller, callee, text(callee, "line_number")),
    )


def _summary(event: Fields) -> CallEvent:
    """Return the final word on a call. entry_result is not trusted: it is 1 for a mere menu."""
    caller, callee = part(event, "from"), part(event, "to")
    direction = word(event, "call_direction", DIRECTIONS)
    answered_at = epoch(event, "talk_time")
    reason = text(event, "disconnect_reason") or ""
    return CallEvent(
        call_keys=(required(event, "entry_id"),),
        stage=CallStage.ENDED,
        direction=direction,
        outcome=Outcome.ANSWERED if answered_at else history.REASONS.get(reason, Outcome.NO_ANSWER),
        started_at=epoch(event, "create_time"),
        answered_at=answered_at,
        ended_at=epoch(event, "end_time"),
        **_parties(direction, caller, callee, text(event, "line_number")),
    )


def _recording(event: Fields) -> CallEvent:
    if text(event, "completion_code") == TOO_SHORT:
        raise IgnoredDelivery("the recording was too short to be kept")
    return CallEvent(
        call_keys=(required(event, "entry_id"),),
        stage=CallStage.RECORDING,
        occurred_at=epoch(event, "timestamp"),
        agent=text(event, "extension"),
        leg=text(event, "call_id"),
        recording_id=required(event, "recording_id"),
    )


def _record_added(event: Fields) -> CallEvent:
    return CallEvent(
        call_keys=(required(event, "entry_id"),),
        stage=CallStage.RECORDING,
        occurred_at=epoch(event, "timestamp"),
        recording_id=required(event, "recording_id"),
        recording_ready=True,
    )


READERS: Mapping[str, Callable[[Fields], CallEvent]] = {
    "/events/call": _call,
    "/events/summary": _summary,
    "/events/recording": _recording,
    "/events/record/added": _record_added,
}


def _direction(event: Fields, caller: Fields, callee: Fields) -> Direction | None:
    """Return the direction that a leg shows; a consultation between colleagues shows none."""
    if any(text(event, mark) for mark in BEGUN_BY_PBX):
        return None
    if not text(caller, "extension"):
        return Direction.INBOUND
    if not text(callee, "extension"):
        return Direction.OUTBOUND
    return None if text(caller, "taken_from_call_id") else Direction.INTERNAL


def _parties(
    direction: Direction | None, caller: Fields, callee: Fields, line: str | None
) -> dict[str, Any]:
    """Return caller, callee, line and agent. An employee's own number is never a party."""
    match direction:
        case Direction.INBOUND:
            number = text(caller, "number")
            # a call that no one of a group took names the group's number, and no telephone
            agent = text(callee, "extension") if text(callee, "number") else None
            return {
                "caller": number,
                "withheld": number is None,
                "line": line,
                "agent": agent,
            }
        case Direction.OUTBOUND:
            return {
                "callee": text(callee, "number"),
                "line": line,
                "agent": text(caller, "extension"),
            }
        case Direction.INTERNAL:
            return {
                "caller": text(caller, "extension"),
                "callee": text(callee, "extension"),
                "agent": text(caller, "extension"),
            }
        case None:
            return {"line": line, "agent": text(callee, "extension")}


MANGO = Provider(
    name="mango",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secret_fields=("vpbx_api_key", "sign"),
    secrets=("vpbx_api_key", "vpbx_api_salt"),
    handshake=handshake,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
    recordings=MANGO_SOUND,
)
