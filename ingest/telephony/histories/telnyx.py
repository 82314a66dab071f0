"""Telnyx: `GET /v2/call_events`, the very events that were sent, or should have been.

An entry names the leg and the session as the webhook does, and holds the event itself in its
`metadata`; in which place of it is *unconfirmed*, so each that is likely is looked at. Only the
last 24 hours are given, and a question may name one bound of its period, so it is open at its end.
Facts: team-telnyx/telnyx-python types/call_event_list_{params,response}.py; developers.telnyx.com
api-reference/debugging/list-call-events. Not tried live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    ReadDelivery,
    UnreadableDelivery,
)
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, number, part, text
from ingest.telephony.pulled import (
    address,
    answered_object,
    count,
    kept_json,
    rows,
    secret,
    utc,
)

# {"data": [{"record_type": "call_event", "type": "webhook", "name": "call.hangup",
#   "call_leg_id": "bd09", "call_session_id": "70f5",
#   "event_timestamp": "2026-11-16T20:01:03.127783Z",
#   "metadata": {"payload": {"from": "+12025550143", "to": "+12025550100", ...}}}],
#  "meta": {"total_pages": 3, "total_results": 55, "page_number": 1, "page_size": 250}}
HOST = "api.telnyx.com"
LIST = ("data",)
PAGE_SIZE = 250
#: Ways into `metadata` to what the webhook carried as `payload`, and `data` above it.
WAYS = (
    ("payload",),
    (),
    ("event", "payload"),
    ("raw_event", "payload"),
    ("data", "payload"),
    ("event", "data", "payload"),
    ("raw_event", "data", "payload"),
)
#: A `payload` has one of these at least.
MARKS = frozenset({"to", "recording_id", "recording_urls", "public_recording_urls"})

EventsOf = Callable[[Fields, Account], Sequence[CallEvent]]


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the events since a moment."""
    query = {
        "filter[type]": "webhook",
        "filter[occurred_at][gte]": utc(since),
        "page[number]": page or 1,
        "page[size]": PAGE_SIZE,
    }
    return ApiRequest(
        url=address(f"https://{HOST}/v2/call_events", **query),
        headers={"Authorization": f"Bearer {secret(account, 'api_key')}"},
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on until the last of the pages that the answer counts."""
    found = answered_object(response)
    came, pages = count(found, *LIST), number(part(found, "meta"), "total_pages") or 1
    this = int(page or 1)
    return Turned(next=str(this + 1) if came and this < pages else None)


def reading(kinds: Mapping[str, Any], events_of: EventsOf) -> ReadDelivery:
    """Return the reader, given which events tell of a call, and how a webhook's `data` is read."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        found = list(_events(kept_json(delivery), account))
        if not found:
            raise IgnoredDelivery("no event of this period tells of a call")
        return found

    def _events(answer: Any, account: Account) -> Iterator[CallEvent]:
        for row in rows(answer, *LIST):
            if text(row, "name") not in kinds or text(row, "type") == "command":
                continue
            try:
                yield from events_of(_as_webhook(row), account)
            except IgnoredDelivery:
                continue  # one leg's answer that is no person's hides no other event

    return read


def _as_webhook(row: Fields) -> Fields:
    """Return the entry as the webhook's `data`.

    Raises UnreadableDelivery if the event itself is not there: its leg alone would not tell a
    client from a telephone of ours.
    """
    metadata = part(row, "metadata")
    places = (_beneath(metadata, way) for way in WAYS)
    payload = next((place for place in places if MARKS & place.keys()), None)
    if payload is None:
        raise UnreadableDelivery("an entry of the history does not hold the event that was sent")
    ids = {name: row.get(name) for name in ("call_leg_id", "call_session_id")}
    return {
        "event_type": row.get("name"),
        "occurred_at": metadata.get("occurred_at") or row.get("event_timestamp"),
        "payload": {**payload, **{name: value for name, value in ids.items() if value}},
    }


def _beneath(fields: Fields, way: Sequence[str]) -> Fields:
    for name in way:
        beneath = fields.get(name)
        if not isinstance(beneath, Mapping):
            return {}
        fields = beneath
    return fields


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /v2/call_events",
    window=timedelta(days=1),
    keeps=timedelta(hours=24),
    secrets=("api_key",),
    hosts=(HOST,),
)
