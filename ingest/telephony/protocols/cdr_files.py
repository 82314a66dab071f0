"""Files beside a FreeSWITCH: records that our door refused, and the rows of mod_cdr_csv.

What was refused lies as `<uuid>.cdr.json` or `.cdr.xml` in the module's `err-log-dir`,
bare or encoded as it would have been posted. The columns
of a row are those of the switch's template, each the name of a variable: ours, the sample's, or as
the source says. The sample's does not tell a person's answer from a menu's: such a row is read only
if nothing answered.
Facts: signalwire/freeswitch mod_cdr_csv.c, mod_json_cdr.c; files recorded from 1.11.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage
from ingest.domain.deliveries import Account, Delivery, UnreadableDelivery
from ingest.domain.records import Record as FileRecord
from ingest.domain.records import whole_file
from ingest.telephony.fields import local_time, text
from ingest.telephony.protocols import cdr_body, json_cdr
from ingest.telephony.protocols.callers import is_extension
from ingest.telephony.protocols.cdr_call import events_of
from ingest.telephony.protocols.json_cdr import Entry, Profile, Record, microseconds
from ingest.telephony.records import MAX_CELLS, cells, columns_are, split

#: Columns of the sample's template; `columns` of the source's config names those of another.
SAMPLE = (
    "caller_id_name", "caller_id_number", "destination_number", "context", "start_stamp",
    "answer_stamp", "end_stamp", "duration", "billsec", "hangup_cause", "uuid", "bleg_uuid",
    "accountcode", "read_codec", "write_codec",
)  # fmt: skip
#: Columns of the template that docs/providers.md gives: they tell people from menus and machines.
OURS = (
    "uuid", "start_stamp", "originator", "originating_leg_uuid", "bridge_uuid", "direction",
    "call_direction", "caller_id_number", "sip_req_user", "destination_number",
    "last_sent_callee_id_number", "user_name", "dialed_user", "start_uepoch", "progress_uepoch",
    "progress_media_uepoch", "answer_uepoch", "bridge_uepoch", "end_uepoch", "hangup_cause",
    "originate_disposition", "originate_causes", "last_app", "voicemail_message_len",
    "voicemail_answer_stamp", "cc_side", "cc_agent", "cc_queue", "cc_member_session_uuid",
    "cc_record_filename", "record_path", "record_name", "is_loopback", "other_loopback_leg_uuid",
)  # fmt: skip
SHORTER = 13  #: columns of the template that is compiled into the module
#: The columns of a template that is not named, by their number.
KNOWN = {len(each): each for each in (OURS, SAMPLE, SAMPLE[:SHORTER])}
TALK = frozenset({"bridge_uepoch", "bridge_epoch", "bridge_stamp"})  #: when two legs were joined

CALLEE = "last_sent_callee_id_number"  #: the number of the leg that this one is joined with

Row = Mapping[str, str]


def split_file(
    name: str, octets: bytes, final: bool, account: Account
) -> tuple[Sequence[FileRecord], int]:
    """Return a refused record, which is a whole file, or the whole rows of mod_cdr_csv."""
    if name.lower().endswith((".json", ".xml")):
        return whole_file(name, octets, final, account)
    named = _named(account)
    counts = (len(named),) if named else tuple(KNOWN)
    return split(octets, final=final, is_record=columns_are(*counts))


def parse(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what one file or row says. Raises UnreadableDelivery or IgnoredDelivery."""
    body = (delivery.body or b"").strip()
    if refused := cdr_body.record_in_file(body):
        return events_of(refused, account)
    row = _row(body, account)
    return events_of_row(row, account, account.zone, delivery.received_at)


def _row(body: bytes, account: Account) -> Row:
    found = [cell.strip() for cell in cells(body)]
    columns = _named(account) or KNOWN.get(len(found), SAMPLE)
    if len(found) != len(columns):
        raise UnreadableDelivery(
            f"a row of {len(found)} cells where {len(columns)} are expected: name the columns of"
            " the switch's template in the source's setting `columns`"
        )
    return dict(zip(columns, found, strict=True))


def columns_problem(account: Account) -> str | None:
    """Return what is wrong with the source's setting `columns`; None if nothing is."""
    named = account.config.get("columns")
    if named is None or (isinstance(named, list | tuple) and len(_named(account)) > 1):
        return None
    return 'columns: write the names in the switch\'s template in order, like ["uuid", "billsec"]'


def _named(account: Account) -> tuple[str, ...]:
    named = account.config.get("columns")
    if not isinstance(named, list | tuple) or len(named) > MAX_CELLS:
        return ()
    return tuple(name for name in named if isinstance(name, str))


def tells_of_people(columns: Collection[str]) -> bool:
    """Tell whether rows with these columns say when two people were joined, not only a menu."""
    return not TALK.isdisjoint(columns)


def events_of_row(
    row: Row, account: Account, zone: ZoneInfo, near: datetime
) -> Sequence[CallEvent]:
    """Return what a row says whose columns are named like variables; its stamps are in `zone`.

    Raises UnreadableDelivery, also if it does not tell whether a person answered.
    """
    events = events_of(_record(row, account, zone, near), account)
    return [_without_beginner(event) for event in events]


def _without_beginner(event: CallEvent) -> CallEvent:
    """Return what the leg to a number outside says: it does not know who began it.

    A call of ours was answered there, a caller's was sent on; the leg that dialled tells which.
    """
    outside = event.stage is CallStage.LEG_ENDED and event.agent is None
    return (
        replace(event, outcome=None, answered_at=None) if outside and event.answered_at else event
    )


def _record(row: Row, account: Account, zone: ZoneInfo, near: datetime) -> Record:
    """Return the leg's record as far as a row knows it."""
    answered_at = _moment(row, "answer", zone, near)
    bridged_at = _moment(row, "bridge", zone, near)
    if answered_at and not tells_of_people(row):
        raise UnreadableDelivery(
            "a person or a menu may have answered: add ${bridge_uepoch} to the switch's template"
        )
    variables = {name: row[name] for name in json_cdr.NAMES if row.get(name)}
    for name in ("start", "end"):
        moment = _moment(row, name, zone, near)
        if moment:
            variables[f"{name}_uepoch"] = str(round(moment.timestamp() * 1_000_000))
    last = text(row, "destination_number")
    newest = _entry(row, last, answered_at, bridged_at)
    oldest = _entry(row, _dialled(row, last, account), None, None)
    return Record(variables=variables, entries=(newest, oldest), applications=())


def _dialled(row: Row, last: str | None, account: Account) -> str | None:
    """Return what was dialled first: a caller from outside was sent on to an extension."""
    asked = text(row, "sip_req_user")
    sent_on = is_extension(last, account) and not is_extension(row.get("caller_id_number"), account)
    return asked or (None if sent_on else last)


def _entry(
    row: Row, destination: str | None, answered_at: datetime | None, bridged_at: datetime | None
) -> Entry:
    caller = text(row, "caller_id_number")
    joined = text(row, CALLEE) if bridged_at else None
    others = [Profile(uuid=text(row, "bridge_uuid"), caller=caller, destination=joined)]
    return Entry(
        profile=Profile(uuid=text(row, "uuid"), caller=caller, destination=destination),
        answered_at=answered_at,
        bridged_at=bridged_at,
        originators=(),
        originatees=tuple(others if joined else ()),
    )


def _moment(row: Row, name: str, zone: ZoneInfo, near: datetime) -> datetime | None:
    """Return a moment by its exact column, or by the stamp in the switch's own time."""
    exact = microseconds(row, f"{name}_uepoch", f"{name}_epoch")
    return exact or local_time(row, f"{name}_stamp", zone, near)
