"""How reports come: as if nothing ever went wrong, or through a storm."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.storm.calls import Tale
from tests.storm.houses import HOUSES, Fate
from tests.storm.tellers.told import Told

ON_THE_WAY = timedelta(seconds=0.2)  #: from the provider to us
REPEATED, WITHHELD, LOST = 0.30, 0.05, 0.01
SETTLED = timedelta(minutes=15)  #: after the last report: then the histories are asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One report as it reaches us."""

    call: Tale
    told: Told
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """All that comes, in the order in which it is read, and what became of the rest."""

    arrivals: Sequence[Arrival]  #: before the histories are asked
    withheld: Sequence[Arrival] = ()  #: after that
    over_at: datetime  #: no call goes on any more
    reports: int  #: that the providers sent or meant to send
    repeated: int = 0
    late: int = 0
    lost: int = 0
    fates: Mapping[str, Fate] = field(default_factory=dict)  #: by the names of the calls


def calm(calls: Sequence[Tale]) -> Weather:
    """Return every report once, in order, on time."""
    sent = _sent(calls)
    arrivals = [_on_time(call, told) for call, told in sent]
    arrivals.sort(key=lambda arrival: arrival.received_at)
    return Weather(arrivals=arrivals, over_at=_over_at(arrivals), reports=len(sent))


def storm(calls: Sequence[Tale], seed: int, *, lost_part: float = LOST) -> Weather:
    """Return the reports shuffled, some twice, some after the end, some never.

    What states its own moment is also received at any later moment of the day. Of what states none
    the receipt is all there is, so it is received when it is told, and only read in any order:
    unless it is withheld, and then its moment is lost.
    """
    chance = random.Random(seed)
    sent = _sent(calls)
    over_at = _over_at([_on_time(call, told) for call, told in sent])
    lost = _losses(sent, round(lost_part * len(sent)), chance)
    there = [it for it in sent if (it[0].name, it[1].what) not in lost]
    late = set(chance.sample(range(len(there)), round(WITHHELD * len(there))))
    again = set(chance.sample(range(len(there)), round(REPEATED * len(there))))
    placed: list[tuple[float, Arrival]] = []
    withheld: list[tuple[float, Arrival]] = []
    for number, (call, told) in enumerate(there):
        arrival = _delayed(call, told, over_at, chance, withheld=number in late)
        place = chance.random()
        where = withheld if number in late else placed
        where.append((place, arrival))
        if number in again:
            where.append((chance.uniform(place, 1.0), _once_more(arrival, chance)))
    fates = _fates(sent, lost, [there[number] for number in late])
    return Weather(
        arrivals=_in_order(placed),
        withheld=_in_order(withheld),
        over_at=over_at,
        reports=len(sent),
        repeated=len(again),
        late=len(late),
        lost=len(lost),
        fates=fates,
    )


def manifold(calls: Sequence[Tale], seed: int, times: int) -> Weather:
    """Return every report so many times, all of them shuffled; none lost, none after the end."""
    chance = random.Random(seed)
    sent = _sent(calls)
    over_at = _over_at([_on_time(call, told) for call, told in sent])
    placed: list[tuple[float, Arrival]] = []
    for call, told in sent:
        arrival = _delayed(call, told, over_at, chance, withheld=False)
        places = sorted(chance.random() for _ in range(times))
        placed.append((places[0], arrival))
        placed += [(place, _once_more(arrival, chance)) for place in places[1:]]
    return Weather(
        arrivals=_in_order(placed),
        over_at=over_at,
        reports=len(sent),
        repeated=len(sent) * (times - 1),
    )


def _sent(calls: Sequence[Tale]) -> list[tuple[Tale, Told]]:
    return [(call, told) for call in calls for told in HOUSES[call.house].told(call)]


def _losses(
    sent: Sequence[tuple[Tale, Told]], wanted: int, chance: random.Random
) -> set[tuple[str, str]]:
    """Return which reports are lost: half of them with all others of their call, half alone."""
    by_call: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for call, told in sent:
        by_call[call.name].append((call.name, told.what))
    names = list(by_call)
    lost: set[tuple[str, str]] = set()
    while len(lost) < wanted // 2:
        lost.update(by_call[chance.choice(names)])
    while len(lost) < wanted:
        call, told = chance.choice(sent)
        lost.add((call.name, told.what))
    return lost


def _fates(
    sent: Sequence[tuple[Tale, Told]],
    lost: set[tuple[str, str]],
    late: Sequence[tuple[Tale, Told]],
) -> dict[str, Fate]:
    told_of: dict[str, set[str]] = defaultdict(set)
    for call, told in sent:
        told_of[call.name].add(told.what)
    lost_of: dict[str, set[str]] = defaultdict(set)
    for name, what in lost:
        lost_of[name].add(what)
    late_of: dict[str, set[str]] = defaultdict(set)
    for call, told in late:
        late_of[call.name].add(told.what)
    return {
        name: Fate(
            lost=frozenset(lost_of[name]),
            late=frozenset(late_of[name]),
            whole=lost_of[name] == told_of[name],
        )
        for name in lost_of.keys() | late_of.keys()
    }


def _on_time(call: Tale, told: Told) -> Arrival:
    at = call.at(told.report.after_s) + ON_THE_WAY
    return Arrival(call=call, told=told, received_at=at)


def _delayed(
    call: Tale, told: Told, over_at: datetime, chance: random.Random, *, withheld: bool
) -> Arrival:
    arrival = _on_time(call, told)
    if withheld:
        at = over_at + timedelta(seconds=chance.uniform(60, 3_600))
    elif told.timed:
        at = arrival.received_at + (over_at - arrival.received_at) * chance.random()
    else:
        return arrival
    return Arrival(call=call, told=told, received_at=at)


def _once_more(arrival: Arrival, chance: random.Random) -> Arrival:
    at = arrival.received_at + timedelta(seconds=chance.uniform(1, 1_800))
    return Arrival(call=arrival.call, told=arrival.told, received_at=at)


def _in_order(placed: Sequence[tuple[float, Arrival]]) -> list[Arrival]:
    return [arrival for _, arrival in sorted(placed, key=lambda it: it[0])]


def _over_at(arrivals: Sequence[Arrival]) -> datetime:
    return max(arrival.received_at for arrival in arrivals) + SETTLED
