"""The company's working hours: when something that was promised within them is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SMALLEST = timedelta(microseconds=1)
_FARTHEST = 400  #: days that are looked at: beyond them nobody works

_NINE_TO_SIX = (time(9), time(18))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """From when to when the company works on each day of the week, in its zone."""

    week: Mapping[int, tuple[time, time]] = field(
        default_factory=lambda: dict.fromkeys(range(5), _NINE_TO_SIX)
    )  #: 0 is Monday; days left out are free
    off: frozenset[date] = frozenset()  #: holidays

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """Return the moments between which the company works on that day; None: it is free."""
        hours = None if day in self.off else self.week.get(day.weekday())
        if hours is None:
            return None
        opens, closes = (datetime.combine(day, at, zone).astimezone(UTC) for at in hours)
        return opens, closes


def due_at(start: datetime, within: timedelta, hours: WorkingHours, zone: ZoneInfo) -> datetime:
    """Return when so much working time has passed since the start.

    A company that never works owes by the clock.
    """
    left = within
    first = start.astimezone(zone).date()
    for number in range(_FARTHEST):
        worked = hours.on(first + timedelta(days=number), zone)
        if worked is None:
            continue
        begins = max(start, worked[0])
        if begins >= worked[1]:
            continue
        if left <= worked[1] - begins:
            return begins + left
        left -= worked[1] - begins
    return start + within


def overdue_before(
    now: datetime, within: timedelta, hours: WorkingHours, zone: ZoneInfo
) -> datetime:
    """Return the moment before which something must have begun to be overdue now.

    What begins later is due later, so that `due_at(start) < now` where `start` is before it, and
    nowhere else. Found by halving, to the microsecond.
    """
    if not hours.week:
        return now - within
    reach = max(within, timedelta(seconds=1))
    late, early = now, now - reach
    while due_at(early, within, hours, zone) >= now:
        late, reach = early, reach * 2
        early = now - reach
    while late - early > _SMALLEST:
        middle = early + (late - early) // 2
        if due_at(middle, within, hours, zone) < now:
            early = middle
        else:
            late = middle
    return late


def read_working_hours(told: Mapping[str, Any]) -> WorkingHours:
    """Read `{"mon": "09:00-18:00", ..., "off": ["2026-05-09"]}`. Raises ValueError."""
    week = {}
    for name, value in told.items():
        if name == "off":
            continue
        if name not in DAYS:
            raise ValueError(f"{name} is none of {', '.join(DAYS)}, off")
        opens, _, closes = str(value).partition("-")
        week[DAYS.index(name)] = (time.fromisoformat(opens), time.fromisoformat(closes))
        if week[DAYS.index(name)][0] >= week[DAYS.index(name)][1]:
            raise ValueError(f"{name} ends before it begins")
    return WorkingHours(week=week, off=frozenset(map(date.fromisoformat, told.get("off", ()))))
