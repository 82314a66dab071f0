"""Telphin: forms for each extension and event, signed by nobody. Not tried live.

Events carry no time, so the time of receipt is theirs.
Facts: ringme-confluence.atlassian.net (page Event); xdimedrolx/telphin-go-sdk (telphin/types.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
)
from ingest.telephony.fields import Fields, required, text
from ingest.telephony.histories import telphin as history
from ingest.telephony.protocols.dial import DIAL_STATUS
from ingest.telephony.request import sent_fields
from ingest.telephony.signatures import require_path_token

# EventType=answer&CallStatus=ANSWER&CallID=CAA308E3&CallerIDNum=79666660401&CallFlow=in
#  &CalledDID=74951230009&CalledExtension=12345%2A101
STAGES = {
    "dial-in": CallStage.RINGING,
    "dial-out": CallStage.RINGING,
    "answer": CallStage.ANSWERED,
    "hangup": CallStage.ENDED,
}
#: What the kind of event says where CallFlow does not.
DIRECTION_OF = {"dial-in": Direction.INBOUND, "dial-out": Direction.OUTBOUND}
DIRECTIONS = {
    "in": Direction.INBOUND,
    "out": Direction.OUTBOUND,
    "transfer": None,  # the call keeps the direction it had
}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part."""
    require_path_token(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    fields = sent_fields(request)
    name = required(fields, "EventType")
    if name not in STAGES:
        raise IgnoredDelivery(f"unknown event {name!r}")
    status = (text(fields, "CallStatus") or "").lower()
    over = STAGES[name] is CallStage.ENDED
    return [
        CallEvent(
            call_keys=(required(fields, "CallID"),),
            stage=STAGES[name],
            outcome=DIAL_STATUS.get(status) if over else None,
            **_parties(fields, _direction(fields, name)),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200 and nothing, so that the PBX routes as it is set."""
    return HookResponse()


def _direction(fields: Fields, name: str) -> Direction | None:
    flow = (text(fields, "CallFlow") or "").lower()
    return DIRECTIONS[flow] if flow in DIRECTIONS else DIRECTION_OF.get(name)


def _parties(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    """Return the sides. A call from one extension to another is internal."""
    caller, callee = _extension(fields, "CallerExtension"), _extension(fields, "CalledExtension")
    dialled = text(fields, "CalledNumber") or text(fields, "CalledDID")
    number = text(fields, "CallerIDNum")
    if direction is None:
        return {"agent": callee}
    if caller and callee:
        told = {"caller": caller, "callee": callee, "agent": callee}
        return told | {"direction": Direction.INTERNAL}
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "caller": number, "callee": dialled, "agent": caller}
    return {
        "direction": direction,
        "caller": number,
        "withheld": number is None,
        "line": text(fields, "CalledDID"),
        "agent": callee,
    }


def _extension(fields: Fields, name: str) -> str | None:
    """Return an extension without the account's number in front of its asterisk."""
    written = text(fields, name)
    return written.rpartition("*")[2] or None if written else None


TELPHIN = Provider(
    name="telphin",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("path_token",),
    signs=False,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
