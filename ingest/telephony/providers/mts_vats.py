"""MTS VATS (aa.mts.ru): JSON, and HTTP Basic that we choose. Not tried against a live account.

Neither direction nor result is sent: our lines decide the first, `CallAnswered` the second.
Facts: mikopbx/ModuleMtsPbx (Lib/RestAPI/GetController.php).
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.domain.calls import CallEvent, CallStage
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
)
from ingest.telephony.fields import part, required, rfc3339, text
from ingest.telephony.histories import mts_vats as history
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_basic

# {"EventType": "CallAnswered", "CallID": "mts-1", "EventTime": "2026-11-18T10:00:06+03:00",
#  "From": {"ANI": "9031230022"}, "To": {"DNIS": "9150000101"}}
STAGES = {
    "CallAccepted": CallStage.RINGING,  # by the PBX, not by a person
    "CallAnswered": CallStage.ANSWERED,
    "EndCall": CallStage.ENDED,
}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Authorization holds the source's name and password."""
    require_basic(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    fields = json_object(request.body)
    name = required(fields, "EventType")
    if name not in STAGES:
        raise IgnoredDelivery(f"unknown event {name!r}")
    return [
        CallEvent(
            call_keys=(required(fields, "CallID"),),
            stage=STAGES[name],
            occurred_at=rfc3339(fields, "EventTime"),
            caller=text(part(fields, "From"), "ANI"),
            callee=text(part(fields, "To"), "DNIS"),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


MTS_VATS = Provider(
    name="mts_vats",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("basic_user", "basic_password"),
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
