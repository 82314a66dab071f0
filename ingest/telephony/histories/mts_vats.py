"""MTS VATS: `trunks/statistics`, one trunk after another; its clock is Moscow's.

Running calls are missing, so the last minutes are asked again. Facts: mikopbx/ModuleMtsPbx
(bin/synchCdr.php, Lib/MtsApiTime.php). Not tried live.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, formatted, later, required, rfc3339, seconds, text
from ingest.telephony.pulled import address, answered, count, kept_json, rows, secret, setting

# [{"callId": "mts-1", "trunkId": "7", "an": "9031230022", "dn": "9150000101", "via": "9150000100",
#   "rel": 0, "startTime": "2026-11-18T10:00:00", "wait": 6, "duration": 80, "recDur": 74}]
HOST = "aa.mts.ru"
BASE = f"https://{HOST}/api/ac20/trunks/statistics"
MOSCOW = ZoneInfo("Europe/Moscow")
BETWEEN_COLLEAGUES = "1"
LIMIT = 1000
EMPTY = 204
CONNECTED_S = 1.0  #: what is left behind the wait and not longer was no talk


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for the calls of one trunk from a place in the list on; the page is `trunk:place`."""
    trunk, offset = _place(page)
    query = {
        "Domain": setting(account, "domain"),
        "TrunkId": _trunks(account)[trunk],
        "Begin": _written(since),
        "End": _written(until),
        "Limit": LIMIT,
        "Offset": offset,
    }
    headers = {
        "Authorization": f"Bearer {secret(account, 'api_key')}",
        "Accept": "application/json",
    }
    return ApiRequest(url=address(BASE, **query), headers=headers)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on in the list while it is full, then to the next trunk."""
    trunk, offset = _place(page)
    empty = response.status == EMPTY
    came = 0 if empty else count(answered(response))
    if came >= LIMIT:
        return Turned(next=f"{trunk}:{offset + came}")
    more = trunk + 1 < len(_trunks(account))
    return Turned(next=f"{trunk + 1}:0" if more else None, keep=not empty)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call."""
    found = [_call(row, delivery.received_at) for row in rows(kept_json(delivery))]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def _place(page: str | None) -> tuple[int, int]:
    trunk, _, offset = (page or "0:0").partition(":")
    return int(trunk), int(offset)


def _trunks(account: Account) -> Sequence[str]:
    found = account.config.get("trunk_ids")
    if not isinstance(found, list | tuple) or not found:
        raise UnreadableDelivery("the source has no setting trunk_ids, which its history needs")
    return [str(each) for each in found]


def _written(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S")


def _call(row: Fields, near: datetime) -> CallEvent:
    caller, callee, via = text(row, "an"), text(row, "dn"), text(row, "via")
    internal = text(row, "rel") == BETWEEN_COLLEAGUES
    from_us = via is not None and via == caller
    start = _moment(row, near)
    lasted_s, wait_s = seconds(row, "duration"), seconds(row, "wait") or 0.0
    talk_s = max(0.0, (lasted_s or 0.0) - wait_s)
    talked = talk_s > CONNECTED_S
    # Neither side is told to be ours but where the employee's own number is the line: as with what
    # is pushed, our lines decide.
    direction = Direction.INTERNAL if internal else Direction.OUTBOUND if from_us else None
    return CallEvent(
        call_keys=(required(row, "callId"),),
        stage=CallStage.ENDED,
        direction=direction,
        caller=caller,
        callee=callee,
        outcome=Outcome.ANSWERED if talked else Outcome.NO_ANSWER,
        started_at=start,
        ended_at=later(start, lasted_s),
        duration_s=lasted_s,
        talk_s=talk_s if talked else 0.0,
    )


def _moment(row: Fields, near: datetime) -> datetime | None:
    written = text(row, "startTime") or ""
    if written.endswith("Z") or "+" in written:
        return rfc3339(row, "startTime")
    pattern = "%Y-%m-%dT%H:%M:%S" + (".%f" if "." in written else "")
    return formatted(row, "startTime", pattern, MOSCOW, near)


HISTORY = History(
    request=request,
    turn=turn,
    api="trunks/statistics",
    window=timedelta(days=5),  # ten days at most
    settles=timedelta(minutes=5),
    overlap=timedelta(minutes=10),
    secrets=("api_key",),
    hosts=(HOST,),
)
