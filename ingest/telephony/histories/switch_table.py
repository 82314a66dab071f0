"""A FreeSWITCH's own table of legs, asked as a history.

FusionPBX keeps each leg's whole record beside its columns, as JSON or XML: it is read as if it had
been posted. Tables of mod_cdr_pg_csv and mod_cdr_sqlite have columns named like variables, read as
rows of a file are. A table that does not tell a person's answer from a menu's is refused, with what
to set. Facts: signalwire/freeswitch mod_cdr_pg_csv.c, mod_cdr_sqlite.c; fusionpbx/fusionpbx
app/xml_cdr (app_config.php, resources/database/views/xml_cdr.php).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields
from ingest.telephony.histories.cdr_table import TABLE, URL, question, zone_of
from ingest.telephony.protocols import json_cdr, xml_as_json, xml_cdr
from ingest.telephony.protocols.cdr_call import events_of
from ingest.telephony.protocols.cdr_files import events_of_row, tells_of_people
from ingest.telephony.protocols.json_cdr import Record
from ingest.telephony.pulled import answered, kept_json, rows, secret, told_by
from ingest.telephony.request import json_object

# [{"xml_cdr_uuid": "0374cb61-...", "start_stamp": "2026-11-21 13:29:03", "leg": "a",
#   "json": {"@attributes": {...}, "variables": {...}, "callflow": {...}}}]
# [{"uuid": "0374cb61-...", "start_stamp": "2026-11-21 13:29:03", "bridge_uepoch": 1795285745889196,
#   "caller_id_number": "+12025550143", "destination_number": "101", "hangup_cause": ...}]
WHOLE = ("json", "xml", "xml_cdr")  #: columns that hold a leg's record
DOMAIN = "cdr_domain"  #: setting: of the companies on one switch, which
LIMIT = 200  #: rows of one question; a record has 10 to 40 KB
OCTETS = 4 * 1024 * 1024  #: of one answer, after which no more rows are added to it


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Describe the legs that began in a period, from a place in it on."""
    fusion = "xml_cdr" in str(account.config.get(TABLE) or "")
    key = "xml_cdr_uuid" if fusion else "uuid"
    asked = question(account, since, until, page, time="start_stamp", key=key, limit=LIMIT)
    asked["octets"] = OCTETS
    domain = account.config.get(DOMAIN)
    if isinstance(domain, str) and domain:
        asked["equal"] = {"domain_name": domain}
    return ApiRequest(method="SELECT", url=secret(account, URL), body=json.dumps(asked).encode())


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on behind what came until nothing does: an answer may be cut for its size.

    Raises UnreadableDelivery for a table that cannot tell who answered.
    """
    came = list(rows(answered(response)))
    if came and not _tells(came[0]):
        raise UnreadableDelivery(
            "the table does not tell a person's answer from a menu's: give it a column"
            " bridge_uepoch, or of FusionPBX name the view: cdr_table=view_xml_cdr"
        )
    return Turned(next=str(int(page or 0) + len(came)) if came else None, keep=bool(came))


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what the rows say."""
    zone = zone_of(account)
    return told_by(
        rows(kept_json(delivery)), lambda row: _events(row, account, zone, delivery.received_at)
    )


def _tells(row: Fields) -> bool:
    names = {str(name).lower() for name in row}
    return not names.isdisjoint(WHOLE) or tells_of_people(names)


def _events(row: Fields, account: Account, zone: ZoneInfo, near: datetime) -> Sequence[CallEvent]:
    whole = next((row[name] for name in WHOLE if row.get(name)), None)
    if isinstance(whole, str | Mapping):
        return events_of(_whole(whole), account)
    return events_of_row(_plain(row), account, zone, near)


def _whole(told: str | Mapping[str, Any]) -> Record:
    """Return the record that a column holds, as text or as the object of a column of JSON."""
    if isinstance(told, str):
        octets = told.strip().encode("utf-8", "replace")
        if octets.startswith(b"<"):
            return xml_cdr.read(octets)
        told = json_object(octets)
    converted = xml_as_json.is_converted(told)
    return xml_cdr.converted(told) if converted else json_cdr.record_of(told)


def _plain(row: Fields) -> dict[str, str]:
    """Return a row as a file has it: names in lower case, whole numbers without a fraction."""
    found: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        found[str(name).lower()] = "" if value is None else str(value)
    return found


HISTORY = History(
    request=request,
    turn=turn,
    api="table of legs",
    window=timedelta(days=1),
    every=timedelta(minutes=5),
    settles=timedelta(minutes=1),
    per_minute=60,
    secrets=(URL,),
    table=True,
)
