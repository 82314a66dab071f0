"""Numbers that people put into their signatures: offered, never linked by a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ingest.custody.office import company_region
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import PointFacts
from ingest.domain.mails import Mail
from ingest.domain.people import Viewer
from ingest.matching.match import NOTHING_KNOWN
from ingest.matching.signed import numbers_in
from storage import directory, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNumber:
    """A number in a signature that nobody is known to hold."""

    point: str
    name: str | None  #: as signed
    address: str | None  #: that the mail came from
    mail: str  #: where it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHolder:
    """A client whose number stands in the signature of an address that has no client yet."""

    client: str
    point: str
    name: str | None  #: as signed
    mail: str  #: where it stands


def numbers_of_client(
    connection: Connection, viewer: Viewer, client: str, *, now: datetime
) -> tuple[SignedNumber, ...]:
    """Return the numbers that this client's people signed with and that are still to be linked."""
    if not viewer.sees_everything:
        return ()
    signed_with = _signed_with(connection, signed.latest_mails_of(connection, client), now)
    if not signed_with:
        return ()
    known = directory.load_points(connection, signed_with)
    own = directory.load_directory(connection).by_point
    return tuple(
        SignedNumber(
            point=point,
            name=mail.signed,
            address=mail.from_.address if mail.from_ else None,
            mail=mail.identity,
        )
        for point, mail in signed_with.items()
        if point not in own and not _is_settled(known.get(point, NOTHING_KNOWN), now)
    )


def clients_by_signature(
    connection: Connection, viewer: Viewer, point: str, *, now: datetime
) -> tuple[SignedHolder, ...]:
    """Return the clients whose numbers stand in the signatures of mails from this address."""
    if not viewer.sees_everything:
        return ()
    signed_with = _signed_with(connection, signed.latest_mails_from(connection, point), now)
    known = directory.load_points(connection, signed_with) if signed_with else {}
    found: dict[str, SignedHolder] = {}
    for number, told in known.items():
        for client in sorted({held.client for held in told.holdings if held.valid_at(now)}):
            mail = signed_with[number]
            holder = SignedHolder(client=client, point=number, name=mail.signed, mail=mail.identity)
            found.setdefault(client, holder)
    return tuple(found.values())


def _signed_with(connection: Connection, mails: Sequence[Mail], now: datetime) -> dict[str, Mail]:
    """Return the numbers in these mails' signatures, each with the latest mail it stands in."""
    found: dict[str, Mail] = {}
    where = company_region(connection, now) if any(mail.phones for mail in mails) else "ZZ"
    for mail in mails:
        for number in numbers_in(mail.phones, where):
            found.setdefault(str(ContactPoint(PointKind.PHONE, number)), mail)
    return found


def _is_settled(known: PointFacts, now: datetime) -> bool:
    return known.decision is not None or any(held.valid_at(now) for held in known.holdings)
