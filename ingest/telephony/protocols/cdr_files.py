"""Files beside a FreeSWITCH: records that our door refused, and the rows of mod_cdr_csv.

What was refused lies as `<uuid>.cdr.json` or `.cdr.xml` in the module's `err-log-dir`. The columns
of a row are those of the switch's template, each the name of a variable. The sample's template does
not tell a person's answer from a menu's: such a row is read only if nothing answered.
Facts: signalwire/freeswitch mod_cdr_csv.c, mod_json_cdr.c; files recorded from 1.11.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.domain.calls import CallEvent
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
SHORTER = 13  #: columns of the template that is compiled into the module

Row = Mapping[str, str]


def split_file(
    name: str, octets: bytes, final: bool, account: Account
) -> tuple[Sequence[FileRecord], int]:
    """Return a refused record, which is a whole file, or the whole rows of mod_cdr_csv."""
    if name.lower().endswith((".json", ".xml")):
        return whole_file(name, octets, final, account)
    named = _named(account)
    counts = (len(named),) if named else (len(SAMPLE), SHORTER)
    return split(octets, final=final, is_record=columns_are(*counts))


def parse(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what one file or row says. Raises UnreadableDelivery or IgnoredDelivery."""
    body = (delivery.body or b"").strip()
    if body.startswith((b"{", b"<")):
        return events_of(cdr_body.record_in(body), account)
    row = _row(body, account)
    return events_of(_record(row, account, delivery.received_at), account)


def _row(body: bytes, account: Account) -> Row:
    found = [cell.strip() for cell in cells(body)]
    columns = _named(account) or (SAMPLE if len(found) == len(SAMPLE) else SAMPLE[:SHORTER])
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


def _record(row: Row, account: Account, near: datetime) -> Record:
    """Return the leg's record as far as a row knows it."""
    answered_at = _moment(row, "answer", account, near)
    bridged_at = _moment(row, "bridge", account, near)
    if answered_at and not any(name.startswith("bridge_") for name in row):
        raise UnreadableDelivery(
            "a person or a menu may have answered: add ${bridge_uepoch} to the switch's template"
        )
    variables = {name: row[name] for name in json_cdr.NAMES if row.get(name)}
    for name in ("start", "end"):
        moment = _moment(row, name, account, near)
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
    return Entry(
        profile=Profile(uuid=text(row, "uuid"), caller=caller, destination=destination),
        answered_at=answered_at,
        bridged_at=bridged_at,
        originators=(),
        originatees=(),
    )


def _moment(row: Row, name: str, account: Account, near: datetime) -> datetime | None:
    """Return a moment by its exact column, or by the stamp in the switch's own time."""
    exact = microseconds(row, f"{name}_uepoch", f"{name}_epoch")
    return exact or local_time(row, f"{name}_stamp", account.zone, near)
