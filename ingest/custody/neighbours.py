"""Which two sources report the same calls: declared by an administrator, from a moment on."""

from __future__ import annotations

from typing import Any

from ingest.custody.office import Office, local_time, moment
from ingest.domain.directory import BEGINNING
from ingest.local import Refused, Tell
from storage import directory, sources

EVER = "ever"  #: `since` for "as long as we know"


def declare_neighbours(
    office: Office,
    *,
    tell: Tell,
    source: str,
    other: str,
    since: str | None = None,
    apart: bool = False,
) -> dict[str, Any]:
    """Record that two sources report the same calls from a moment on, or do not any more."""
    now = office.clock()
    if source == other:
        raise Refused("a source is no neighbour of itself; name two")
    with office.database.write() as connection:
        known = [it.name for it in sources.load_sources(connection)]
        for name in (source, other):
            if name not in known:
                told = ", ".join(known) or "none"
                raise Refused(f"there is no source {name}; there are: {told}")
        zone = office.zone(connection)
        try:
            from_at = BEGINNING if since == EVER else moment(since, zone) if since else now
        except ValueError as error:
            raise Refused("--since: write it like 2026-05-31, 2026-05-31T18:00 or ever") from error
        directory.declare_neighbours(
            connection, source, other, not apart, from_at=from_at, at=now, by=office.by
        )
    return {
        "source": source,
        "other": other,
        "together": not apart,
        "since": from_at.isoformat(),
        "local": EVER if from_at == BEGINNING else local_time(from_at, zone),
    }


def list_neighbours(office: Office, *, tell: Tell) -> list[dict[str, Any]]:
    """Return what was declared of each two sources, from which moment on."""
    with office.database.read() as connection:
        known, zone = directory.load_neighbours(connection), office.zone(connection)
    return [
        {
            "source": source,
            "other": other,
            "since": EVER if it.from_at == BEGINNING else local_time(it.from_at, zone),
            "what": "report the same calls" if it.together else "apart",
        }
        for source, others in sorted(known.items())
        for other, changes in sorted(others.items())
        if source < other
        for it in changes
    ]
