"""The record of one leg as an event of FreeSWITCH's event socket knows it.

An event carries what the leg's record would say at that moment, but for the log and the older
entries of its callflow. A composed or terse switch may leave its variables out: then the lines that
say the same are read, and the rest is inferred.
Facts: signalwire/freeswitch switch_channel.c, switch_caller.c; recorded from 1.11.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.fields import text
from ingest.telephony.protocols import json_cdr
from ingest.telephony.protocols.cdr_legs import parent_of
from ingest.telephony.protocols.json_cdr import Entry, Profile, Record, microseconds

Told = Mapping[str, str]

MAX_EVENT = 65_536  #: octets; the largest recorded has 12,206
_VARIABLE = "variable_"
#: Variables that older or terser switches leave out of an event, and the line that says the same.
_SAME = {
    "uuid": "Unique-ID",
    "direction": "Call-Direction",
    "hangup_cause": "Hangup-Cause",
    "start_uepoch": "Caller-Channel-Created-Time",
    "progress_uepoch": "Caller-Channel-Progress-Time",
    "progress_media_uepoch": "Caller-Channel-Progress-Media-Time",
    "end_uepoch": "Caller-Channel-Hangup-Time",
}
_WANTED = frozenset(
    {
        "Event-Name", "Event-Date-Timestamp", "Caller-Profile-Index", "Caller-RDNIS",
        "Caller-Caller-ID-Number", "Caller-Destination-Number", "Caller-Channel-Answered-Time",
        "Caller-Channel-Bridged-Time", "Other-Leg-Unique-ID", "Other-Leg-Caller-ID-Number",
        "Other-Leg-Destination-Number", "Record-File-Path",
        *_SAME.values(),
        *(_VARIABLE + name for name in json_cdr.NAMES),
    }
)  # fmt: skip


def lines(octets: bytes) -> Told:
    """Return the lines that are read, of about 250; of a line given twice the first."""
    if len(octets) > MAX_EVENT:
        raise UnreadableDelivery(f"an event of more than {MAX_EVENT} octets")
    told: dict[str, str] = {}
    for line in octets.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon and name in _WANTED and name not in told:
            told[name] = unquote(value.strip())
    return told


def record(told: Told) -> Record:
    """Return the leg's record as far as the event knows it."""
    variables = {
        name: told[_VARIABLE + name] for name in json_cdr.NAMES if _VARIABLE + name in told
    }
    whole = bool(variables)  # a switch that tells no variables leaves more to be inferred
    for name, line in _SAME.items():
        if line in told:
            variables.setdefault(name, told[line])
    other = Profile(
        uuid=text(told, "Other-Leg-Unique-ID"),
        caller=text(told, "Other-Leg-Caller-ID-Number"),
        destination=text(told, "Other-Leg-Destination-Number"),
    )
    if other.uuid and not whole and variables.get("direction") == "outbound":
        variables["originator"] = other.uuid
    if other.uuid and (not whole or told.get("Event-Name") == "CHANNEL_BRIDGE"):
        variables["bridge_uuid"] = other.uuid
    others = (other,) if other.uuid else ()
    dialled = parent_of(variables) is not None
    newest = Entry(
        profile=_profile(told, "Caller-Destination-Number"),
        answered_at=microseconds(told, "Caller-Channel-Answered-Time"),
        bridged_at=_bridged_at(told, whole),
        originators=others if dialled else (),
        originatees=() if dialled else others,
    )
    return Record(variables=variables, entries=(newest, *_older(told)), applications=())


def _profile(told: Told, destination: str | None) -> Profile:
    return Profile(
        uuid=text(told, "Unique-ID"),
        caller=text(told, "Caller-Caller-ID-Number"),
        destination=text(told, destination) if destination else None,
    )


def _older(told: Told) -> tuple[Entry, ...]:
    """Return the entry before a transfer: what was dialled then is known of the last one only."""
    index = told.get("Caller-Profile-Index", "1")
    if index in ("", "1"):
        return ()
    profile = _profile(told, "Caller-RDNIS" if index == "2" else None)
    return (
        Entry(profile=profile, answered_at=None, bridged_at=None, originators=(), originatees=()),
    )


def _bridged_at(told: Told, whole: bool) -> datetime | None:
    if whole or "Caller-Channel-Bridged-Time" in told:
        return microseconds(told, "Caller-Channel-Bridged-Time")
    if told.get("Event-Name") == "CHANNEL_BRIDGE":
        return microseconds(told, "Event-Date-Timestamp")
    named = bool(told.get("Other-Leg-Unique-ID"))
    return microseconds(told, "Caller-Channel-Answered-Time") if named else None
