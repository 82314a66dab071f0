"""What came from one source lately, and what was read from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ingest.domain.people import Viewer
from storage.facts import chunks
from storage.tables import call_keys, call_reports, deliveries, sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One delivery and what became of it."""

    id: str
    log: str
    partition: int
    position: int
    received_at: datetime
    end: str
    reason: str | None
    events: tuple[Mapping[str, Any], ...]  #: call events, each field that says something
    interaction: str | None  #: the touch that it is part of


def arrivals(
    connection: Connection, viewer: Viewer, source: str, *, since: datetime | None, limit: int = 10
) -> tuple[Arrival, ...]:
    """Return the last deliveries of a source that were dealt with, the newest first."""
    if not viewer.sees_everything:
        return ()
    wanted = select(deliveries).where(deliveries.c.source == source)
    if since is not None:
        wanted = wanted.where(deliveries.c.received_at >= since)
    rows = connection.execute(
        wanted.order_by(deliveries.c.received_at.desc(), deliveries.c.position.desc()).limit(limit)
    ).all()
    told = _reports(connection, [row.id for row in rows])
    touches = _touches(connection, {key for _, keys in told.values() for key in keys})
    return tuple(
        Arrival(
            id=row.id,
            log=row.log,
            partition=row.partition,
            position=row.position,
            received_at=row.received_at,
            end=row.end,
            reason=row.reason,
            events=tuple(told.get(row.id, ((), ()))[0]),
            interaction=next(
                (touches[key] for key in told.get(row.id, ((), ()))[1] if key in touches), None
            ),
        )
        for row in rows
    )


def ends(
    connection: Connection, viewer: Viewer, source: str, *, since: datetime, limit: int = 30
) -> tuple[tuple[str, str | None, int], ...]:
    """Return how many deliveries of a source ended how and why, the most frequent first."""
    if not viewer.sees_everything:
        return ()
    number = func.count().label("number")
    rows = connection.execute(
        select(deliveries.c.end, deliveries.c.reason, number)
        .where(deliveries.c.source == source, deliveries.c.received_at >= since)
        .group_by(deliveries.c.end, deliveries.c.reason)
        .order_by(number.desc(), deliveries.c.end, deliveries.c.reason)
        .limit(limit)
    )
    return tuple((row.end, row.reason, row.number) for row in rows)


def copies(connection: Connection, viewer: Viewer, mail: str) -> tuple[tuple[str, int, int], ...]:
    """Return log, partition and position of each kept copy of a mail, the first received first."""
    if not viewer.sees_everything:
        return ()
    rows = connection.execute(
        select(deliveries.c.log, deliveries.c.partition, deliveries.c.position)
        .join(sightings, sightings.c.id == deliveries.c.id)
        .where(sightings.c.mail_id == mail)
        .order_by(deliveries.c.received_at, deliveries.c.position)
    )
    return tuple((row.log, row.partition, row.position) for row in rows)


Told = tuple[list[Mapping[str, Any]], list[str]]


def _reports(connection: Connection, ids: list[str]) -> dict[str, Told]:
    found: dict[str, Told] = defaultdict(lambda: ([], []))
    for chunk in chunks(ids):
        rows = connection.execute(
            select(call_reports.c.delivery_id, call_reports.c.event, call_reports.c.key)
            .where(call_reports.c.delivery_id.in_(chunk))
            .order_by(call_reports.c.id)
        )
        for row in rows:
            events, keys = found[row.delivery_id]
            keys.append(row.key)
            event: dict[str, Any] = msgspec.json.decode(row.event)
            if event not in events:  # a report of several keys has a row for each
                events.append(event)
    return found


def _touches(connection: Connection, keys: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for chunk in chunks(sorted(keys)):
        rows = connection.execute(
            select(call_keys.c.key, call_keys.c.interaction_id).where(call_keys.c.key.in_(chunk))
        )
        found.update((row.key, row.interaction_id) for row in rows)
    return found
