"""The Data API of UIS, CoMagic and the new Novofon: JSON-RPC `get.calls_report`.

Times are in the account's zone, without an offset.
Facts: the Data API's report page; bzdvdn/comagic-sdk comagic/client.py; sazanof/novofon-api-v2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import (
    Fields,
    flag,
    local_time,
    number,
    part,
    required,
    seconds,
    text,
    url,
)
from ingest.telephony.protocols.uis import DIRECTIONS
from ingest.telephony.pulled import (
    answered_object,
    count,
    host_named,
    kept_json,
    known,
    local,
    rows,
    secret,
)

# {"jsonrpc": "2.0", "id": "1", "result": {"metadata": {"total_items": 2}, "data": [
#   {"id": 1998677601, "start_time": "2026-11-18 09:00:00", "finish_time": "2026-11-18 09:01:20",
#    "direction": "in", "is_lost": false, "contact_phone_number": "79067778899", ...}]}}
FIELDS = (
    "id",
    "start_time",
    "finish_time",
    "direction",
    "is_lost",
    "contact_phone_number",
    "virtual_phone_number",
    "wait_duration",
    "talk_duration",
    "total_duration",
    "full_record_file_link",
    "is_transfer",
    "last_talked_employee_id",
    "employees",
)
UIS_HOST, NOVOFON_HOST = "dataapi.uiscom.ru", "dataapi-jsonrpc.novofon.ru"
HOST = "api_host"  #: the setting that names another one, such as dataapi.comagic.ru
LIMIT = 1000
LIST = ("result", "data")


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for the calls of a period from a place in the list on."""
    return _request(account, UIS_HOST, since, until, page)


def request_novofon(
    account: Account, since: datetime, until: datetime, page: str | None
) -> ApiRequest:
    """Ask the new platform of Novofon for the same."""
    return _request(account, NOVOFON_HOST, since, until, page)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on behind what came until everything that the answer counts has come."""
    found = answered_object(response)
    if "error" in found:
        raise UnreadableDelivery(f"the Data API refused: {_error(found['error'])}")
    came = count(found, *LIST)
    total = number(part(part(found, "result"), "metadata"), "total_items")
    behind = int(page or 0) + came
    more = came >= LIMIT if total is None else bool(came) and behind < total
    return Turned(next=str(behind) if more else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call, and who else's telephone rang."""
    found = [
        event
        for row in rows(kept_json(delivery), *LIST)
        for event in _call(row, account, delivery.received_at)
    ]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def _request(
    account: Account, usual: str, since: datetime, until: datetime, page: str | None
) -> ApiRequest:
    host = next(iter(host_named(account, HOST)), usual)
    asked = {
        "jsonrpc": "2.0",
        "id": "1",
        "method": "get.calls_report",
        "params": {
            "access_token": secret(account, "access_token"),
            "date_from": local(since, account.zone),
            "date_till": local(until, account.zone),
            "limit": LIMIT,
            "offset": int(page or 0),
            "fields": list(FIELDS),
        },
    }
    return ApiRequest(
        method="POST",
        url=f"https://{host}/v2.0",
        headers={"Content-Type": "application/json; charset=UTF-8"},
        body=json.dumps(asked).encode(),
    )


def _error(error: object) -> str:
    """Return the message, cut: it is shown to people and written by strangers."""
    message = error.get("message") if isinstance(error, Mapping) else None
    return " ".join(str(message or "no reason given").split())[:200]


def _call(row: Fields, account: Account, near: datetime) -> list[CallEvent]:
    keys = (required(row, "id"),)
    start = local_time(row, "start_time", account.zone, near)
    finish = local_time(row, "finish_time", account.zone, near)
    direction = known(row, "direction", DIRECTIONS)
    contact = text(row, "contact_phone_number")
    outbound = direction is Direction.OUTBOUND
    talk_s = seconds(row, "talk_duration") or 0.0
    link = url(row, "full_record_file_link")
    last = text(row, "last_talked_employee_id")
    people = list(rows(row, "employees"))
    talked = [each for each in people if flag(each, "is_talked")]
    if last is None and talked:
        last = text(talked[-1], "employee_id")
    ended = CallEvent(
        call_keys=keys,
        stage=CallStage.ENDED,
        direction=direction,
        caller=None if outbound else contact,
        callee=contact if outbound else None,
        withheld=contact is None and direction is Direction.INBOUND,
        line=text(row, "virtual_phone_number"),
        agent=last,
        outcome=Outcome.ANSWERED if talk_s else Outcome.NO_ANSWER,
        started_at=start,
        ended_at=finish,
        duration_s=seconds(row, "total_duration"),
        talk_s=talk_s,
        recording_url=link,
        recording_ready=link is not None,
    )
    return [*(_colleague(keys, each, last, start, finish) for each in people), ended]


def _colleague(
    keys: tuple[str, ...],
    employee: Fields,
    last: str | None,
    start: datetime | None,
    finish: datetime | None,
) -> CallEvent:
    """Return the part of one employee: one who talked before the last, or whose telephone rang."""
    agent = text(employee, "employee_id")
    if flag(employee, "is_talked") and agent != last:
        return CallEvent(
            call_keys=keys,
            stage=CallStage.LEG_ENDED,
            outcome=Outcome.ANSWERED,
            occurred_at=finish,
            agent=agent,
            leg=agent,
        )
    return CallEvent(
        call_keys=keys, stage=CallStage.RINGING, occurred_at=start, agent=agent, leg=agent
    )


HISTORY = History(
    request=request,
    turn=turn,
    api="get.calls_report",
    window=timedelta(days=7),  # three months at most
    per_minute=20,
    secrets=("access_token",),
    hosts=(UIS_HOST, NOVOFON_HOST),
    hosts_of=lambda account: host_named(account, HOST),
)
