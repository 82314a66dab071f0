"""RingCentral: the account's call log in its detailed view.

A record's `telephonySessionId` is what events carry; one call may have several records.
Facts: ringcentral/ringcentral-api-docs docs/voice/call-log. Not tried live.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, later, part, rfc3339, seconds, text, url
from ingest.telephony.protocols import ringcentral_api
from ingest.telephony.protocols.callers import shown
from ingest.telephony.pulled import address, answered_object, count, kept_json, known, rows, utc

# {"records": [{"telephonySessionId": "s-a0d1", "startTime": "2026-11-18T09:00:00.594Z",
#   "duration": 194, "type": "Voice", "direction": "Inbound", "result": "Accepted",
#   "from": {"phoneNumber": "+12025550143"}, "to": {"phoneNumber": "+12025550100"},
#   "legs": [{"legType": "Accept", "result": "Accepted", "extension": {"id": 664573005}}]}],
#  "paging": {"page": 1, "perPage": 100}, "navigation": {"nextPage": {"uri": "https://..."}}}
PATH = "/restapi/v1.0/account/~/call-log"
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
RESULTS = {
    "accepted": Outcome.ANSWERED,
    "call connected": Outcome.ANSWERED,
    "voicemail": Outcome.VOICEMAIL,
    "missed": Outcome.NO_ANSWER,
    "no answer": Outcome.NO_ANSWER,
    "hang up": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "wrong number": Outcome.FAILED,
    "call failed": Outcome.FAILED,
}
VOICE = "voice"
RUNNING = "in progress"
LIST = ("records",)
PER_PAGE = 100


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the call log of a period."""
    query = {
        "dateFrom": utc(since),
        "dateTo": utc(until),
        "view": "Detailed",
        "type": "Voice",
        "perPage": PER_PAGE,
        "page": page or 1,
    }
    base = f"https://{ringcentral_api.host_of(account)}{PATH}"
    return ApiRequest(url=address(base, **query), headers={"Accept": "application/json"})


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on while the answer names a next page."""
    found = answered_object(response)
    more = count(found, *LIST) and part(found, "navigation").get("nextPage")
    return Turned(next=str(int(page or 1) + 1) if more else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call, and the part of each extension."""
    found = [
        event
        for record in rows(kept_json(delivery), *LIST)
        if _tells(record)
        for event in _call(record)
    ]
    if not found:
        raise IgnoredDelivery("no call of this period was over")
    return found


def _tells(record: Fields) -> bool:
    """Tell whether a record is of a call that is over and has the id that events carry."""
    voice = (text(record, "type") or VOICE).lower() == VOICE
    running = (text(record, "result") or "").lower() == RUNNING
    return voice and not running and text(record, "telephonySessionId") is not None


def _call(record: Fields) -> list[CallEvent]:
    keys = (text(record, "telephonySessionId") or "",)
    outcome, start = known(record, "result", RESULTS), rfc3339(record, "startTime")
    lasted_s = seconds(record, "duration")
    recording = part(record, "recording")
    legs = [leg for leg in rows(record, "legs") if _agent(leg)]
    took = [leg for leg in legs if known(leg, "result", RESULTS) is Outcome.ANSWERED]
    ended = CallEvent(
        call_keys=keys,
        stage=CallStage.ENDED,
        outcome=outcome,
        started_at=start,
        ended_at=later(start, lasted_s),
        duration_s=lasted_s,
        agent=_agent(took[-1]) if took and outcome is Outcome.ANSWERED else None,
        recording_id=text(recording, "id"),
        recording_url=url(recording, "contentUri"),
        **_sides(record),
    )
    rang = {
        agent: CallEvent(
            call_keys=keys,
            stage=CallStage.RINGING,
            occurred_at=rfc3339(leg, "startTime"),
            agent=agent,
            leg=agent,
        )
        for leg in legs
        if (agent := _agent(leg))
    }
    return [*rang.values(), ended]


def _agent(leg: Fields) -> str | None:
    return text(part(leg, "extension"), "id")


def _sides(record: Fields) -> dict[str, Any]:
    direction = known(record, "direction", DIRECTIONS)
    sender, receiver = part(record, "from"), part(record, "to")
    theirs, called = text(sender, "phoneNumber"), text(receiver, "phoneNumber")
    inner, outer = text(sender, "extensionNumber"), text(receiver, "extensionNumber")
    if inner and outer and not (theirs and called):
        return {"direction": Direction.INTERNAL, "caller": inner, "callee": outer}
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": called, "line": theirs}
    caller = shown(theirs)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": direction is Direction.INBOUND and caller is None,
        "callee": called,
    }


HISTORY = History(
    request=request,
    turn=turn,
    api="account/~/call-log",
    window=timedelta(days=1),
    per_minute=8,  # ten are allowed to the heavy group
    secrets=ringcentral_api.NAMES,
    hosts=(ringcentral_api.HOST,),
    hosts_of=lambda account: (ringcentral_api.host_of(account),),
    grant=ringcentral_api.GRANT,
)
