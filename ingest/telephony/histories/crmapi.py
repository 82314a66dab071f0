"""The `crmapi` history of MegaFon's virtual PBX and those who resell it: one list for a period.

Its `duration` is the talk and `wait` what came before; a pushed history record's is the whole.
Facts: brandup-online/megafon-ats Client/Models; mikopbx/ModuleMegafonPbx bin/synchCdr.php.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, later, required, rfc3339, seconds, text, url
from ingest.telephony.protocols.callers import is_extension
from ingest.telephony.protocols.crmapi import DIRECTIONS, OUTCOMES
from ingest.telephony.pulled import (
    address,
    answered,
    count,
    host_named,
    kept_json,
    known,
    rows,
    secret,
    setting,
)

# [{"uid": "12060000000021", "type": "in", "status": "success", "client": "79031234567",
#   "user": "smirnov", "diversion": "74951230002", "destination": "701",
#   "start": "2026-11-18T06:00:00Z", "wait": 9, "duration": 72, "record": "https://..."}]
#: `noanswer` is said of every call out that nobody took, also of one that our side gave up: what
#: was pushed tells them apart.
STATUSES = {**OUTCOMES, "noanswer": None}
HOST = "api_host"  #: the setting that names the account's own host
LIMIT = 1000


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for all calls of a period."""
    base = f"https://{setting(account, HOST)}/crmapi/v1/history/json"
    return ApiRequest(
        url=address(base, start=_compact(since), end=_compact(until), type="all", limit=LIMIT),
        headers={"X-API-KEY": secret(account, "api_key"), "Accept": "application/json"},
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """End after one answer; a full one hides what there is more."""
    full = count(answered(response)) >= LIMIT
    return Turned(cut=full, keep=not full)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call."""
    found = [_call(row, account) for row in rows(kept_json(delivery))]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def _call(row: Fields, account: Account) -> CallEvent:
    outcome = known(row, "status", STATUSES)
    is_answered = outcome is Outcome.ANSWERED
    wait_s, talk_s = seconds(row, "wait") or 0.0, seconds(row, "duration") or 0.0
    start, told = rfc3339(row, "start"), text(row, "destination")
    direction = known(row, "type", DIRECTIONS)
    client = text(row, "client")
    if is_extension(client, account):
        direction = Direction.INTERNAL
    outbound = direction is Direction.OUTBOUND
    user = text(row, "user") if is_answered or outbound else None
    return CallEvent(
        call_keys=(required(row, "uid"),),
        stage=CallStage.ENDED,
        direction=direction,
        caller=None if outbound else client,
        callee=client if outbound else None,
        withheld=client is None and direction is Direction.INBOUND,
        line=text(row, "diversion") or text(row, "via"),
        agent=told if is_extension(told, account) else user,
        outcome=outcome,
        started_at=start,
        ended_at=later(start, wait_s + talk_s),
        duration_s=wait_s + talk_s,
        talk_s=talk_s if is_answered else 0.0,
        recording_url=url(row, "record"),
    )


def _compact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


HISTORY = History(
    request=request,
    turn=turn,
    api="crmapi/v1/history/json",
    window=timedelta(days=1),
    secrets=("api_key",),
    hosts_of=lambda account: host_named(account, HOST),
)
