"""Sipuni: `statistic/export`, a table of whole days, one row for a call.

`ID записи` is the id of the call's first channel, of calls that nobody took as well; it stands in
the link to the recording that an event of the end carries, mostly as the event's own `call_id`.
Facts: rows and words as public readers of the export keep them (of 2015 with real rows, of 2026
the columns), Sipuni's own example for the proof. Not tried live. That the id is `call_id` of every
call, and that `anonymous=1` leaves hidden callers in, is unconfirmed.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, formatted, later, seconds, text
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.pulled import MOST_ROWS, known, secret

# Тип;Статус;Время;Схема;Откуда;Куда;Кто ответил;Длительность звонка, сек;
#   Длительность разговора, сек;Время ответа, сек;Оценка;ID записи;Метка;...
# Входящий;Отвечен;18.11.2026 10:00:00;Основная;79261112233;74951230006;201;67;60;7;;1794985200.11;;
HOST = "sipuni.com"
#: What is read of each column, by its heading up to a comma.
COLUMNS = {
    "тип": "type",
    "статус": "status",
    "время": "time",
    "откуда": "from",
    "куда": "to",
    "кто ответил": "taker",
    "исходящая линия": "line",
    "длительность звонка": "length",
    "продолжительность звонка": "length",
    "длительность разговора": "talk",
    "продолжительность разговора": "talk",
    "id записи": "id",
}
NEEDED = frozenset({"type", "status", "time", "from", "to", "id"})
DIRECTIONS = {
    "входящий": Direction.INBOUND,
    "исходящий": Direction.OUTBOUND,
    "внутренний": Direction.INTERNAL,
}
#: Of every other call it says that nobody took it; events tell why.
STATUSES = {"отвечен": Outcome.ANSWERED}
DAY, MOMENT = "%d.%m.%Y", "%d.%m.%Y %H:%M:%S"
#: Of every call and every number. The proof is made of the values in the order of the names.
ALL = {
    "anonymous": "1", "firstTime": "0", "fromNumber": "", "state": "0", "toAnswer": "",
    "toNumber": "", "tree": "", "type": "0",
}  # fmt: skip


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for the days of a period: the export knows no time of day."""
    first, last = (at.astimezone(account.zone).strftime(DAY) for at in (since, until))
    asked = {**ALL, "from": first, "to": last, "user": secret(account, "api_user")}
    told = [*(asked[name] for name in sorted(asked)), secret(account, "api_key")]
    proof = hashlib.md5("+".join(told).encode(), usedforsecurity=False).hexdigest()
    return ApiRequest(
        method="POST",
        url=f"https://{HOST}/api/statistic/export",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({**asked, "hash": proof}).encode(),
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """End after one answer. Raises UnreadableDelivery for what is no table, as a refusal is."""
    if response.body.strip():
        _columns(_lines(response.body))
    return Turned()


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call that has an id."""
    lines = _lines(delivery.body or b"")
    columns = _columns(lines)
    found = []
    for place, cells in enumerate(lines):
        if place >= MOST_ROWS:
            raise UnreadableDelivery(f"the answer holds more than {MOST_ROWS} calls")
        row = {name: cells[at].strip() for name, at in columns.items() if at < len(cells)}
        if text(row, "id"):
            found.append(_call(row, account, delivery.received_at))
    if not found:
        raise IgnoredDelivery("there were no calls in these days")
    return found


def _lines(body: bytes) -> Iterator[list[str]]:
    try:
        written = io.StringIO(body.decode("utf-8-sig", "replace"))
        yield from (row for row in csv.reader(written, delimiter=";") if row)
    except csv.Error as error:
        raise UnreadableDelivery("the answer is no table") from error


def _columns(lines: Iterator[list[str]]) -> dict[str, int]:
    """Return where what we read stands, by the first line."""
    heads = [cell.partition(",")[0].strip().lower() for cell in next(lines, [])]
    found = {COLUMNS[head]: place for place, head in enumerate(heads) if head in COLUMNS}
    if not found.keys() >= NEEDED:
        raise UnreadableDelivery("the answer is no table of calls; are api_user and api_key right?")
    return found


def _call(row: Fields, account: Account, near: datetime) -> CallEvent:
    outcome = known(row, "status", STATUSES)
    start = formatted(row, "time", MOMENT, account.zone, near)
    whole_s, talk_s = seconds(row, "length"), seconds(row, "talk")
    taken = outcome is Outcome.ANSWERED
    return CallEvent(
        call_keys=(text(row, "id") or "",),
        stage=CallStage.ENDED,
        outcome=outcome,
        started_at=start,
        ended_at=later(start, whole_s),
        duration_s=whole_s,
        talk_s=talk_s if taken else 0.0,
        **_sides(row, account),
    )


def _sides(row: Fields, account: Account) -> dict[str, Any]:
    direction = known(row, "type", DIRECTIONS)
    caller, callee = text(row, "from"), text(row, "to")
    taker = text(row, "taker")
    if direction is Direction.INTERNAL:
        return {"direction": direction, "caller": caller, "callee": callee, "agent": taker}
    if direction is Direction.OUTBOUND:
        told = {"callee": callee, "agent": caller, "line": text(row, "line")}
        return {"direction": direction, **told}
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and shown(caller) is None,
        "callee": None if is_extension(callee, account) else callee,
        "agent": taker,
    }


HISTORY = History(
    request=request,
    turn=turn,
    api="statistic/export",
    window=timedelta(days=1),
    every=timedelta(hours=1),  # an answer is of whole days
    per_minute=10,  # its pace is not documented
    secrets=("api_user", "api_key"),
    hosts=(HOST,),
)
