"""Bandwidth: `GET /api/v2/accounts/{accountId}/calls`, the calls that began in a period.

A row says of a call, by its `callId`, what the last webhook of it says; one with a `parentCallId`
is a telephone that it was transferred to, whose `to` is taken to be that telephone. The next page
is named by the header Link. Calls are kept for 7 days.
Facts: Bandwidth/python-sdk bandwidth.yml (listCalls, callState). Not tried live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    ReadDelivery,
    UnreadableDelivery,
)
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, text
from ingest.telephony.pulled import (
    address,
    answered,
    basic,
    count,
    kept_json,
    rows,
    secret,
    setting,
    utc,
)

# [{"callId": "c-15ac", "parentCallId": null, "to": "+12025550100", "from": "+12025550143",
#   "direction": "inbound", "state": "disconnected", "startTime": "2026-11-17T22:00:00.160Z",
#   "answerTime": "2026-11-17T22:00:01.126Z", "endTime": "2026-11-17T22:00:40.314Z",
#   "disconnectCause": "hangup"}]
HOST = "voice.bandwidth.com"
PAGE_SIZE = 1_000
MOST_LINK = 8_000  #: signs of the header Link


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls that began in a period."""
    query = {
        "minStartTime": utc(since),
        "maxStartTime": utc(until),
        "pageSize": PAGE_SIZE,
        "pageToken": page,
    }
    number = quote(setting(account, "account_id"), safe="")
    return ApiRequest(
        url=address(f"https://{HOST}/api/v2/accounts/{number}/calls", **query),
        headers=basic(secret(account, "api_user"), secret(account, "api_password")),
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on while the header Link names a next page."""
    came = count(answered(response))
    return Turned(next=_next(response.headers.get("link", "")) if came else None)


def reading(event_of: Callable[[Fields], CallEvent]) -> ReadDelivery:
    """Return the reader, given how the provider's module reads an ended call."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        calls = rows(kept_json(delivery))
        found = [event_of(call) for call in calls if text(call, "endTime")]
        if not found:
            raise IgnoredDelivery("no call of this period was over")
        return found

    return read


def _next(link: str) -> str | None:
    """Return the token of the next page: `<https://...?pageToken=ab&...>; rel="next"`.

    Of the address its token alone is used: a header sends us nowhere.
    """
    for each in link[:MOST_LINK].split("<")[1:]:
        target, _, said = each.partition(">")
        if "next" not in said.replace('"', " ").replace("=", " ").split():
            continue
        try:
            token = parse_qs(urlsplit(target).query, max_num_fields=50).get("pageToken")
        except ValueError as error:
            raise UnreadableDelivery("the address of the next page cannot be read") from error
        if not token:
            raise UnreadableDelivery("the address of the next page names no page")
        return token[0]
    return None


HISTORY = History(
    request=request,
    turn=turn,
    api="GET calls",
    window=timedelta(days=1),
    keeps=timedelta(days=7),
    secrets=("api_user", "api_password"),
    hosts=(HOST,),
)
