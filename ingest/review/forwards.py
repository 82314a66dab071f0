"""Clients that forwarded mails speak of: offered, never linked by a machine.

Whoever forwards a client's mail, or whose mail a client forwards, is likely to be one of theirs.
What a mail says of another is written by strangers, so a supervisor decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ingest.domain.contacts import PointKind
from ingest.domain.mails import Mail
from ingest.domain.people import Viewer
from ingest.matching.original import original_senders
from storage import directory, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedHolder:
    """A client who stands at the other end of a forwarded mail."""

    client: str
    point: str  #: the client's address
    forwards: bool  #: the client forwards; else the client wrote what is forwarded
    mail: str  #: the latest one that says so


def clients_by_forwards(
    connection: Connection, viewer: Viewer, point: str, *, now: datetime
) -> tuple[ForwardedHolder, ...]:
    """Return the clients whose mails this address forwarded, or who forwarded its mails."""
    if not viewer.sees_everything:
        return ()
    told: dict[str, tuple[Mail, bool]] = {}
    for mail in signed.latest_mails_from(connection, point):
        for writer, _ in original_senders(mail):
            told.setdefault(str(writer), (mail, False))
    for mail in signed.latest_forwards_of(connection, point):
        if mail.from_ is not None and mail.from_.address:
            told.setdefault(f"{PointKind.EMAIL.value}:{mail.from_.address}", (mail, True))
    told.pop(point, None)
    known = directory.load_points(connection, told) if told else {}
    found: dict[str, ForwardedHolder] = {}
    for other, (mail, forwards) in told.items():
        held = known[other].holdings if other in known else ()
        for client in sorted({it.client for it in held if it.valid_at(now)}):
            found.setdefault(
                client,
                ForwardedHolder(client=client, point=other, forwards=forwards, mail=mail.identity),
            )
    return tuple(found.values())
