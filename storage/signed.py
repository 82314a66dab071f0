"""Mails that people signed or forwarded, for the numbers and the writers in them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from ingest.domain.interactions import Kind, Role
from ingest.domain.mails import Mail
from storage import wire
from storage.tables import interactions, participants

LATEST = 30  #: mails of a client that are looked at


def latest_mails_of(connection: Connection, client: str, *, limit: int = LATEST) -> list[Mail]:
    """Return the latest mails that people of a client wrote, as read, the latest first."""
    part = participants.c
    return _latest(
        connection, part.subject == f"client:{client}", part.client_id == client, limit=limit
    )


def latest_mails_from(connection: Connection, point: str, *, limit: int = LATEST) -> list[Mail]:
    """Return the latest mails that came from an address, as read, the latest first."""
    return _latest(connection, participants.c.point == point, limit=limit)


def latest_forwards_of(connection: Connection, point: str, *, limit: int = LATEST) -> list[Mail]:
    """Return the latest mails that forward what an address wrote, the latest first."""
    return _latest(connection, participants.c.point == point, role=Role.FORWARDED, limit=limit)


def _latest(
    connection: Connection, *of: ColumnElement[bool], limit: int, role: Role = Role.FROM
) -> list[Mail]:
    touch, part = interactions.c, participants.c
    ids = connection.scalars(
        select(touch.id)
        .join(participants, part.interaction_id == touch.id)
        .where(
            *of,
            part.role == role,
            touch.kind == Kind.MAIL,
            touch.machine.is_(False),
            touch.suppressed.is_(False),
        )
        .order_by(touch.occurred_at.desc(), touch.id.desc())
        .limit(limit)
    ).all()
    read = wire.mails_of(connection, ids)
    return [read[key][0] for key in ids if key in read]
