"""Which calls of neighbouring sources are one: a pure function of what the sources report.

Two reports *fit* if the sources were neighbours, and remote number, direction and answer time
agree. They are *tied* if each is the only one in its source that fits the other, or a person said
so. Who is tied to whom depends on no order: a second candidate that comes later parts them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.domain.ties import Sight, TieVerdict, TieWhy, agree

#: Of one key: the other key, the number of the decision, and what was decided.
Said = Sequence[tuple[str, int, TieVerdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """How the calls around one are looked up."""

    near: Callable[[Sight], Iterable[Sight]]  #: at least those answered at about its time
    by_key: Callable[[str], Sight | None]
    said: Callable[[str], Said]  #: what people decided about this key
    neighbours: Callable[[Sight, Sight], bool]  #: that the two sources were, when the calls began


@dataclass(slots=True)
class Ties:
    """Answers who is tied to whom among the calls around; remembers what it found."""

    around: Around
    _fitting: dict[str, list[Sight]] = field(default_factory=dict)
    _confirmed: dict[str, dict[str, Sight]] = field(default_factory=dict)

    def group(self, sight: Sight) -> dict[str, Sight]:
        """Return all calls that are one with this call, itself among them.

        A group that would hold two calls of one source is none, as far as no person made it: of
        these calls more than one fits another.
        """
        found = self._walk(sight, self._tied_to)
        sources = [it.source for it in found.values()]
        if len(set(sources)) == len(sources):
            return found
        return self._walk(sight, self._confirmed_by_people)

    def why(self, sight: Sight, group: Mapping[str, Sight]) -> dict[str, TieWhy]:
        """Return the calls of its group that this call is tied to directly, and why."""
        people = self._confirmed_by_people(sight)
        return {
            it.id: TieWhy.PERSON if it.id in people else TieWhy.AGREED
            for it in self._tied_to(sight).values()
            if it.id in group
        }

    def _walk(self, sight: Sight, step: Callable[[Sight], Mapping[str, Sight]]) -> dict[str, Sight]:
        found, todo = {sight.id: sight}, [sight]
        while todo:
            for other in step(todo.pop()).values():
                if other.id not in found:
                    found[other.id] = other
                    todo.append(other)
        return found

    def _tied_to(self, sight: Sight) -> dict[str, Sight]:
        tied = dict(self._confirmed_by_people(sight))
        for other in self._fits(sight):
            rivals = [it for it in self._fits(sight) if it.source == other.source]
            returned = [it for it in self._fits(other) if it.source == sight.source]
            if len(rivals) == len(returned) == 1:
                tied[other.id] = other
        return tied

    def _confirmed_by_people(self, sight: Sight) -> dict[str, Sight]:
        if sight.id not in self._confirmed:
            others = {other for key in sight.keys for other, _, _ in self.around.said(key)}
            found = (self.around.by_key(other) for other in others)
            self._confirmed[sight.id] = {
                it.id: it
                for it in found
                if it is not None
                and it.id != sight.id
                and self.around.neighbours(sight, it)
                and self._verdict(sight, it) is TieVerdict.TIE
            }
        return self._confirmed[sight.id]

    def _verdict(self, one: Sight, other: Sight) -> TieVerdict | None:
        """Return what a person said last about these two."""
        said = [
            (number, verdict)
            for key in one.keys
            for about, number, verdict in self.around.said(key)
            if about in other.keys
        ]
        return max(said)[1] if said else None

    def _fits(self, sight: Sight) -> list[Sight]:
        """Return the calls of neighbours that fit, none of them spoken for by a person."""
        if sight.id not in self._fitting:
            self._fitting[sight.id] = [
                it
                for it in self.around.near(sight)
                if agree(sight, it)
                and self.around.neighbours(sight, it)
                and self._verdict(sight, it) is not TieVerdict.PART
                and self._free(sight, it)
                and self._free(it, sight)
            ]
        return self._fitting[sight.id]

    def _free(self, one: Sight, other: Sight) -> bool:
        """Tell whether no person said which call of the other's source this one is."""
        confirmed = self._confirmed_by_people(one)
        return other.id in confirmed or all(it.source != other.source for it in confirmed.values())
