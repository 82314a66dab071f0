"""What FreeSWITCH's event socket tells of a leg while it lives, read as its record is read.

The last event of a leg tells what its record tells, in the same words and under the same ids: one
call comes of both. Live, a bridge tells who talks: the answer of the leg that came in names no
other leg, or one that loses, unless they were joined before.
Facts: signalwire/freeswitch switch_channel.c, switch_caller.c; recorded from 1.11.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ingest.domain.calls import CallEvent, CallStage, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery
from ingest.telephony.fields import required, text
from ingest.telephony.protocols import json_cdr
from ingest.telephony.protocols.cdr_call import events_of, keys_of
from ingest.telephony.protocols.cdr_legs import parent_of
from ingest.telephony.protocols.esl_record import Told, lines, record
from ingest.telephony.protocols.json_cdr import Record, microseconds


def parse(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what one event says. Raises UnreadableDelivery or IgnoredDelivery."""
    told = lines(delivery.body or b"")
    name = required(told, "Event-Name")
    read = _READERS.get(name)
    if read is None:
        raise IgnoredDelivery(f"an event {name}, which tells nothing of a call")
    found = read(told, record(told), account)
    if not found:
        raise IgnoredDelivery(f"an event {name} of a leg whose others tell the same")
    return found


def _begun(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    """Return that a call came in or went out; of a leg that it dialled only that it belongs."""
    if _is_part(leg):
        return _tied(leg)
    end = events_of(leg, account)[0]
    return [
        CallEvent(
            call_keys=end.call_keys[:1],
            stage=CallStage.RINGING,
            occurred_at=end.started_at,
            direction=end.direction,
            caller=end.caller,
            callee=end.callee,
            withheld=end.withheld,
            agent=end.agent,
        )
    ]


def _rang(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    """Return which telephone rings."""
    if parent_of(leg.variables) is None:
        return ()
    return [it for it in events_of(leg, account) if it.stage is CallStage.RINGING]


def _joined(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    """Return who talks now, where two people can speak; else only that the legs are one call."""
    events = events_of(leg, account)
    answers = [it for it in events if it.stage is CallStage.ANSWERED]
    if answers or _is_part(leg):
        return answers or _tied(leg)
    end = events[0]
    if end.outcome is not Outcome.ANSWERED:
        return _tied(leg)
    return [
        CallEvent(
            call_keys=end.call_keys,
            stage=CallStage.ANSWERED,
            occurred_at=end.answered_at,
            direction=end.direction,
            caller=end.caller,
            callee=end.callee,
            withheld=end.withheld,
            agent=end.agent,
        )
    ]


def _ended(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    return events_of(leg, account)


def _held(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    """Return that the other side waits, or talks again; music before a talk is no talk."""
    if leg.entries[0].talked_at is None:
        return ()
    waits = told["Event-Name"] == "CHANNEL_HOLD"
    return [
        CallEvent(
            call_keys=_keys(leg),
            stage=CallStage.HELD if waits else CallStage.ANSWERED,
            occurred_at=microseconds(told, "Event-Date-Timestamp"),
        )
    ]


def _recorded(told: Told, leg: Record, account: Account) -> Sequence[CallEvent]:
    """Return where a talk's recording lies; what was recorded before anybody talked is none."""
    path = json_cdr.path(told.get("Record-File-Path"))
    if path is None or leg.entries[0].talked_at is None:
        return ()
    return [
        CallEvent(
            call_keys=_keys(leg),
            stage=CallStage.RECORDING,
            recording_id=path,
            recording_ready=True,
        )
    ]


def _is_part(leg: Record) -> bool:
    """Tell whether the leg was dialled by another, or is half of a loopback."""
    told = leg.variables
    return parent_of(told) is not None or bool(text(told, "is_loopback"))


def _keys(leg: Record) -> tuple[str, ...]:
    told = leg.variables
    own = (required(told, "uuid"), text(told, "bridge_uuid"), text(told, "other_loopback_leg_uuid"))
    return keys_of(parent_of(told), *own)


def _tied(leg: Record) -> Sequence[CallEvent]:
    keys = _keys(leg)
    return [CallEvent(call_keys=keys, stage=CallStage.TIED)] if len(keys) > 1 else ()


_READERS: Mapping[str, Callable[[Told, Record, Account], Sequence[CallEvent]]] = {
    "CHANNEL_CREATE": _begun,
    "CHANNEL_PROGRESS": _rang,
    "CHANNEL_PROGRESS_MEDIA": _rang,
    "CHANNEL_ANSWER": _joined,  # of legs that were joined before: early media
    "CHANNEL_BRIDGE": _joined,
    "CHANNEL_HOLD": _held,
    "CHANNEL_UNHOLD": _held,
    "CHANNEL_HANGUP_COMPLETE": _ended,
    "RECORD_STOP": _recorded,
}
