"""A telephone system's own table of call details, asked as a history: `cdr` of Asterisk.

The question is no HTTP request but a description of rows, which `telephony/cdr_tables` asks of the
database, read-only. Facts: asterisk/asterisk cdr/cdr_pgsql.c, cdr_adaptive_odbc.conf.sample;
FreePBX has no columns `answer` and `end`, but the lengths from which they follow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, local_time, seconds
from ingest.telephony.protocols import asterisk_cdr
from ingest.telephony.pulled import LOCAL, answered, count, kept_json, local, rows, secret, told_by

# [{"calldate": "2026-11-18 10:00:00", "clid": "\"Client\" <79031234567>", "src": "79031234567",
#   "dst": "101", "channel": "PJSIP/trunk-00000001", "dstchannel": "PJSIP/101-00000002",
#   "lastapp": "Dial", "duration": 80, "billsec": 71, "disposition": "ANSWERED",
#   "uniqueid": "1794985200.1", "linkedid": "1794985200.1"}]
URL = "cdr_url"  #: the secret: postgresql://..., mysql://... or sqlite:///..., password and all
TABLE, TIME, KEY, UTC = "cdr_table", "cdr_time", "cdr_key", "cdr_utc"  #: settings
LIMIT = 1000


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Describe the rows of a period, from a place in it on."""
    asked = question(account, since, until, page, time="calldate", key="uniqueid", limit=LIMIT)
    return ApiRequest(method="SELECT", url=secret(account, URL), body=json.dumps(asked).encode())


def question(
    account: Account,
    since: datetime,
    until: datetime,
    page: str | None,
    *,
    time: str,
    key: str,
    limit: int,
) -> dict[str, Any]:
    """Return the description of the rows; `time` and `key` are the columns that order them."""
    zone = zone_of(account)
    return {
        "table": str(account.config.get(TABLE) or "cdr"),
        "time": str(account.config.get(TIME) or time),
        "key": str(account.config.get(KEY) or key),
        "since": local(since, zone),
        "until": local(until, zone),
        "zone": zone.key,
        "limit": limit,
        "offset": int(page or 0),
    }


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on behind what came, as long as the answer was full."""
    came = count(answered(response))
    return Turned(next=str(int(page or 0) + came) if came >= LIMIT else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what the rows say."""
    zone = zone_of(account)

    def events_of(row: Fields) -> Sequence[CallEvent]:
        plain = _as_file(row, account, zone, delivery.received_at)
        return asterisk_cdr.read(plain, account, zone, delivery.received_at)

    return told_by(rows(kept_json(delivery)), events_of)


def zone_of(account: Account) -> ZoneInfo:
    """Return the zone of the table's times."""
    return ZoneInfo("UTC") if account.config.get(UTC) is True else account.zone


def _time(account: Account) -> str:
    return str(account.config.get(TIME) or "calldate")


def _as_file(row: Fields, account: Account, zone: ZoneInfo, near: datetime) -> Mapping[str, str]:
    """Return a row by the names that a file's row has, with the moments that follow from it."""
    plain = {str(name).lower(): "" if value is None else str(value) for name, value in row.items()}
    start = plain.get("start") or plain.get(_time(account).lower()) or ""
    told: dict[str, Any] = {**plain, "start": start}
    began = local_time(told, "start", zone, near)
    if began is not None and not plain.get("end"):
        ended = began + timedelta(seconds=seconds(row, "duration") or 0.0)
        talked_s = seconds(row, "billsec") or 0.0
        told["end"] = ended.astimezone(zone).strftime(LOCAL)
        if talked_s and not plain.get("answer"):
            took = ended - timedelta(seconds=talked_s)
            told["answer"] = took.astimezone(zone).strftime(LOCAL)
    return told


HISTORY = History(
    request=request,
    turn=turn,
    api="table of call details",
    window=timedelta(days=1),
    every=timedelta(minutes=5),
    settles=timedelta(minutes=1),
    per_minute=60,
    secrets=(URL,),
    table=True,
)
