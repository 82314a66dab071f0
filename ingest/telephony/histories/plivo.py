"""Plivo: `GET /v1/Account/{auth_id}/Call/`, the ended legs of a period, twenty to a page.

A row's `call_uuid` is what callbacks carry as `CallUUID`; a leg that was dialled for another names
that one as its parent. Asked for are calls that *ended* in the period, in UTC; the times of rows
are the account's, with their offset. Whether `call_duration` counts the ringing differs between
examples, so the talk is counted from the answer to the end.
Facts: docs.plivo.com voice/api/call (retrieve-all-calls, the-call-object) and
voice/troubleshooting/hangup-causes; plivo/plivo-python tests/resources/fixtures. Not tried live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, ReadDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, local_time, part, required, rfc3339, text
from ingest.telephony.pulled import (
    LOCAL,
    address,
    answered_object,
    basic,
    count,
    kept_json,
    known,
    rows,
    secret,
)

# {"meta": {"limit": 20, "next": null, "offset": 0, "total_count": 1},
#  "objects": [{"call_uuid": "57a1", "parent_call_uuid": null, "call_direction": "inbound",
#   "from_number": "12025550143", "to_number": "12025550100", "call_duration": 11,
#   "initiation_time": "2026-11-17 19:39:04+05:30", "answer_time": "2026-11-17 19:39:05+05:30",
#   "end_time": "2026-11-17 19:39:15+05:30", "hangup_cause_code": 4010}]}
HOST = "api.plivo.com"
LIST = ("objects",)
LIMIT = 20  #: more of them are not given at once
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
#: `hangup_cause_code`. Others tell nothing that a leg without an answer does not.
CAUSES = {
    "1000": Outcome.CANCELLED,
    "1010": Outcome.FAILED,  # out of credits
    "1020": Outcome.FAILED,  # too many calls at once
    "2000": Outcome.FAILED,
    "2010": Outcome.FAILED,
    "2020": Outcome.FAILED,
    "2030": Outcome.FAILED,
    "2040": Outcome.FAILED,
    "3000": Outcome.NO_ANSWER,
    "3010": Outcome.BUSY,
    "3020": Outcome.REJECTED,
    "6010": Outcome.NO_ANSWER,  # nobody took it in time
}

Sides = Callable[[Fields, Direction | None], Mapping[str, Any]]


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the legs that ended in a period."""
    name = secret(account, "auth_id")
    query = {
        "end_time__gte": since.astimezone(UTC).strftime(LOCAL),
        "end_time__lt": until.astimezone(UTC).strftime(LOCAL),
        "limit": LIMIT,
        "offset": page or 0,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/v1/Account/{quote(name, safe='')}/Call/", **query),
        headers=basic(name, secret(account, "auth_token")),
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on while the answer says that there is a next page."""
    found = answered_object(response)
    came, more = count(found, *LIST), part(found, "meta").get("next")
    return Turned(next=str(int(page or 0) + came) if came and more else None)


def reading(sides: Sides) -> ReadDelivery:
    """Return the reader, given how callbacks tell who called whom."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        legs = rows(kept_json(delivery), *LIST)
        ended = [row for row in legs if text(row, "end_time")]
        if not ended:
            raise IgnoredDelivery("no call of this period was over")
        return [_leg(row, sides, account.zone, delivery.received_at) for row in ended]

    return read


def _leg(row: Fields, sides: Sides, zone: ZoneInfo, near: datetime) -> CallEvent:
    leg, parent = required(row, "call_uuid"), text(row, "parent_call_uuid")
    answered_at, ended_at = (_moment(row, name, zone, near) for name in ("answer_time", "end_time"))
    failure = CAUSES.get(text(row, "hangup_cause_code") or "")
    outcome = Outcome.ANSWERED if answered_at else failure
    if parent and parent != leg:
        return CallEvent(
            call_keys=(parent, leg),
            stage=CallStage.LEG_ENDED,
            leg=leg,
            agent=text(row, "to_number"),
            occurred_at=ended_at,
            answered_at=answered_at,
            outcome=outcome,
        )
    direction = known(row, "call_direction", DIRECTIONS)
    by_program = direction is Direction.INBOUND  # whose answer is no person's
    talked = answered_at is not None and not by_program
    parties = {"From": row.get("from_number"), "To": row.get("to_number")}
    return CallEvent(
        call_keys=(leg,),
        stage=CallStage.ENDED,
        outcome=None if by_program and answered_at else outcome,
        started_at=_moment(row, "initiation_time", zone, near),
        answered_at=answered_at if talked else None,
        ended_at=ended_at,
        **sides(parties, direction),
    )


def _moment(row: Fields, name: str, zone: ZoneInfo, near: datetime) -> datetime | None:
    """Return a moment; `2026-11-17 19:39:04` without its offset is the account's time."""
    written = text(row, name) or ""
    stated = "+" in written or written.endswith("Z") or "-" in written[10:]
    return rfc3339(row, name) if stated else local_time(row, name, zone, near)


HISTORY = History(
    request=request,
    turn=turn,
    api="GET Call",
    window=timedelta(days=1),
    keeps=timedelta(days=90),
    per_minute=60,
    secrets=("auth_id", "auth_token"),
    hosts=(HOST,),
)
