"""Replay: read parked or ignored deliveries again, after a fix; applied once, however often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import select

from ingest.custody.office import Office
from ingest.domain.deliveries import Delivery, End
from ingest.local import Refused, Tell
from ingest.pipeline import remake
from ingest.readers import Reading, read
from ingest.steps import store
from ingest.worker import PASSING, note_change
from storage.facts import chunks
from storage.tables import deliveries
from storage.wire import delivery_id

log = structlog.get_logger()

SLICE = 100


def replay(
    office: Office,
    *,
    tell: Tell,
    ids: Sequence[str] = (),
    parked: bool = False,
    ignored: bool = False,
    source: str | None = None,
) -> dict[str, Any]:
    """Read these deliveries, or all parked (or ignored) ones, again; returns their new ends.

    `left` counts those that were read before and cannot be read now: they stay as they are.
    """
    places = _places(office, ids, parked=parked, ignored=ignored, source=source)
    count = {**{end.value: 0 for end in End}, "left": 0, "bytes_gone": 0, "rows_changed": 0}
    done = 0
    for part in chunks(places, SLICE):
        found = [it for it in (_kept(office, place) for place in part) if it is not None]
        count["bytes_gone"] += len(part) - len(found)
        was_read = {place.id for place in part if place.end is End.READ}
        readings = []
        for reading in read(found, office.book.sources(), office.read_mails):
            if reading.end is End.READ or _id(reading) not in was_read:
                readings.append(reading)
            else:
                count["left"] += 1
        for recorded, rows in _record(office, readings, was_read):
            count["left" if recorded is None else recorded.end.value] += 1
            count["rows_changed"] += rows
        done += len(part)
        tell(done, len(places))
    return count


def _record(
    office: Office, readings: Sequence[Reading], was_read: Set[str]
) -> Iterator[tuple[Reading | None, int]]:
    """Record these; halve what fails, until the bad one is alone: it is parked, or left read.

    Yields each as it was recorded (None: it was left), with how many rows that changed.
    """
    if not readings:
        return
    try:
        rows = _commit(office, readings)
    except Exception as error:
        office.known.forget()
        if isinstance(error, PASSING):
            raise
        middle = len(readings) // 2
        if middle:
            yield from _record(office, readings[:middle], was_read)
            yield from _record(office, readings[middle:], was_read)
            return
        [bad] = readings
        log.exception("delivery.failed", delivery=bad.delivery.id)
        if _id(bad) in was_read:
            yield None, 0
            return
        because = f"recording it failed: {type(error).__name__}"
        readings = [Reading(delivery=bad.delivery, end=End.PARKED, reason=because)]
        rows = _commit(office, readings)
    for reading in readings:
        yield reading, rows
        rows = 0


def _commit(office: Office, readings: Sequence[Reading]) -> int:
    now = office.clock()
    with office.database.write() as connection:
        keys, mails = store(connection, readings, now=now)
        changed = remake(connection, keys, mails, office.known, office.book.region, now=now)
        note_change(connection, changed, now, readings)
    return changed.rows


def _kept(office: Office, place: _Place) -> Delivery | None:
    """Return the delivery with its bytes; None if they, or it, are there no more."""
    kept_log = office.logs.get(place.log)
    found = kept_log.get(place.partition, place.position) if kept_log else None
    if found is None or found.body is None:
        return None
    # A log that was put in place of its own may hold another one there.
    return found if delivery_id(found.source, found.key) == place.id else None


def _id(reading: Reading) -> str:
    return delivery_id(reading.delivery.source, reading.delivery.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a delivery lies, and what became of it."""

    id: str
    log: str
    partition: int
    position: int
    end: End


def _places(
    office: Office, ids: Sequence[str], *, parked: bool, ignored: bool, source: str | None
) -> list[_Place]:
    table = deliveries.c
    wanted = [table.id, table.log, table.partition, table.position, table.end]
    statement = select(*wanted).order_by(table.log, table.partition, table.position)
    if ids:
        statement = statement.where(table.id.in_(list(ids)))
    else:
        ends = [End.PARKED.value] * parked + [End.IGNORED.value] * ignored
        if not ends:
            raise Refused("say which: ids of deliveries, --parked or --ignored")
        statement = statement.where(table.end.in_(ends))
    if source:
        statement = statement.where(table.source == source)
    with office.database.read() as connection:
        return [
            _Place(
                id=row.id,
                log=row.log,
                partition=row.partition,
                position=row.position,
                end=End(row.end),
            )
            for row in connection.execute(statement)
        ]
