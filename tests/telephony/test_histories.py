"""What providers' histories say, asked over simulated interfaces: the same set of calls.

Webhooks are lost in an outage; what the history gives makes the calls whole again, and doubles
none of those that were pushed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.demo.pbx.script import Script
from ingest.demo.simulators import SIMULATORS
from ingest.domain.calls import Call, CallEvent, Direction, Outcome, Report
from ingest.domain.deliveries import (
    Account,
    Delivery,
    HookRequest,
    IgnoredDelivery,
    Kind,
    NewDelivery,
    Provider,
)
from ingest.telephony.calls import fold, tie, with_direction
from ingest.telephony.history import Puller
from ingest.telephony.sides import sides
from tests.telephony.quick_desk import House as Desks
from tests.telephony.quick_desk import a_desk
from tests.telephony.simulators.houses import HOUSES, LINE, House, apart
from tests.telephony.simulators.serving import Simulated, served

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
#: Whose history tells how long a call lasted and not how much of it was talk.
NO_TALK_TOLD = frozenset({"ringcentral", "rostelecom", "sipgate", "zadarma"})
#: Whose history does not tell whether our side gave up a call out or nobody took it.
NO_GIVING_UP_TOLD = frozenset({"megafon"})
#: Whose history does not tell why nobody took a call.
NO_WHY_TOLD = frozenset({"sipgate", "sipuni"})
#: Whose history does not tell who of us talked.
NO_NAMES_TOLD = frozenset({"sipgate"})
#: Whose history does not tell when a call out began to ring.
NO_RINGING_TOLD = frozenset({"vonage"})
#: Whose webhooks are simulated as well.
PUSHED = (
    "bandwidth",
    "dialpad",
    "mango",
    "megafon",
    "plivo",
    "rostelecom",
    "sipgate",
    "sipuni",
    "telnyx",
    "twilio",
    "vonage",
    "zadarma",
    "zoom_phone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a supervisor sees of one call."""

    direction: Direction | None
    remote: str | None
    outcome: Outcome | None
    missed: bool
    talked: tuple[str, ...]
    talk_s: float | None
    duration_s: float | None
    started_at: datetime | None  #: None: no report tells it


@pytest.mark.parametrize("name", sorted(HOUSES))
async def test_the_history_alone_gives_every_call_as_it_was(name: str) -> None:
    house = HOUSES[name]
    calls = house.calls(MORNING)

    found = told(await pulled(house, house.simulated(calls)), house.account)

    assert set(found) == {call.key for call in calls}
    for call in calls:
        assert_fits(
            found[call.key],
            call,
            talk_told=name not in NO_TALK_TOLD,
            start_told=not (call.outbound and name in NO_RINGING_TOLD),
        )


@pytest.mark.parametrize("name", PUSHED)
async def test_calls_whose_webhooks_were_lost_in_an_outage_are_the_same_as_if_none_had(
    name: str,
) -> None:
    house = HOUSES[name]
    calls = house.calls(MORNING)
    outage = (MORNING + timedelta(minutes=35), MORNING + timedelta(minutes=75))
    heard = apart(calls, *outage)
    assert 3 <= len(heard) < len(calls)
    perfect = told(pushes(house, calls), house.account)

    history = await pulled(house, house.simulated(calls))
    filled = told([*pushes(house, heard), *history], house.account)

    lost = {call.key for call in calls} - {call.key for call in heard}
    assert_same(
        filled,
        {key: restorable(name, whole) if key in lost else whole for key, whole in perfect.items()},
    )


@pytest.mark.parametrize("name", PUSHED)
async def test_a_history_on_top_of_complete_webhooks_changes_nothing(name: str) -> None:
    house = HOUSES[name]
    calls = house.calls(MORNING)
    perfect = told(pushes(house, calls), house.account)

    both = told(
        [*pushes(house, calls), *await pulled(house, house.simulated(calls))], house.account
    )

    assert_same(both, perfect)


@pytest.mark.parametrize("name", ["zadarma", "megafon", "onlinepbx"])
async def test_more_calls_than_one_answer_may_hold_are_all_there(name: str) -> None:
    house = HOUSES[name]
    calls = [house.call(n, MORNING + timedelta(seconds=10 * n)) for n in range(1_100)]

    found = told(await pulled(house, house.simulated(calls)), house.account)

    assert set(found) == {call.key for call in calls}


@pytest.mark.parametrize("name", sorted(HOUSES))
async def test_a_day_without_calls_is_no_call_and_no_error(name: str) -> None:
    house = HOUSES[name]

    assert await pulled(house, house.simulated([])) == []


# Helpers ---------------------------------------------------------------------------------------


async def pulled(house: House, knows: Simulated) -> list[Report]:
    """Return what the puller's first look back from noon keeps, as reports."""
    desks = Desks(now=NOON)
    async with served(house.simulator.routes, knows, house.simulator.HOSTS) as server:
        desk = a_desk(house.provider, house.account, desks)
        history = house.provider.history
        assert history is not None
        puller = Puller(desk, history, server.ask)
        for _ in range(100):
            await desk.wait(await puller.step())
            if puller.state.asked_at is not None:
                break
    assert puller.state.because is None
    return list(reports_of(house.provider, house.account, desks.kept))


def reports_of(
    provider: Provider, account: Account, kept: Iterable[NewDelivery]
) -> Iterable[Report]:
    for new in kept:
        delivery = Delivery(
            log="calls",
            partition=0,
            position=1,
            source=new.source,
            key=new.key,
            received_at=new.received_at,
            head=new.head,
            body=new.body,
        )
        try:
            events = provider.reads[Kind.PULL](delivery, account)
        except IgnoredDelivery:
            continue
        yield from (Report(event=event, received_at=new.received_at) for event in events)


def pushes(house: House, calls: Iterable[Script]) -> list[Report]:
    """Return what webhooks tell of these calls, each received when it is told."""
    simulator = SIMULATORS.get(house.name) or house.simulator
    url = f"{house.account.public_url}/hooks/{house.name}"
    found = []
    for call in calls:
        for report in simulator.reports(call):
            at = call.at(report.after_s)
            signed = simulator.sign(report, house.secrets, url, at)
            request = HookRequest(
                method="POST",
                path=report.path,
                headers=tuple((name.lower(), value) for name, value in signed.headers.items()),
                body=signed.body,
                url=signed.url,
                received_at=at,
            )
            house.provider.verify(request, house.account)
            events: Iterable[CallEvent] = house.provider.parse(request, house.account)
            found += [Report(event=event, received_at=at) for event in events]
    return found


def told(reports: Iterable[Report], account: Account) -> dict[str, Told]:
    """Return what is seen of each call, by the id that its provider calls it by."""
    return {call.keys[0]: seen(call) for call in map(fold, tie(reports))}


def seen(call: Call) -> Told:
    def is_own(raw: str) -> bool:
        return digits(raw) == digits(LINE)

    found = sides(call, is_own)
    call = with_direction(call, found.direction)
    return Told(
        direction=found.direction,
        remote=digits(found.remote),
        outcome=call.outcome,
        missed=call.missed,
        talked=call.talked,
        talk_s=call.talk_s,
        duration_s=call.duration_s,
        started_at=call.started_at if call.start_known else None,
    )


def digits(number: str | None) -> str | None:
    """Return a number's last ten digits: providers write them in different ways."""
    return None if number is None else "".join(filter(str.isdigit, number))[-10:]


def assert_fits(found: Told, call: Script, *, talk_told: bool, start_told: bool) -> None:
    assert found.direction is (Direction.OUTBOUND if call.outbound else Direction.INBOUND)
    assert found.remote == digits(call.remote)
    assert found.missed == (not call.outbound and not call.taken)
    assert (found.outcome is Outcome.ANSWERED) == call.taken
    if start_told:
        assert near(found.started_at, call.begins_at)
    else:
        assert found.started_at is None, "a start that nobody told"
    if call.taken and found.duration_s is not None and not call.outbound:
        assert found.duration_s == pytest.approx(call.length_s, abs=1)
    if talk_told or not call.taken:
        assert found.talk_s == pytest.approx(call.talk_s, abs=1)
    if call.taken and not call.outbound and found.talked:
        assert found.talked == (call.taken_by,)


def assert_same(found: dict[str, Told], perfect: dict[str, Told]) -> None:
    assert set(found) == set(perfect)
    for key, wanted in perfect.items():
        same = found[key]
        assert (same.direction, same.remote, same.outcome, same.missed, same.talked) == (
            (wanted.direction, wanted.remote, wanted.outcome, wanted.missed, wanted.talked)
        ), key
        assert wanted.started_at is None or near(same.started_at, wanted.started_at), key
        assert wanted.talk_s is None or same.talk_s == pytest.approx(wanted.talk_s, abs=1.01), key


def near(one: datetime | None, other: datetime) -> bool:
    return one is not None and abs((one - other).total_seconds()) <= 1


def restorable(name: str, told: Told) -> Told:
    """Return what the provider's history can restore of a call that no webhook told of."""
    if name in NO_TALK_TOLD and told.talk_s:
        told = replace(told, talk_s=None)
    if name in NO_GIVING_UP_TOLD and told.outcome is Outcome.CANCELLED:
        told = replace(told, outcome=Outcome.NO_ANSWER)
    if name in NO_WHY_TOLD and told.outcome is not Outcome.ANSWERED:
        told = replace(told, outcome=Outcome.NO_ANSWER)
    if name in NO_NAMES_TOLD:
        told = replace(told, talked=())
    if name in NO_RINGING_TOLD and told.direction is Direction.OUTBOUND:
        told = replace(told, started_at=None)
    return told
