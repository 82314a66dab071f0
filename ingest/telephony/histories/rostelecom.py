"""Rostelecom: `domain_call_history` orders a file, `download_call_history` gives it once made.

The file is a table in a ZIP or in gzip, its rows by the `session_id` that events carry. It does not
tell how much of a call was talk, nor how long one rang that nobody took.
Facts: the guide of version 7.5 (A.3.8, A.3.9) as its users quote it, and how they found the
interface to behave. Not tried live. That `duration` counts from the first ring is unconfirmed: the
guide's own example reads so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, epoch, later, local_time, required, seconds, text
from ingest.telephony.packed import unpacked
from ingest.telephony.protocols.callers import shown
from ingest.telephony.pulled import MOST_ANSWER, MOST_ROWS, answered_object, local, secret

# session_id;call_type;direction;state;orig_number;orig_pin;dest_number;answering_sipuri;...
# SDij-0a1b;1;1;1;sip:79051230011@ats.test;;sip:74951230005@ats.test;sip:anna@ats.test;317;
#   2026-11-18 10:00:00;74;false;true;false;0;
COLUMNS = (
    "session_id", "call_type", "direction", "state", "orig_number", "orig_pin", "dest_number",
    "answering_sipuri", "answering_pin", "start_call_date", "duration", "is_voicemail",
    "is_record", "is_fax", "status_code", "status_string",
)  # fmt: skip
FIRST = COLUMNS[0]
DIRECTIONS = {"1": Direction.INBOUND, "2": Direction.OUTBOUND, "3": Direction.INTERNAL}
TAKEN = "1"  #: `state` of a call that somebody took; 2: nobody
TRUE = frozenset({"true", "1"})
HOST = "api.cloudpbx.rt.ru"
MOSCOW = ZoneInfo("Europe/Moscow")  #: of questions and answers, wherever the company is
READY_AFTER_S = 30.0
MOST_LOOKS = 40  #: for a file that is being made
EMPTY_LOOKS = 4  #: a file that is being made may be there before its rows are
NOT_FOUND = 404
MOST_TABLE = 4 * MOST_ANSWER  #: octets of the table once it is unpacked


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Order the file, or with the order's number ask for it."""
    if page is not None:
        return signed(account, "download_call_history", {"order_id": page.partition(":")[2]})
    asked = {
        "date_start": local(since, MOSCOW),
        "date_end": local(until, MOSCOW),
        "direction": 0,
        "state": 0,
    }
    return signed(account, "domain_call_history", asked)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Take the order's number, look until the file is made, and end with it.

    A page is the number of looks and the order: `3:815`.
    """
    if page is None:
        told = answered_object(response)
        if text(told, "result") != "0":
            said = text(told, "resultMessage") or ""
            raise UnreadableDelivery(f"Rostelecom refused the order: {said[:200]}".rstrip())
        return Turned(next=f"1:{required(told, 'order_id')}", keep=False, wait_s=READY_AFTER_S)
    written, _, order = page.partition(":")
    looks = int(written)
    if not _is_made(response, looks):
        if looks >= MOST_LOOKS:
            raise UnreadableDelivery("Rostelecom did not make the file that was ordered")
        return Turned(next=f"{looks + 1}:{order}", keep=False, wait_s=READY_AFTER_S)
    return Turned()


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call."""
    near = delivery.received_at
    found = [_call(row, near) for row in _rows(delivery.body or b"")]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def signed(account: Account, method: str, asked: Mapping[str, Any]) -> ApiRequest:
    """Return a request with the proof that events carry as well."""
    client_id, sign_key = secret(account, "client_id"), secret(account, "sign_key")
    body = json.dumps(asked, separators=(",", ":")).encode()
    proof = hashlib.sha256(client_id.encode() + body + sign_key.encode()).hexdigest()
    return ApiRequest(
        method="POST",
        url=f"https://{HOST}/{method}",
        headers={
            "Content-Type": "application/json",
            "X-Client-ID": client_id,
            "X-Client-Sign": proof,
        },
        body=body,
    )


def _is_made(response: ApiResponse, looks: int) -> bool:
    """Tell whether an answer is the file: before, a page or an object says that it is not there."""
    if response.status == NOT_FOUND or response.body.lstrip()[:1] in (b"", b"<", b"{"):
        return False
    try:
        return looks >= EMPTY_LOOKS or any(_rows(response.body))
    except UnreadableDelivery:
        return True  # it is kept, and parked with the reason


def _rows(body: bytes) -> Iterator[Fields]:
    """Yield the rows of the table. Its first line may name the columns, its guide tells them."""
    table = unpacked(body, most=MOST_TABLE).decode("utf-8-sig", "replace")
    if table.lstrip()[:1] in ("<", "{"):
        raise UnreadableDelivery("the answer is no table")
    first = table.partition("\n")[0]
    divider = ";" if first.count(";") >= first.count(",") else ","
    names: Sequence[str] = COLUMNS
    try:
        for place, row in enumerate(csv.reader(io.StringIO(table), delimiter=divider)):
            if place > MOST_ROWS:
                raise UnreadableDelivery(f"the answer holds more than {MOST_ROWS} calls")
            if not row:
                continue
            if place == 0 and row[0].strip().lower() == FIRST:
                names = [name.strip().lower() for name in row]
                continue
            if len(row) < len(names):
                raise UnreadableDelivery("a row of the answer has not all its columns")
            yield dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise UnreadableDelivery("the answer is no table") from error


def _call(row: Fields, near: datetime) -> CallEvent:
    taken = text(row, "state") == TAKEN
    missed = Outcome.VOICEMAIL if _is_true(row, "is_voicemail") else Outcome.NO_ANSWER
    start = _start(row, near)
    whole_s = seconds(row, "duration") or None  # 0: nobody took it, however long it rang
    return CallEvent(
        call_keys=(required(row, FIRST),),
        stage=CallStage.ENDED,
        outcome=Outcome.ANSWERED if taken else missed,
        # the end of a call nobody took is told by events alone; it is not before the beginning
        occurred_at=start,
        started_at=start,
        ended_at=later(start, whole_s),
        duration_s=whole_s,
        recording_id=text(row, FIRST) if _is_true(row, "is_record") else None,
        **_sides(row),
    )


def _sides(row: Fields) -> dict[str, Any]:
    direction = DIRECTIONS.get(text(row, "direction") or "")
    caller, callee = text(row, "orig_number"), text(row, "dest_number")
    from_pin, to_pin = text(row, "orig_pin"), text(row, "answering_pin")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "caller": caller, "callee": callee, "agent": from_pin}
    if direction is Direction.INTERNAL:
        told = {"caller": from_pin or caller, "callee": to_pin or callee, "agent": from_pin}
        return {"direction": direction, **told}
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and shown(caller) is None,
        "callee": callee,
        "agent": to_pin,
    }


def _start(row: Fields, near: datetime) -> datetime | None:
    """Return when a call began: an epoch in its guide, Moscow's time to some of its users."""
    written = text(row, "start_call_date") or ""
    if written.replace(".", "", 1).isdigit():
        return epoch(row, "start_call_date")
    return local_time(row, "start_call_date", MOSCOW, near)


def _is_true(row: Fields, name: str) -> bool:
    return (text(row, name) or "").lower() in TRUE


HISTORY = History(
    request=request,
    turn=turn,
    api="download_call_history",
    window=timedelta(days=1),
    every=timedelta(minutes=30),
    per_minute=10,  # its pace is not documented
    secrets=("client_id", "sign_key"),
    hosts=(HOST,),
    not_yet=(NOT_FOUND,),
)
