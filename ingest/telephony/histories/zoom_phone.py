"""Zoom Phone: `GET /phone/call_history`, by a token of a server-to-server application.

A row is one call of the account by the `call_id` that events carry. Of one that an auto
receptionist took it does not tell whether a person talked, so it tells no outcome of that.
Facts: developers.zoom.us docs/phone (understanding-call-history, migrate), zoom/rivet-javascript
phone.d.ts (fields, words). Not tried live; that a transferred call keeps its id is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.domain.tokens import Grant, Token
from ingest.telephony.fields import Fields, number, required, rfc3339, text
from ingest.telephony.protocols.callers import shown
from ingest.telephony.pulled import (
    address,
    answered_object,
    basic,
    count,
    kept_json,
    known,
    rows,
    secret,
    utc,
)
from ingest.telephony.request import json_object

# {"next_page_token": "", "page_size": 100, "call_history": [{"call_history_uuid": "20261117-0d",
#   "call_id": "7", "direction": "inbound", "connect_type": "external", "call_result": "answered",
#   "start_time": "2026-11-17T17:10:00Z", "answer_time": "...", "end_time": "...",
#   "caller_did_number": "+12025550143", "callee_did_number": "+12025550100",
#   "callee_ext_number": "1001", "callee_ext_type": "user"}]}
HOST, SIGN_IN = "api.zoom.us", "zoom.us"
LISTS = ("call_history", "call_logs")  #: the list's name, and what it was called until 2026
PER_PAGE = 100
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
INSIDE = "internal"  #: `connect_type` of a call between colleagues
MENU = "auto_receptionist"
#: `*_ext_type` of what is no telephone of somebody.
NOBODY = frozenset({MENU, "call_queue", "shared_line_group", "group_call_pickup"})
#: `call_result`. One that is not here says only that nobody talked.
RESULTS = {
    "answered": Outcome.ANSWERED,
    "accepted": Outcome.ANSWERED,
    "picked_up": Outcome.ANSWERED,
    "connected": Outcome.ANSWERED,
    "succeeded": Outcome.ANSWERED,
    "voicemail": Outcome.VOICEMAIL,
    "hang_up": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "abandoned": Outcome.NO_ANSWER,
    "no_answer": Outcome.NO_ANSWER,
    "ring_timeout": Outcome.NO_ANSWER,
    "overflowed": Outcome.NO_ANSWER,
    "busy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "system_blocked": Outcome.REJECTED,
    "call_failed": Outcome.FAILED,
    "service_unavailable": Outcome.FAILED,
}


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls that began in a period."""
    query = {
        "from": utc(since),
        "to": utc(until),
        "time_type": "start_time",
        "page_size": PER_PAGE,
        "next_page_token": page,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/v2/phone/call_history", **query),
        headers={"Accept": "application/json"},
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on with the token of the answer, as long as calls come."""
    found = answered_object(response)
    return Turned(next=text(found, "next_page_token") if count(found, _list_of(found)) else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call that is over."""
    found = kept_json(delivery)
    calls = [_call(row) for row in rows(found, _list_of(found)) if text(row, "end_time")]
    if not calls:
        raise IgnoredDelivery("no call of this period was over")
    return calls


def ask_token(account: Account, old: Token | None, now: datetime) -> ApiRequest:
    """Ask for a token of the account by the application's own secrets."""
    query = {"grant_type": "account_credentials", "account_id": secret(account, "account_id")}
    return ApiRequest(
        method="POST",
        url=address(f"https://{SIGN_IN}/oauth/token", **query),
        headers=basic(secret(account, "client_id"), secret(account, "client_secret")),
    )


def granted(account: Account, answer: ApiResponse, now: datetime) -> Token:
    """Return the token. Raises UnreadableDelivery for a refusal."""
    if answer.status != 200:
        raise UnreadableDelivery(f"Zoom refused the application's secrets: {answer.status}")
    fields = json_object(answer.body)
    life_s = number(fields, "expires_in") or 0.0
    return Token(value=required(fields, "access_token"), expires_at=now + timedelta(seconds=life_s))


def _list_of(found: Any) -> str:
    """Return what the list of calls is called in this answer."""
    named = [name for name in LISTS if isinstance(found, dict) and found.get(name) is not None]
    if not named:
        raise UnreadableDelivery("the answer holds no list of calls")
    return named[0]


def _call(row: Fields) -> CallEvent:
    outcome = known(row, "call_result", RESULTS)
    if outcome is Outcome.ANSWERED and text(row, "callee_ext_type") == MENU:
        outcome = None
    return CallEvent(
        call_keys=(required(row, "call_id"),),
        stage=CallStage.ENDED,
        outcome=outcome,
        started_at=rfc3339(row, "start_time"),
        answered_at=rfc3339(row, "answer_time") if outcome is Outcome.ANSWERED else None,
        ended_at=rfc3339(row, "end_time"),
        **_sides(row),
    )


def _sides(row: Fields) -> dict[str, Any]:
    direction = known(row, "direction", DIRECTIONS)
    number, dialled = text(row, "caller_did_number"), text(row, "callee_did_number")
    inner, outer = text(row, "caller_ext_number"), text(row, "callee_ext_number")
    kind = text(row, "connect_type")
    if kind == INSIDE or (kind is None and inner and outer):
        told = {"caller": inner or number, "callee": outer or dialled}
        return {"direction": Direction.INTERNAL, **told, "agent": _agent(row, "callee")}
    if direction is Direction.OUTBOUND:
        agent = _agent(row, "caller")
        return {"direction": direction, "callee": dialled, "line": number, "agent": agent}
    caller = shown(number)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": dialled,
        "agent": _agent(row, "callee"),
    }


def _agent(row: Fields, side: str) -> str | None:
    kind = text(row, f"{side}_ext_type")
    return None if kind in NOBODY else text(row, f"{side}_ext_number")


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /phone/call_history",
    window=timedelta(days=1),
    secrets=("account_id", "client_id", "client_secret"),
    hosts=(HOST, SIGN_IN),
    grant=Grant(request=ask_token, granted=granted),
)
