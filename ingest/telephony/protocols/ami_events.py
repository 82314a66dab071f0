"""What single events of Asterisk's manager interface say of a call, each by itself.

The first channel of a call tells its direction: one that comes in over a trunk is ringing
(ChannelState 4), so is a telephone that dials; one that Asterisk was asked to make is down (0).
Who answered is told by the telephone's own channel, never by a Local one. Every channel counts:
the call is over with the last of them. Most causes decide nothing: a caller who gives up is 127.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, IgnoredDelivery
from ingest.telephony.fields import epoch, required, text
from ingest.telephony.protocols.ami import VOICEMAIL
from ingest.telephony.protocols.asterisk_channels import (
    Channel,
    Kind,
    channel_of,
    dialled,
    keys_of,
    number_shown,
    started_by_id,
)
from ingest.telephony.protocols.asterisk_told import STATUSES, Told, begun
from ingest.telephony.protocols.callers import is_extension

RING, RINGING = "4", "5"  #: ChannelState: it called us, or a telephone that it called rings


def read(lines: Mapping[str, str], account: Account) -> list[CallEvent]:
    """Return what an event says. Raises UnreadableDelivery or IgnoredDelivery."""
    name = required(lines, "event")
    reader = READERS.get(name.lower())
    if reader is None:
        raise IgnoredDelivery(f"{name} reports no call")
    events = reader(Told(lines=lines, account=account, at=epoch(lines, "timestamp")))
    if not events:
        raise IgnoredDelivery(f"{name} of a channel that is nobody's telephone")
    return events


def _newchannel(told: Told) -> list[CallEvent]:
    channel = told.channel()
    if channel is None:
        return []
    there_is = told.there_is(channel)
    if not told.is_first:
        return [there_is]
    lines = told.lines
    if lines.get("channelstate") == RING:
        exten, caller = text(lines, "exten"), text(lines, "calleridnum")
        return [there_is, begun(told, channel, exten=exten, caller=caller)]
    return [there_is, told.event(CallStage.RINGING, started_at=told.started_at)]


def _newstate(told: Told) -> list[CallEvent]:
    channel = told.channel()
    if (
        channel is None
        or channel.kind is not Kind.PHONE
        or told.lines.get("channelstate") != RINGING
    ):
        return []
    return [told.event(CallStage.RINGING, channel)]


def _dialled_leg(told: Told) -> tuple[Told, Channel | None]:
    """Return the leg that was dialled, and the event as one of that leg."""
    lines = told.lines
    of_leg = {
        "uniqueid": text(lines, "destuniqueid") or text(lines, "uniqueid") or "",
        "linkedid": text(lines, "destlinkedid") or text(lines, "linkedid") or "",
    }
    leg = Told(lines={**lines, **of_leg}, account=told.account, at=told.at)
    return leg, told.channel("destchannel")


def _dialbegin(told: Told) -> list[CallEvent]:
    leg, dest = _dialled_leg(told)
    if dest is None:
        return []
    there_is = leg.there_is(dest)
    if dest.kind is not Kind.TRUNK:
        return [there_is]
    dialler = told.channel()
    ours = dialler is None or dialler.kind is Kind.PHONE or dialler.outer
    sides: dict[str, Any] = {"callee": _number_dialled(told)}
    if ours:  # a hose's inner half may as well send a caller on
        line = number_shown(text(told.lines, "calleridnum"))
        sides["direction"] = Direction.OUTBOUND
        sides["line"] = None if is_extension(line, told.account) else line
    return [there_is, leg.event(CallStage.RINGING, dest, **sides)]


def _dialend(told: Told) -> list[CallEvent]:
    leg, dest = _dialled_leg(told)
    if dest is None or dest.side is None:
        return []
    status = (text(told.lines, "dialstatus") or "").upper()
    callee = _number_dialled(told) if dest.kind is Kind.TRUNK else None
    if status == "ANSWER":
        return [leg.event(CallStage.ANSWERED, dest, callee=callee)]
    outcome = STATUSES.get(status, Outcome.NO_ANSWER)
    return [leg.event(CallStage.LEG_ENDED, dest, callee=callee, outcome=outcome)]


def _number_dialled(told: Told) -> str | None:
    """Return the number that a trunk was asked for, as it was dialled or else as it was sent."""
    lines = told.lines
    number = number_shown(text(lines, "destcalleridnum"))
    if number is None:
        sent = (text(lines, "dialstring") or "").rpartition("/")[2].partition("@")[0]
        number = sent if sent.strip("+").isdigit() else None
    return dialled(number, told.account)


def _bridged(told: Told) -> list[CallEvent]:
    channel = told.channel()
    holding = "holding" in (
        told.lines.get("bridgetype", "") + told.lines.get("bridgetechnology", "")
    )
    if channel is None or channel.kind is not Kind.PHONE or holding:
        return []
    return [told.event(CallStage.ANSWERED, channel)]


def _held(told: Told) -> list[CallEvent]:
    channel = told.channel()
    stage = CallStage.HELD if told.lines["event"].lower() == "hold" else CallStage.ANSWERED
    return [told.event(stage, channel)] if channel and channel.kind is Kind.PHONE else []


def _hangup(told: Told) -> list[CallEvent]:
    channel = told.channel()
    return [told.is_gone(channel, told.lines.get("cause", ""))] if channel else []


def _transfer(kind: str) -> Callable[[Told], list[CallEvent]]:
    def read_it(told: Told) -> list[CallEvent]:
        if (text(told.lines, "result") or "").lower() != "success":
            return []
        return [_tied(told, transfer=kind)]

    return read_it


def _pickup(told: Told) -> list[CallEvent]:
    return [_tied(told)]


def _tied(told: Told, **said: Any) -> CallEvent:
    """Return that all calls and channels that the event names are one."""
    lines = told.lines
    linked = [text(lines, name) for name in sorted(lines) if name.endswith("linkedid")]
    unique = [text(lines, name) for name in sorted(lines) if name.endswith("uniqueid")]
    keys = keys_of(*(each for each in (*linked, *unique) if each and started_by_id(each)))
    if not keys:
        raise IgnoredDelivery("the event names no call")
    return CallEvent(call_keys=keys, stage=CallStage.TIED, occurred_at=told.at, **said)


def _queue_joined(told: Told) -> list[CallEvent]:
    return [told.event(CallStage.TIED, queue=text(told.lines, "queue"))]


def _agent_connected(told: Told) -> list[CallEvent]:
    """Return who took a queue's call; a member behind a Local channel is named by its interface."""
    member = channel_of(text(told.lines, "interface"), told.account)
    dest = told.channel("destchannel")
    queue = text(told.lines, "queue")
    if member is None or member.kind is Kind.TRUNK or dest is None or dest.kind is Kind.TRUNK:
        return [told.event(CallStage.TIED, queue=queue)]
    who = dest if dest.kind is Kind.PHONE else member
    agent = who.far_end
    if who.kind is Kind.INSIDE and not is_extension(agent, told.account):
        return [told.event(CallStage.TIED, queue=queue)]
    side = Channel(name=who.name, kind=Kind.PHONE, far_end=agent)
    return [told.event(CallStage.ANSWERED, side, queue=queue)]


def _recorded(told: Told) -> list[CallEvent]:
    if text(told.lines, "variable") != "MIXMONITOR_FILENAME":
        return []
    file = text(told.lines, "value")
    return [told.event(CallStage.RECORDING, recording_id=file)] if file else []


def _voicemail(told: Told) -> list[CallEvent]:
    if (text(told.lines, "application") or "").lower() not in VOICEMAIL:
        return []
    return [told.event(CallStage.TIED, outcome=Outcome.VOICEMAIL)]


READERS: Mapping[str, Callable[[Told], list[CallEvent]]] = {
    "newchannel": _newchannel,
    "newstate": _newstate,
    "dialbegin": _dialbegin,
    "dialend": _dialend,
    "bridgeenter": _bridged,
    "hold": _held,
    "unhold": _held,
    "hangup": _hangup,
    "blindtransfer": _transfer("blind"),
    "attendedtransfer": _transfer("attended"),
    "pickup": _pickup,
    "queuecallerjoin": _queue_joined,
    "agentconnect": _agent_connected,
    "varset": _recorded,
    "newexten": _voicemail,
}
