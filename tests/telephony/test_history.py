"""Asking a history over time: on schedule, after an outage, on demand; and what hinders it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from ingest import outages
from ingest.domain.deliveries import Account, Kind, Provider
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.outages import Outage
from ingest.telephony.api_client import ApiUnreachable
from ingest.telephony.desk import part_state_name
from ingest.telephony.history import Puller, retry_after_s, wanted
from ingest.telephony.history_state import HistoryState, next_task, plain, recalled
from ingest.telephony.history_wishes import ask_for
from ingest.telephony.providers import PROVIDERS
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.simulators.houses import HOUSES
from tests.telephony.simulators.serving import refused, served

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
STATE = part_state_name("office", "history")


def test_a_history_is_asked_only_with_the_secrets_that_it_needs() -> None:
    megafon = PROVIDERS["megafon"]

    assert wanted(megafon, Account(source="m", secrets=({"crm_token": "c", "api_key": "k"},)))
    assert not wanted(megafon, Account(source="m", secrets=({"crm_token": "c"},)))
    assert not wanted(PROVIDERS["generic"], Account(source="g", secrets=({"api_key": "k"},)))


async def test_a_new_source_is_asked_for_its_last_day_and_then_on_schedule() -> None:
    office = Office()

    await office.runs(for_=HOUR)

    first, *later = office.looks
    assert first[1] <= NOON - timedelta(days=1)
    assert 3 <= len(later) <= 4
    assert all(since > NOON - HOUR for _, since, _ in later)
    assert all(until <= asked - 5 * MINUTE for asked, _, until in office.looks)


async def test_looks_overlap_so_that_nothing_falls_between_them() -> None:
    office = Office()

    await office.runs(for_=3 * HOUR)

    for (_, _, until), (_, since, _) in pairwise(office.looks):
        assert since <= until - 10 * MINUTE


async def test_after_a_pause_of_the_process_everything_since_is_asked_for() -> None:
    office = Office()
    await office.runs(for_=HOUR)
    before = office.state.upto
    assert before is not None

    office.house.now += timedelta(hours=30)
    office.asked.clear()
    await office.runs(for_=MINUTE)

    assert min(since for _, since, _ in office.looks) <= before
    assert max(until for _, _, until in office.looks) >= office.house.now - 7 * MINUTE
    assert all(one.until - one.since <= timedelta(days=1) for one in office.asked)


async def test_the_end_of_an_outage_is_not_left_to_the_schedule() -> None:
    office = Office()
    await office.runs(for_=HOUR + 3 * MINUTE)
    looks = len(office.looks)
    gap = Outage(begin=office.house.now - MINUTE, end=office.house.now, why="down")
    office.house.memory[outages.MEMORY] = outages.plain([gap])

    await office.runs(for_=6 * MINUTE)

    assert len(office.looks) == looks + 1
    assert office.looks[-1][2] >= gap.end


async def test_a_gap_of_the_stream_is_asked_for_as_well() -> None:
    office = Office()
    await office.runs(for_=HOUR + 3 * MINUTE)
    looks = len(office.looks)
    at = office.house.now.isoformat()
    office.house.memory[part_state_name("office", "stream")] = {
        "state": "connected",
        "since": at,
        "gaps": [{"from": (office.house.now - MINUTE).isoformat(), "to": at}],
    }

    await office.runs(for_=6 * MINUTE)

    assert len(office.looks) == looks + 1


async def test_once_a_day_it_looks_far_back_for_calls_that_ended_late() -> None:
    office = Office()
    await office.runs(for_=MINUTE)
    office.asked.clear()

    await office.runs(for_=timedelta(hours=25))

    assert any(until - since > 20 * HOUR for _, since, until in office.looks)


def test_what_a_provider_keeps_no_more_is_not_asked_for() -> None:
    telnyx = PROVIDERS["telnyx"].history
    assert telnyx is not None
    assert telnyx.keeps == 24 * HOUR
    day_ago = HistoryState(since=NOON, upto=NOON - 3 * HOUR, asked_at=NOON, deep_at=None)
    away = HistoryState(since=NOON, upto=NOON - 72 * HOUR, asked_at=NOON - 72 * HOUR)

    for state in (day_ago, away):
        task = next_task(telnyx, state, NOON)
        assert task is not None
        assert task.periods[0].since == NOON - 24 * HOUR


async def test_each_page_is_kept_together_with_the_place_behind_it() -> None:
    office = Office(pages=3)
    written: list[tuple[int, str | None]] = []

    async def keep(deliveries: Any, memory: Any) -> Any:
        state = recalled(memory[STATE], NOON)
        written.append((len(deliveries), state.task.page if state.task else "done"))
        return await House.keep(office.house, deliveries, memory)

    await office.runs(for_=MINUTE, keep=keep)

    assert [page for _, page in written] == ["1", "2", None, "1", "2", "done"]
    assert all(kept == 1 for kept, _ in written)
    head = office.house.kept[0].head
    assert head["kind"] == Kind.PULL
    assert head["api"] == "calls"
    assert head["since"] < head["until"]


async def test_it_goes_on_at_the_page_where_the_process_died() -> None:
    office = Office(pages=4)
    office.dies_at = 3
    with pytest.raises(Died):
        await office.runs(for_=MINUTE)
    kept = len(office.house.kept)

    office.dies_at = None
    await office.runs(for_=MINUTE)

    assert kept == 2
    assert office.asked[3].page == office.asked[2].page == "2"


async def test_the_same_answer_twice_has_the_same_key() -> None:
    office = Office(says=lambda asked: b'[{"id": "1"}]')

    await office.runs(for_=HOUR)

    assert len({new.key for new in office.house.kept}) == 1


async def test_a_longer_list_than_an_answer_holds_is_asked_for_in_halves() -> None:
    office = Office(cut=lambda asked: asked.until - asked.since > 6 * HOUR)

    await office.runs(for_=MINUTE)

    whole = [asked for asked in office.asked if asked.until - asked.since <= 6 * HOUR]
    assert len(whole) >= 4
    for one, other in pairwise(whole):
        assert one.until == other.since
    assert len(office.house.kept) == len(whole)


# What stands in the way ------------------------------------------------------------------------


async def test_who_is_asked_to_wait_waits_as_long() -> None:
    office = Office(trouble=[ApiResponse(status=429, headers={"retry-after": "600"})])

    await office.runs(for_=HOUR)

    assert office.asked[1].at - office.asked[0].at >= 600 * timedelta(seconds=1)
    assert office.asked[1].since == office.asked[0].since


async def test_an_unreachable_provider_is_asked_less_and_less_often() -> None:
    office = Office(trouble=[ApiUnreachable("no answer")] * 6)

    await office.runs(for_=2 * HOUR)

    pauses = [two.at - one.at for one, two in pairwise(office.asked)]
    assert pauses[:5] == sorted(pauses[:5])
    assert pauses[0] >= timedelta(seconds=30)
    assert office.state.because is None


async def test_while_it_fails_the_state_says_why() -> None:
    office = Office(trouble=[ApiResponse(status=403)] * 50)

    await office.runs(for_=MINUTE)

    assert (office.state.state, office.state.because) == ("refused", "it refused with status 403")
    assert office.house.memory[STATE]["because"] == "it refused with status 403"


async def test_a_page_that_always_fails_is_begun_anew_because_tickets_expire() -> None:
    office = Office(pages=3)
    office.trouble = [None, *[ApiResponse(status=404)] * 3]

    await office.runs(for_=2 * HOUR)

    assert [asked.page for asked in office.asked[:6]] == [None, "1", "1", "1", None, "1"]


async def test_a_full_log_is_not_filled_further() -> None:
    office = Office()
    office.full = "the disk is nearly full"

    await office.runs(for_=HOUR)

    assert office.asked == []


async def test_a_key_that_ended_is_asked_for_anew() -> None:
    onlinepbx = HOUSES["onlinepbx"]
    house = House(ends=NOON + 2 * HOUR)
    knows = onlinepbx.simulated(onlinepbx.calls(NOON - 3 * HOUR))
    async with served(onlinepbx.simulator.routes, knows, onlinepbx.simulator.HOSTS) as server:
        desk = a_desk(onlinepbx.provider, onlinepbx.account, house)
        assert onlinepbx.provider.history is not None
        puller = Puller(desk, onlinepbx.provider.history, server.ask)
        await walk(puller, desk, until=NOON + 5 * MINUTE)
        knows.tickets.clear()
        states = set()
        while house.now < NOON + 40 * MINUTE:
            await walk(puller, desk, until=house.now + timedelta(seconds=1))
            states.add(puller.state.state)

    assert len(knows.tickets) == 1
    assert "refused" not in states
    assert puller.state.because is None


@pytest.mark.parametrize("name", sorted(HOUSES))
async def test_wrong_secrets_are_said_and_do_not_end_the_asking(name: str) -> None:
    it = HOUSES[name]
    house = House()
    knows = it.simulated(it.calls(NOON - 3 * HOUR))
    knows.secrets = {key: f"other {value}" for key, value in it.secrets.items()}
    async with served(it.simulator.routes, knows, it.simulator.HOSTS) as server:
        desk = a_desk(it.provider, it.account, house)
        assert it.provider.history is not None
        puller = Puller(desk, it.provider.history, server.ask)
        await walk(puller, desk, until=NOON + MINUTE)

    assert puller.state.state == "refused"
    assert puller.state.because
    assert not any(value in str(puller.state) for value in it.secrets.values() if len(value) > 3)
    assert house.kept == []


async def test_errors_of_a_real_server_are_outlived() -> None:
    uis = HOUSES["uis"]
    calls = uis.calls(NOON - 3 * HOUR)
    knows = uis.simulated(calls)
    knows.trouble = [web.Response(status=500), refused(503), web.Response(text="<html>")]
    house = House()
    async with served(uis.simulator.routes, knows, uis.simulator.HOSTS) as server:
        desk = a_desk(uis.provider, uis.account, house)
        assert uis.provider.history is not None
        puller = Puller(desk, uis.provider.history, server.ask)
        await walk(puller, desk, until=NOON + HOUR)

    ids = {row["id"] for new in house.kept for row in json.loads(new.body)["result"]["data"]}
    assert ids == {int(call.key) for call in calls}


def test_retry_after_is_a_number_of_seconds_or_a_moment() -> None:
    def asks(stated: str) -> float | None:
        return retry_after_s(ApiResponse(status=429, headers={"retry-after": stated}), NOON)

    assert asks("120") == 120
    assert asks("Sun, 01 Mar 2026 12:02:00 GMT") == 120
    assert asks("soon") is None
    assert asks("") is None


# On demand -------------------------------------------------------------------------------------


async def test_a_wish_is_asked_for_at_once_and_its_answers_are_named() -> None:
    office = Office(pages=2)
    await office.runs(for_=HOUR)
    begin = NOON - timedelta(days=40)

    granted = await office.wishes(begin, begin + timedelta(days=2))

    assert granted.failed is None
    assert len(granted.places) == 4
    asked = [one for one in office.asked if one.since < NOON - timedelta(days=30)]
    assert asked[0].since == begin
    assert asked[-1].until == begin + timedelta(days=2)


async def test_a_wish_does_not_move_how_far_the_schedule_is() -> None:
    office = Office()
    await office.runs(for_=MINUTE)
    before = office.state.upto

    await office.wishes(NOON - timedelta(days=40), NOON - timedelta(days=39))

    assert office.state.upto == before


async def test_a_wish_that_is_refused_says_why_and_the_schedule_goes_on() -> None:
    office = Office()
    await office.runs(for_=MINUTE)
    office.trouble = [ApiResponse(status=403)]

    granted = await office.wishes(NOON - timedelta(days=40), NOON - timedelta(days=39))
    looks = len(office.looks)
    await office.runs(for_=HOUR)

    assert granted.failed == "it refused with status 403"
    assert len(office.looks) > looks


async def test_a_wish_while_the_provider_asks_us_to_wait_is_told_so() -> None:
    office = Office(trouble=[ApiResponse(status=429, headers={"retry-after": "3000"})])
    await office.runs(for_=MINUTE)

    granted = await office.wishes(NOON - timedelta(days=40), NOON - timedelta(days=39))

    assert granted.failed == "the provider asks us to come later"
    assert len(office.asked) == 1


def test_a_state_comes_back_as_it_was_and_one_of_another_version_as_new() -> None:
    state = HistoryState(since=NOON, upto=NOON, because="x", kept=3)

    assert recalled(plain(state), NOON) == state
    assert recalled({"state": "waiting"}, NOON) == HistoryState(since=NOON)
    assert recalled(None, NOON) == HistoryState(since=NOON)


# Helpers ---------------------------------------------------------------------------------------


class Died(BaseException):
    """Stands for the death of the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as the provider heard it."""

    at: datetime
    since: datetime
    until: datetime
    page: str | None


@dataclass
class Office:
    """A provider that obeys the test, and its puller's house."""

    pages: int = 1
    trouble: list[ApiResponse | Exception | None] = field(default_factory=list)
    says: Callable[[Asked], bytes] = lambda asked: json.dumps([str(asked)]).encode()
    cut: Callable[[Asked], bool] = lambda asked: False
    house: House = field(default_factory=House)
    asked: list[Asked] = field(default_factory=list)
    full: str | None = None
    dies_at: int | None = None
    puller: Puller | None = None

    @property
    def state(self) -> HistoryState:
        assert self.puller is not None
        return self.puller.state

    @property
    def looks(self) -> list[tuple[datetime, datetime, datetime]]:
        """Return each first page of a look that joins on nothing: when, since, until."""
        found: list[tuple[datetime, datetime, datetime]] = []
        for one in self.asked:
            if one.page is not None:
                continue
            if found and found[-1][2] == one.since:
                found[-1] = (found[-1][0], found[-1][1], one.until)
            else:
                found.append((one.at, one.since, one.until))
        return found

    def provider(self) -> Provider:
        history = History(request=self._request, turn=self._turn, api="calls")
        return replace(PROVIDERS["generic"], history=history)

    def _request(
        self, account: Account, since: datetime, until: datetime, page: str | None
    ) -> ApiRequest:
        asked = Asked(at=self.house.now, since=since, until=until, page=page)
        self.asked.append(asked)
        return ApiRequest(url="https://api.example.org/calls")

    def _turn(self, account: Account, response: ApiResponse, page: str | None) -> Turned:
        number = int(page or 0) + 1
        if self.cut(self.asked[-1]):
            return Turned(cut=True, keep=False)
        return Turned(next=str(number) if number < self.pages else None)

    async def ask(self, request: ApiRequest) -> ApiResponse:
        if self.dies_at is not None and len(self.asked) >= self.dies_at:
            raise Died
        told = self.trouble.pop(0) if self.trouble else None
        if isinstance(told, Exception):
            raise told
        return told or ApiResponse(status=200, body=self.says(self.asked[-1]))

    async def runs(self, *, for_: timedelta, keep: Any = None) -> None:
        """Let the puller run so long, as after a start of the process."""
        self.house.ends = self.house.now + for_
        desk = a_desk(self.provider(), Account(source="office"), self.house)
        object.__setattr__(desk, "full", lambda: self.full)
        if keep is not None:
            object.__setattr__(desk, "keep", keep)
        history = desk.provider.history
        assert history is not None
        self.puller = Puller(desk, history, self.ask)
        await self.puller.run()

    async def wishes(self, since: datetime, until: datetime) -> Any:
        """Wish for a period while the puller runs."""

        async def remember(memory: Any) -> None:
            self.house.memory.update(memory)

        self.house.ends = self.house.now + 24 * HOUR
        desk = a_desk(self.provider(), Account(source="office"), self.house)
        history = desk.provider.history
        assert history is not None
        self.puller = Puller(desk, history, self.ask)
        wish = ask_for(
            "office",
            since,
            until,
            remember=remember,
            recall=self.house.recall,
            clock=lambda: self.house.now,
            tell=lambda done, total: None,
            pause_s=0,
        )
        running = asyncio.create_task(self.puller.run())
        try:
            return await asyncio.wait_for(wish, 5)
        finally:
            desk.stop.set()
            await running


async def walk(puller: Puller, desk: Any, *, until: datetime) -> None:
    """Take the puller's steps until that moment."""
    while desk.house.now < until:
        await desk.wait(await puller.step())
