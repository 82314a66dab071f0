"""Invented calls: how each really goes, before any provider tells of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.demo.pbx.script import Script

#: An evening and a night in which the clocks of Europe go forward: the same instant has to come
#: out of Amsterdam's time, of Moscow's and of UTC.
BEGIN = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
LASTS = timedelta(hours=10)
PASS_RING_S = 4.0  #: that the second telephone rings of a call passed on
REMOTES = 600  #: numbers that call and are called


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale(Script):
    """One call with all that may happen in it."""

    house: str
    kind: str
    passed_to: str | None = None  #: the telephone that took it over
    passed_s: float = 0.0  #: seconds of the first talk
    busy: bool = False
    withheld: bool = False
    voicemail: bool = False  #: a machine took it
    recording: str | None = None  #: the provider's id of it

    @property
    def passed_at_s(self) -> float:
        """Return the seconds from the beginning to the passing on."""
        return self.ring_s + self.passed_s

    @property
    def last(self) -> str | None:
        """Return the telephone that talked last."""
        return self.passed_to or self.taken_by

    @property
    def name(self) -> str:
        """Return how people find it."""
        return f"{self.house} {self.key}, {self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What sort of call it is, and how many of a hundred."""

    weight: int
    outbound: bool = False
    talk: tuple[int, int] | None = (20, 600)  #: least and most seconds; None: nobody takes it
    telephones: int = 1
    busy: bool = False
    withheld: bool = False
    voicemail: bool = False
    passed: bool = False


KINDS: Mapping[str, Kind] = {
    "answered": Kind(weight=22),
    "missed": Kind(weight=12, talk=None),
    "short": Kind(weight=4, talk=(2, 8)),
    "long": Kind(weight=2, talk=(3_600, 6_000)),
    "ring group, answered": Kind(weight=10, telephones=3),
    "ring group, missed": Kind(weight=6, talk=None, telephones=3),
    "passed on": Kind(weight=7, talk=(60, 900), passed=True),
    "voicemail": Kind(weight=4, talk=None, voicemail=True),
    "withheld, answered": Kind(weight=4, withheld=True),
    "withheld, missed": Kind(weight=3, talk=None, withheld=True),
    "called out, answered": Kind(weight=16, outbound=True),
    "called out, nobody took it": Kind(weight=6, outbound=True, talk=None),
    "called out, busy": Kind(weight=4, outbound=True, talk=None, busy=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What calls of one house are made of."""

    house: str
    line: str
    phones: Sequence[str]
    key: str  #: pattern of the provider's ids, of direction and number
    voicemail: bool = False  #: the provider tells whether a machine took a call


def invented(count: int, seed: int, houses: Sequence[Numbers]) -> list[Tale]:
    """Return so many calls of these houses in turn, in order of time; equal seeds, equal calls."""
    chance = random.Random(seed)
    names = list(KINDS)
    weights = [KINDS[name].weight for name in names]
    picks = chance.choices(names, weights, k=count)
    calls = [
        _invent(number, name, houses[number % len(houses)], chance)
        for number, name in enumerate(picks)
    ]
    return sorted(calls, key=lambda call: (call.begins_at, call.key))


def _invent(number: int, name: str, house: Numbers, chance: random.Random) -> Tale:
    kind = KINDS[name]
    machine = kind.voicemail and house.voicemail
    talk_s = float(chance.randint(*kind.talk)) if kind.talk else 0.0
    phones = chance.sample(list(house.phones), kind.telephones)
    other = chance.choice([phone for phone in house.phones if phone not in phones])
    taker = chance.choice(phones)
    begins_at = BEGIN + timedelta(seconds=chance.randrange(int(LASTS.total_seconds())))
    recorded = talk_s > 15 and chance.random() < 0.5
    return Tale(
        house=house.house,
        kind="missed" if kind.voicemail and not machine else name,
        key=house.key.format("out" if kind.outbound else "in", 100_000 + number),
        remote=f"+7903{2_000_000 + chance.randrange(REMOTES):07}",
        line=house.line,
        begins_at=begins_at,
        ring_s=float(chance.randint(2, 40)),
        talk_s=talk_s,
        rings=tuple(phones),
        taken_by=taker if kind.talk or kind.outbound else None,
        outbound=kind.outbound,
        passed_to=other if kind.passed else None,
        passed_s=float(chance.randint(5, int(talk_s) - 20)) if kind.passed else 0.0,
        busy=kind.busy,
        withheld=kind.withheld,
        voicemail=machine,
        recording=f"rec-{number}" if recorded else None,
    )
