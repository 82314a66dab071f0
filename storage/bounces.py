"""Addresses that were not reached: what bounces said, and which addresses are marked by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.interactions import Kind, Role
from ingest.domain.mails import Mail
from storage.database import insert_rows
from storage.facts import chunks
from storage.tables import interactions, participants, undelivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeliverable:
    """That mail to an address comes back for good, by what a server said of it."""

    point: str
    since: datetime  #: of the first hard bounce after the last mail that came from there
    status: str | None  #: such as 5.1.1
    reason: str | None
    mail: str  #: the bounce


def insert_failures(connection: Connection, mails: Sequence[Mail]) -> None:
    """Store which addresses these bounces name; a repeat is a no-op."""
    rows = {
        (mail.identity, it.address): {
            "mail_id": mail.identity,
            "point": str(ContactPoint(PointKind.EMAIL, it.address)),
            "hard": it.hard,
            "status": it.status,
            "reason": it.reason,
        }
        for mail in mails
        for it in mail.failed
    }
    if rows:
        insert_rows(connection, undelivered, list(rows.values()), ignore=True)


def undeliverable(connection: Connection, points: Iterable[str]) -> dict[str, Undeliverable]:
    """Return which of these addresses do not exist any more, as far as servers said.

    A later mail from the address, written by a person, takes the mark away.
    """
    found: dict[str, Undeliverable] = {}
    touch, failed = interactions.c, undelivered.c
    for chunk in chunks(sorted(set(points))):
        heard = _last_heard(connection, chunk)
        for row in connection.execute(
            select(failed.point, failed.status, failed.reason, touch.id, touch.occurred_at)
            .select_from(undelivered.join(interactions, touch.id == failed.mail_id))
            .where(failed.point.in_(chunk), failed.hard)
            .order_by(touch.occurred_at, touch.id)
        ):
            last = heard.get(row.point)
            if row.point not in found and (last is None or row.occurred_at >= last):
                found[row.point] = Undeliverable(
                    point=row.point,
                    since=row.occurred_at,
                    status=row.status,
                    reason=row.reason,
                    mail=row.id,
                )
    return found


def _last_heard(connection: Connection, points: Sequence[str]) -> dict[str, datetime]:
    """Return when a person last wrote from each of these addresses."""
    touch, part = interactions.c, participants.c
    return {
        row.point: row.at
        for row in connection.execute(
            select(
                part.point,
                func.max(touch.occurred_at, type_=touch.occurred_at.type).label("at"),
            )
            .select_from(participants.join(interactions, touch.id == part.interaction_id))
            .where(
                part.point.in_(points),
                part.role == Role.FROM,
                touch.kind == Kind.MAIL,
                touch.machine.is_(False),
            )
            .group_by(part.point)
        )
    }
