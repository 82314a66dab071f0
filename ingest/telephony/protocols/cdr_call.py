"""The call that one leg's record tells of: its end, who began it, and who took it.

The leg that came in (or that an employee began) tells the call's end; the legs it dialled tell
which telephones rang and who took it. They come in any order, and those of losers while the call
goes on. `direction` is the switch's own: an employee's call comes in, a dialled telephone goes out.
The switch answers for menus, queues and voicemail; two people speak once legs are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, IgnoredDelivery
from ingest.telephony.fields import required, text
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.cdr_facts import (
    CAUSES,
    is_voicemail,
    only_phone,
    queue_of,
    recording_of,
    talks_of,
    transfer_of,
)
from ingest.telephony.protocols.cdr_legs import dialled_leg, parent_of
from ingest.telephony.protocols.json_cdr import Profile, Record, microseconds

#: `call_direction`, which FusionPBX's dialplan sets.
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "local": Direction.INTERNAL,
}


def events_of(record: Record, account: Account) -> Sequence[CallEvent]:
    """Return what the leg says: of the call, or of one telephone that it made ring.

    Raises UnreadableDelivery or IgnoredDelivery.
    """
    told = record.variables
    leg = required(told, "uuid")
    tied = (text(told, "bridge_uuid"), text(told, "other_loopback_leg_uuid"))
    if text(told, "is_loopback"):
        return [_tied(leg, text(told, "originator"), *tied)]
    if parent := parent_of(told):
        return dialled_leg(record, account, leg, keys_of(parent, leg, *tied))
    return _whole(record, account, keys_of(leg, *tied))


def keys_of(*ids: str | None) -> tuple[str, ...]:
    """Return the ids that are there, each once, in the order given."""
    return tuple(dict.fromkeys(each for each in ids if each))


def _tied(*ids: str | None) -> CallEvent:
    """Return what a half of a loopback says: that its two neighbours are one call."""
    keys = keys_of(*ids)
    if len(keys) < 2:
        raise IgnoredDelivery("a loopback leg that names no other leg")
    return CallEvent(call_keys=keys, stage=CallStage.TIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    direction: Direction
    caller: str | None = None
    callee: str | None = None
    employee: str | None = None  #: who began a call of ours


def _whole(record: Record, account: Account, keys: tuple[str, ...]) -> list[CallEvent]:
    """Return the end of the call, and who took it as far as its own leg knows."""
    told = record.variables
    sides = _sides(record, account)
    inbound = sides.direction is Direction.INBOUND
    talks = talks_of(record)
    outside = [who for _, who in talks if inbound and _is_outside(who, account)]
    first = min((at for at, who in talks if who not in outside), default=None)
    phones = [(at, who) for at, who in talks if inbound and who and who not in outside]
    answered_at = first or min((at for at, _ in talks), default=None)
    end = CallEvent(
        call_keys=keys,
        stage=CallStage.ENDED,
        direction=sides.direction,
        caller=sides.caller,
        callee=sides.callee,
        withheld=inbound and sides.caller is None,
        agent=sides.employee or (only_phone(told) if inbound and not phones else None),
        outcome=_outcome(record, sides, answered_at, forwarded=bool(outside) and first is None),
        started_at=microseconds(told, "start_uepoch", "start_epoch"),
        answered_at=answered_at,
        ended_at=microseconds(told, "end_uepoch", "end_epoch"),
        talk_s=None if answered_at else 0.0,
        forwarded_to=outside[-1].destination if outside and outside[-1] else None,
        queue=queue_of(told),
        transfer=transfer_of(record),
        **recording_of(record, answered_at),
    )
    return [end, *(_taken(keys, at, phone) for at, phone in phones)]


def _taken(keys: tuple[str, ...], at: datetime, phone: Profile) -> CallEvent:
    return CallEvent(
        call_keys=keys,
        stage=CallStage.ANSWERED,
        occurred_at=at,
        direction=Direction.INBOUND,
        agent=phone.destination,
        leg=phone.uuid,
    )


def _sides(record: Record, account: Account) -> _Sides:
    """Return who called whom. The oldest entry is asked: transfers rewrite the newer ones."""
    told, oldest = record.variables, record.entries[-1].profile
    if text(told, "direction") == "outbound":
        return _clicked(record, account)
    caller, dialled = shown(oldest.caller), oldest.destination
    user = text(told, "user_name") or (caller if is_extension(caller, account) else None)
    direction = DIRECTIONS.get((text(told, "call_direction") or "").lower())
    if direction is None:
        direction = _direction_from(user, dialled, account)
    match direction:
        case Direction.INBOUND:
            return _Sides(direction=direction, caller=caller, callee=dialled)
        case Direction.OUTBOUND:
            return _Sides(direction=direction, callee=dialled, employee=user)
        case Direction.INTERNAL:
            return _Sides(direction=direction, caller=user or caller, callee=dialled, employee=user)


def _direction_from(user: str | None, dialled: str | None, account: Account) -> Direction:
    if user is None:
        return Direction.INBOUND
    to_us = dialled is None or dialled.startswith(("*", "#")) or is_extension(dialled, account)
    return Direction.INTERNAL if to_us else Direction.OUTBOUND


def _clicked(record: Record, account: Account) -> _Sides:
    """Return the sides of a call that a program began, whose first leg rings the employee.

    The client's number stands in the leg dialled second, or else in an entry of the first.
    """
    newest, oldest = record.entries[0], record.entries[-1]
    employee = text(record.variables, "dialed_user")
    numbers = (
        *(each.destination for each in newest.originatees),
        newest.profile.destination,
        oldest.profile.destination,
        shown(oldest.profile.caller),
    )
    outside = [each for each in numbers if each and not is_extension(each, account)]
    if not outside:
        callee = employee or oldest.profile.destination
        return _Sides(direction=Direction.INTERNAL, callee=callee, employee=employee)
    return _Sides(direction=Direction.OUTBOUND, callee=outside[0], employee=employee)


def _is_outside(who: Profile | None, account: Account) -> bool:
    return who is not None and bool(who.destination) and not is_extension(who.destination, account)


def _outcome(
    record: Record, sides: _Sides, answered_at: datetime | None, *, forwarded: bool
) -> Outcome:
    told = record.variables
    if forwarded:
        return Outcome.FORWARDED
    if answered_at:
        return Outcome.ANSWERED
    if sides.direction is Direction.INBOUND and is_voicemail(told):
        return Outcome.VOICEMAIL
    if text(told, "direction") == "outbound" and record.entries[0].answered_at is None:
        return Outcome.CANCELLED  # the employee's own telephone was not taken
    cause = text(told, "hangup_cause")
    if cause in (None, "NORMAL_CLEARING"):
        cause = text(told, "originate_disposition") or "NORMAL_CLEARING"
    return CAUSES.get(cause or "", Outcome.FAILED)
