"""A source's rhythm: how much usually comes in each hour of the week, and when silence is strange.

Pure; computed when read. Silence is measured in what would usually have come: on a Sunday on which
nobody ever calls, no time passes. It is strange when it is longer than every silence of the last
weeks but the longest, by a margin. So a shop that is often quiet is given as much patience as it
needed before, and a source of one call a day is not missed within minutes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

LOOK_BACK = timedelta(weeks=6)
LEAST_KNOWN = timedelta(days=3)  #: a source that is newer has no rhythm yet
WEEKLY_AFTER = timedelta(days=14)  #: before it hours of the day are all that is known
LEAST_EVENTS = 10
LEAST_EXPECTED = 4.0  #: usual events that must be missing
#: Of so many weeks in which all is well one may raise an alarm by mere chance: calls come at
#: random, and of more of them the longest silence is longer.
WEEKS_OF_CALM = 50.0
MARGIN = 1.5  #: how much longer than a silence that was known
SHORTEST = timedelta(minutes=10)
HOUR = timedelta(hours=1)

Span = tuple[datetime, datetime]
Bin = tuple[int, int]  #: day of the week, or -1 for any; hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How long nothing has come, by the source's own rhythm."""

    since: datetime  #: the last event, or the end of an outage of ours
    expected: float  #: events that would usually have come since
    patience: float  #: so many may be missing before it is strange
    known: bool = True  #: False: the source is too new, or too quiet, to have a rhythm

    @property
    def strange(self) -> bool:
        """Tell whether somebody should look."""
        return self.known and self.expected > self.patience


def silence(
    events: Sequence[datetime],
    now: datetime,
    zone: ZoneInfo,
    *,
    added_at: datetime | None = None,
    outages: Iterable[Span] = (),
) -> Silence:
    """Return how silent a source is now.

    `events`: minutes in which something came, sorted, of the last weeks. `outages` are ours: what
    did not come then says nothing of the source.
    """
    begin = max(now - LOOK_BACK, added_at or now - LOOK_BACK)
    events = [it for it in events if begin <= it <= now]
    if events and added_at is None:
        begin = max(begin, min(events[0], now - LEAST_KNOWN))
    down = sorted((max(one, begin), min(two, now)) for one, two in outages if two > begin)
    last = max([*events[-1:], *(two for _, two in down)], default=begin)
    if now - begin < LEAST_KNOWN or len(events) < LEAST_EVENTS:
        return Silence(since=last, expected=0.0, patience=LEAST_EXPECTED, known=False)
    rhythm = _Rhythm(events, begin, now, zone, down)
    by_chance = math.log(WEEKS_OF_CALM * len(events) / ((now - begin) / timedelta(weeks=1)))
    patience = max(LEAST_EXPECTED, by_chance, MARGIN * rhythm.longest_but_one(events, down))
    expected = rhythm.between(last, now) if now - last >= SHORTEST else 0.0
    return Silence(since=last, expected=expected, patience=patience)


class _Rhythm:
    """Usual events an hour, by hour of the week, summed up over the weeks that are looked at."""

    def __init__(
        self,
        events: Sequence[datetime],
        begin: datetime,
        now: datetime,
        zone: ZoneInfo,
        down: Sequence[Span],
    ) -> None:
        self._begin = begin.replace(minute=0, second=0, microsecond=0)
        weekly = now - begin >= WEEKLY_AFTER
        hours = int((now - self._begin) / HOUR) + 1
        bins = [_bin(self._begin + number * HOUR, zone, weekly) for number in range(hours)]
        away = {
            number
            for one, two in down
            for number in range(int(self._hours(one)), int(self._hours(two)) + 1)
        }
        seen = Counter(key for number, key in enumerate(bins) if number not in away)
        came = Counter(bins[int(self._hours(it))] for it in events)
        usual = (came[key] / max(1, seen[key]) for key in bins)
        self._sums = [0.0, *accumulate(usual)]

    def between(self, one: datetime, two: datetime) -> float:
        """Return how many events usually come between these moments."""
        return self._until(two) - self._until(one)

    def longest_but_one(self, events: Sequence[datetime], down: Sequence[Span]) -> float:
        """Return the longest silence there was, one exception forgiven, outages of ours aside."""
        sums = [self._until(it) for it in events]
        gaps = [two - one for one, two in pairwise(sums)]
        for one, two in down:
            first = max(0, bisect_left(events, one) - 1)
            for number in range(first, min(len(gaps), bisect_right(events, two))):
                gaps[number] = 0.0
        return nlargest(2, gaps)[-1] if len(gaps) > 1 else 0.0

    def _until(self, moment: datetime) -> float:
        hours = self._hours(moment)
        whole = min(int(hours), len(self._sums) - 2)
        return self._sums[whole] + (self._sums[whole + 1] - self._sums[whole]) * (hours - whole)

    def _hours(self, moment: datetime) -> float:
        return max(0.0, (moment - self._begin) / HOUR)


def _bin(moment: datetime, zone: ZoneInfo, weekly: bool) -> Bin:
    local = moment.astimezone(zone)
    return (local.weekday() if weekly else -1, local.hour)
