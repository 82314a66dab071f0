"""One kept delivery, for a person to look at: its secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from ingest.accounts import Book
from ingest.custody.masking import (
    masked_body,
    masked_headers,
    masked_path,
    masked_query,
    secrets_of,
)
from ingest.domain.deliveries import Account, Delivery, Provider
from ingest.telephony.providers import PROVIDERS
from storage.database import Database
from storage.log import LogReader
from storage.tables import deliveries, sources
from storage.wire import delivery_id

_PLACE = re.compile(r"(calls|mail)-(\d+)-(\d+)")


def find(
    database: Database, logs: Mapping[str, LogReader], name: str
) -> tuple[Delivery, dict[str, Any] | None] | None:
    """Return a delivery by its id or place, with what became of it; None if there is none."""
    place = _PLACE.fullmatch(name)
    if place and int(place[2]) >= logs[place[1]].partitions:
        return None
    found = logs[place[1]].get(int(place[2]), int(place[3])) if place else None
    if place and found is None:
        return None
    wanted = delivery_id(found.source, found.key) if found else name
    with database.read() as connection:
        row = connection.execute(select(deliveries).where(deliveries.c.id == wanted))
        end = row.mappings().first()
    if found is None and end is not None:
        lying = logs[end["log"]].get(end["partition"], end["position"])
        # A log that was put in place of its own may hold another one there.
        found = lying if lying and delivery_id(lying.source, lying.key) == name else None
    return None if found is None else (found, dict(end) if end is not None else None)


def source_of(database: Database, book: Book | None, name: str) -> tuple[Provider, Account] | None:
    """Return a source, as well as it is known: without the key, at least its provider."""
    if book is not None and name in book.sources():
        return book.sources()[name]
    with database.read() as connection:
        provider = connection.scalar(
            select(sources.c.provider).where(sources.c.name == name).limit(1)
        )
    found = PROVIDERS.get(str(provider))
    return (found, Account(source=name)) if found else None


def shown(
    known: tuple[Provider, Account] | None, delivery: Delivery, end: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a delivery as JSON values, without what proves its sender.

    `known` is its source, where that can still be opened: then secrets are also known by value.
    """
    fields, values = secrets_of(known)
    head = {name: value for name, value in delivery.head.items() if name != "url"}
    if "headers" in head:
        head["headers"] = [list(pair) for pair in masked_headers(delivery)]
    if "path" in head:
        head["path"] = masked_path(str(head["path"]))
    if head.get("query"):
        head["query"] = masked_query(str(head["query"]), fields, values)
    body = None if delivery.body is None else masked_body(delivery.body, fields, values)
    return {
        "id": end["id"] if end else None,
        "place": delivery.id,
        "source": delivery.source,
        "key": delivery.key,
        "received_at": delivery.received_at.isoformat(),
        "end": end["end"] if end else "waiting",
        "reason": end["reason"] if end else None,
        "head": head,
        "body": body,
    }
