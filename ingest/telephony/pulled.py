"""What questions to histories and their answers have in common. Pure, as every reader is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiResponse
from ingest.telephony.fields import Fields
from ingest.telephony.request import json_value

MOST_ANSWER = 8 * 1024 * 1024  #: octets of one answer
MOST_ROWS = 20_000  #: of one answer
LOCAL = "%Y-%m-%d %H:%M:%S"


def secret(account: Account, name: str) -> str:
    """Return the newest secret of that name. Raises UnreadableDelivery if the source has none."""
    found = next((held[name] for held in account.secrets if held.get(name)), None)
    if found is None:
        raise UnreadableDelivery(f"the source has no secret {name}, which its history needs")
    return found


def setting(account: Account, name: str) -> str:
    """Return a text of the source's settings. Raises UnreadableDelivery if it is not there."""
    found = account.config.get(name)
    if not isinstance(found, str) or not found:
        raise UnreadableDelivery(f"the source has no setting {name}, which its history needs")
    return found


def host_named(account: Account, name: str) -> tuple[str, ...]:
    """Return the host that a setting names; none if it names none."""
    found = account.config.get(name)
    return (found,) if isinstance(found, str) and found else ()


def address(base: str, **query: object) -> str:
    """Return an address with its query; what is None is left out."""
    stated = {name: value for name, value in query.items() if value is not None}
    return f"{base}?{urlencode(stated)}" if stated else base


def basic(name: str, password: str) -> dict[str, str]:
    """Return the header of RFC 7617."""
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def local(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as `2026-11-18 10:00:00` in that zone."""
    return moment.astimezone(zone).strftime(LOCAL)


def utc(moment: datetime) -> str:
    """Return a moment as `2026-11-18T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def answered(response: ApiResponse) -> Any:
    """Return the JSON of an answer. Raises UnreadableDelivery for anything else."""
    return json_value(response.body, most_octets=MOST_ANSWER)


def answered_object(response: ApiResponse) -> Mapping[str, Any]:
    """Return the JSON object of an answer. Raises UnreadableDelivery for anything else."""
    found = answered(response)
    if not isinstance(found, Mapping):
        raise UnreadableDelivery("the answer is JSON, but not an object")
    return found


def kept_json(delivery: Delivery) -> Any:
    """Return the JSON of a kept answer. Raises UnreadableDelivery for anything else."""
    return json_value(delivery.body or b"", most_octets=MOST_ANSWER)


def rows(value: Any, *path: str) -> Iterator[Fields]:
    """Yield the objects of the list that lies beneath these names; null is an empty list.

    Raises UnreadableDelivery if there is no such list, or something else than objects in it.
    """
    for name in path:
        if not isinstance(value, Mapping):
            raise UnreadableDelivery(f"the answer has no {name}")
        value = value.get(name)
    if value is None and path:
        return
    if not isinstance(value, list):
        raise UnreadableDelivery("the answer holds no list of calls")
    if len(value) > MOST_ROWS:
        raise UnreadableDelivery(f"the answer holds more than {MOST_ROWS} calls")
    for row in value:
        if not isinstance(row, Mapping):
            raise UnreadableDelivery("the answer holds something else than a call")
        yield row


def told_by(
    found: Iterable[Fields], events_of: Callable[[Fields], Iterable[CallEvent]]
) -> Sequence[CallEvent]:
    """Return what rows say. One that says nothing of a call hides none of the others.

    Raises IgnoredDelivery where nothing is said, UnreadableDelivery where nothing else is there.
    """
    events: list[CallEvent] = []
    unread: UnreadableDelivery | None = None
    for row in found:
        try:
            events += events_of(row)
        except IgnoredDelivery:
            continue
        except UnreadableDelivery as error:
            unread = error
    if not events and unread is not None:
        raise unread
    if not events:
        raise IgnoredDelivery("there were no calls in this period")
    return events


def count(value: Any, *path: str) -> int:
    """Return how many objects `rows` would yield."""
    return sum(1 for _ in rows(value, *path))


def known(fields: Fields, name: str, table: Mapping[str, Any]) -> Any:
    """Return what a word means, None for one that is not known.

    In a page of many calls one new word must not hide all the others, so it is passed over here.
    """
    value = fields.get(name)
    return table.get(value.strip().lower()) if isinstance(value, str) else None
