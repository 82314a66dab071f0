"""Moments that a header states."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from ingest.mail.month_words import MONTHS, ZONES

_LONGEST = 200  #: characters of a Date field

#: A date as nearly every mailer writes it; no reader reads another moment in it.
_LAWFUL = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(\d\d?) "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ((?:19|2\d)\d\d) "
    r"(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)(?: \([A-Za-z ]{0,40}\))?",
    re.ASCII,
)
_ISO = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[T ]+(\d\d?:\d\d(?::\d\d)?)(?:[.,]\d{1,9})?\s*(Z|[+-]\d\d:?\d\d)?$"
)
_DOTTED = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4}),?\s+(\d\d?:\d\d(?::\d\d)?)\s*([+-]\d\d:?\d\d)?$")
_WORD = re.compile(r"[^\W\d_]+\.?")
_COMMENT = re.compile(r"\([^()]*\)")
_NOON = re.compile(r"\b(\d\d?)(:\d\d(?::\d\d)?)\s*([AP])M\b", re.IGNORECASE)
_OFFSET = re.compile(r"(?:\b(?:GMT|UTC?))?\s*([+-]\d\d):?(\d\d)$", re.IGNORECASE)
_YEARS_SINCE_1900 = re.compile(r"\b(1\d\d)(?=\s+\d\d?:)")

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_NAMES, 1)}
_MOST_OFFSET = 16 * 3600  #: seconds: no zone is so far from UTC


def read_date(text: str | None) -> datetime | None:
    """Return the moment a Date field states, or None. Without a zone it is taken as UTC.

    By the standard library alone: identities are made of it and never change. What is shown
    is read by `stated_date`.
    """
    if not text or len(text) > _LONGEST:
        return None
    try:
        lawful = _LAWFUL.fullmatch(text)
        if lawful:
            return _moment(*lawful.groups())
        parsed = parsedate_tz(text)
        if parsed is None or not 1970 <= parsed[0] <= 2200:
            return None
        return _aware(*parsed[:6], offset=parsed[9] or 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _moment(
    day: str, month: str, year: str, hour: str, minute: str, second: str, *zone: str
) -> datetime | None:
    """Return the moment of a lawful date, its zone in sign, hours and minutes."""
    if not 1970 <= int(year) <= 2200:
        return None
    sign, hours, minutes = zone
    offset = 3600 * int(hours) + 60 * int(minutes)
    return _aware(
        int(year),
        _MONTH_NUMBERS[month],
        int(day),
        int(hour),
        int(minute),
        int(second),
        offset=-offset if sign == "-" else offset,
    )


def _aware(
    year: int, month: int, day: int, hour: int, minute: int, second: int, *, offset: int
) -> datetime | None:
    """Return the moment so many seconds before UTC. Raises ValueError for a day that is none."""
    if abs(offset) >= _MOST_OFFSET:
        return None
    zone = timezone(timedelta(seconds=offset)) if offset else UTC
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)  # 60: a leap


def stated_date(text: str | None) -> datetime | None:
    """Return the moment a Date field states, however it is written, or None.

    Also read: ISO 8601, day.month.year, months in the languages of `MONTHS`, more zones, zones
    with a colon, hours to twelve, years since 1900. Not read: what two readers read differently.
    """
    if not text or len(text) > _LONGEST:
        return None
    if _LAWFUL.fullmatch(text):
        return read_date(text)
    plain = " ".join(_COMMENT.sub(" ", text).strip(" \"'").split())
    found = _ISO.match(plain)
    if found:
        year, month, day, hour, zone = found.groups()
        return read_date(_lawful(day, month, year, hour, zone))
    found = _DOTTED.match(plain)
    if found:
        day, month, year, hour, zone = found.groups()
        return read_date(_lawful(day, month, year, hour, zone))
    return read_date(_mended(plain))


def _lawful(day: str, month: str, year: str, hour: str, zone: str | None) -> str | None:
    if not 1 <= int(month) <= 12:
        return None
    offset = "+0000" if zone in (None, "Z") else str(zone).replace(":", "")
    return f"{day} {_NAMES[int(month) - 1]} {year} {hour} {offset}"


def _mended(text: str) -> str:
    """Return a date as RFC 5322 writes it, as far as one line can be mended."""
    text = _NOON.sub(_to_24_hours, text)
    text = _OFFSET.sub(r" \1\2", text)
    text = _YEARS_SINCE_1900.sub(lambda found: str(1900 + int(found[1])), text)
    words = text.split()
    if words and words[-1].upper() in ZONES:
        text = " ".join([*words[:-1], ZONES[words[-1].upper()]])
    if not text.isascii() or not _known(text):
        text = _WORD.sub(_in_english, text)
    return text


def _known(text: str) -> bool:
    return any(name.lower() in text.lower() for name in _NAMES)


def _in_english(found: re.Match[str]) -> str:
    """Return a month in English; the day of the week and other words are left out."""
    word = found[0].rstrip(".").lower()
    return next((name for begin, name in MONTHS if word.startswith(begin)), "")


def _to_24_hours(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + (12 if found[3].upper() == "P" else 0)
    return f"{hour}{found[2]}"


def received_at(field: str | None) -> datetime | None:
    """Return the moment behind the last semicolon of a Received field, or None."""
    return read_date(field.rpartition(";")[2].strip()) if field and ";" in field else None
