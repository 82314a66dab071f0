"""Legs that a call dialled: each is one telephone of ours, or a number outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account
from ingest.telephony.fields import Fields, text
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.cdr_facts import failure_of, recording_of
from ingest.telephony.protocols.json_cdr import Record, microseconds


def parent_of(told: Fields) -> str | None:
    """Return the leg that dialled this one. Legs to a queue's agents name only their caller's."""
    if text(told, "cc_side") == "agent" and text(told, "cc_member_session_uuid"):
        return text(told, "cc_member_session_uuid")
    return text(told, "originator") or text(told, "originating_leg_uuid")


def dialled_leg(
    record: Record, account: Account, leg: str, keys: tuple[str, ...]
) -> list[CallEvent]:
    """Return what one telephone did, or the number outside that was dialled."""
    told, newest = record.variables, record.entries[0]
    dialled = record.entries[-1].profile.destination
    phone = text(told, "dialed_user") or (dialled if is_extension(dialled, account) else None)
    agent = (text(told, "cc_agent") or "").partition("@")[0] or phone
    taken_at = newest.talked_at
    end: dict[str, Any] = {
        "call_keys": keys,
        "leg": leg,
        "occurred_at": microseconds(told, "end_uepoch", "end_epoch"),
        "outcome": Outcome.ANSWERED if taken_at else failure_of(told),
        **recording_of(record, taken_at),
    }
    if agent is None:
        return [_outside(end, record, account, dialled, taken_at)]
    caller = shown(newest.profile.caller)
    if is_extension(caller, account):
        sides: dict[str, Any] = {"direction": Direction.INTERNAL, "caller": caller, "callee": agent}
        return [CallEvent(stage=CallStage.LEG_ENDED, **end, **sides)]
    return _telephone(end, told, agent, caller, taken_at)


def _telephone(
    end: Mapping[str, Any],
    told: Fields,
    agent: str,
    caller: str | None,
    taken_at: datetime | None,
) -> list[CallEvent]:
    rang_at = microseconds(
        told, "progress_uepoch", "progress_epoch", "progress_media_uepoch", "progress_media_epoch"
    )
    common: dict[str, Any] = {"call_keys": end["call_keys"], "leg": end["leg"], "agent": agent}
    common |= {"direction": Direction.INBOUND, "caller": caller, "withheld": caller is None}
    if rang_at is None and taken_at is None:  # refused at once: it did not ring
        return [CallEvent(stage=CallStage.LEG_ENDED, **{**end, **common, "agent": None})]
    events = [CallEvent(stage=CallStage.LEG_ENDED, **{**common, **end})]
    if taken_at:
        events.insert(0, CallEvent(stage=CallStage.ANSWERED, occurred_at=taken_at, **common))
    if rang_at:
        events.insert(0, CallEvent(stage=CallStage.RINGING, occurred_at=rang_at, **common))
    return events


def _outside(
    end: Mapping[str, Any],
    record: Record,
    account: Account,
    dialled: str | None,
    taken_at: datetime | None,
) -> CallEvent:
    """Return what a number outside did: a client whom we called, or where a caller was sent on."""
    began = [each.caller for entry in record.entries for each in entry.originators]
    if began and not is_extension(began[-1], account) and not record.variables.get("user_name"):
        told: dict[str, Any] = (
            {"outcome": Outcome.FORWARDED, "forwarded_to": dialled} if taken_at else {}
        )
        return CallEvent(stage=CallStage.LEG_ENDED, **{**end, **told, "answered_at": taken_at})
    ours: dict[str, Any] = {"direction": Direction.OUTBOUND, "callee": dialled} if began else {}
    return CallEvent(stage=CallStage.LEG_ENDED, answered_at=taken_at, **end, **ours)
