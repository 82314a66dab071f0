"""Moments that a header states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz


def read_date(text: str | None) -> datetime | None:
    """Return the moment a Date field states, or None. Without a zone it is taken as UTC."""
    if not text or len(text) > 200:
        return None
    try:
        parsed = parsedate_tz(text)
        if parsed is None or not 1970 <= parsed[0] <= 2200:
            return None
        offset = timedelta(seconds=parsed[9] or 0)
        if abs(offset) >= timedelta(hours=16):
            return None
        zone = timezone(offset) if offset else UTC
        second = min(parsed[5], 59)  # a leap second
        return datetime(*parsed[:5], second, tzinfo=zone)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def received_at(field: str | None) -> datetime | None:
    """Return the moment behind the last semicolon of a Received field, or None."""
    return read_date(field.rpartition(";")[2].strip()) if field and ";" in field else None
