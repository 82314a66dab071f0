"""One kept delivery, for a person to look at: its secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from ingest.domain.deliveries import Delivery
from ingest.telephony.providers import PROVIDERS
from storage.database import Database
from storage.log import LogReader
from storage.tables import deliveries, sources
from storage.wire import delivery_id

MASK = "***"
SHOWN = 64 * 1024  #: octets of a body shown at the most
_SECRET_HEADERS = re.compile(r"signature|authorization|cookie|token|secret", re.IGNORECASE)
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


def shown(database: Database, delivery: Delivery, end: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a delivery as JSON values, with the secret fields of its provider masked."""
    with database.read() as connection:
        provider = str(
            connection.scalar(
                select(sources.c.provider).where(sources.c.name == delivery.source).limit(1)
            )
        )
    secret = PROVIDERS[provider].secret_fields if provider in PROVIDERS else ()
    head = dict(delivery.head)
    head["headers"] = [
        [name, MASK if _SECRET_HEADERS.search(name) else value]
        for name, value in head.get("headers", ())
    ]
    for part in ("url", "query"):
        if head.get(part):
            head[part] = masked(str(head[part]), secret)
    body = None
    if delivery.body is not None:
        body = masked(delivery.body[:SHOWN].decode("utf-8", "replace"), secret)
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


def masked(text: str, fields: Iterable[str]) -> str:
    """Return the text with the values of these fields hidden, in a form or in JSON."""
    for name in fields:
        quoted = re.escape(name)
        text = re.sub(rf"(^|[&?])({quoted})=[^&\s]*", rf"\1\2={MASK}", text)
        text = re.sub(rf'("{quoted}"\s*:\s*)"(?:[^"\\]|\\.)*"', rf'\1"{MASK}"', text)
    return text
