"""Replay: read parked or ignored deliveries again, after a fix; applied once, however often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from ingest.custody.office import Office
from ingest.domain.deliveries import End
from ingest.local import Refused, Tell
from ingest.pipeline import remake, store
from ingest.readers import read
from ingest.worker import note_change
from storage.facts import chunks
from storage.tables import deliveries

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
    """Read these deliveries, or all parked (or ignored) ones, again; returns their new ends."""
    places = _places(office, ids, parked=parked, ignored=ignored, source=source)
    ends = {end.value: 0 for end in End}
    gone = rows = done = 0
    for part in chunks(places, SLICE):
        found = []
        for name, partition, position in part:
            log = office.logs.get(name)
            delivery = log.get(partition, position) if log else None
            if delivery is None or delivery.body is None:
                gone += 1
            else:
                found.append(delivery)
        readings = read(found, office.book.sources(), office.read_mails)
        now = office.clock()
        with office.database.write() as connection:
            keys, mails = store(connection, readings)
            changed = remake(connection, keys, mails, office.known, office.book.region, now=now)
            note_change(connection, changed, now, readings)
        rows += changed.rows
        for reading in readings:
            ends[reading.end.value] += 1
        done += len(part)
        tell(done, len(places))
    return {**ends, "bytes_gone": gone, "rows_changed": rows}


def _places(
    office: Office, ids: Sequence[str], *, parked: bool, ignored: bool, source: str | None
) -> list[tuple[str, int, int]]:
    """Return where the deliveries lie, as (log, partition, position)."""
    table = deliveries.c
    wanted = [table.log, table.partition, table.position]
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
        return [(row[0], row[1], row[2]) for row in connection.execute(statement)]
