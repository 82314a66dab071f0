"""Mango Office: `stats/request` gives a ticket, `stats/result` the table, one row for each leg.

Facts: Mango Office VPBX API, PDF v1.10; app.mango-office.ru/vpbx. Not tried live.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, epoch, required, text
from ingest.telephony.pulled import MOST_ROWS, answered_object, secret

BASE = "https://app.mango-office.ru/vpbx/"
# [MToxMDAyMTE1Nzo0NDEwMDIxMTc5OjE=];1794981600;1794981695;1794981618;;79001234501;101;
#  sip:ivanov@example-shop.mangosip.ru;1110;NDQxMDAyMTE3OTox;74951230001;abonent
FIELDS = (
    "records",
    "start",
    "finish",
    "answer",
    "from_extension",
    "from_number",
    "to_extension",
    "to_number",
    "disconnect_reason",
    "entry_id",
    "line_number",
    "location",
)
#: disconnect_reason of what had no talk; any other reason is no_answer.
REASONS = {
    "1110": Outcome.CANCELLED,  # the caller hung up
    "1111": Outcome.NO_ANSWER,
    "1121": Outcome.BUSY,
    "1122": Outcome.REJECTED,
}
PERSON = "abonent"  #: location of a telephone, as against a menu or a queue
NOT_READY = 204
READY_AFTER_S = 5.0


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for a ticket, or with the ticket for the table."""
    if page is not None:
        return signed(account, "stats/result", {"key": page})
    asked = {
        "date_from": str(int(since.timestamp())),
        "date_to": str(int(until.timestamp())),
        "fields": ",".join(FIELDS),
    }
    return signed(account, "stats/request", asked)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Take the ticket, wait until the table is ready, and end with it."""
    if page is None:
        ticket = required(answered_object(response), "key")
        return Turned(next=ticket, keep=False, wait_s=READY_AFTER_S)
    if response.status == NOT_READY:
        return Turned(next=page, keep=False, wait_s=READY_AFTER_S)
    return Turned()


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what the table says: of each call its course, and the part of each telephone."""
    calls: dict[str, list[Fields]] = {}
    for row in _rows(delivery.body or b""):
        calls.setdefault(required(row, "entry_id"), []).append(row)
    if not calls:
        raise IgnoredDelivery("there were no calls in this period")
    return [event for key, legs in calls.items() for event in _call(key, legs)]


def signed(account: Account, path: str, asked: Mapping[str, str]) -> ApiRequest:
    """Return a signed request to the interface, as every one of Mango is."""
    key, salt = secret(account, "vpbx_api_key"), secret(account, "vpbx_api_salt")
    written = json.dumps(asked, separators=(",", ":"))
    sign = hashlib.sha256((key + written + salt).encode()).hexdigest()
    return ApiRequest(
        method="POST",
        url=BASE + path,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({"vpbx_api_key": key, "sign": sign, "json": written}).encode(),
    )


def _rows(body: bytes) -> Sequence[Fields]:
    written = io.StringIO(body.decode("utf-8", "replace"))
    try:
        found = [row for row in csv.reader(written, delimiter=";") if row]
    except csv.Error as error:
        raise UnreadableDelivery("the answer is no table") from error
    if len(found) > MOST_ROWS:
        raise UnreadableDelivery(f"the answer holds more than {MOST_ROWS} rows")
    if any(len(row) != len(FIELDS) for row in found):
        raise UnreadableDelivery(f"a row of the answer has not the {len(FIELDS)} columns asked for")
    return [dict(zip(FIELDS, row, strict=True)) for row in found]


def _call(key: str, legs: Sequence[Fields]) -> list[CallEvent]:
    """Return the events of one call.

    The parties stand in its beginning and only times and outcome in its end: what a summary was
    pushed with outranks a beginning.
    """
    persons = [leg for leg in legs if text(leg, "location") in (PERSON, None)]
    first, last = min(legs, key=_begin), max(legs, key=_finish)
    answers = [at for leg in persons if (at := epoch(leg, "answer"))]
    reason = REASONS.get(text(last, "disconnect_reason") or "", Outcome.NO_ANSWER)
    direction = _direction(first)
    began = CallEvent(
        call_keys=(key,),
        stage=CallStage.RINGING,
        direction=direction,
        started_at=epoch(first, "start"),
        line=next((line for leg in legs if (line := text(leg, "line_number"))), None),
        **_parties(direction, first),
    )
    ended = CallEvent(
        call_keys=(key,),
        stage=CallStage.ENDED,
        outcome=Outcome.ANSWERED if answers else reason,
        started_at=epoch(first, "start"),
        answered_at=min(answers, default=None),
        ended_at=epoch(last, "finish"),
        recording_id=_recording(legs),
    )
    return [began, *(event for leg in persons for event in _leg(key, direction, leg)), ended]


def _begin(leg: Fields) -> float:
    at = epoch(leg, "start")
    return at.timestamp() if at else 0.0


def _finish(leg: Fields) -> float:
    at = epoch(leg, "finish")
    return at.timestamp() if at else 0.0


def _direction(leg: Fields) -> Direction:
    if not text(leg, "from_extension"):
        return Direction.INBOUND
    return Direction.INTERNAL if text(leg, "to_extension") else Direction.OUTBOUND


def _parties(direction: Direction, leg: Fields) -> dict[str, Any]:
    match direction:
        case Direction.INBOUND:
            caller = text(leg, "from_number")
            return {"caller": caller, "withheld": caller is None}
        case Direction.OUTBOUND:
            return {"callee": text(leg, "to_number"), "agent": text(leg, "from_extension")}
        case Direction.INTERNAL:
            return {
                "caller": text(leg, "from_extension"),
                "callee": text(leg, "to_extension"),
                "agent": text(leg, "from_extension"),
            }


def _leg(key: str, direction: Direction, leg: Fields) -> list[CallEvent]:
    """Return what one telephone of ours did in a call that came in."""
    agent, start = text(leg, "to_extension"), epoch(leg, "start")
    if direction is not Direction.INBOUND or agent is None or start is None:
        return []
    told: dict[str, Any] = {
        "call_keys": (key,),
        "agent": agent,
        "leg": f"{agent}@{int(start.timestamp())}",
    }
    stages = {
        CallStage.RINGING: start,
        CallStage.ANSWERED: epoch(leg, "answer"),
        CallStage.LEG_ENDED: epoch(leg, "finish"),
    }
    return [CallEvent(stage=stage, occurred_at=at, **told) for stage, at in stages.items() if at]


def _recording(legs: Sequence[Fields]) -> str | None:
    """Return the first recording of a list written as `[one,two]`."""
    lists = (text(leg, "records") or "" for leg in legs)
    ids = (each for written in lists for each in written.strip("[]").split(",") if each)
    return next(ids, None)


HISTORY = History(
    request=request,
    turn=turn,
    api="stats/result",
    window=timedelta(days=1),
    every=timedelta(minutes=30),
    per_minute=25,  # one in two seconds is allowed
    secrets=("vpbx_api_key", "vpbx_api_salt"),
    hosts=("app.mango-office.ru",),
)
