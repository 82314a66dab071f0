"""Sipuni: events by GET or as a form, signed by nobody. Not tried against a live account.

The link to the recording names the call's first channel, which is mostly `call_id` itself; the
history knows the call by it.
Facts: doc.sipuni.com/articles/626-636-640 (sending events by HTTP).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
from ingest.telephony.fields import Fields, epoch, required, text, url
from ingest.telephony.histories import sipuni as history
from ingest.telephony.protocols.dial import DIAL_STATUS
from ingest.telephony.request import sent_fields
from ingest.telephony.signatures import require_path_token

# event=3&timestamp=1794985207&call_id=1794985200.118822&src_num=79261112233&src_type=1
#  &dst_num=015856201&dst_type=2&short_dst_num=201&short_src_num=&user_id=015856&treeNumber=000-1
STAGES = {
    "1": CallStage.RINGING,  # and each new dialling in a transfer
    "2": CallStage.ENDED,
    "3": CallStage.ANSWERED,
    "4": CallStage.LEG_ENDED,
}
INSIDE = "2"  #: src_type or dst_type of an employee; 1 is outside
_CHANNEL = re.compile(r"[0-9]{9,11}\.[0-9]{1,12}")  #: Asterisk's id of a channel
_SHORT = re.compile(r"[0-9]{1,6}")  #: short_* of an employee; of others it may be the number


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part."""
    require_path_token(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: events carry no number of their own; an equal request is a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says; an address checked without fields says nothing."""
    fields = sent_fields(request)
    if "event" not in fields and "call_id" not in fields:
        raise IgnoredDelivery("a check of the address: it names no event")
    number = required(fields, "event")
    if number not in STAGES:
        raise IgnoredDelivery(f"unknown event {number!r}")
    stage = STAGES[number]
    return [
        CallEvent(
            call_keys=_keys(fields, stage),
            stage=stage,
            occurred_at=epoch(fields, "timestamp"),
            **_parties(fields),
            **(_end(fields) if stage is CallStage.ENDED else {}),
        )
    ]


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say success in JSON, without which Sipuni stops sending."""
    return HookResponse(body=b'{"success": true}', content_type="application/json")


def _keys(fields: Fields, stage: CallStage) -> tuple[str, ...]:
    """Return the call's id and, of its end, the one that the link to the recording names."""
    call_id, link = required(fields, "call_id"), url(fields, "call_record_link")
    if stage is not CallStage.ENDED or link is None:
        return (call_id,)
    named = parse_qs(urlsplit(link).query).get("id", [""])[0]
    return (call_id, named) if named != call_id and _CHANNEL.fullmatch(named) else (call_id,)


def _parties(fields: Fields) -> dict[str, Any]:
    """Return direction and sides, by whose telephone is at which end."""
    caller, callee = _extension(fields, "src"), _extension(fields, "dst")
    if (caller and callee) or text(fields, "is_inner_call") == "1":
        told = {"caller": caller, "callee": callee, "agent": callee}
        return told | {"direction": Direction.INTERNAL}
    if caller:
        told = {"callee": text(fields, "dst_num"), "agent": caller}
        return told | {"direction": Direction.OUTBOUND, "line": text(fields, "pbxdstnum")}
    number = text(fields, "src_num")
    return {
        "direction": Direction.INBOUND,
        "caller": number,
        "withheld": number is None,
        "callee": None if callee else text(fields, "dst_num"),
        "line": text(fields, "pbxdstnum"),
        "agent": callee,
    }


def _extension(fields: Fields, side: str) -> str | None:
    """Return the extension at one side; None where nobody of ours is there."""
    short = text(fields, f"short_{side}_num")
    if short and _SHORT.fullmatch(short):
        return short
    if text(fields, f"{side}_type") != INSIDE:
        return None
    long = text(fields, f"{side}_num") or ""  # the account's number, at times #, the extension
    return long.removeprefix(text(fields, "user_id") or "").removeprefix("#") or None


def _end(fields: Fields) -> dict[str, Any]:
    status = (text(fields, "status") or "").lower()
    outcome = DIAL_STATUS.get(status, Outcome.FAILED) if status else None
    answered = outcome in (None, Outcome.ANSWERED)
    return {
        "outcome": outcome,
        "started_at": epoch(fields, "call_start_timestamp"),
        "answered_at": epoch(fields, "call_answer_timestamp") if answered else None,
        "recording_url": url(fields, "call_record_link"),
    }


SIPUNI = Provider(
    name="sipuni",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("path_token",),
    signs=False,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
