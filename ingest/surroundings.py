"""What lies around the calls of a batch when they are compared with those of neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ingest.domain.ties import Sight
from ingest.matching.ties import Said
from storage import ties
from storage.ties import Witness


@dataclass(slots=True)
class Surroundings:
    """The calls around those at hand: what is being made anew, and else what is stored."""

    connection: Connection
    mine: Mapping[str, Sight]
    replaced: set[str]  #: touches whose stored reports count no more
    _at: dict[str, dict[str, Sight]] = field(default_factory=dict)  #: by spot
    _stored: dict[str, Witness] = field(default_factory=dict)
    _touches: dict[str, list[Sight]] = field(default_factory=dict)
    _said: dict[str, Said] | None = None
    _by_key: dict[str, Sight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key = {key: it for it in self.mine.values() for key in it.keys}
        if ties.any_verdict(self.connection):
            self._said = dict(ties.verdicts(self.connection, self._by_key))

    def look(self, sights: Iterable[Sight]) -> None:
        """Load what lies around these, in one question for all."""
        wanted = {spot for it in sights for spot in it.spots} - self._at.keys()
        if not wanted:
            return
        self._at.update((spot, {}) for spot in wanted)
        for it in self.mine.values():
            if it.spot in wanted:
                self._at[it.spot][it.id] = it
        for found in self._take(ties.of_spots(self.connection, wanted)):
            self._at[str(found.spot)][found.id] = found

    def near(self, sight: Sight) -> list[Sight]:
        """Return the calls answered at about its time by the same number, itself left out."""
        self.look([sight])
        return [it for spot in sight.spots for it in self._at[spot].values() if it.id != sight.id]

    def by_key(self, key: str) -> Sight | None:
        """Return the call that has this key, if it is compared at all."""
        if key not in self._by_key:
            found = ties.of_key(self.connection, key)
            self._take([found] if found else [])
        return self._by_key.get(key)

    def said(self, key: str) -> Said:
        """Return what people decided about this key."""
        if self._said is None:
            return ()
        if key not in self._said:
            self._said.update({key: ties.verdicts(self.connection, [key]).get(key, [])})
        return self._said[key]

    def touch_of(self, key: str) -> str:
        """Return the touch that a stored call is part of."""
        return self._stored[key].touch

    def with_touch_of(self, sight: Sight) -> list[Sight]:
        """Return all that are stored as one with a call; of one made anew, nothing."""
        if sight.id in self.mine:
            return []
        touch = self.touch_of(sight.id)
        if touch not in self._touches:
            self._touches[touch] = self._take(ties.of_touches(self.connection, [touch]))
        return self._touches[touch]

    def _take(self, found: Iterable[Witness]) -> list[Sight]:
        taken = [it for it in found if it.touch not in self.replaced]
        for it in taken:
            self._stored.setdefault(it.sight.id, it)
            for key in it.sight.keys:
                self._by_key.setdefault(key, it.sight)
        return [self._stored[it.sight.id].sight for it in taken]
