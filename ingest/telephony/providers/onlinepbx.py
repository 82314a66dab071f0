"""OnlinePBX: events as JSON or a form, signed by nobody. Not tried against a live account.

Events carry no time, so the time of receipt is theirs. Whether somebody talked is told by
`dialog_duration` alone: a call that nobody took ends as NORMAL_CLEARING too.
Facts: alexbournemsk/onlinepbx-calls; animetrity/onlinepbx-telephony.
"""

from __future__ import annotations

import re
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
from ingest.telephony.fields import Fields, required, seconds, text, url, word
from ingest.telephony.histories import onlinepbx as history
from ingest.telephony.request import sent_fields
from ingest.telephony.signatures import require_path_token

# event=call_end&uuid=7f00e2b5-7df4&direction=inbound&caller=79268915301&callee=101
#  &gateway=74951230007&call_duration=58&dialog_duration=50&hangup_cause=NORMAL_CLEARING
#  &download_url=https%3A%2F%2F...
STAGES = {
    "call_start": CallStage.RINGING,
    "call_answered": CallStage.ANSWERED,
    "call_end": CallStage.ENDED,
    "call_missed": CallStage.ENDED,
}
_EXTENSION = re.compile(r"[0-9]{1,6}")


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part."""
    require_path_token(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    fields = sent_fields(request)
    name = required(fields, "event")
    if name not in STAGES:
        raise IgnoredDelivery(f"unknown event {name!r}")
    stage = STAGES[name]
    return [
        CallEvent(
            call_keys=(required(fields, "uuid"),),
            stage=stage,
            **_parties(fields, word(fields, "direction", history.DIRECTIONS)),
            **(_end(fields, name) if stage is CallStage.ENDED else {}),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


def _parties(fields: Fields, direction: Direction | None) -> dict[str, Any]:
    """Return the sides: `gateway` is our line, an extension at either side an employee."""
    caller, callee = text(fields, "caller"), text(fields, "callee")
    told: dict[str, Any] = {"direction": direction, "line": text(fields, "gateway")}
    match direction:
        case Direction.OUTBOUND:
            return told | {"callee": callee, "agent": _extension(caller)}
        case Direction.INBOUND:
            return told | {
                "caller": caller,
                "withheld": caller is None,
                "agent": _extension(callee),
            }
        case _:
            return told | {"caller": caller, "callee": callee, "agent": _extension(callee)}


def _extension(number: str | None) -> str | None:
    return number if number and _EXTENSION.fullmatch(number) else None


def _end(fields: Fields, name: str) -> dict[str, Any]:
    talk_s = 0.0 if name == "call_missed" else seconds(fields, "dialog_duration")
    cause = (text(fields, "hangup_cause") or "").lower()
    answered = None if talk_s is None else Outcome.ANSWERED
    return {
        "outcome": history.CAUSES.get(cause, Outcome.NO_ANSWER) if talk_s == 0 else answered,
        "duration_s": seconds(fields, "call_duration"),
        "talk_s": talk_s,
        "recording_url": url(fields, "download_url"),
    }


ONLINEPBX = Provider(
    name="onlinepbx",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("path_token",),
    signs=False,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
