"""Telnyx Call Control: Ed25519 signature over time and body. Not tried against a live account.

Each leg reports for itself, and only `call.initiated` says in which direction it goes. An incoming
leg that is answered was answered by a program; a person answers on a leg to a telephone. So legs
are told apart by whom they ring: a `sip:` address, a number of `config.agents`, one of our numbers,
or anybody else, who is the client that was called.
Facts: team-telnyx/telnyx-python types/call_*.py, lib/webhook_verification.py; developers.telnyx.com
receiving-webhooks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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
)
from ingest.telephony.fields import Fields, part, required, rfc3339, text, url
from ingest.telephony.histories import telnyx as history
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import json_object
from ingest.telephony.signatures import require_fresh, require_proof
from ingest.telephony.sounds import TELNYX_SOUND

# {"data": {"event_type": "call.hangup", "id": "3483a34e", "occurred_at": "2026-11-16T20:01:03Z",
#  "payload": {"call_leg_id": "bd09", "call_session_id": "70f5", "from": "+12025550100",
#  "to": "sip:anna@acme.sip.telnyx.com", "hangup_cause": "normal_clearing"}}}
STAGES = {
    "call.initiated": CallStage.RINGING,
    "call.answered": CallStage.ANSWERED,
    "call.hangup": CallStage.ENDED,
    "call.recording.saved": CallStage.RECORDING,
}
#: `hangup_cause`; after an answer it only says who hung up.
CAUSES = {
    "timeout": Outcome.NO_ANSWER,
    "no_answer": Outcome.NO_ANSWER,
    "originator_cancel": Outcome.CANCELLED,
    "user_busy": Outcome.BUSY,
    "call_rejected": Outcome.REJECTED,
    "not_found": Outcome.FAILED,
    "unspecified": Outcome.FAILED,
}
DIRECTIONS = {"incoming": Direction.INBOUND, "outgoing": Direction.OUTBOUND}
FILES = ("mp3", "wav")


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless telnyx-signature-ed25519 signs the time and the body."""
    require_proof(
        request,
        account,
        ("public_key_base64",),
        lambda secrets: _proves(request, secrets["public_key_base64"]),
    )
    if account.secrets:
        require_fresh(request, _signed_at(request), account.tolerance_s)


def key(request: HookRequest, account: Account) -> str | None:
    """Return the event's id: the same over repetitions and at the failover address."""
    return text(part(json_object(request.body), "data"), "id")


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the leg's event says of the call."""
    return _events(part(json_object(request.body), "data"), account)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: commands to a call go to Telnyx' own interface."""
    return HookResponse()


def _events(data: Fields, account: Account) -> Sequence[CallEvent]:
    kind = required(data, "event_type")
    stage = STAGES.get(kind)
    if stage is None:
        raise IgnoredDelivery(f"events of type {kind!r} do not change a call")
    payload = part(data, "payload")
    leg = required(payload, "call_leg_id")
    told = {
        "call_keys": tuple(dict.fromkeys((text(payload, "call_session_id") or leg, leg))),
        "occurred_at": rfc3339(data, "occurred_at"),
    }
    if stage is CallStage.RECORDING:
        return [_recording(payload, told)]
    if _is_agent(text(payload, "to"), account):
        return [_of_agent(payload, stage, leg, told)]
    return [_of_call(payload, stage, account, told)]


def _of_agent(payload: Fields, stage: CallStage, leg: str, told: Mapping[str, Any]) -> CallEvent:
    over = stage is CallStage.ENDED
    return CallEvent(
        stage=CallStage.LEG_ENDED if over else stage,
        leg=leg,
        agent=text(payload, "to"),
        outcome=_cause(payload) if over else None,
        **told,
    )


def _of_call(
    payload: Fields, stage: CallStage, account: Account, told: Mapping[str, Any]
) -> CallEvent:
    ours = _is_ours(text(payload, "to"), account)
    if stage is CallStage.ANSWERED and (ours or not account.own_numbers):
        raise IgnoredDelivery("a program answered the incoming leg, no person")
    direction = DIRECTIONS.get(text(payload, "direction") or "")
    return CallEvent(
        stage=stage,
        started_at=rfc3339(payload, "start_time"),
        outcome=_cause(payload) if stage is CallStage.ENDED else None,
        **_sides(payload, Direction.INBOUND if ours else direction),
        **told,
    )


def _sides(payload: Fields, direction: Direction | None) -> dict[str, Any]:
    """Return the sides where they are sure: a later event of an outgoing leg does not say whether
    a client was called or an employee's own number, for a call that came in.
    """
    sender, receiver = text(payload, "from"), text(payload, "to")
    match direction:
        case Direction.INBOUND:
            caller = shown(sender)
            sides = {"caller": caller, "withheld": caller is None, "callee": receiver}
        case Direction.OUTBOUND:
            sides = {"line": sender, "callee": receiver}
        case _:
            return {}
    return {"direction": direction, **sides}


def _cause(payload: Fields) -> Outcome | None:
    return CAUSES.get(text(payload, "hangup_cause") or "")


def _recording(payload: Fields, told: Mapping[str, Any]) -> CallEvent:
    files = {**part(payload, "recording_urls"), **part(payload, "public_recording_urls")}
    return CallEvent(
        stage=CallStage.RECORDING,
        recording_id=text(payload, "recording_id"),
        recording_url=next((found for name in FILES if (found := url(files, name))), None),
        recording_ready=True,
        **told,
    )


def _is_agent(to: str | None, account: Account) -> bool:
    agents = account.config.get("agents")
    listed = isinstance(agents, Mapping) and to in agents
    return to is not None and (listed or to.startswith(("sip:", "sips:")))


def _is_ours(to: str | None, account: Account) -> bool:
    return to is not None and _digits(to) in {_digits(own) for own in account.own_numbers}


def _digits(number: str) -> str:
    return "".join(sign for sign in number if sign.isdigit())


def _proves(request: HookRequest, public_key: str) -> bool:
    stamp = (request.header("telnyx-timestamp") or "").encode("utf-8", "surrogatepass")
    try:
        found = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        sent = base64.b64decode(request.header("telnyx-signature-ed25519") or "", validate=True)
        found.verify(sent, stamp + b"|" + request.body)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _signed_at(request: HookRequest) -> datetime:
    sent = request.header("telnyx-timestamp") or ""
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 10):
        raise BadSignature("telnyx-timestamp is no number of seconds")
    return datetime.fromtimestamp(int(sent), UTC)


TELNYX = Provider(
    name="telnyx",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("public_key_base64",),
    reads={Kind.PULL: history.reading(STAGES, _events)},
    history=history.HISTORY,
    recordings=TELNYX_SOUND,
)
