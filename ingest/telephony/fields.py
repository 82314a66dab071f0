"""Single fields of a provider's body: text, numbers and moments, each within bounds.

A field that is absent or empty is None. One that is there and makes no sense raises
UnreadableDelivery, so that the delivery waits parked and nobody acts on half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.request import storable

MAX_TEXT = 512  #: characters of one field
MAX_URL = 2048  #: characters
LONGEST_CALL_S = 7 * 86_400
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

Fields = Mapping[str, Any]
Word = TypeVar("Word")


def text(fields: Fields, name: str) -> str | None:
    """Return a field as text without surrounding blanks; whole numbers in digits."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not str and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise UnreadableDelivery(f"the field {name} is no text")
    written = str(value).strip()
    if len(written) > MAX_TEXT:
        raise UnreadableDelivery(f"the field {name} has more than {MAX_TEXT} characters")
    return storable(written) or None


def required(fields: Fields, name: str) -> str:
    """Return a field's text. Raises UnreadableDelivery if it is absent or empty."""
    value = text(fields, name)
    if value is None:
        raise UnreadableDelivery(f"the field {name} is missing")
    return value


def part(fields: Fields, name: str) -> Fields:
    """Return the object in a field, empty if it is absent."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UnreadableDelivery(f"the field {name} is no object")
    return value


def flag(fields: Fields, name: str) -> bool:
    """Return a field that is true or false; absent is false."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise UnreadableDelivery(f"the field {name} is neither true nor false")


def word(fields: Fields, name: str, table: Mapping[str, Word]) -> Word | None:
    """Return what a provider's word means; case does not matter, None: the field is absent."""
    written = text(fields, name)
    if written is None:
        return None
    try:
        return table[written.lower()]
    except KeyError:
        raise UnreadableDelivery(f"the field {name} holds an unknown word: {written!r}") from None


def number(fields: Fields, name: str) -> float | None:
    """Return a field's number; it may come as text."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnreadableDelivery(f"the field {name} is no number")
    try:
        found = float(value)
    except (ValueError, OverflowError) as error:
        raise UnreadableDelivery(f"the field {name} is no number") from error
    if not -1e15 < found < 1e15:  # False for NaN as well
        raise UnreadableDelivery(f"the field {name} is out of bounds")
    return found


def seconds(fields: Fields, name: str) -> float | None:
    """Return a duration in seconds, from 0 to LONGEST_CALL_S."""
    found = number(fields, name)
    if found is not None and not 0 <= found <= LONGEST_CALL_S:
        raise UnreadableDelivery(f"the field {name} is no duration of a call")
    return found


def url(fields: Fields, name: str) -> str | None:
    """Return a web address, or None if the field holds anything else."""
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return storable(value) if parts.scheme in ("http", "https") and parts.netloc else None


def epoch(fields: Fields, name: str) -> datetime | None:
    """Return a moment sent in seconds since 1970; 0 and absent are None."""
    found = number(fields, name)
    if not found:
        return None
    try:
        return _within(datetime.fromtimestamp(found, UTC), name)
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableDelivery(f"the field {name} is no moment") from error


def rfc3339(fields: Fields, name: str) -> datetime | None:
    """Return a moment sent as RFC 3339; without an offset it is refused, not guessed."""
    written = text(fields, name)
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise UnreadableDelivery(f"the field {name} is no moment of RFC 3339") from error
    if found.tzinfo is None:
        raise UnreadableDelivery(f"the field {name} has no offset from UTC")
    return _within(found, name)


def rfc2822(fields: Fields, name: str) -> datetime | None:
    """Return a moment sent as in mail: `Mon, 16 Nov 2026 18:00:01 +0000`."""
    written = text(fields, name)
    if written is None:
        return None
    try:
        found = parsedate_to_datetime(written)
        return _within(found if found.tzinfo else found.replace(tzinfo=UTC), name)
    except (ValueError, TypeError, OverflowError, IndexError) as error:
        raise UnreadableDelivery(f"the field {name} is no moment of RFC 2822") from error


def formatted(
    fields: Fields, name: str, pattern: str, zone: ZoneInfo, near: datetime
) -> datetime | None:
    """Return a moment sent in a pattern of its own; without an offset it is read in `zone`.

    In the hour that a change of the clocks repeats, the reading nearer to `near` is taken.
    """
    written = text(fields, name)
    if written is None:
        return None
    try:
        found = datetime.strptime(written, pattern)  # noqa: DTZ007 - the zone is set below
        if found.tzinfo:
            return _within(found, name)
        readings = [_within(found.replace(tzinfo=zone, fold=which), name) for which in (0, 1)]
    except (ValueError, OverflowError) as error:
        raise UnreadableDelivery(f"the field {name} is no moment like {pattern}") from error
    return min(readings, key=lambda reading: abs(reading - near))


def local_time(fields: Fields, name: str, zone: ZoneInfo, near: datetime) -> datetime | None:
    """Return a moment sent as `2026-11-18 10:00:00`, with or without a fraction, read in `zone`."""
    fraction = ".%f" if "." in (text(fields, name) or "") else ""
    return formatted(fields, name, "%Y-%m-%d %H:%M:%S" + fraction, zone, near)


def later(moment: datetime | None, by_s: float | None) -> datetime | None:
    """Return the moment so many seconds later; None if either is unknown."""
    if moment is None or by_s is None:
        return None
    return moment + timedelta(seconds=by_s)


def _within(moment: datetime, name: str) -> datetime:
    try:
        found = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableDelivery(f"the field {name} is no moment") from error
    if not EARLIEST <= found < LATEST:
        raise UnreadableDelivery(f"the field {name} lies outside of 2000 to 2099")
    return found
