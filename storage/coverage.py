"""What coverage and the silent-source alarm ask: calls by the provider's ids, times of arrival."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from ingest.domain.calls import Direction
from ingest.domain.coverage import OurCall
from ingest.domain.deliveries import Kind
from ingest.domain.people import Viewer
from storage.facts import chunks
from storage.plain import to_object, to_text
from storage.reads_common import PAGE, Page, beyond, page_of
from storage.tables import (
    call_keys,
    call_reports,
    certificates,
    deliveries,
    from_micros,
    interactions,
    sources,
)
from storage.wire import delivery_id

MINUTE = 60_000_000  #: microseconds
_PULLED = f"{Kind.PULL}:%"  #: beginning of the keys of what was asked for


def our_calls(
    connection: Connection, source: str, since: datetime, until: datetime, keys: Iterable[str]
) -> list[OurCall]:
    """Return a source's calls that began in a period, and those with one of these ids."""
    columns = (
        call_keys.c.interaction_id,
        call_keys.c.provider_key,
        interactions.c.occurred_at,
        interactions.c.ended,
        interactions.c.direction,
    )
    joined = select(*columns).join(interactions, interactions.c.id == call_keys.c.interaction_id)
    of_source = joined.where(call_keys.c.source == source)
    inside = (interactions.c.occurred_at >= since, interactions.c.occurred_at < until)
    rows = list(connection.execute(of_source.where(*inside)))
    for chunk in chunks(sorted(set(keys))):
        rows += connection.execute(of_source.where(call_keys.c.provider_key.in_(chunk)))
    by_call: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        by_call[row.interaction_id][row.provider_key] = row
    found = []
    for named in by_call.values():
        any_row = next(iter(named.values()))
        found.append(
            OurCall(
                keys=tuple(sorted(named)),
                began_at=any_row.occurred_at,
                ended=any_row.ended,
                internal=any_row.direction == Direction.INTERNAL,
            )
        )
    return found


def ends_of(
    connection: Connection, source: str, keys: Sequence[str]
) -> dict[str, tuple[str, str | None]]:
    """Return what became of deliveries, by their keys: the end and its reason."""
    ids = {delivery_id(source, key): key for key in keys}
    found: dict[str, tuple[str, str | None]] = {}
    for chunk in chunks(sorted(ids)):
        for row in connection.execute(
            select(deliveries.c.id, deliveries.c.end, deliveries.c.reason).where(
                deliveries.c.id.in_(chunk)
            )
        ):
            found[ids[row.id]] = (row.end, row.reason)
    return found


def pushed_keys(connection: Connection, key_ids: Sequence[str]) -> set[str]:
    """Return which of these call keys (their fixed ids) something else than a history told of."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(key_ids))):
        found.update(
            connection.scalars(
                select(call_reports.c.key)
                .join(deliveries, deliveries.c.id == call_reports.c.delivery_id)
                .where(call_reports.c.key.in_(chunk), deliveries.c.key.not_like(_PULLED))
                .distinct()
            )
        )
    return found


def minutes_of(connection: Connection, source: str, since: datetime) -> list[datetime]:
    """Return the minutes in which something of a source came by itself, the earliest first."""
    rows = connection.scalars(
        select(type_coerce(deliveries.c.received_at, BigInteger) // MINUTE)
        .where(
            deliveries.c.source == source,
            deliveries.c.received_at >= since,
            deliveries.c.key.not_like(_PULLED),
        )
        .distinct()
    )
    return sorted(from_micros(int(row) * MINUTE) for row in rows)


def added_at(connection: Connection, source: str) -> datetime | None:
    """Return when a source of that name was first recorded; later settings do not renew it."""
    found: datetime | None = connection.scalar(
        select(func.min(sources.c.recorded_at)).where(sources.c.name == source)
    )
    return found


# Certificates ----------------------------------------------------------------------------------


def put_certificate(
    connection: Connection,
    body: Mapping[str, Any],
    *,
    id: str,
    since: datetime,
    until: datetime,
    at: datetime,
    by: str,
) -> None:
    """Store a certificate, given as JSON values."""
    connection.execute(
        certificates.insert().values(
            id=id,
            source=body["source"],
            from_at=since,
            until=until,
            made_at=at,
            made_by=by,
            same=body["same"],
            body=to_text(dict(body)),
        )
    )


def list_certificates(
    connection: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    source: str | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page[Any]:
    """Return certificates as rows of JSON values, the latest first. Managers see none."""
    if not viewer.sees_everything:
        return Page()
    table = certificates.c
    statement = select(certificates).where(beyond(table.made_at, table.id, after))
    if source is not None:
        statement = statement.where(table.source == source)
    statement = statement.order_by(table.made_at.desc(), table.id.desc()).limit(limit + 1)
    rows = connection.execute(statement).all()
    return page_of(rows, limit, lambda shown: [_certificate(row) for row in shown], "made_at", "id")


def certificate(connection: Connection, viewer: Viewer, key: str) -> dict[str, Any] | None:
    """Return one certificate as JSON values; None: there is none, or not for this viewer."""
    if not viewer.sees_everything:
        return None
    row = connection.execute(select(certificates).where(certificates.c.id == key)).first()
    return None if row is None else _certificate(row)


def _certificate(row: Any) -> dict[str, Any]:
    return {"id": row.id, "made_by": row.made_by, **to_object(row.body)}
