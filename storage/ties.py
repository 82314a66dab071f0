"""Ties as stored: each source's report of a call, and what people decided about pairs of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint
from ingest.domain.ties import Sight, TieVerdict, TieWhy
from storage import facts
from storage.database import insert_rows
from storage.directory import current
from storage.facts import chunks
from storage.plain import to_list, to_text
from storage.tables import call_keys, call_witnesses, tie_verdicts

Said = list[tuple[str, int, TieVerdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One source's report of a call, and the touch that it is part of."""

    sight: Sight
    touch: str  #: interaction
    tied: Mapping[str, TieWhy]  #: to which other reports directly, and why


# Reading ---------------------------------------------------------------------------------------


def of_touches(connection: Connection, touches: Iterable[str]) -> list[Witness]:
    """Return every report of these touches."""
    return _witnesses(connection, call_witnesses.c.interaction_id, touches)


def of_spots(connection: Connection, spots: Iterable[str]) -> list[Witness]:
    """Return every report that lies at one of these spots."""
    return _witnesses(connection, call_witnesses.c.spot, spots)


def of_key(connection: Connection, key: str) -> Witness | None:
    """Return the report that this call key belongs to, if its source has neighbours."""
    touch = connection.scalar(select(call_keys.c.interaction_id).where(call_keys.c.key == key))
    found = of_touches(connection, [touch]) if touch else []
    return next((it for it in found if key in it.sight.keys), None)


def beside(
    connection: Connection, remote: ContactPoint, begin: datetime, end: datetime, *, limit: int
) -> list[Witness]:
    """Return reports of calls with that number that began in that span of time."""
    table = call_witnesses.c
    rows = connection.execute(
        select(call_witnesses)
        .where(table.remote == str(remote), table.started_at.between(begin, end))
        .order_by(table.started_at, table.id)
        .limit(limit)
    )
    return [_witness(row) for row in rows]


def _witnesses(connection: Connection, column: Any, wanted: Iterable[str]) -> list[Witness]:
    found: list[Witness] = []
    for chunk in chunks(sorted(set(wanted))):
        rows = connection.execute(select(call_witnesses).where(column.in_(chunk)))
        found.extend(_witness(row) for row in rows)
    return found


def _witness(row: Any) -> Witness:
    return Witness(
        sight=Sight(
            id=row.id,
            keys=tuple(to_list(row.key_ids)),
            source=row.source,
            remote=ContactPoint.parse(row.remote),
            direction=Direction(row.direction),
            started_at=row.started_at,
            answered_at=row.answered_at,
        ),
        touch=row.interaction_id,
        tied={other: TieWhy(why) for other, why in to_list(row.tied)},
    )


# Writing ---------------------------------------------------------------------------------------


def write(connection: Connection, before: Iterable[Witness], after: Iterable[Witness]) -> set[str]:
    """Store reports where they differ from what stood there; returns the ids of those that do."""
    old = {it.sight.id: it for it in before}
    new = {it.sight.id: it for it in after}
    for chunk in chunks(sorted(old.keys() - new.keys())):
        connection.execute(delete(call_witnesses).where(call_witnesses.c.id.in_(chunk)))
    fresh = sorted(new.keys() - old.keys())
    insert_rows(connection, call_witnesses, [_row(new[key]) for key in fresh])
    changed = [key for key in sorted(new.keys() & old.keys()) if new[key] != old[key]]
    for key in changed:
        connection.execute(
            update(call_witnesses).where(call_witnesses.c.id == key).values(_row(new[key]))
        )
    return (old.keys() - new.keys()) | set(fresh) | set(changed)


def _row(it: Witness) -> dict[str, Any]:
    return {
        "id": it.sight.id,
        "interaction_id": it.touch,
        "source": it.sight.source,
        "key_ids": to_text(it.sight.keys),
        "remote": str(it.sight.remote),
        "direction": it.sight.direction.value,
        "started_at": it.sight.started_at,
        "answered_at": it.sight.answered_at,
        "spot": it.sight.spot,
        "tied": to_text([[other, why.value] for other, why in sorted(it.tied.items())]),
    }


def forget_strays(connection: Connection) -> set[str]:
    """Remove reports whose call is no more; returns which."""
    known = select(call_keys.c.key).where(
        call_keys.c.interaction_id == call_witnesses.c.interaction_id
    )
    strays = set(
        connection.scalars(select(call_witnesses.c.id).where(call_witnesses.c.id.not_in(known)))
    )
    for chunk in chunks(sorted(strays)):
        connection.execute(delete(call_witnesses).where(call_witnesses.c.id.in_(chunk)))
    return strays


# What people decided ---------------------------------------------------------------------------


def any_verdict(connection: Connection) -> bool:
    """Tell whether anybody ever decided about a tie."""
    return connection.scalar(select(tie_verdicts.c.id).limit(1)) is not None


def verdicts(connection: Connection, keys: Iterable[str]) -> dict[str, Said]:
    """Return what people decided, and did not undo, about each of these keys."""
    found: dict[str, Said] = defaultdict(list)
    for chunk in chunks(sorted(set(keys))):
        for row in connection.execute(
            select(
                tie_verdicts.c.key,
                tie_verdicts.c.other,
                tie_verdicts.c.number,
                tie_verdicts.c.verdict,
            ).where(tie_verdicts.c.key.in_(chunk), current(tie_verdicts))
        ):
            found[row.key].append((row.other, row.number, TieVerdict(row.verdict)))
    return dict(found)


def decisions_about(connection: Connection, keys: Sequence[str]) -> list[str]:
    """Return the ids of all decisions about ties of these keys, undone or not."""
    return sorted(
        {
            row
            for chunk in chunks(sorted(set(keys)))
            for row in connection.scalars(
                select(tie_verdicts.c.decision_id).where(tie_verdicts.c.key.in_(chunk))
            )
        }
    )


def record_verdict(
    connection: Connection,
    key: str,
    other: str,
    verdict: TieVerdict,
    *,
    number: int,
    decision: str,
    at: datetime,
    by: str,
) -> None:
    """Record what a decision said about two keys, so that either leads to it."""
    for one, two in ((key, other), (other, key)):
        facts.record(
            connection,
            tie_verdicts,
            at=at,
            by=by,
            decision=decision,
            key=one,
            other=two,
            verdict=verdict.value,
            number=number,
        )


def retract_verdicts(connection: Connection, decision: str, *, at: datetime, by: str) -> None:
    """Take back what a decision said."""
    ids = connection.scalars(
        select(tie_verdicts.c.id).where(
            tie_verdicts.c.decision_id == decision, current(tie_verdicts)
        )
    ).all()
    facts.retract(connection, tie_verdicts, ids, at=at, by=by, why="undone")
