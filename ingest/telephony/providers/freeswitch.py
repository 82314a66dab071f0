"""FreeSWITCH and FusionPBX: mod_json_cdr posts one record for each leg when it ends.

The leg that came in (or that an employee began) tells the call's end; the legs it dialled tell
which telephones rang and who took it. They come in any order, and those of losers while the call
goes on. `direction` is the switch's own: an employee's call comes in, a dialled telephone goes out.
The switch answers for menus, queues and voicemail; two people speak once legs are joined.
Facts: signalwire/freeswitch mod_json_cdr.c; fusionpbx/fusionpbx app/xml_cdr; recorded from 1.11.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Provider,
    Receipt,
)
from ingest.telephony.fields import Fields, required, text
from ingest.telephony.protocols import json_cdr
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.json_cdr import Profile, Record, microseconds
from ingest.telephony.request import storable
from ingest.telephony.signatures import require_basic

#: `hangup_cause`; of a call that the dialplan ended, `originate_disposition` says why.
CAUSES = {
    "NORMAL_CLEARING": Outcome.NO_ANSWER,
    "NO_ANSWER": Outcome.NO_ANSWER,
    "NO_USER_RESPONSE": Outcome.NO_ANSWER,
    "ALLOTTED_TIMEOUT": Outcome.NO_ANSWER,
    "PROGRESS_TIMEOUT": Outcome.NO_ANSWER,
    "LOSE_RACE": Outcome.NO_ANSWER,  # another telephone of the group took it
    "PICKED_OFF": Outcome.NO_ANSWER,
    "ORIGINATOR_CANCEL": Outcome.CANCELLED,
    "USER_BUSY": Outcome.BUSY,
    "CALL_REJECTED": Outcome.REJECTED,
}
#: `call_direction`, which FusionPBX's dialplan sets.
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "local": Direction.INTERNAL,
}
SUCCEEDED = ("NONE", "SUCCESS")  #: in `originate_causes`: this leg was not given up
VOICEMAIL_APPS = ("voicemail", "record")
_UUID = re.compile(r"(?:^|&)uuid=(?:a_)?([^&]{1,128})")  #: mod_json_cdr appends it to the address


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the request holds the `cred` of the module's configuration."""
    require_basic(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return the leg's uuid: each leg is posted once, and again if it was not accepted."""
    found = _UUID.search(request.query)
    return storable(found[1]) if found else None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the leg says: of the call, or of one telephone that it made ring."""
    record = json_cdr.read(request)
    told = record.variables
    leg = required(told, "uuid")
    tied = (text(told, "bridge_uuid"), text(told, "other_loopback_leg_uuid"))
    if text(told, "is_loopback"):
        return [_tied(leg, text(told, "originator"), *tied)]
    if parent := _parent(told):
        return _dialled(record, account, leg, _keys(parent, leg, *tied))
    return _whole(record, account, _keys(leg, *tied))


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: any 2xx is enough."""
    return HookResponse()


def _parent(told: Fields) -> str | None:
    """Return the leg that dialled this one. Legs to a queue's agents name only their caller's."""
    if text(told, "cc_side") == "agent" and text(told, "cc_member_session_uuid"):
        return text(told, "cc_member_session_uuid")
    return text(told, "originator") or text(told, "originating_leg_uuid")


def _keys(*ids: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in ids if each))


def _tied(*ids: str | None) -> CallEvent:
    """Return what a half of a loopback says: that its two neighbours are one call."""
    keys = _keys(*ids)
    if len(keys) < 2:
        raise IgnoredDelivery("a loopback leg that names no other leg")
    return CallEvent(call_keys=keys, stage=CallStage.TIED)


# The leg of the call itself.


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
    talks = _talks(record)
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
        agent=sides.employee or (_only_phone(told) if inbound and not phones else None),
        outcome=_outcome(record, sides, answered_at, forwarded=bool(outside) and first is None),
        started_at=microseconds(told, "start_uepoch", "start_epoch"),
        answered_at=answered_at,
        ended_at=microseconds(told, "end_uepoch", "end_epoch"),
        talk_s=None if answered_at else 0.0,
        forwarded_to=outside[-1].destination if outside and outside[-1] else None,
        queue=_queue(told),
        transfer=_transfer(record),
        **_recording(record, answered_at),
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


def _talks(record: Record) -> list[tuple[datetime, Profile | None]]:
    """Return when this leg was joined with which other one to talk, oldest first."""
    causes = _causes(record)
    bridged = text(record.variables, "bridge_uuid")
    talks: list[tuple[datetime, Profile | None]] = []
    for entry in reversed(record.entries):
        if entry.talked_at is None:
            continue
        dialled = entry.originatees
        taken = [
            who
            for who in dialled
            if causes.get(who.uuid or "", "NONE" if who.uuid == bridged else "") in SUCCEEDED
        ]
        if taken:
            talks += [(entry.talked_at, who) for who in taken]
        elif not (dialled and causes):  # of a failed attempt only a tone was heard
            talks.append((entry.talked_at, _sole(record.variables)))
    return talks


def _sole(told: Fields) -> Profile | None:
    """Return the one telephone dialled, for a record that names none of the legs it dialled."""
    phone = _only_phone(told)
    return (
        Profile(uuid=text(told, "bridge_uuid"), caller=None, destination=phone) if phone else None
    )


def _only_phone(told: Fields) -> str | None:
    """Return the telephone that rang, if it was one: `dialed_user` is the last one dialled."""
    legs = {each.partition(";")[0] for each in _list(told.get("originate_causes"))}
    several = len(legs) > 1 or any(sign in str(told.get("last_arg", "")) for sign in ",|")
    return None if several else text(told, "dialed_user")


def _causes(record: Record) -> dict[str, str]:
    """Return how each dialled leg fared, by its uuid."""
    pairs = (each.partition(";") for each in _list(record.variables.get("originate_causes")))
    return {leg: cause for leg, _, cause in pairs}


def _list(value: Any) -> list[str]:
    """Return the parts of a list as the switch writes it: `ARRAY::one|:two`, or one alone."""
    return value.removeprefix("ARRAY::").split("|:") if isinstance(value, str) and value else []


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
    if sides.direction is Direction.INBOUND and _is_voicemail(told):
        return Outcome.VOICEMAIL
    if text(told, "direction") == "outbound" and record.entries[0].answered_at is None:
        return Outcome.CANCELLED  # the employee's own telephone was not taken
    cause = text(told, "hangup_cause")
    if cause in (None, "NORMAL_CLEARING"):
        cause = text(told, "originate_disposition") or "NORMAL_CLEARING"
    return CAUSES.get(cause or "", Outcome.FAILED)


def _is_voicemail(told: Fields) -> bool:
    left = text(told, "voicemail_message_len") or text(told, "voicemail_answer_stamp")
    return bool(left) or text(told, "last_app") in VOICEMAIL_APPS


def _transfer(record: Record) -> str | None:
    cause = text(record.variables, "hangup_cause")
    talks = sum(entry.talked_at is not None for entry in record.entries)
    attended = "att_xfer" in str(record.variables.get("transfer_history", ""))
    if talks > 1 or cause in ("BLIND_TRANSFER", "ATTENDED_TRANSFER"):
        return "attended" if attended or cause == "ATTENDED_TRANSFER" else "blind"
    return None


def _queue(told: Fields) -> str | None:
    return (text(told, "cc_queue") or "").partition("@")[0] or None


def _recording(record: Record, answered_at: datetime | None) -> dict[str, Any]:
    """Return the recording's file. Its name may stand only among the applications that ran."""
    told = record.variables
    if answered_at is None:
        return {}
    folder, name = json_cdr.path(told.get("record_path")), json_cdr.path(told.get("record_name"))
    found = f"{folder.rstrip('/')}/{name}" if folder and name else None
    found = found or json_cdr.path(told.get("cc_record_filename"))
    if found is None:
        ran = [json_cdr.path(data) for app, data in record.applications if app == "record_session"]
        found = next((each for each in ran if each), None)
    return {"recording_id": found, "recording_ready": True} if found else {}


# The legs that a call dialled.


def _dialled(record: Record, account: Account, leg: str, keys: tuple[str, ...]) -> list[CallEvent]:
    """Return what one telephone did, or the number outside that was dialled."""
    told, newest = record.variables, record.entries[0]
    dialled = record.entries[-1].profile.destination
    phone = text(told, "dialed_user") or (dialled if is_extension(dialled, account) else None)
    agent = (text(told, "cc_agent") or "").partition("@")[0] or phone
    taken_at = newest.talked_at
    end = {
        "call_keys": keys,
        "leg": leg,
        "occurred_at": microseconds(told, "end_uepoch", "end_epoch"),
        "outcome": Outcome.ANSWERED if taken_at else _cause(told),
        **_recording(record, taken_at),
    }
    if agent is None:
        return [_to_outside(end, record, account, dialled, taken_at)]
    caller = shown(newest.profile.caller)
    if is_extension(caller, account):
        sides = {"direction": Direction.INTERNAL, "caller": caller, "callee": agent}
        return [CallEvent(stage=CallStage.LEG_ENDED, **end, **sides)]
    return _of_phone(end, told, agent, caller, taken_at)


def _of_phone(
    end: Mapping[str, Any],
    told: Fields,
    agent: str,
    caller: str | None,
    taken_at: datetime | None,
) -> list[CallEvent]:
    rang_at = microseconds(
        told, "progress_uepoch", "progress_epoch", "progress_media_uepoch", "progress_media_epoch"
    )
    common = {"call_keys": end["call_keys"], "leg": end["leg"], "agent": agent}
    common |= {"direction": Direction.INBOUND, "caller": caller, "withheld": caller is None}
    if rang_at is None and taken_at is None:  # refused at once: it did not ring
        return [CallEvent(stage=CallStage.LEG_ENDED, **{**end, **common, "agent": None})]
    events = [CallEvent(stage=CallStage.LEG_ENDED, **{**common, **end})]
    if taken_at:
        events.insert(0, CallEvent(stage=CallStage.ANSWERED, occurred_at=taken_at, **common))
    if rang_at:
        events.insert(0, CallEvent(stage=CallStage.RINGING, occurred_at=rang_at, **common))
    return events


def _to_outside(
    end: Mapping[str, Any],
    record: Record,
    account: Account,
    dialled: str | None,
    taken_at: datetime | None,
) -> CallEvent:
    """Return what a number outside did: a client whom we called, or where a caller was sent on."""
    began = [each.caller for entry in record.entries for each in entry.originators]
    if began and not is_extension(began[-1], account) and not record.variables.get("user_name"):
        told = {"outcome": Outcome.FORWARDED, "forwarded_to": dialled} if taken_at else {}
        return CallEvent(stage=CallStage.LEG_ENDED, **{**end, **told, "answered_at": taken_at})
    ours = {"direction": Direction.OUTBOUND, "callee": dialled} if began else {}
    return CallEvent(stage=CallStage.LEG_ENDED, answered_at=taken_at, **end, **ours)


def _cause(told: Fields) -> Outcome:
    return CAUSES.get(text(told, "hangup_cause") or "", Outcome.FAILED)


FREESWITCH = Provider(
    name="freeswitch",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("basic_user", "basic_password"),
)
