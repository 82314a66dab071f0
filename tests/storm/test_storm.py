"""The storm at the size of a test: what comes through it is what would have come without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.storm.calls import KINDS, Tale
from tests.storm.compare import NEAR_S, Seen, Touches
from tests.storm.houses import HOUSES, Fate
from tests.storm.run import Result, calls_of_all, compared, heard
from tests.storm.tellers.told import Told
from tests.storm.weather import LOST, REPEATED, WITHHELD, Arrival, Weather, calm, manifold, storm

CALLS, SEED = 150, 45
RESTORED = {"mango", "megafon", "twilio", "uis", "zadarma"}  #: whose history can be asked
HARD = 0.08  #: of all reports lost: few calls shall show all that can happen to them


@dataclass(frozen=True, kw_only=True)
class Day:
    """The calls of one day and how they are recorded in good weather."""

    calls: list[Tale]
    perfect: Touches
    path: Path

    async def through(self, weather: Weather, *, ask: bool = True) -> Result:
        """Return what became of them in bad weather."""
        stormy = await heard(self.path / "storm", weather, self.calls, ask=ask)
        return compared(self.calls, self.perfect, stormy, weather)


async def a_day(path: Path, count: int) -> Day:
    calls = calls_of_all(count, SEED)
    perfect = await heard(path / "calm", calm(calls), calls, ask=False)
    return Day(calls=calls, perfect=perfect, path=path)


async def test_through_a_storm_every_call_is_as_in_the_perfect_run_or_named(tmp_path: Path) -> None:
    day = await a_day(tmp_path, CALLS)
    assert_true(day)

    result = await day.through(storm(day.calls, SEED, lost_part=HARD))

    assert [str(difference) for difference in result.differing] == []
    assert {name.partition(" ")[0] for name in result.filled} >= RESTORED
    named = {difference.call.partition(" ")[0] for difference in result.unrestorable}
    assert named == {"generic", "megafon", "twilio", "zadarma"}


async def test_each_report_five_times_in_any_order_is_as_each_once_in_order(tmp_path: Path) -> None:
    day = await a_day(tmp_path, 24)
    weather = manifold(day.calls, SEED, 5)

    result = await day.through(weather, ask=False)

    assert len(weather.arrivals) == 5 * weather.reports
    assert [str(difference) for difference in result.differing] == []
    assert result.unrestorable == []


@pytest.mark.parametrize(
    ("back", "houses", "differs"),
    [
        (timedelta(seconds=90), {"megafon", "zadarma"}, {"talk"}),  # which state no moment
        (timedelta(hours=1), set(HOUSES), {"talk", "start"}),  # what is stated is doubted then
    ],
)
async def test_when_our_own_clock_steps_back_no_call_is_lost_and_none_is_told_wrongly(
    tmp_path: Path, back: timedelta, houses: set[str], differs: set[str]
) -> None:
    day = await a_day(tmp_path, 24)
    quiet = calm(day.calls)
    begins = quiet.arrivals[len(quiet.arrivals) // 2].received_at

    def by_our_clock(arrival: Arrival) -> Arrival:
        late = arrival.received_at >= begins
        return replace(arrival, received_at=arrival.received_at - back) if late else arrival

    weather = replace(quiet, arrivals=[by_our_clock(it) for it in quiet.arrivals])
    moments = [it.received_at for it in weather.arrivals]
    assert sum(one > other for one, other in pairwise(moments)) == 1

    result = await day.through(weather, ask=False)

    assert {it.what for it in result.differing} <= differs
    assert {it.call.partition(" ")[0] for it in result.differing} <= houses


async def test_a_single_wrong_report_is_seen_and_named(tmp_path: Path) -> None:
    day = await a_day(tmp_path, 24)
    quiet = calm(day.calls)
    call = next(it for it in day.calls if it.house == "generic" and it.taken and not it.outbound)
    wrong = [changed(it, "missed") if it.call is call else it for it in quiet.arrivals]

    result = await day.through(replace(quiet, arrivals=wrong), ask=False)

    assert {difference.call for difference in result.differing} == {call.name}
    assert {difference.what for difference in result.differing} >= {"outcome", "talk", "missed"}


def test_a_storm_is_what_it_is_said_to_be() -> None:
    calls = calls_of_all(1_200, SEED)
    weather = storm(calls, SEED)

    there = weather.reports - weather.lost
    assert weather.lost == pytest.approx(LOST * weather.reports, abs=10)
    assert weather.repeated == round(REPEATED * there)
    assert weather.late == round(WITHHELD * there)
    assert len(weather.arrivals) + len(weather.withheld) == there + weather.repeated
    assert all(it.received_at > weather.over_at for it in weather.withheld)
    moments = [it.received_at for it in weather.arrivals]
    assert sum(one > other for one, other in pairwise(moments)) > len(moments) // 3
    assert {call.kind for call in calls} == set(KINDS)
    assert {call.house for call in calls} == set(HOUSES)


def test_of_each_house_only_what_was_lost_or_late_may_differ() -> None:
    for call in calls_of_all(300, SEED):
        assert not HOUSES[call.house].gaps(call, Fate())


# Helpers ---------------------------------------------------------------------------------------


def changed(arrival: Arrival, into: str) -> Arrival:
    """Return the report of a call that nobody took, where it was an end with a talk."""
    fields = arrival.told.report.fields
    if fields["type"] == "call.answered":
        fields = {**fields, "type": "call.ringing"}
    if fields["type"] == "call.ended":
        fields = {**fields, "data": {**fields["data"], "outcome": "no_answer", "talk_s": 0}}
    report = replace(arrival.told.report, fields=fields)
    return replace(arrival, told=Told(report, f"{arrival.told.what}, {into}"))


def assert_true(day: Day) -> None:
    """In good weather every call is recorded as it was invented."""
    for call in day.calls:
        seen = day.perfect[call.house, call.key]
        assert (seen.direction == "out") == call.outbound, call.name
        assert seen.missed == (not call.outbound and not call.taken), call.name
        assert (seen.outcome[1] == "answered") == call.taken, call.name
        assert seen.employee == employee(call), call.name
        assert abs((seen.start - call.begins_at).total_seconds()) <= NEAR_S, call.name
        assert_talk(call, seen)
        assert (seen.recording is not None) == (call.recording is not None), call.name
        assert call.withheld == seen.parties[0].startswith("withheld:"), call.name
        assert call.withheld or call.remote in seen.parties[0], call.name


def assert_talk(call: Tale, seen: Seen) -> None:
    if call.house == "zadarma" and call.outbound and call.taken:
        assert seen.talk is None  # no report tells when the client took it
    elif call.house != "uis" or not call.passed_to:  # which leaves out the ringing in between
        assert seen.talk == pytest.approx(call.talk_s, abs=NEAR_S), call.name


def employee(call: Tale) -> str:
    """Return who has talked last, or who holds the line."""
    told = call.last if call.taken or call.outbound else None
    if call.house == "twilio" and call.outbound:
        told = None  # its interface calls out for nobody in particular
    if not call.taken and call.outbound:
        told = None
    return f"{told} of {call.house}" if told else f"reception of {call.house}"
