"""Statistics of the NOTIFY_* family: Zadarma and old cabinets of Novofon, one row for each leg.

Times are in the account's zone. The interface must not be asked every minute.
Facts: zadarma/openapi spec/v1/openapi.json; zadarma/user-api-v1 lib/Client.php.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, later, local_time, required, seconds, text
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.notify import DIRECTIONS, DISPOSITIONS
from ingest.telephony.pulled import answered_object, count, kept_json, local, rows, secret

# {"status": "success", "version": 2, "stats": [{"call_id": "1439981389.2702773", "sip": "100",
#   "callstart": "2026-11-18 10:00:00", "clid": "79051112233", "destination": 100,
#   "disposition": "answered", "seconds": 61, "is_recorded": "true", "pbx_call_id": "in_5d41"}]}
PATH = "/v1/statistics/pbx/"
ZADARMA_HOST, NOVOFON_HOST = "api.zadarma.com", "api.novofon.com"
LIMIT = 1000
LIST = ("stats",)
YES = ("true", "1")

Ask = Callable[[Account, datetime, datetime, str | None], ApiRequest]


def asking(host: str) -> Ask:
    """Return what asks that host for the rows of a period from a place in the list on."""

    def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
        asked = {
            "start": local(since, account.zone),
            "end": local(until, account.zone),
            "version": "2",
            "skip": page or "0",
            "limit": str(LIMIT),
        }
        query = urlencode(sorted(asked.items()))
        signed = signature(secret(account, "api_secret"), PATH, query)
        return ApiRequest(
            url=f"https://{host}{PATH}?{query}",
            headers={"Authorization": f"{secret(account, 'api_key')}:{signed}"},
        )

    return request


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on behind what came, as long as the list was full."""
    found = answered_object(response)
    if found.get("status") != "success":
        message = " ".join(str(found.get("message") or "no reason given").split())[:200]
        raise UnreadableDelivery(f"the interface refused: {message}")
    came = count(found, *LIST)
    return Turned(next=str(int(page or 0) + came) if came >= LIMIT else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the course of each call, and the part of each telephone."""
    calls: dict[str, list[Fields]] = {}
    for row in rows(kept_json(delivery), *LIST):
        calls.setdefault(required(row, "pbx_call_id"), []).append(row)
    if not calls:
        raise IgnoredDelivery("there were no calls in this period")
    near = delivery.received_at
    return [event for key, legs in calls.items() for event in _call(key, legs, account, near)]


def signature(api_secret: str, path: str, query: str) -> str:
    """Return what proves a request of this interface."""
    signed = path + query + hashlib.md5(query.encode(), usedforsecurity=False).hexdigest()
    digest = hmac.new(api_secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def _call(key: str, legs: Sequence[Fields], account: Account, near: datetime) -> list[CallEvent]:
    """Return the events of one call. `seconds` counts from the answer or from the beginning: the
    documents do not say, so it gives an end only to what had no talk, or no pushed end."""
    direction = DIRECTIONS.get(key.partition("_")[0])
    outbound = direction is Direction.OUTBOUND
    starts = {id(leg): local_time(leg, "callstart", account.zone, near) for leg in legs}
    told = [leg for leg in legs if _outcome(leg) is Outcome.ANSWERED] or list(legs)
    last = told[-1]
    start = min((at for at in starts.values() if at), default=None)
    ends = (later(starts[id(leg)], seconds(leg, "seconds") or 0.0) for leg in told)
    end = max((at for at in ends if at), default=None)  # of a call passed on, its last leg's
    is_answered = _outcome(last) is Outcome.ANSWERED
    theirs = text(last, "destination" if outbound else "clid")
    other = shown(theirs)
    lines = (text(leg, "clid" if outbound else "destination") for leg in legs)
    ended = CallEvent(
        call_keys=(key,),
        stage=CallStage.ENDED,
        direction=direction,
        caller=None if outbound else other,
        callee=other if outbound else None,
        withheld=not outbound and other is None,
        line=next((line for line in lines if line and not is_extension(line, account)), None),
        agent=_agent(last, direction, account),
        outcome=_outcome(last),
        started_at=start,
        ended_at=end if is_answered else None,
        duration_s=(end - start).total_seconds() if is_answered and start and end else None,
        talk_s=None if is_answered else 0.0,
        recording_id=_recording(last),
    )
    rang = [_rang(key, leg, starts[id(leg)], account) for leg in legs if not outbound]
    passed_on = [] if outbound or not is_answered else told[:-1]
    talked = [_talked(key, leg, starts[id(leg)], account) for leg in passed_on]
    return [*(event for event in (*rang, *talked) if event), ended]


def _outcome(leg: Fields) -> Outcome:
    return DISPOSITIONS.get((text(leg, "disposition") or "").lower(), Outcome.FAILED)


def _agent(leg: Fields, direction: Direction | None, account: Account) -> str | None:
    found = text(leg, "sip" if direction is Direction.OUTBOUND else "destination")
    return found if is_extension(found, account) else None


def _rang(key: str, leg: Fields, at: datetime | None, account: Account) -> CallEvent | None:
    agent = _agent(leg, Direction.INBOUND, account)
    if agent is None or at is None:
        return None
    return CallEvent(
        call_keys=(key,), stage=CallStage.RINGING, occurred_at=at, agent=agent, leg=agent
    )


def _talked(key: str, leg: Fields, at: datetime | None, account: Account) -> CallEvent | None:
    """Return the end of one who talked before the last and passed the call on."""
    agent, over_at = _agent(leg, Direction.INBOUND, account), later(at, seconds(leg, "seconds"))
    if agent is None or over_at is None:
        return None
    return CallEvent(
        call_keys=(key,),
        stage=CallStage.LEG_ENDED,
        occurred_at=over_at,
        outcome=Outcome.ANSWERED,
        agent=agent,
        leg=agent,
    )


def _recording(leg: Fields) -> str | None:
    """Return the id of a leg's recording; it may come as a number with a fraction."""
    found = leg.get("call_id")
    if str(leg.get("is_recorded")).lower() not in YES:
        return None
    return str(found) if isinstance(found, float) else text(leg, "call_id")


HISTORY = History(
    request=asking(ZADARMA_HOST),
    turn=turn,
    api="v1/statistics/pbx",
    window=timedelta(days=7),  # a month at most
    every=timedelta(minutes=30),
    per_minute=6,
    secrets=("api_key", "api_secret"),
    hosts=(ZADARMA_HOST,),
)
