"""The step between match and decide: calls that neighbouring sources reported alike become one.

Each source's call is folded and matched by itself first. What it is compared by lies in a row of
its own (`call_witnesses`), so that only calls near it are looked at: those answered at about the
same time, by the same number. Sources without neighbours have no such rows and cost nothing.

Whenever a report changes, all calls around where it was and where it is now are compared anew;
what is tied otherwise than before is folded and matched as well. So what stands in the rows is
what the reports say, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ingest.domain.directory import Directory
from ingest.domain.interactions import Touch
from ingest.domain.ties import Sight
from ingest.matching.ties import Around, Ties
from ingest.steps import (
    Directories,
    Folded,
    FoldedCalls,
    Regions,
    fold_calls,
    match_tied,
    match_touches,
)
from ingest.surroundings import Surroundings
from storage import derived, ties
from storage.ties import Witness

Touches = list[tuple[str, Touch]]  #: with the source that leads


def tie_calls(
    connection: Connection,
    folded: FoldedCalls,
    touches: Touches,
    known: Directories,
    regions: Regions,
) -> tuple[Touches, dict[str, str], set[str]]:
    """Make one touch of calls that are tied; `folded` takes in what was tied otherwise before.

    Returns the touches, the touch of each call that is compared, and the rows changed.
    """
    if not folded.keys:
        return touches, {}, set()
    # Matching has just asked for it, in this very transaction.
    directory = known.directory if folded.calls else known.now(connection)[0]
    if not directory.neighbours:
        return touches, {}, set()
    before = ties.of_touches(connection, {*folded.before.values()})
    asked = set(folded.before.values())
    while True:
        mine = _sights(folded.calls, touches, directory)
        compared = _compare(connection, directory, mine, before, asked)
        if not compared.otherwise:
            break
        asked |= compared.otherwise
        keys = derived.keys_of_interactions(connection, compared.otherwise)
        more = fold_calls(connection, keys)
        before += ties.of_touches(connection, compared.otherwise | {*more.before.values()})
        asked |= {*more.before.values()}
        folded.add(more)
        touches = touches + match_touches(connection, more.calls, {}, known, regions)
    after = [
        Witness(
            sight=sight,
            touch=min(compared.groups[sight.id]),
            tied=compared.ties.why(sight, compared.groups[sight.id]),
        )
        for sight in mine.values()
    ]
    changed = ties.write(connection, before, after)
    together = _together(folded.calls, compared.groups)
    of_many = {it.id for group in together for it in group}
    alone = [(source, touch) for source, touch in touches if touch.id not in of_many]
    one = match_tied(connection, together, known, regions)
    return [*alone, *one], {it.sight.id: it.touch for it in after}, changed


def _sights(calls: Iterable[Folded], touches: Touches, directory: Directory) -> dict[str, Sight]:
    """Return what those calls are compared by whose sources had neighbours when they began."""
    by_id = {touch.id: touch for _, touch in touches}
    return {
        it.id: _sight(it, by_id[it.id])
        for it in calls
        if it.id in by_id
        and by_id[it.id].participants
        and directory.has_neighbours(it.source, it.call.started_at)
    }


def _sight(it: Folded, touch: Touch) -> Sight:
    return Sight(
        id=it.id,
        keys=it.ids,
        source=it.source,
        remote=touch.participants[0].point,
        direction=touch.direction,
        started_at=it.call.started_at,
        answered_at=it.call.answered_at,
    )


def _together(
    calls: Iterable[Folded], groups: Mapping[str, Mapping[str, Sight]]
) -> list[list[Folded]]:
    """Return the calls of each touch that more than one source reported, in a fixed order."""
    by_touch: dict[str, list[Folded]] = {}
    for it in calls:
        if len(groups.get(it.id, ())) > 1:
            by_touch.setdefault(min(groups[it.id]), []).append(it)
    return [by_touch[touch] for touch in sorted(by_touch)]


# Comparing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Who is one with whom, among the calls given and those around them."""

    ties: Ties
    groups: dict[str, dict[str, Sight]]
    otherwise: set[str]  #: touches, not among those given, that are to be made anew


def _compare(
    connection: Connection,
    directory: Directory,
    mine: Mapping[str, Sight],
    before: Sequence[Witness],
    replaced: set[str],
) -> Compared:
    """Compare these calls, and all that lie where they are or were, with what is around each."""
    around = Surroundings(connection, mine, replaced)

    def neighbours(one: Sight, other: Sight) -> bool:
        return all(
            directory.are_neighbours(one.source, other.source, it.started_at) for it in (one, other)
        )

    tied = Ties(
        Around(near=around.near, by_key=around.by_key, said=around.said, neighbours=neighbours)
    )
    here = [*mine.values(), *(it.sight for it in before)]
    around.look(here)
    todo = [*mine.values(), *(near for it in here for near in around.near(it))]
    around.look(todo)
    groups: dict[str, dict[str, Sight]] = {}
    for sight in todo:
        if sight.id not in groups:
            group = tied.group(sight)
            groups.update(dict.fromkeys(group, group))
    # Whoever lost a tie to one of these was stored as one with it, and is made anew with it.
    otherwise = {
        around.touch_of(key)
        for key, group in groups.items()
        if key not in mine and group.keys() != {it.id for it in around.with_touch_of(group[key])}
    }
    return Compared(ties=tied, groups=groups, otherwise=otherwise)
