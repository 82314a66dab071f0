"""Xsi-Events of BroadWorks: one XML document for each event of one subscribed user's call half.

A call rings several users: each has a half of its own (`callId`), `extTrackingId` ties them. So a
half that was released is the call's end only where somebody talked, or where the other side hung
up; of a group's telephone that merely stopped ringing it is the end of a leg.
Facts: schema.broadsoft.com/xsi (types CallEvent, Call, InternalReleaseCause). What a release means
for a group is not confirmed by a recording.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import HookRequest, IgnoredDelivery, UnreadableDelivery
from ingest.telephony.fields import Fields, epoch, number, required, text, word
from ingest.telephony.protocols.callers import EXTENSION, shown
from ingest.telephony.xml import Element, document

STAGES = {
    "CallReceivedEvent": CallStage.RINGING,
    "CallOriginatedEvent": CallStage.RINGING,
    "CallAnsweredEvent": CallStage.ANSWERED,
    "CallRetrievedEvent": CallStage.ANSWERED,
    "CallHeldEvent": CallStage.HELD,
    "CallTransferredEvent": CallStage.LEG_ENDED,
    "CallReleasedEvent": CallStage.ENDED,
}
TERMINATED = "SubscriptionTerminatedEvent"
#: `personality`: which half of the call this user has.
DIRECTIONS = {
    "terminator": Direction.INBOUND,
    "originator": Direction.OUTBOUND,
    "click-to-dial": Direction.OUTBOUND,
}
COLLEAGUES = ("group", "enterprise")  #: `callType` of a remote party that is one of us
#: `internalReleaseCause`; one that is not here says only that nobody talked.
CAUSES = {
    "busy": Outcome.BUSY,
    "forbidden": Outcome.REJECTED,
    "temporarily unavailable": Outcome.NO_ANSWER,
    "request timeout": Outcome.NO_ANSWER,
    "dial tone timeout": Outcome.CANCELLED,
    "user not found": Outcome.FAILED,
    "routing failure": Outcome.FAILED,
    "global failure": Outcome.FAILED,
    "request failure": Outcome.FAILED,
    "server failure": Outcome.FAILED,
    "translation failure": Outcome.FAILED,
    "insufficient credits": Outcome.FAILED,
}
BY_REMOTE, BY_LOCAL = "remoteRelease", "localRelease"


def event_of(request: HookRequest) -> Element:
    """Return the event that a request holds. Raises UnreadableDelivery for anything else."""
    found = document(request.body.strip())
    if found.name != "Event":
        raise UnreadableDelivery("XML, but no event")
    return found


def type_of(event: Element) -> str:
    """Return the event's type without its prefix; the data's own where it has data."""
    data = event.at("eventData")
    written = (data or event).attributes.get("type", "")
    return written.rpartition(":")[2]


def target_of(event: Element) -> str | None:
    """Return the user whose half of a call this is, with his domain."""
    told = event.texts()
    return text(told, "targetId") or text(told, "userId")


def read(event: Element, *, line: str | None) -> list[CallEvent]:
    """Return what one event says of a call; `line` is the user's own public number.

    Raises UnreadableDelivery, and IgnoredDelivery for what tells of no call.
    """
    kind = type_of(event)
    stage = STAGES.get(kind)
    if stage is None:
        raise IgnoredDelivery(f"an event {kind[:80]!r} tells of no call")
    call = event.at("eventData", "call")
    if call is None:
        raise UnreadableDelivery("an event of a call without the call")
    told = call.texts()
    times = {name: _moment(told, f"{name}Time") for name in ("start", "answer", "release")}
    found: dict[str, Any] = {
        "call_keys": (text(told, "extTrackingId") or required(told, "callId"),),
        "leg": text(told, "callId"),
        "agent": (target_of(event) or "").partition("@")[0] or None,
        **_sides(call, told, line),
    }
    match stage:
        case CallStage.RINGING:
            moment: dict[str, Any] = {"occurred_at": times["start"], "started_at": times["start"]}
        case CallStage.ANSWERED if kind == "CallAnsweredEvent":
            moment = {"occurred_at": times["answer"], "started_at": times["start"]}
        case CallStage.ENDED:
            return [_released(call, told, found, times)]
        case _:  # held, taken back, passed on: the event names no moment of it
            moment = {"answered_at": times["answer"]}
    return [CallEvent(stage=stage, **found, **moment)]


def _released(call: Element, told: Fields, found: dict[str, Any], times: Fields) -> CallEvent:
    """Return the end of one half: that of the call, or only of one telephone's ringing."""
    answered_at, ended_at = times["answer"], times["release"]
    if answered_at is None and _others_ring(call, told):
        outcome = _failure(call, found)
        return CallEvent(stage=CallStage.LEG_ENDED, **found, occurred_at=ended_at, outcome=outcome)
    return CallEvent(
        stage=CallStage.ENDED,
        **found,
        started_at=times["start"],
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=Outcome.ANSWERED if answered_at else _failure(call, found),
        talk_s=None if answered_at else 0.0,
    )


def _others_ring(call: Element, told: Fields) -> bool:
    """Tell whether a group's call may go on: it was sent here, and it was not the caller's end."""
    sent_here = call.at("redirections", "redirection") or call.at("acdCallInfo")
    return sent_here is not None and text(told, "releasingParty") != BY_REMOTE


def _failure(call: Element, found: dict[str, Any]) -> Outcome:
    """Return why nobody talked."""
    cause = call.at("releaseCause", "internalReleaseCause") or call.at("internalReleaseCause")
    known = CAUSES.get(cause.text.lower()) if cause else None
    if known is not None:
        return known
    by_us = text(call.texts(), "releasingParty") == BY_LOCAL
    if found["direction"] is Direction.INBOUND:
        return Outcome.REJECTED if by_us else Outcome.NO_ANSWER
    return Outcome.CANCELLED if by_us else Outcome.NO_ANSWER


def _sides(call: Element, told: Fields, line: str | None) -> dict[str, Any]:
    """Return who called whom, and by which of our lines."""
    direction = word(told, "personality", DIRECTIONS)
    party = call.at("remoteParty")
    remote = party.texts() if party else {}
    address = shown(_number(text(remote, "address")))
    colleague = (text(remote, "callType") or "").lower() in COLLEAGUES
    if colleague or (address and EXTENSION.fullmatch(address)):
        side = "caller" if direction is Direction.INBOUND else "callee"
        return {"direction": Direction.INTERNAL, side: address}
    if direction is Direction.INBOUND:
        withheld = address is None
        return {"direction": direction, "caller": address, "line": line, "withheld": withheld}
    return {"direction": direction, "callee": address, "line": line}


def _number(address: str | None) -> str | None:
    """Return the number in a URI such as `tel:+79001234567` or `sip:101@example.org`."""
    if address is None:
        return None
    scheme, colon, rest = address.partition(":")
    bare = rest if colon and scheme.lower() in ("tel", "sip", "sips") else address
    return bare.partition("@")[0].partition(";")[0] or None


def _moment(told: Fields, name: str) -> datetime | None:
    """Return a moment that is sent in milliseconds since 1970."""
    sent = number(told, name)
    return epoch({name: sent / 1000}, name) if sent else None
