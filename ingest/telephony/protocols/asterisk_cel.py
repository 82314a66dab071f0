"""Asterisk's channel event log: over the manager interface, or rows of a cel_custom file.

It tells the same life of channels as the manager's own events, so the same events come of it.
`ANSWER` of a dialled channel (AppDial, AppQueue) is a telephone taken; of the caller's own channel
it is only that a menu or a queue took the call. `LINKEDID_END` is not the call's end where a
transfer gave its channels another Linkedid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, IgnoredDelivery, UnreadableDelivery
from ingest.telephony.fields import epoch, local_time, required, text
from ingest.telephony.protocols.ami import VOICEMAIL
from ingest.telephony.protocols.asterisk_channels import (
    Channel,
    Kind,
    dialled,
    is_inside,
    keys_of,
    number_shown,
    started_by_id,
)
from ingest.telephony.protocols.asterisk_told import CAUSES, STATUSES, Told, begun
from ingest.telephony.protocols.callers import is_extension

#: Columns of a cel_custom file as its sample configuration writes them.
COLUMNS = (
    "eventtype", "eventtime", "cidname", "cidnum", "cidani", "cidrdnis", "ciddnid", "exten",
    "context", "channel", "appname", "appdata", "amaflags", "accountcode", "uniqueid", "linkedid",
    "peer", "userfield", "userdeftype", "eventextra",
)  # fmt: skip
#: What a file's columns are called in the manager's event.
_NAMES = {
    "eventtype": "eventname",
    "cidnum": "calleridnum",
    "cidname": "calleridname",
    "channame": "channel",
    "appname": "application",
    "eventextra": "extra",
}
_DIALLED = frozenset({"appdial", "appdial2", "appqueue"})  #: what a dialled channel runs
_EPOCH = re.compile(r"[0-9]{9,11}(?:\.[0-9]{1,9})?")


def row_of(cells: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Return a file's row by the names of the manager's event. Raises UnreadableDelivery."""
    if len(cells) != len(columns):
        raise UnreadableDelivery(f"the row has {len(cells)} columns; {len(columns)} were expected")
    return {_NAMES.get(name, name): cell for name, cell in zip(columns, cells, strict=True)}


def read(lines: Mapping[str, str], account: Account, near: datetime) -> list[CallEvent]:
    """Return what an entry says. Raises UnreadableDelivery or IgnoredDelivery."""
    name = required(lines, "eventname").upper()
    reader = READERS.get(name)
    if reader is None:
        raise IgnoredDelivery(f"CEL {name} reports no call")
    told = Told(lines=lines, account=account, at=_moment(lines, account, near))
    channel = told.channel()
    events = reader(told, channel) if channel else []
    if not events:
        raise IgnoredDelivery(f"CEL {name} says nothing of a telephone")
    return events


def _moment(lines: Mapping[str, str], account: Account, near: datetime) -> datetime | None:
    """Return when it happened: as sent with the event, else as logged, local to the system."""
    sent = epoch(lines, "timestamp")
    if sent is not None:
        return sent
    if _EPOCH.fullmatch(text(lines, "eventtime") or ""):
        return epoch(lines, "eventtime")
    return local_time(lines, "eventtime", account.zone, near)


def _chan_start(told: Told, channel: Channel) -> list[CallEvent]:
    there_is = told.there_is(channel)
    exten, caller = text(told.lines, "exten"), text(told.lines, "calleridnum")
    entered = exten not in (None, "s") or (channel.kind is Kind.TRUNK and caller)
    if not told.is_first:
        return [there_is]
    if entered and channel.kind is not Kind.INSIDE:
        return [there_is, begun(told, channel, exten=exten, caller=caller)]
    return [there_is, told.event(CallStage.RINGING, started_at=told.started_at)]


def _answer(told: Told, channel: Channel) -> list[CallEvent]:
    app = (text(told.lines, "application") or "").lower()
    if channel.side is None or app not in _DIALLED:
        return []
    number = dialled(text(told.lines, "calleridnum"), told.account)
    callee = number if channel.kind is Kind.TRUNK else None
    return [told.event(CallStage.ANSWERED, channel, callee=callee)]


def _bridge_enter(told: Told, channel: Channel) -> list[CallEvent]:
    if channel.kind is not Kind.PHONE or _extra(told).get("bridge_technology") == "holding_bridge":
        return []
    return [told.event(CallStage.ANSWERED, channel)]


def _hangup(told: Told, channel: Channel) -> list[CallEvent]:
    """Return how a leg failed: by its cause, or as the channel that dialled knows it."""
    extra = _extra(told)
    status = str(extra.get("dialstatus", ""))
    cause = CAUSES.get(str(extra.get("hangupcause", "")))
    was_dialled = (text(told.lines, "application") or "").lower() in _DIALLED
    if channel.side and not told.is_first and (cause or (was_dialled and channel.agent)):
        return [told.event(CallStage.LEG_ENDED, channel, outcome=cause)]
    if cause or channel.side is None or status not in STATUSES or status == "NOANSWER":
        return []
    return [told.event(CallStage.LEG_ENDED, leg=channel.name, outcome=STATUSES[status])]


def _chan_end(told: Told, channel: Channel) -> list[CallEvent]:
    return [told.is_gone(channel)]


def _app_start(told: Told, channel: Channel) -> list[CallEvent]:
    app = (text(told.lines, "application") or "").lower()
    if app in VOICEMAIL:
        return [told.event(CallStage.TIED, outcome=Outcome.VOICEMAIL)]
    if app == "queue":
        data = told.lines.get("appdata", "").partition(",")[0]
        return [told.event(CallStage.TIED, queue=text({"queue": data}, "queue"))]
    return _dials(told, channel) if app == "dial" else []


def _dials(told: Told, channel: Channel) -> list[CallEvent]:
    """Return whom a telephone of ours calls outside, as far as what it dialled tells."""
    exten, source = text(told.lines, "exten"), number_shown(text(told.lines, "calleridnum"))
    if channel.kind is Kind.TRUNK or (channel.kind is Kind.INSIDE and not channel.outer):
        return []
    if is_inside(exten, told.account):
        return []
    return [
        told.event(
            CallStage.TIED,
            direction=Direction.OUTBOUND,
            callee=dialled(exten, told.account),
            line=None if is_extension(source, told.account) else source,
        )
    ]


def _transfer(kind: str | None) -> Callable[[Told, Channel], list[CallEvent]]:
    def read_it(told: Told, channel: Channel) -> list[CallEvent]:
        extra = _extra(told)
        others = [extra[name] for name in sorted(extra) if name.endswith("uniqueid")]
        ids = [each for each in others if isinstance(each, str) and started_by_id(each)]
        keys = keys_of(told.linkedid, told.uniqueid, *ids)
        return [told.event(CallStage.TIED, call_keys=keys, transfer=kind)]

    return read_it


def _extra(told: Told) -> Mapping[str, Any]:
    """Return the entry's JSON; what is none says nothing more."""
    try:
        found = json.loads(told.lines.get("extra") or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


READERS: Mapping[str, Callable[[Told, Channel], list[CallEvent]]] = {
    "CHAN_START": _chan_start,
    "ANSWER": _answer,
    "BRIDGE_ENTER": _bridge_enter,
    "HANGUP": _hangup,
    "CHAN_END": _chan_end,
    "LINKEDID_END": _chan_end,
    "APP_START": _app_start,
    "BLINDTRANSFER": _transfer("blind"),
    "ATTENDEDTRANSFER": _transfer("attended"),
    "PICKUP": _transfer(None),
}
