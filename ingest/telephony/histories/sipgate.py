"""sipgate: `GET /v2/history`, whose calls have the `callId` of the push interface.

It names no telephones as events do (`fullUserId`), and not that one call was passed on as another.
Facts: sipgate-io/sipgateio-node lib/history; sipgate/sipgate.io issue 119 (one id on every way, to
be had in the history too); an entry as orkhanahmadov/sipgate keeps it. Not tried live. That
`created` is the beginning and `duration` counts from it is unconfirmed: a call that nobody took
has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, later, number, required, rfc3339, seconds, text
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

# {"totalCount": 1, "items": [{"id": "123456", "callId": "84C7B896", "type": "CALL",
#   "source": "+4917139200001", "target": "+493023125000", "direction": "INCOMING",
#   "status": "PICKUP", "callStatus": "SUCCESS", "created": "2026-11-16T07:00:00Z",
#   "duration": 73}]}
HOST = "api.sipgate.com"
LIST = ("items",)
PER_PAGE = 100
CALL = "CALL"
DIRECTIONS = {
    "incoming": Direction.INBOUND,
    "missed_incoming": Direction.INBOUND,
    "outgoing": Direction.OUTBOUND,
    "missed_outgoing": Direction.OUTBOUND,
}
MISSED = "MISSED_"  #: begins the direction of a call that nobody took
#: `callStatus`, and `status` where the first says nothing. That a call was missed is said of every
#: one nobody took: events tell whether it was declined, or given up by our side.
CALL_STATUSES = {
    "success": Outcome.ANSWERED,
    "missed": None,
    "busy": Outcome.BUSY,
    "busy_on_busy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "rejected_dnd": Outcome.REJECTED,
    "failure": Outcome.FAILED,
    "voicemail_no_message": Outcome.VOICEMAIL,
}
STATUSES = {"pickup": Outcome.ANSWERED, "nopickup": None, "busy": Outcome.BUSY}


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls of a period; a page is how many came before it."""
    query = {
        "types": CALL,
        "from": utc(since),
        "to": utc(until),
        "offset": page or 0,
        "limit": PER_PAGE,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/v2/history", **query),
        headers={
            "Accept": "application/json",
            **basic(secret(account, "token_id"), secret(account, "token")),
        },
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on until as many came as there are."""
    found = answered_object(response)
    came = count(found, *LIST)
    before = int(page or 0) + came
    return Turned(
        next=str(before) if came and before < (number(found, "totalCount") or 0) else None
    )


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call that has the id of events."""
    found = [_call(row) for row in rows(kept_json(delivery), *LIST) if _tells(row)]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def _tells(row: Fields) -> bool:
    return text(row, "type") == CALL and text(row, "callId") is not None


def _call(row: Fields) -> CallEvent:
    start, whole_s = rfc3339(row, "created"), seconds(row, "duration")
    return CallEvent(
        call_keys=(required(row, "callId"),),
        stage=CallStage.ENDED,
        outcome=_outcome(row),
        occurred_at=start,  # not before it, where no length is told
        started_at=start,
        ended_at=later(start, whole_s),
        duration_s=whole_s,
        **_sides(row),
    )


def _outcome(row: Fields) -> Outcome | None:
    found = known(row, "callStatus", CALL_STATUSES) or known(row, "status", STATUSES)
    missed = (text(row, "direction") or "").upper().startswith(MISSED)
    return None if missed and found is Outcome.ANSWERED else found


def _sides(row: Fields) -> dict[str, Any]:
    direction = known(row, "direction", DIRECTIONS)
    source, target = text(row, "source"), text(row, "target")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": target, "line": shown(source)}
    caller = shown(source)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": target,
    }


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /v2/history",
    window=timedelta(days=1),
    secrets=("token_id", "token"),
    hosts=(HOST,),
)
