"""What came over the wire and what was read from it: deliveries' ends, call reports, mails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ingest.domain.calls import CallEvent, Report
from ingest.domain.deliveries import Delivery, End
from ingest.domain.interactions import fixed_id
from ingest.domain.mails import Mail, Sighting
from storage.bounces import insert_failures
from storage.database import dialect_insert, insert_rows
from storage.facts import chunks
from storage.log import Mark
from storage.plain import to_list, to_text
from storage.rows import among
from storage.tables import (
    call_reports,
    deliveries,
    mail_bodies,
    mails,
    positions,
    sightings,
)

_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(CallEvent).decode
read_mail = msgspec.json.Decoder(Mail).decode  #: what `insert_mails` wrote, without its text


@lru_cache(maxsize=4096)  # of a batch, each step of which asks for it
def delivery_id(source: str, key: str) -> str:
    """Return the id of a delivery: the same in whatever log and at whatever place it lies."""
    return fixed_id(f"delivery\0{source}\0{key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A call report with the ids of the keys that tie it."""

    id: str
    source: str
    keys: tuple[str, ...]
    report: Report


# Deliveries ------------------------------------------------------------------------------------


def known_deliveries(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return which of these deliveries were dealt with before."""
    return set(connection.scalars(_KNOWN_DELIVERIES, {"wanted": ids}))


_KNOWN_DELIVERIES = select(deliveries.c.id).where(among(deliveries.c.id))


def note_places(connection: Connection, lying: Sequence[Delivery]) -> None:
    """Write where deliveries lie now that were dealt with before, as after a log was replaced."""
    if not lying:
        return
    table = deliveries.c
    connection.execute(
        update(deliveries)
        .where(table.id == bindparam("of_id"))
        .values(
            log=bindparam("in_log"), partition=bindparam("of_log"), position=bindparam("at_place")
        ),
        [
            {
                "of_id": delivery_id(it.source, it.key),
                "in_log": it.log,
                "of_log": it.partition,
                "at_place": it.position,
            }
            for it in lying
        ],
    )


def record_ends(connection: Connection, ends: Sequence[tuple[Delivery, End, str | None]]) -> None:
    """Write what became of each delivery; a later reading of the same one replaces the end."""
    ids = [delivery_id(delivery.source, delivery.key) for delivery, _, _ in ends]
    rows = {
        id_: {
            "id": id_,
            "log": delivery.log,
            "partition": delivery.partition,
            "position": delivery.position,
            "source": delivery.source,
            "key": delivery.key,
            "received_at": delivery.received_at,
            "end": end.value,
            "reason": reason,
        }
        for id_, (delivery, end, reason) in zip(ids, ends, strict=True)
    }
    insert_rows(connection, deliveries, list(rows.values()), renew=_OF_AN_END)


_OF_AN_END = ("log", "partition", "position", "end", "reason")


# Call reports ----------------------------------------------------------------------------------


def insert_reports(
    connection: Connection,
    rows: Sequence[tuple[str, str, tuple[str, ...], CallEvent, datetime]],
    *,
    reader: int,
) -> None:
    """Insert reports as (delivery id, source, key ids, event, received_at); repeats are no-ops."""
    counted: dict[str, int] = defaultdict(int)
    values = []
    for delivery, source, keys, event, received_at in rows:
        place = counted[delivery]
        counted[delivery] += 1
        values.append(
            {
                "id": f"{delivery}/{place}",
                "delivery_id": delivery,
                "source": source,
                "key": keys[0],
                "key_ids": to_text(keys),
                "event": _encode(event).decode(),
                "received_at": received_at,
                "reader": reader,
            }
        )
    if values:
        insert_rows(connection, call_reports, values, ignore=True)


def forget_reading(connection: Connection, deliveries_: Sequence[str]) -> set[str]:
    """Drop what an earlier reader made of these deliveries; returns the call keys concerned.

    Only for reading again what is still there: a reading whose bytes are gone is never dropped.
    """
    keys: set[str] = set()
    for chunk in chunks(deliveries_):
        for text in connection.scalars(
            select(call_reports.c.key_ids).where(call_reports.c.delivery_id.in_(chunk))
        ):
            keys.update(to_list(text))
        connection.execute(delete(call_reports).where(call_reports.c.delivery_id.in_(chunk)))
    return keys


def reports_of(connection: Connection, keys: Iterable[str]) -> list[StoredReport]:
    """Return every report that was stored under one of these keys, in no order that matters."""
    return [
        StoredReport(
            id=id_,
            source=source,
            keys=tuple(to_list(key_ids)),
            report=Report(event=_decode_event(event), received_at=received_at),
        )
        for id_, source, key_ids, event, received_at in connection.execute(
            _REPORTS_OF, {"wanted": keys}
        )
    ]


_REPORTS_OF = select(
    call_reports.c.id,
    call_reports.c.source,
    call_reports.c.key_ids,
    call_reports.c.event,
    call_reports.c.received_at,
).where(among(call_reports.c.key))


def all_report_keys(connection: Connection) -> Iterable[tuple[str, ...]]:
    """Yield the keys of every report, for grouping them from nothing."""
    for text in connection.execution_options(yield_per=1000).scalars(
        select(call_reports.c.key_ids).distinct()
    ):
        yield tuple(to_list(text))


# Mails -----------------------------------------------------------------------------------------


def insert_mails(
    connection: Connection,
    rows: Sequence[tuple[str, Mail, datetime]],
    seen: Sequence[tuple[str, Sighting]],
    *,
    reader: int,
) -> None:
    """Insert readings as (delivery id, mail, received_at) and sightings as (delivery id, ...)."""
    readings, bodies = [], []
    for delivery, mail, received_at in rows:
        headers = replace(mail, text="", html="")
        readings.append(
            {
                "id": mail.identity,
                "delivery_id": delivery,
                "message_id": mail.message_id,
                "reading": _encode(headers).decode(),
                "received_at": received_at,
                "reader": reader,
            }
        )
        bodies.append({"id": mail.identity, "text": mail.text, "html": mail.html})
    if readings:
        insert_rows(connection, mails, readings, ignore=True)
        insert_rows(connection, mail_bodies, bodies, ignore=True)
        insert_failures(connection, [mail for _, mail, _ in rows])
    if seen:
        connection.execute(
            dialect_insert(connection, sightings).on_conflict_do_nothing(),
            [
                {
                    "id": delivery,
                    "mail_id": sighting.mail,
                    "mailbox": sighting.mailbox,
                    "folder": sighting.folder,
                    "uidvalidity": sighting.uidvalidity,
                    "uid": sighting.uid,
                    "sent": sighting.sent,
                    "internal_date": sighting.internal_date,
                    "received_top": sighting.received_top,
                    "received_at": sighting.first_received_at,
                }
                for delivery, sighting in seen
            ],
        )


def mails_of(
    connection: Connection, identities: Iterable[str]
) -> dict[str, tuple[Mail, list[Sighting]]]:
    """Return each of these mails, without its text, with every sighting of it."""
    wanted = sorted(set(identities))
    read: dict[str, Mail] = {}
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for chunk in chunks(wanted):
        for row in connection.execute(
            select(mails.c.id, mails.c.reading).where(mails.c.id.in_(chunk))
        ):
            read[row.id] = read_mail(row.reading)
        for row in connection.execute(
            select(sightings).where(sightings.c.mail_id.in_(chunk)).order_by(sightings.c.id)
        ):
            seen[row.mail_id].append(
                Sighting(
                    mailbox=row.mailbox,
                    folder=row.folder,
                    uidvalidity=row.uidvalidity,
                    uid=row.uid,
                    sent=row.sent,
                    internal_date=row.internal_date,
                    received_top=row.received_top,
                    mail=row.mail_id,
                    first_received_at=row.received_at,
                )
            )
    return {identity: (mail, seen[identity]) for identity, mail in read.items() if seen[identity]}


def all_mails(connection: Connection) -> list[str]:
    """Return the identity of every mail."""
    return list(connection.scalars(select(mails.c.id).order_by(mails.c.id)))


def known_mails(connection: Connection, identities: Sequence[str]) -> set[str]:
    """Return which of these mails were read before."""
    found: set[str] = set()
    for chunk in chunks(identities):
        found.update(connection.scalars(select(mails.c.id).where(mails.c.id.in_(chunk))))
    return found


# Positions -------------------------------------------------------------------------------------


def position(connection: Connection, log: str, partition: int) -> Mark | None:
    """Return how far the worker came in that partition, or None if it never began."""
    row = connection.execute(
        select(positions).where(positions.c.log == log, positions.c.partition == partition)
    ).first()
    if row is None:
        return None
    return Mark(partition=partition, epoch=row.epoch, position=row.position, key=row.key)


def move(connection: Connection, log: str, mark: Mark) -> None:
    """Store how far the worker came."""
    values = {"epoch": mark.epoch, "position": mark.position, "key": mark.key}
    moved = connection.execute(
        update(positions)
        .where(positions.c.log == log, positions.c.partition == mark.partition)
        .values(values)
    ).rowcount
    if not moved:
        connection.execute(insert(positions), {"log": log, "partition": mark.partition, **values})
