"""Zammad's generic CTI interface, with us in Zammad's place: many PBX bridges speak it already.

The token in the path is all the proof there is. No times, no recordings, no live answer to a
caller. Not tried against a live bridge.
Facts: zammad/zammad-documentation api/generic-cti; zammad/zammad spec/requests/integration.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, text
from ingest.telephony.protocols import push
from ingest.telephony.signatures import require_path_token

# {"event": "answer", "from": "493023125042", "to": "493023125000", "direction": "in",
#  "callId": "45ff50b1", "answeringNumber": "emma@example.test"}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's token."""
    require_path_token(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what newCall, answer or hangup says."""
    fields = push.fields_of(request)
    call_id = text(fields, "callId") or text(fields, "call_id")  # documents and specs differ
    if call_id is None:
        raise UnreadableDelivery("the field callId is missing")
    return push.read(
        fields, call_keys=(call_id,), people=_people(fields), queue=text(fields, "queue")
    )


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Give an empty object: neither reject the call nor set a caller id."""
    return HookResponse(body=b"{}", content_type="application/json")


def _people(fields: Fields) -> list[str]:
    """Return who took the call, or whose telephones ring: a list, or a text with commas."""
    found = push.listed(fields, "answeringNumber", "user")
    parts = found[0].split(",") if len(found) == 1 else found
    return [part.strip() for part in parts if part.strip()]


ZAMMAD = Provider(
    name="zammad",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("path_token",),
    signs=False,
)
