"""The record that FreeSWITCH writes at the end of each leg, as values; and how JSON spells it.

As a form with `encode-values`, which is the default, the text is no JSON: what was encoded once is
not encoded again, so that after decoding the form bare quotes and line ends stand in the values of
`variables`. XML spells the same record (`xml_cdr`); what they are wrapped in stands in `cdr_body`.
Facts: signalwire/freeswitch mod_json_cdr.c, switch_ivr.c, switch_channel.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.fields import Fields, epoch, part, text
from ingest.telephony.request import json_object, storable

MOST_ENTRIES = 64  #: of one leg's callflow; each transfer adds one
MOST_PROFILES = 512  #: telephones that one entry dialled
MOST_APPLICATIONS = 2000  #: of one leg's log
LONGEST_PATH = 1024  #: characters
#: The variables that are read, of about 180.
NAMES = (
    "uuid", "direction", "call_direction", "start_stamp", "originator", "originating_leg_uuid",
    "bridge_uuid", "start_uepoch", "start_epoch", "end_uepoch", "end_epoch", "progress_uepoch",
    "progress_epoch", "progress_media_uepoch", "progress_media_epoch", "hangup_cause",
    "originate_disposition", "originate_causes", "last_app", "last_arg", "user_name",
    "dialed_user", "transfer_history", "cc_side", "cc_agent", "cc_queue", "cc_record_filename",
    "cc_member_session_uuid", "voicemail_message_len", "voicemail_answer_stamp", "is_loopback",
    "other_loopback_leg_uuid", "record_path", "record_name",
)  # fmt: skip

_PAIRS = re.compile(r'","([A-Za-z0-9_.\-]{1,128})":"')
_VARIABLES, _VARIABLES_END = '"variables":{"', re.compile(r'"\},"(?:app_log|callflow)":')


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Who called whom, as one leg shows it."""

    uuid: str | None
    caller: str | None
    destination: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stretch of a leg's life; a transfer begins a new one."""

    profile: Profile
    answered_at: datetime | None  #: the leg was answered, be it by the switch itself
    bridged_at: datetime | None  #: two legs were joined, be it for a ringing tone
    originators: tuple[Profile, ...]
    originatees: tuple[Profile, ...]  #: the legs that it dialled

    @property
    def talked_at(self) -> datetime | None:
        """Return when two people could speak: answered and joined, whichever came later."""
        if self.answered_at is None or self.bridged_at is None:
            return None
        return max(self.answered_at, self.bridged_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One leg: its variables decoded, its entries newest first, the applications it ran."""

    variables: Fields
    entries: tuple[Entry, ...]  #: at least one
    applications: tuple[tuple[str, str], ...]


def read(octets: bytes, *, repair: bool = False) -> Record:
    """Return the record that a text of JSON holds; `repair` one whose variables are not escaped.

    Raises UnreadableDelivery for anything else.
    """
    try:
        found = json_object(octets)
    except UnreadableDelivery:
        if not repair:
            raise
        found = _repaired(octets.decode("utf-8", "replace"))
    return record_of(found)


def record_of(found: Fields) -> Record:
    """Return the record of an object as JSON spells it. Raises UnreadableDelivery for no record."""
    variables = part(found, "variables")
    if not variables:
        raise UnreadableDelivery("a record without variables")
    encoded = "%" in str(variables.get("start_stamp", ""))  # a blank stands in every stamp
    entries = tuple(_entry(each) for each in _listed(found, "callflow", MOST_ENTRIES))
    if not entries:
        raise UnreadableDelivery("a record without callflow")
    return Record(
        variables=_decoded(variables, encoded),
        entries=entries,
        applications=tuple(_applications(found)),
    )


def microseconds(fields: Fields, *names: str) -> datetime | None:
    """Return the first moment told in these fields, in microseconds or seconds since 1970."""
    for name in names:
        written = text(fields, name)
        if written is None or not written.strip("0"):
            continue
        if not (written.isascii() and written.isdigit() and len(written) <= 18):
            raise UnreadableDelivery(f"the field {name} is no moment")
        number = int(written)
        return epoch({name: number / 1_000_000 if len(written) > 12 else number}, name)
    return None


def path(value: object) -> str | None:
    """Return a file's path, or None for what is none."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_PATH:
        return None
    return storable(value)


def _repaired(written: str) -> dict[str, Any]:
    """Return the record of a text whose `variables` hold bare quotes and line ends.

    Names hold neither, so the values lie between them; the rest of the text is sound JSON.
    """
    begin = written.find(_VARIABLES)
    end = _VARIABLES_END.search(written, begin + len(_VARIABLES)) if begin >= 0 else None
    if end is None:
        raise UnreadableDelivery("the field cdr is not JSON")
    inner = '","' + written[begin + len(_VARIABLES) : end.start()]
    cut = _PAIRS.split(inner)
    rest = written[:begin] + '"variables":{}' + written[end.start() + 2 :]
    return json_object(rest.encode()) | {"variables": dict(zip(cut[1::2], cut[2::2], strict=True))}


def _decoded(variables: Mapping[str, Any], encoded: bool) -> dict[str, Any]:
    found = {name: variables[name] for name in NAMES if name in variables}
    if not encoded:
        return found
    return {
        name: unquote(value) if isinstance(value, str) else value for name, value in found.items()
    }


def _listed(fields: Fields, name: str, most: int) -> Iterator[Fields]:
    listed = fields.get(name) or ()
    if not isinstance(listed, list | tuple) or len(listed) > most:
        raise UnreadableDelivery(f"the field {name} is no list of at most {most}")
    for each in listed:
        if not isinstance(each, Mapping):
            raise UnreadableDelivery(f"the field {name} is no list of objects")
        yield each


def _entry(entry: Fields) -> Entry:
    profile, times = part(entry, "caller_profile"), part(entry, "times")
    return Entry(
        profile=_profile(profile),
        answered_at=microseconds(times, "answered_time"),
        bridged_at=microseconds(times, "bridged_time"),
        originators=_profiles(profile, "originator"),
        originatees=_profiles(profile, "originatee"),
    )


def _profiles(profile: Fields, name: str) -> tuple[Profile, ...]:
    listed = _listed(part(profile, name), f"{name}_caller_profiles", MOST_PROFILES)
    return tuple(dict.fromkeys(_profile(each) for each in listed))


def _profile(profile: Fields) -> Profile:
    return Profile(
        uuid=text(profile, "uuid"),
        caller=text(profile, "caller_id_number"),
        destination=text(profile, "destination_number"),
    )


def _applications(found: Fields) -> Iterator[tuple[str, str]]:
    listed = _listed(part(found, "app_log"), "applications", MOST_APPLICATIONS)
    for each in listed:
        name, data = each.get("app_name"), each.get("app_data")
        if isinstance(name, str) and isinstance(data, str):
            yield name, data
