"""Vonage: `GET /v1/calls` of the Voice API, the legs of one application.

A leg is named as in its events (`uuid`, `conversation_uuid`), so it is read as if it were the last
of them. Asked with a token of a quarter of an hour that the application's private key signs. When
a leg began to ring is not told: `start_time` is its answer, which for a leg that came in, and that
a program takes at once, is where it begins. A leg that nobody took has no time at all.
Facts: Nexmo/api-specification definitions/voice.yml; Vonage/vonage-python-sdk voice/tests/data.
Not tried live.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, ReadDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.domain.tokens import Token, made_by_us
from ingest.telephony.fields import Fields, local_time, number, part, rfc3339, text
from ingest.telephony.protocols import jwt
from ingest.telephony.pulled import address, answered_object, count, kept_json, rows, secret, utc

# {"count": 3, "page_size": 100, "record_index": 0, "_embedded": {"calls": [
#   {"uuid": "5f5b", "conversation_uuid": "CON-bb17", "status": "completed",
#    "direction": "outbound", "from": {"type": "phone", "number": "12025550100"},
#    "to": {"type": "phone", "number": "442079460123"}, "duration": "51",
#    "start_time": "2026-11-17T15:00:09.000Z", "end_time": "2026-11-17T15:01:00.000Z"}]}}
HOST = "api.nexmo.com"
LIST = ("_embedded", "calls")
SECRETS = ("application_id", "private_key")
PAGE_SIZE = 100
TOKEN_LIVES = timedelta(minutes=15)
#: What a leg is called that is over.
OVER = frozenset({"completed", "busy", "cancelled", "unanswered", "timeout", "rejected", "failed"})
#: How an end of a leg is named, by its type.
NAMES = ("number", "user", "uri", "extension")
TIMES = ("start_time", "end_time")
DIRECTIONS = frozenset({"inbound", "outbound"})

EventsOf = Callable[[Fields, Account], Sequence[CallEvent]]


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the legs of a period, the earliest first."""
    for name in SECRETS:  # the token needs them; said here, because people read it here
        secret(account, name)
    query = {
        "date_start": utc(since),
        "date_end": utc(until),
        "page_size": PAGE_SIZE,
        "record_index": page or 0,
        "order": "asc",
    }
    return ApiRequest(url=address(f"https://{HOST}/v1/calls", **query))


def token(account: Account, now: datetime) -> Token:
    """Return a token of the application, signed with its private key."""
    name = secret(account, "application_id")
    began, ends = int(now.timestamp()), int((now + TOKEN_LIVES).timestamp())
    once = uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {now.isoformat()}")
    said = {"application_id": name, "iat": began, "exp": ends, "jti": str(once)}
    return Token(
        value=jwt.signed_with(secret(account, "private_key"), said), expires_at=now + TOKEN_LIVES
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on until as many legs came as the answer counts."""
    found = answered_object(response)
    came, all_of_them = count(found, *LIST), number(found, "count") or 0
    upto = int(page or 0) + came
    return Turned(next=str(upto) if came and upto < all_of_them else None)


def reading(events_of: EventsOf) -> ReadDelivery:
    """Return the reader, given how the provider's module reads the last event of a leg."""

    def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
        legs = [row for row in rows(kept_json(delivery), *LIST) if text(row, "status") in OVER]
        if not legs:
            raise IgnoredDelivery("no leg of this period was over")
        return [
            event
            for leg in legs
            for event in events_of(_as_event(leg, delivery.received_at), account)
        ]

    return read


def _as_event(leg: Fields, near: datetime) -> Fields:
    """Return the leg in the manner of its events: ends in plain text, moments in RFC 3339."""
    return {
        **leg,
        "timestamp": None,
        "direction": way if (way := text(leg, "direction")) in DIRECTIONS else None,
        "from": _named(part(leg, "from")),
        "to": _named(part(leg, "to")),
        **{name: _moment(leg, name, near) for name in TIMES},
    }


def _named(end: Fields) -> str | None:
    return next((found for name in NAMES if (found := text(end, name))), None)


def _moment(leg: Mapping[str, object], name: str, near: datetime) -> str | None:
    """Return a moment; `2026-11-17 15:00:09`, as the reference has it, is UTC."""
    written = text(leg, name) or ""
    stated = "T" in written
    found = rfc3339(leg, name) if stated else local_time(leg, name, ZoneInfo("UTC"), near)
    return found.astimezone(UTC).isoformat() if found else None


HISTORY = History(
    request=request,
    turn=turn,
    api="GET /v1/calls",
    window=timedelta(days=1),
    per_minute=60,
    secrets=SECRETS,
    hosts=(HOST,),
    grant=made_by_us(token),
)
