"""What came over the wire and what was read from it: deliveries' ends, call reports, mails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    delete,
    insert,
    select,
    type_coerce,
    union_all,
    update,
)

from ingest.domain.calls import CallEvent, Report
from ingest.domain.deliveries import Delivery, End
from ingest.domain.interactions import fixed_id
from ingest.domain.mails import Mail, Sighting
from storage.bounces import insert_failures
from storage.database import insert_values
from storage.facts import chunks
from storage.log import Mark
from storage.plain import to_list, to_text
from storage.rows import among
from storage.tables import (
    call_reports,
    deliveries,
    from_micros,
    mail_bodies,
    mails,
    positions,
    sightings,
    to_micros,
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
    return set(connection.scalars(_KNOWN_DELIVERIES, {"wanted": ids}).all())


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
    rows = {}
    for delivery, end, reason in ends:
        id_ = delivery_id(delivery.source, delivery.key)
        rows[id_] = (
            id_,
            delivery.log,
            delivery.partition,
            delivery.position,
            delivery.source,
            delivery.key,
            to_micros(delivery.received_at),
            end.value,
            reason,
        )
    insert_values(connection, deliveries, _DELIVERY, list(rows.values()), renew=_OF_AN_END)


_DELIVERY = (
    "id", "log", "partition", "position", "source", "key", "received_at", "end", "reason"
)  # fmt: skip
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
            (
                f"{delivery}/{place}",
                delivery,
                source,
                keys[0],
                to_text(keys),
                _encode(event).decode(),
                to_micros(received_at),
                reader,
            )
        )
    insert_values(connection, call_reports, _REPORT, values, ignore=True)


_REPORT = ("id", "delivery_id", "source", "key", "key_ids", "event", "received_at", "reader")


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
            report=Report(event=_decode_event(event), received_at=from_micros(received_at)),
        )
        for id_, source, key_ids, event, received_at in connection.execute(
            _REPORTS_OF, {"wanted": keys}
        ).all()
    ]


_REPORTS_OF = select(
    call_reports.c.id,
    call_reports.c.source,
    call_reports.c.key_ids,
    call_reports.c.event,
    type_coerce(call_reports.c.received_at, BigInteger),
).where(among(call_reports.c.key))


def all_report_keys(connection: Connection) -> Iterable[tuple[str, ...]]:
    """Yield the keys of every report, for grouping them from nothing."""
    for text in connection.execution_options(yield_per=1000).scalars(
        select(call_reports.c.key_ids).distinct()
    ):
        yield tuple(to_list(text))


# Mails -----------------------------------------------------------------------------------------


SeenMails = dict[str, tuple[Mail, list[Sighting]]]  #: each with every sighting of it


def insert_mails(
    connection: Connection,
    rows: Sequence[tuple[str, Mail, datetime]],
    seen: Sequence[tuple[str, Sighting]],
    *,
    reader: int,
) -> SeenMails:
    """Insert readings as (delivery id, mail, received_at) and sightings as (delivery id, ...).

    Returns what `mails_of` would now say of those of which nothing was stored before.
    """
    known = _heard_of(connection, {mail.identity for _, mail, _ in rows}) if rows else set()
    read: dict[str, Mail] = {}
    readings, bodies = [], []
    for delivery, mail, received_at in rows:
        identity = mail.identity
        if identity in read:
            continue  # the same mail from two mailboxes: the first reading stands
        headers = read[identity] = replace(mail, text="", html="")
        readings.append(
            (
                identity,
                delivery,
                mail.message_id,
                _encode(headers).decode(),
                to_micros(received_at),
                reader,
            )
        )
        bodies.append((identity, mail.text, mail.html))
    insert_values(connection, mails, _MAIL, readings, ignore=True)
    insert_values(connection, mail_bodies, _BODY, bodies, ignore=True)
    insert_failures(connection, [mail for _, mail, _ in rows])
    where: dict[str, Sighting] = {}  # of two with one id the first stands
    for delivery, sighting in seen:
        where.setdefault(delivery, sighting)
    insert_values(
        connection,
        sightings,
        _SIGHTING,
        [_sighting_values(delivery, it) for delivery, it in where.items()],
        ignore=True,
    )
    fresh: dict[str, list[Sighting]] = defaultdict(list)
    for delivery in sorted(where):
        if where[delivery].mail not in known:
            fresh[where[delivery].mail].append(where[delivery])
    return {key: (read[key], witnesses) for key, witnesses in fresh.items() if key in read}


_MAIL = ("id", "delivery_id", "message_id", "reading", "received_at", "reader")
_BODY = ("id", "text", "html")
_SIGHTING = (
    "id", "mail_id", "mailbox", "folder", "uidvalidity", "uid", "sent",
    "internal_date", "received_top", "received_at",
)  # fmt: skip


def _sighting_values(delivery: str, it: Sighting) -> tuple[Any, ...]:
    return (
        delivery,
        it.mail,
        it.mailbox,
        it.folder,
        it.uidvalidity,
        it.uid,
        it.sent,
        to_micros(it.internal_date) if it.internal_date else None,
        to_micros(it.received_top) if it.received_top else None,
        to_micros(it.first_received_at),
    )


def _heard_of(connection: Connection, identities: Collection[str]) -> set[str]:
    """Return of which of these mails a reading or a sighting is stored."""
    return set(connection.scalars(_HEARD_OF, {"wanted": identities}).all())


_HEARD_OF = union_all(
    select(mails.c.id).where(among(mails.c.id)),
    select(sightings.c.mail_id).where(among(sightings.c.mail_id)),
)


def mails_of(connection: Connection, identities: Iterable[str]) -> SeenMails:
    """Return each of these mails, without its text, with every sighting of it."""
    wanted = set(identities)
    if not wanted:
        return {}
    read = {
        key: read_mail(reading)
        for key, reading in connection.execute(_READINGS_OF, {"wanted": wanted}).all()
    }
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for row in connection.execute(_SIGHTINGS_OF, {"wanted": wanted}).all():
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
    return {key: (read[key], seen[key]) for key in sorted(read) if seen[key]}


_READINGS_OF = select(mails.c.id, mails.c.reading).where(among(mails.c.id))
_SIGHTINGS_OF = select(sightings).where(among(sightings.c.mail_id)).order_by(sightings.c.id)


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
