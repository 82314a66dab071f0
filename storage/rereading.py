"""Mails that an earlier reader read: where their bytes lie, and their readings put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from ingest.domain.mails import Mail
from storage.bounces import insert_failures
from storage.tables import deliveries, mail_bodies, mails, undelivered


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBefore:
    """A mail that an earlier reader read, with the place of its bytes."""

    mail: str
    delivery: str
    log: str
    partition: int
    position: int


def count_read_before(connection: Connection, reader: int) -> int:
    """Return how many mails earlier readers read."""
    read = select(func.count()).select_from(mails).where(mails.c.reader < reader)
    return int(connection.scalar(read) or 0)


def read_before(connection: Connection, reader: int, *, after: str, limit: int) -> list[ReadBefore]:
    """Return mails that earlier readers read, in order of their ids, behind `after`."""
    place = deliveries.c
    rows = connection.execute(
        select(mails.c.id, place.id.label("of"), place.log, place.partition, place.position)
        .join(deliveries, place.id == mails.c.delivery_id)
        .where(mails.c.reader < reader, mails.c.id > after)
        .order_by(mails.c.id)
        .limit(limit)
    )
    return [
        ReadBefore(
            mail=row.id,
            delivery=row.of,
            log=row.log,
            partition=row.partition,
            position=row.position,
        )
        for row in rows
    ]


def renew(connection: Connection, read: Sequence[Mail], *, reader: int) -> set[str]:
    """Put these readings in the place of earlier ones of the same mails; returns which differ."""
    differ = {mail.identity for mail in read if _renewed(connection, mail, reader)}
    if differ:
        connection.execute(delete(undelivered).where(undelivered.c.mail_id.in_(differ)))
        insert_failures(connection, [mail for mail in read if mail.identity in differ])
    return differ


def _renewed(connection: Connection, mail: Mail, reader: int) -> bool:
    # As `wire.insert_mails` writes it: the text lies apart.
    reading = msgspec.json.encode(replace(mail, text="", html="")).decode()
    row, body = mails.c, mail_bodies.c
    known = connection.execute(
        select(row.reading, body.text, body.html)
        .outerjoin(mail_bodies, body.id == row.id)
        .where(row.id == mail.identity)
    ).one()
    values = {"reading": reading, "message_id": mail.message_id, "reader": reader}
    connection.execute(update(mails).where(row.id == mail.identity).values(values))
    if tuple(known) == (reading, mail.text, mail.html):
        return False
    words = {"text": mail.text, "html": mail.html}
    connection.execute(update(mail_bodies).where(body.id == mail.identity).values(words))
    return True
