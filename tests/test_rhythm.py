"""When silence is strange: by hour and weekday of the last weeks, with synthetic rhythms."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ingest.domain.rhythm import Silence, silence

MOSCOW = ZoneInfo("Europe/Moscow")
#: A Monday, 00:00 in Moscow.
MONDAY = datetime(2026, 3, 2, 0, 0, tzinfo=MOSCOW).astimezone(UTC)
MINUTE, HOUR, DAY, WEEK = (
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(weeks=1),
)

Rate = Callable[[datetime], float]  #: usual calls an hour at a local moment


def office(local: datetime) -> float:
    """Monday to Friday from 9 to 18, twenty an hour."""
    return 20.0 if local.weekday() < 5 and 9 <= local.hour < 18 else 0.0


def quiet_shop(local: datetime) -> float:
    """Now and then a call, on every day."""
    return 0.4 if 10 <= local.hour < 20 else 0.0


def once_a_day(local: datetime) -> float:
    """One call a day in working hours."""
    return 1 / 9 if local.weekday() < 5 and 9 <= local.hour < 18 else 0.0


def around_the_clock(local: datetime) -> float:
    """A call centre, less by night."""
    return 30.0 if 8 <= local.hour < 22 else 5.0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rate", [office, quiet_shop, once_a_day, around_the_clock])
def test_a_source_that_goes_on_as_ever_raises_no_alarm(rate: Rate, seed: int) -> None:
    events = list(calls(rate, MONDAY - 8 * WEEK, MONDAY + WEEK, seed))

    for hour in range(0, 24 * 7, 13):
        now = MONDAY + hour * HOUR
        assert not seen(events, now).strange, (rate.__name__, now)


def test_an_office_that_falls_silent_at_noon_is_noticed_within_two_hours() -> None:
    events = until(office, MONDAY + 12 * HOUR)

    assert not seen(events, MONDAY + 12 * HOUR + 10 * MINUTE).strange
    assert seen(events, MONDAY + 14 * HOUR).strange


def test_a_call_centre_that_falls_silent_is_noticed_within_an_hour() -> None:
    events = until(around_the_clock, MONDAY + 12 * HOUR)

    assert seen(events, MONDAY + 13 * HOUR).strange


def test_on_a_sunday_an_office_is_silent_and_nobody_is_woken() -> None:
    sunday = MONDAY - DAY
    events = until(office, sunday)

    for hour in range(24):
        assert not seen(events, sunday + hour * HOUR).strange


def test_before_the_office_opens_on_monday_nobody_is_woken_and_after_it_soon() -> None:
    events = until(office, MONDAY - 2 * DAY)

    assert not seen(events, MONDAY + 9 * HOUR).strange
    assert seen(events, MONDAY + 11 * HOUR).strange


def test_a_source_of_one_call_a_day_is_not_missed_within_minutes_or_a_day() -> None:
    events = until(once_a_day, MONDAY)
    last = events[-1]

    assert not any(seen(events, last + n * 20 * MINUTE).strange for n in range(72))
    assert seen(events, MONDAY + 3 * WEEK).strange


def test_a_shop_as_quiet_as_on_a_holiday_is_given_the_patience_that_it_needed_before() -> None:
    events = [
        it
        for it in calls(quiet_shop, MONDAY - 6 * WEEK, MONDAY)
        if it.astimezone(MOSCOW).date().day not in (8, 9, 23, 24)  # days on which nobody called
    ]

    assert not any(seen(events, MONDAY + n * HOUR).strange for n in range(0, 34, 3))
    assert seen(events, MONDAY + 5 * DAY).strange


def test_an_office_that_was_closed_on_some_days_is_not_missed_on_another_such_day() -> None:
    closed = {10, 17, 25}  # working days of February on which nobody was there
    events = [
        it
        for it in until(office, MONDAY)
        if not (it.astimezone(MOSCOW).month == 2 and it.astimezone(MOSCOW).day in closed)
    ]

    assert not seen(events, MONDAY + 20 * HOUR).strange
    assert seen(events, MONDAY + 2 * DAY).strange


def test_an_outage_of_ours_is_not_the_sources_silence() -> None:
    events = until(office, MONDAY + 10 * HOUR)
    down = [(MONDAY + 10 * HOUR, MONDAY + 14 * HOUR)]

    assert seen(events, MONDAY + 14 * HOUR + 5 * MINUTE).strange
    assert not seen(events, MONDAY + 14 * HOUR + 5 * MINUTE, down=down).strange
    assert seen(events, MONDAY + 16 * HOUR, down=down).strange


def test_a_long_outage_of_ours_does_not_teach_patience() -> None:
    began, ended = MONDAY - 20 * DAY, MONDAY - 16 * DAY
    events = [it for it in until(office, MONDAY + 12 * HOUR) if not began < it < ended]

    assert seen(events, MONDAY + 14 * HOUR, down=[(began, ended)]).strange


def test_a_new_source_has_no_rhythm_yet() -> None:
    events = list(calls(office, MONDAY, MONDAY + DAY))

    found = seen(events, MONDAY + 2 * DAY, added_at=MONDAY)

    assert not found.known
    assert not found.strange


def test_in_its_second_week_a_source_is_judged_by_hours_of_the_day() -> None:
    events = list(calls(around_the_clock, MONDAY - WEEK, MONDAY + 12 * HOUR))

    assert seen(events, MONDAY + 14 * HOUR, added_at=MONDAY - WEEK).strange


def test_a_source_that_never_told_anything_is_not_silent_but_unknown() -> None:
    assert not seen([], MONDAY).known


def test_the_change_of_the_clocks_moves_no_working_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")  # summer time began on 29 March 2026
    monday = datetime(2026, 3, 30, 0, 0, tzinfo=zone).astimezone(UTC)
    events = list(calls(office, monday - 6 * WEEK, monday - 2 * DAY, zone=zone))

    assert not silence(events, monday + 9 * HOUR, zone).strange
    assert silence(events, monday + 12 * HOUR, zone).strange


# Helpers ---------------------------------------------------------------------------------------


def calls(
    rate: Rate, begin: datetime, end: datetime, seed: int = 1, *, zone: ZoneInfo = MOSCOW
) -> Iterator[datetime]:
    """Return calls that come by chance at that rate."""
    chance = random.Random(seed)
    at = begin
    while at < end:
        if chance.random() < rate(at.astimezone(zone)) / 60:
            yield at
        at += MINUTE


def until(rate: Rate, end: datetime) -> list[datetime]:
    return list(calls(rate, end - 6 * WEEK, end))


def seen(
    events: list[datetime],
    now: datetime,
    *,
    added_at: datetime | None = None,
    down: list[tuple[datetime, datetime]] | None = None,
) -> Silence:
    return silence(
        [it for it in events if it <= now], now, MOSCOW, added_at=added_at, outages=down or []
    )
