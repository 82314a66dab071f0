"""The `cmd=` protocol of MegaFon's virtual PBX, which other operators resell.

One address; a form or JSON; the token in the body. Events carry no time, so the time of receipt
is theirs; `history` is the final record.
Facts: brandup-online/megafon-ats; mikopbx/ModuleMegafonPbx; skytecs/MegafonPbxApiClient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import (
    Fields,
    formatted,
    later,
    required,
    seconds,
    text,
    url,
    word,
)
from ingest.telephony.naming import digits, json_response
from ingest.telephony.request import body_fields
from ingest.telephony.signatures import require_proof, same

# cmd=event&type=ACCEPTED&phone=79031234567&diversion=74951230002&user=smirnov&ext=701
#  &callid=12040617750001&direction=in&crm_token=...
STAGES = {
    "incoming": CallStage.RINGING,
    "outgoing": CallStage.RINGING,
    "accepted": CallStage.ANSWERED,
    "completed": CallStage.ENDED,
    "cancelled": CallStage.LEG_ENDED,  # comes as well when a colleague took the call
    "transferred": CallStage.TIED,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}
# cmd=history&type=in&status=Success&phone=79031234567&user=smirnov&ext=701&diversion=74951230002
#  &start=20261118T070000Z&duration=81&callid=12040617750001&link=https://...&crm_token=...
OUTCOMES = {
    "success": Outcome.ANSWERED,
    "missed": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
    "notavailable": Outcome.FAILED,
    "notallowed": Outcome.FAILED,
    "notfound": Outcome.FAILED,
}
START = "%Y%m%dT%H%M%S%z"  #: always with Z
_EXTENSION = re.compile(r"[0-9]{3,4}")  #: a `phone` so short is a colleague


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless crm_token in the body is the one of the cabinet."""
    require_proof(request, account, ("crm_token",), lambda secrets: _proves(request, secrets))


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what an event or a history record says; the other commands change no call."""
    fields = body_fields(request)
    command = required(fields, "cmd").lower()
    if command in READERS:
        return [READERS[command](fields, request, account)]
    raise IgnoredDelivery(OTHER_COMMANDS.get(command, f"unknown command {command!r}"))


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200 with an empty object, which also answers `contact`: nobody known."""
    return HookResponse(body=b"{}", content_type="application/json")


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question of `cmd=contact`; None: another command."""
    try:
        fields = body_fields(request)
        if (text(fields, "cmd") or "").lower() != ASKING:
            return None
        return Asked(number=text(fields, "phone"), line=text(fields, "diversion"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Return the client's name and who is responsible, by whatever the PBX knows him by.

    Of nobody known an empty object: a list, or an empty name, is taken for an answer.
    """
    taker = found.answerer
    responsible = taker and (taker.login or taker.extension or digits(taker.direct_number))
    said = {"contact_name": found.client_name, "responsible": responsible}
    return json_response({name: value for name, value in said.items() if value})


LOOKUP = Lookup(asks, answer_who)


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    try:
        sent = text(body_fields(request), "crm_token") or ""
    except UnreadableDelivery as error:
        raise BadSignature(str(error)) from error
    return same(sent, secrets["crm_token"])


def _event(fields: Fields, request: HookRequest, account: Account) -> CallEvent:
    stage = word(fields, "type", STAGES)
    if stage is None:
        raise UnreadableDelivery("the field type is missing")
    tied = text(fields, "second_callid")
    call_keys = (required(fields, "callid"), *((tied,) if tied else ()))
    done = stage is CallStage.ENDED  # COMPLETED follows ACCEPTED, CANCELLED follows none
    return _common(
        fields,
        call_keys=call_keys,
        stage=stage,
        direction=word(fields, "direction", DIRECTIONS),
        agent=text(fields, "ext") or text(fields, "user"),
        outcome=Outcome.ANSWERED if done else None,
    )


def _history(fields: Fields, request: HookRequest, account: Account) -> CallEvent:
    outcome = word(fields, "status", OUTCOMES)
    if outcome is None:
        raise UnreadableDelivery("the field status is missing")
    answered = outcome is Outcome.ANSWERED
    start = formatted(fields, "start", START, account.zone, request.received_at)
    duration_s = seconds(fields, "duration")
    return _common(
        fields,
        call_keys=(required(fields, "callid"),),
        stage=CallStage.ENDED,
        direction=word(fields, "type", DIRECTIONS),
        # of a group that nobody answered, `user` without `ext` is no telephone that rang
        agent=text(fields, "ext") or (text(fields, "user") if answered else None),
        outcome=outcome,
        started_at=start,
        ended_at=later(start, duration_s),
        duration_s=duration_s,
        talk_s=None if answered else 0.0,  # operators differ: duration may be the whole or the talk
        recording_url=url(fields, "link"),
    )


READERS: Mapping[str, Callable[[Fields, HookRequest, Account], CallEvent]] = {
    "event": _event,
    "history": _history,
}
ASKING = "contact"
OTHER_COMMANDS = {
    ASKING: "the PBX asks who is calling; the call does not change",
    "rating": "a caller's rating; the call does not change",
}


def _common(fields: Fields, *, direction: Direction | None, **told: Any) -> CallEvent:
    """Return an event with its parties: `phone` is the other side, `diversion` our line."""
    phone = text(fields, "phone")
    if phone and _EXTENSION.fullmatch(phone):
        direction = Direction.INTERNAL
    outbound = direction is Direction.OUTBOUND
    return CallEvent(
        direction=direction,
        caller=None if outbound else phone,
        callee=phone if outbound else None,
        withheld=phone is None and direction is Direction.INBOUND,
        line=text(fields, "diversion"),
        queue=text(fields, "groupRealName"),
        **told,
    )
