"""Moments and durations as operators write them into rows of call details."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.telephony.columns_of_calls import Profile
from ingest.telephony.fields import EARLIEST, LATEST, LONGEST_CALL_S, formatted

_MINUTES = re.compile(r"мин|min", re.IGNORECASE)
_HOURS = re.compile(r"чч?\s*:\s*мм?(?!\s*:)|h+\s*:\s*m+(?!\s*:)", re.IGNORECASE)
_TOLD = re.compile(
    r"(?:(?P<h>\d+)\s*(?:ч|час\w*|h|hr|hours?)\.?)?\s*(?:(?P<m>\d+)\s*(?:м|мин\w*|m|min\w*)\.?)?"
    r"\s*(?:(?P<s>\d+)\s*(?:с|сек\w*|s|sec\w*)\.?)?",
    re.IGNORECASE,
)
_DATES = (
    (re.compile(r"(?P<y>\d{4})[-./](?P<m>\d{1,2})[-./](?P<d>\d{1,2})"), None),
    (re.compile(r"(?P<d>\d{1,2})[-./](?P<m>\d{1,2})[-./](?P<y>\d{4}|\d{2})(?!\d)"), True),
    (re.compile(r"(?P<m>\d{1,2})[-./](?P<d>\d{1,2})[-./](?P<y>\d{4}|\d{2})(?!\d)"), False),
)
_CLOCK = re.compile(
    r"(?<![\d:])(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}))?(?:[.,]\d+)?\s*(?P<half>[ap]\.?m)?",
    re.IGNORECASE,
)
_WITH_OFFSET = re.compile(
    r"\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:Z|(?P<sign>[+-])(?P<h>\d{2}):?(?P<m>\d{2}))$"
)
#: Behind a date that has a column of times beside it: the writer's way to write a date.
_MIDNIGHT = re.compile(r"[ T]0?0:00(:00)?(\.0+)?$")
_SERIAL = re.compile(r"\d{5}(\.\d+)?")  #: a workbook's day, counted from 1899-12-30


def seconds(text: str, heading: str) -> float:
    """Return a duration in seconds; its heading may tell the unit. Raises UnreadableDelivery."""
    small = text.replace(",", ".").strip()
    found: float | None = None
    if match := re.fullmatch(r"(?:(\d+):)?(\d+):(\d{2})(?:\.\d+)?", small):
        first, second, third = match.groups()
        whole = [int(first or 0), int(second), int(third)]
        if first is None and _HOURS.search(heading):
            whole = [int(second), int(third), 0]
        found = float(whole[0] * 3600 + whole[1] * 60 + whole[2])
    elif re.fullmatch(r"\d+(\.\d+)?", small):
        in_minutes = _MINUTES.search(heading) and not re.search(r"сек|sec", heading, re.IGNORECASE)
        found = float(small) * (60 if in_minutes else 1)
    elif (match := _TOLD.fullmatch(small)) and any(match.groups()):
        found = float(
            sum(int(match[it] or 0) * by for it, by in (("h", 3600), ("m", 60), ("s", 1)))
        )
    if found is None or not 0 <= found <= LONGEST_CALL_S:
        raise UnreadableDelivery(f"the duration is none: {text!r}")
    return found


def moment(date: str, time: str, profile: Profile, account: Account, near: datetime) -> datetime:
    """Return when a row says that it was: in the profile's zone, unless an offset is written.

    `time` is added where the date has none but midnight; `near` decides the hour that clocks
    repeat. Raises UnreadableDelivery.
    """
    day = _MIDNIGHT.sub("", date) if time else date
    written = f"{day} {time}".strip() if time and ":" not in day else date
    try:
        zone = ZoneInfo(profile.zone) if profile.zone else account.zone
    except (KeyError, ValueError) as error:
        raise UnreadableDelivery(f"there is no zone {profile.zone}") from error
    naive = _naive(written, profile)
    if naive is None:
        raise UnreadableDelivery(f"the date is none: {written!r}")
    if offset := _WITH_OFFSET.search(written):
        return _in_utc(naive, offset, written)
    plain = {"at": naive.strftime("%Y-%m-%d %H:%M:%S")}
    found_at = formatted(plain, "at", "%Y-%m-%d %H:%M:%S", zone, near)
    assert found_at is not None
    return found_at


def _in_utc(naive: datetime, offset: re.Match[str], written: str) -> datetime:
    ahead = timedelta(hours=int(offset["h"] or 0), minutes=int(offset["m"] or 0))
    stated = naive.replace(tzinfo=UTC)
    if EARLIEST <= stated < LATEST:
        return stated + ahead if offset["sign"] == "-" else stated - ahead
    raise UnreadableDelivery(f"the date is none: {written!r}")


def _naive(written: str, profile: Profile) -> datetime | None:
    if match := _SERIAL.fullmatch(written):
        return datetime(1899, 12, 30) + timedelta(seconds=round(float(match[0]) * 86_400))  # noqa: DTZ001
    clock = _CLOCK.search(written)
    if clock is None:
        return None
    for pattern, day_first in _DATES:
        match = pattern.search(written)
        if match is None or (day_first is not None and day_first is not profile.day_first):
            continue
        hour = int(clock["h"])
        if clock["half"]:
            hour = hour % 12 + (12 if clock["half"].lower().startswith("p") else 0)
        year = int(match["y"]) + (2000 if len(match["y"]) == 2 else 0)
        try:
            return datetime(  # noqa: DTZ001 - the caller knows the zone
                year, int(match["m"]), int(match["d"]), hour, int(clock["m"]), int(clock["s"] or 0)
            )
        except ValueError:
            return None
    return None
