"""Aircall: `GET /v1/calls`, whose calls are what webhooks carry as `data`.

Facts: developer.aircall.io (Your first API call; calls). Not tried live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, ReadDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, epoch, part
from ingest.telephony.pulled import address, answered_object, basic, count, kept_json, rows, secret

# {"meta": {"count": 2, "total": 2, "current_page": 1, "per_page": 50, "next_page_link": null},
#  "calls": [{"id": 780883160, "direction": "inbound", "started_at": 1794906000, ...}]}
HOST = "api.aircall.io"
LIST = ("calls",)
PER_PAGE = 50


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls of a period, the earliest first."""
    query = {
        "from": int(since.timestamp()),
        "to": int(until.timestamp()),
        "order": "asc",
        "page": page or 1,
        "per_page": PER_PAGE,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/v1/calls", **query),
        headers=basic(secret(account, "api_id"), secret(account, "api_token")),
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on while the answer names a next page: 10,000 calls of one question at most."""
    found = answered_object(response)
    came, more = count(found, *LIST), part(found, "meta").get("next_page_link")
    return Turned(next=str(int(page or 1) + 1) if came and more else None)


def reading(event_of: Callable[[Fields], CallEvent]) -> ReadDelivery:
    """Return the reader, given how the provider's module reads an ended call."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        calls = rows(kept_json(delivery), *LIST)
        found = [event_of(call) for call in calls if epoch(call, "ended_at")]
        if not found:
            raise IgnoredDelivery("no call of this period was over")
        return found

    return read


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /v1/calls",
    window=timedelta(days=1),
    per_minute=40,  # sixty are allowed to all of the company's programs together
    secrets=("api_id", "api_token"),
    hosts=(HOST,),
)
