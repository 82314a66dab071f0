"""Sources that are silent beyond their own rhythm: computed when read, from what came before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from ingest import outages
from ingest.custody.office import company_zone
from ingest.domain.rhythm import LOOK_BACK, Silence, silence
from storage import coverage
from storage.database import Database
from storage.directory import current
from storage.log import LogReader, LogUnavailable
from storage.tables import sources

GOOD_FOR_S = 300.0  #: an answer is given again: six weeks are looked at for each


def silences(
    connection: Connection, logs: Mapping[str, LogReader], now: datetime
) -> dict[str, Silence]:
    """Return how silent each source in use is, by its name."""
    zone = company_zone(connection, now)
    try:
        ours = outages.recalled(logs["calls"].memory(outages.MEMORY)) if "calls" in logs else ()
    except LogUnavailable:
        ours = ()
    down = [(outage.begin, outage.end) for outage in ours]
    found = {}
    for name in connection.scalars(select(sources.c.name).where(current(sources))):
        minutes = coverage.minutes_of(connection, name, now - LOOK_BACK)
        added_at = coverage.added_at(connection, name)
        found[name] = silence(minutes, now, zone, added_at=added_at, outages=down)
    return found


class Silences:
    """The silences of a running service, looked up every few minutes."""

    def __init__(
        self,
        database: Database,
        logs: Mapping[str, LogReader],
        clock: Callable[[], datetime],
        *,
        good_for_s: float = GOOD_FOR_S,
    ) -> None:
        self._database = database
        self._logs = logs
        self._clock = clock
        self._good_for_s = good_for_s
        self._known: tuple[float, dict[str, Silence]] | None = None

    def __call__(self) -> Mapping[str, Silence]:
        """Return how silent each source is, by its name. Called in threads."""
        at = time.monotonic()
        if self._known is None or at - self._known[0] >= self._good_for_s:
            with self._database.read() as connection:
                self._known = (at, silences(connection, self._logs, self._clock()))
        return self._known[1]
