"""Dialpad: `GET /api/v2/call`, whose calls are what events carry, once they are over.

Facts: dialpad/dialpad-python-sdk dialpad_api_spec.json (call.list, CallProto), and public readers
of it for the form of a page. Not tried live. That a leg's first call is listed as well is
unconfirmed; without it a call of a department ends with what events told, or by the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, ReadDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, number, text
from ingest.telephony.pulled import address, answered_object, count, kept_json, rows, secret

# {"cursor": "Cjc...", "items": [{"call_id": 5635304278851584, "direction": "inbound",
#   "external_number": "+12025550143", "internal_number": "+13125550188",
#   "date_started": "1794931200000", "date_connected": "1794931209000",
#   "date_ended": "1794931253000", "target": {"id": "5171365938069504", "type": "user"}}]}
HOST = "dialpad.com"
LIST = ("items",)


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls of a period, the latest first."""
    query = {
        "started_after": _milliseconds(since),
        "started_before": _milliseconds(until),
        "cursor": page,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/api/v2/call", **query),
        headers={"Authorization": f"Bearer {secret(account, 'api_key')}"},
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on with the cursor of the answer, as long as calls come."""
    found = answered_object(response)
    return Turned(next=text(found, "cursor") if count(found, *LIST) else None)


def reading(event_of: Callable[[Fields], CallEvent]) -> ReadDelivery:
    """Return the reader, given how the provider's module reads a call that is over."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        calls = rows(kept_json(delivery), *LIST)
        found = [event_of(call) for call in calls if number(call, "date_ended")]
        if not found:
            raise IgnoredDelivery("no call of this period was over")
        return found

    return read


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /api/v2/call",
    window=timedelta(days=1),
    secrets=("api_key",),
    hosts=(HOST,),
)
