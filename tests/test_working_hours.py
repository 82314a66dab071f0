"""Working hours: when a reply is due over nights, weekends and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.domain.people import UserRole, Viewer
from ingest.domain.working_hours import (
    WorkingHours,
    due_at,
    overdue_before,
    read_working_hours,
)
from storage import directory, facts, reads
from storage.reads_interactions import overdue_spans
from tests.world import NOW, World, day, sqlite_world

MOSCOW, AMSTERDAM = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Amsterdam")
HOURS = WorkingHours()  # Monday to Friday, nine to six


def due(start: str, hours: float, zone: ZoneInfo = MOSCOW, week: WorkingHours = HOURS) -> str:
    began = datetime.fromisoformat(start).replace(tzinfo=zone)
    found = due_at(began.astimezone(UTC), timedelta(hours=hours), week, zone)
    return f"{found.astimezone(zone):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-05-06T10:00", 4, "2026-05-06T14:00"),
        ("2026-05-06T10:00", 8, "2026-05-06T18:00"),
        ("2026-05-06T16:00", 4, "2026-05-07T11:00"),
        ("2026-05-06T03:00", 1, "2026-05-06T10:00"),
        ("2026-05-06T23:00", 1, "2026-05-07T10:00"),
        ("2026-05-08T17:00", 2, "2026-05-11T10:00"),
        ("2026-05-09T12:00", 1, "2026-05-11T10:00"),
        ("2026-05-06T18:00", 1, "2026-05-07T10:00"),
    ],
    ids=[
        *("within a day", "at its very end", "over a night", "before it begins", "after it ended"),
        *("over a weekend", "on a Saturday", "at the moment it ends"),
    ],
)
def test_working_time_is_counted(start: str, hours: float, expected: str) -> None:
    assert due(start, hours) == expected


def test_a_holiday_is_free() -> None:
    week = WorkingHours(off=frozenset({date(2026, 5, 7)}))

    assert due("2026-05-06T17:00", 2, week=week) == "2026-05-08T10:00"


def test_the_hours_are_those_of_the_clock_on_the_wall_after_it_changed() -> None:
    saturday = WorkingHours(week={6: (time(1), time(5))})  # the clock goes from two to three

    assert due("2026-03-29T01:30", 2, AMSTERDAM, saturday) == "2026-03-29T04:30"


def test_who_never_works_owes_by_the_clock() -> None:
    assert due("2026-05-06T10:00", 4, week=WorkingHours(week={})) == "2026-05-06T14:00"


def test_hours_are_read_as_an_administrator_writes_them() -> None:
    found = read_working_hours({"sat": "10:00-14:30", "off": ["2026-05-09"]})

    assert found.week == {5: (time(10), time(14, 30))}
    assert found.off == {date(2026, 5, 9)}


@pytest.mark.parametrize(
    "told", [{"someday": "09:00-18:00"}, {"mon": "18:00-09:00"}, {"mon": "nine"}, {"off": ["x"]}]
)
def test_hours_that_make_no_sense_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        read_working_hours(told)


# Overdue ---------------------------------------------------------------------------------------

OURS, THEIRS = "x@ours.example", "c@client.example"
VERA = Viewer(user="v", login="vera", name="Vera", role=UserRole.SUPERVISOR)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = sqlite_world(tmp_path)
    found.line(OURS, found.employee("X"))
    found.client("C", THEIRS)
    return found


def seen(world: World, mail: str, now: datetime = NOW) -> tuple[datetime | None, bool]:
    with world.reading() as connection:
        found = reads.interaction(connection, VERA, mail, now=now)
    assert found is not None
    return found.due_at, found.is_overdue(now)


def rules(world: World, name: str, value: object, since: datetime | None = None) -> None:
    with world.database.write() as connection:
        directory.set_policy(connection, name, value, from_at=since or day(1), at=NOW, by="test")


def test_a_mail_that_awaits_its_reply_is_overdue_after_the_companys_working_time(
    world: World,
) -> None:
    mail = world.mail(THEIRS, (OURS,), day(18, 15))  # a Monday, in UTC

    assert seen(world, mail, day(19, 14)) == (day(19, 15), False)
    assert seen(world, mail, day(19, 16)) == (day(19, 15), True)


def test_what_was_answered_is_never_overdue(world: World) -> None:
    mail = world.mail(THEIRS, (OURS,), day(18, 15), message_id="q@client.example")
    world.mail(OURS, (THEIRS,), day(19, 10), sent=True, reply_to="q@client.example")

    assert seen(world, mail) == (None, False)


def test_the_rule_that_was_valid_when_the_mail_came_decides(world: World) -> None:
    rules(world, "reply_within", 3600, day(1))
    rules(world, "reply_within", 7200, day(19, 0))
    before, after = (world.mail(THEIRS, (OURS,), day(at, 10)) for at in (18, 19))

    assert seen(world, before)[0] == day(18, 11)
    assert seen(world, after)[0] == day(19, 12)


def test_a_change_of_hours_stores_nothing_anew(world: World) -> None:
    mail = world.mail(THEIRS, (OURS,), day(18, 10))
    before = world.rows()

    rules(world, "working_hours", {"tue": "09:00-18:00"})
    world.settle()

    assert world.rows() == before
    assert seen(world, mail)[0] == day(19, 18)
    assert world.rebuild().rows == 0


def test_hours_that_cannot_be_read_are_no_rule(world: World) -> None:
    with pytest.raises(facts.Conflict):
        rules(world, "working_hours", {"mon": "18:00-09:00"})


@pytest.mark.parametrize("now", ["2026-05-06T12:00", "2026-05-06T18:00", "2026-05-10T03:00"])
@pytest.mark.parametrize("hours", [0, 4, 9, 30])
@pytest.mark.parametrize("week", [HOURS, WorkingHours(week={6: (time(9), time(12))})])
def test_what_began_before_one_moment_is_overdue_and_nothing_else(
    now: str, hours: float, week: WorkingHours
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=MOSCOW).astimezone(UTC)
    within, least = timedelta(hours=hours), timedelta(microseconds=1)

    before = overdue_before(moment, within, week, MOSCOW)

    assert due_at(before - least, within, week, MOSCOW) < moment
    assert due_at(before, within, week, MOSCOW) >= moment


def test_the_list_of_overdue_replies_holds_what_each_mails_own_rule_says(world: World) -> None:
    rules(world, "reply_within", 3600, day(1))
    rules(world, "reply_within", 30 * 3600, day(18, 12))
    for at in (day(15, 10), day(18, 10), day(18, 13), day(20, 10), day(20, 11, 30)):
        world.mail(THEIRS, (OURS,), at)

    with world.reading() as connection:
        spans = overdue_spans(connection, NOW)
        wanted = reads.InteractionFilter(overdue=spans)
        every = reads.list_interactions(connection, VERA, now=NOW).items
        late = reads.list_interactions(connection, VERA, wanted, now=NOW).items
        number = reads.count_interactions(connection, VERA, wanted, now=NOW)

    assert [it.id for it in late] == [it.id for it in every if it.is_overdue(NOW)]
    assert [it.occurred_at for it in late] == [day(18, 10), day(15, 10)]
    assert number == 2
