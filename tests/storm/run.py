"""The two runs, and what comparing them came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.storm.calls import Tale, invented
from tests.storm.compare import Difference, Touches, differences, touches
from tests.storm.houses import HOUSES
from tests.storm.office import an_office
from tests.storm.weather import Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a storm came to."""

    weather: Weather
    unrestorable: Sequence[Difference]  #: named, with the reason
    differing: Sequence[Difference]  #: which nothing explains

    @property
    def hurt(self) -> frozenset[str]:
        """Return the calls that lost reports."""
        return frozenset(name for name, fate in self.weather.fates.items() if fate.lost)

    @property
    def filled(self) -> frozenset[str]:
        """Return the calls that lost reports and are as if they had lost none."""
        named = {difference.call for difference in (*self.unrestorable, *self.differing)}
        return self.hurt - named

    @property
    def figures(self) -> Mapping[str, int]:
        """Return what is counted."""
        return {
            "reports": self.weather.reports,
            "repeated": self.weather.repeated,
            "withheld until after the end": self.weather.late,
            "lost": self.weather.lost,
            "calls that lost reports": len(self.hurt),
            "calls of these that are whole again": len(self.filled),
            "calls of which no source can restore something": len(
                {difference.call for difference in self.unrestorable}
            ),
            "differing without such a reason": len(self.differing),
        }


def calls_of_all(count: int, seed: int) -> list[Tale]:
    """Return so many invented calls, of all houses in turn."""
    return invented(count, seed, [house.numbers for house in HOUSES.values()])


async def heard(path: Path, weather: Weather, calls: Sequence[Tale], *, ask: bool) -> Touches:
    """Return what is recorded of all that comes; `ask`: the histories are asked as well."""
    with an_office(path) as office:
        await office.hear(weather, calls, ask=ask)
        assert office.parked() == []
        return touches(office.world)


def compared(calls: Sequence[Tale], perfect: Touches, stormy: Touches, weather: Weather) -> Result:
    """Return how a run through a storm differs from the perfect one."""
    found = differences(calls, perfect, stormy, weather.fates)
    return Result(
        weather=weather,
        unrestorable=[difference for difference in found if difference.why],
        differing=[difference for difference in found if not difference.why],
    )
