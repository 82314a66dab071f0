"""Ties as a supervisor sees them: who else reported a call, and which calls may be one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, select, type_coerce

from ingest.domain.directory import Directory
from ingest.domain.people import Viewer
from ingest.domain.ties import STARTED_WITHIN, Sight, TieVerdict, TieWhy, resemble
from storage import ties
from storage.directory import load_neighbours
from storage.tables import call_witnesses
from storage.ties import Witness

#: Two reports of one call begin no further apart than a telephone may ring.
BEGAN_WITHIN = timedelta(minutes=10)
MOST = 200  #: pairs looked at for one list


@dataclass(frozen=True, slots=True, kw_only=True)
class TiedReport:
    """One source's report of a touch that several sources reported."""

    sight: Sight
    tied: tuple[tuple[Sight, TieWhy], ...]  #: the other reports it is tied to directly, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Resembling:
    """Two touches that may be one: a person can say so."""

    one: Witness
    other: Witness


def reports_of(connection: Connection, viewer: Viewer, touch: str) -> list[TiedReport]:
    """Return each source's report of a touch, if more than one reported it. Managers see none."""
    found = {it.sight.id: it for it in ties.of_touches(connection, [touch])}
    if not viewer.sees_everything or len(found) < 2:
        return []
    return [
        TiedReport(
            sight=it.sight,
            tied=tuple((found[key].sight, why) for key, why in sorted(it.tied.items())),
        )
        for _, it in sorted(found.items())
    ]


def resembling(connection: Connection, viewer: Viewer, touch: str) -> list[Resembling]:
    """Return the touches that may be one with this, each once. Managers see none."""
    if not viewer.sees_everything:
        return []
    found: dict[str, Resembling] = {}
    may_be_one = _may_be_one(connection)
    for it in ties.of_touches(connection, [touch]):
        for other in _around(connection, it.sight):
            if may_be_one(it, other):
                found.setdefault(other.touch, Resembling(one=it, other=other))
    return list(found.values())


def all_resembling(connection: Connection, viewer: Viewer, *, since: datetime) -> list[Resembling]:
    """Return the touches since then that may be one with another, the latest first."""
    if not viewer.sees_everything:
        return []
    one, other = call_witnesses.alias("one"), call_witnesses.alias("other")
    apart = BEGAN_WITHIN // timedelta(microseconds=1)
    began = type_coerce(one.c.started_at, BigInteger)  # moments are stored in microseconds
    rows = connection.execute(
        select(one.c.interaction_id.label("one"), other.c.interaction_id.label("other"))
        .join(
            other,
            (one.c.remote == other.c.remote)
            & (one.c.direction == other.c.direction)
            & (one.c.source < other.c.source)
            & (one.c.interaction_id != other.c.interaction_id)
            & type_coerce(other.c.started_at, BigInteger).between(began - apart, began + apart),
        )
        .where(one.c.started_at >= since)
        .order_by(one.c.started_at.desc(), one.c.id, other.c.id)
        .limit(MOST)
    ).all()
    by_touch: dict[str, list[Witness]] = {}
    for it in ties.of_touches(connection, {touch for row in rows for touch in row}):
        by_touch.setdefault(it.touch, []).append(it)
    may_be_one = _may_be_one(connection)
    found: dict[frozenset[str], Resembling] = {}
    for row in rows:
        for first in by_touch[row.one]:
            for second in by_touch[row.other]:
                if may_be_one(first, second):
                    pair = frozenset((row.one, row.other))
                    found.setdefault(pair, Resembling(one=first, other=second))
    return list(found.values())


def _around(connection: Connection, sight: Sight) -> Iterable[Witness]:
    begin, end = sight.started_at - STARTED_WITHIN, sight.started_at + STARTED_WITHIN
    beside = ties.beside(connection, sight.remote, begin, end, limit=MOST)
    return [*ties.of_spots(connection, sight.spots), *beside]


def _may_be_one(connection: Connection) -> Callable[[Witness, Witness], bool]:
    """Return what tells of two reports whether a person should be asked about them."""
    known = Directory(neighbours=load_neighbours(connection))

    def may_be_one(one: Witness, other: Witness) -> bool:
        return (
            one.touch != other.touch
            and resemble(one.sight, other.sight)
            and all(
                known.are_neighbours(one.sight.source, other.sight.source, it.sight.started_at)
                for it in (one, other)
            )
            and not _parted(connection, one.sight, other.sight)
        )

    return may_be_one


def _parted(connection: Connection, one: Sight, other: Sight) -> bool:
    """Tell whether a person's last word was that they are two calls."""
    said = [
        (number, verdict)
        for told in ties.verdicts(connection, one.keys).values()
        for about, number, verdict in told
        if about in other.keys
    ]
    return bool(said) and max(said)[1] is TieVerdict.PART
