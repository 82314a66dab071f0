"""Sources and mailboxes as an administrator entered them; secrets stay sealed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, inspect, select, update

from storage import facts
from storage.directory import current
from storage.tables import mailboxes, oauth_apps, sources

SOURCES_VERSION = "sources_version"  #: the counter that edges watch


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """One account at one provider."""

    id: str
    name: str
    provider: str
    zone: str
    region: str
    config: Mapping[str, Any]
    sealed: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMailbox:
    """One mailbox to follow."""

    id: str
    address: str
    host: str
    port: int
    tls: str
    login: str
    config: Mapping[str, Any]
    sealed: str
    recorded_at: datetime


def load_sources(connection: Connection) -> list[StoredSource]:
    """Return every source in force, by name."""
    return [
        StoredSource(
            id=row.id,
            name=row.name,
            provider=row.provider,
            zone=row.zone,
            region=row.region,
            config=json.loads(row.config),
            sealed=row.secrets,
            recorded_at=row.recorded_at,
        )
        for row in connection.execute(
            select(sources).where(current(sources)).order_by(sources.c.name)
        )
    ]


def put_source(
    connection: Connection,
    *,
    id: str,
    name: str,
    provider: str,
    zone: str,
    region: str,
    config: Mapping[str, Any],
    sealed: str,
    at: datetime,
    by: str,
) -> None:
    """Record a source as it is from now on; what was recorded under that name is retracted.

    Raises ValueError for a name like the clock's: what begins with ! is no source of anybody's.
    """
    if name.startswith("!"):
        raise ValueError(f"{name}: a name that begins with ! is kept for sources such as the clock")
    before = connection.execute(
        select(sources.c.id, sources.c.region).where(sources.c.name == name, current(sources))
    ).all()
    ids = [row.id for row in before]
    facts.retract(connection, sources, ids, at=at, by=by, why="changed")
    if any(row.region != region for row in before):
        facts.redecide_source(connection, name)
    else:
        facts.raise_version(connection)
    facts.record(
        connection,
        sources,
        at=at,
        by=by,
        id=id,
        name=name,
        provider=provider,
        zone=zone,
        region=region,
        config=json.dumps(dict(config), sort_keys=True),
        secrets=sealed,
    )
    facts.bump(connection, SOURCES_VERSION)


def anything_sealed(connection: Connection) -> bool:
    """Tell whether a source or a mailbox in force holds secrets that only their key opens."""
    return inspect(connection).has_table(sources.name) and any(
        connection.scalar(select(table.c.id).where(current(table)).limit(1)) is not None
        for table in (sources, mailboxes)
    )


def load_mailboxes(connection: Connection) -> list[StoredMailbox]:
    """Return every mailbox in force, by address."""
    return [
        StoredMailbox(
            id=row.id,
            address=row.address,
            host=row.host,
            port=row.port,
            tls=row.tls,
            login=row.login,
            config=json.loads(row.config),
            sealed=row.secret,
            recorded_at=row.recorded_at,
        )
        for row in connection.execute(
            select(mailboxes).where(current(mailboxes)).order_by(mailboxes.c.address)
        )
    ]


def add_mailbox(
    connection: Connection,
    *,
    id: str,
    address: str,
    host: str,
    port: int,
    tls: str,
    login: str,
    config: Mapping[str, Any],
    sealed: str,
    at: datetime,
    by: str,
) -> None:
    """Record a mailbox to follow; its id is never used twice. Raises facts.Conflict if known."""
    if connection.scalar(
        select(mailboxes.c.id).where(mailboxes.c.address == address, current(mailboxes))
    ):
        raise facts.Conflict(f"{address} is followed already")
    connection.execute(
        insert(mailboxes),
        {
            "id": id,
            "address": address,
            "host": host,
            "port": port,
            "tls": tls,
            "login": login,
            "secret": sealed,
            "config": json.dumps(dict(config), sort_keys=True),
            "recorded_at": at,
            "recorded_by": by,
        },
    )
    facts.bump(connection, SOURCES_VERSION)
    facts.raise_version(connection)


def renew_mailbox(
    connection: Connection,
    id_: str,
    *,
    login: str | None = None,
    config: Mapping[str, Any],
    sealed: str,
    at: datetime,
) -> None:
    """Give a mailbox another password or consent, and end its pause; its id and cursors stay.

    A secret is no fact: the old one is of no use to anybody and is written over.
    """
    values: dict[str, Any] = {
        "secret": sealed,
        "config": json.dumps({**config, "renewed_at": at.isoformat()}, sort_keys=True),
    }
    if login is not None:
        values["login"] = login
    connection.execute(update(mailboxes).where(mailboxes.c.id == id_).values(**values))
    facts.bump(connection, SOURCES_VERSION)


def remove_mailbox(connection: Connection, id_: str, *, at: datetime, by: str) -> None:
    """Retract a mailbox: it is followed no longer, and its id is never used again."""
    facts.retract(connection, mailboxes, [id_], at=at, by=by, why="removed")
    facts.raise_version(connection)
    facts.bump(connection, SOURCES_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApp:
    """The company's own app at a provider of mailboxes."""

    id: str
    provider: str
    config: Mapping[str, Any]
    sealed: str


def load_oauth_apps(connection: Connection) -> list[StoredApp]:
    """Return every app in force, by provider."""
    return [
        StoredApp(
            id=row.id, provider=row.provider, config=json.loads(row.config), sealed=row.secret
        )
        for row in connection.execute(
            select(oauth_apps).where(current(oauth_apps)).order_by(oauth_apps.c.provider)
        )
    ]


def put_oauth_app(
    connection: Connection,
    *,
    id: str,
    provider: str,
    config: Mapping[str, Any],
    sealed: str,
    at: datetime,
    by: str,
) -> None:
    """Record the company's app at a provider; the one before is retracted."""
    before = connection.scalars(
        select(oauth_apps.c.id).where(oauth_apps.c.provider == provider, current(oauth_apps))
    ).all()
    facts.retract(connection, oauth_apps, before, at=at, by=by, why="changed")
    facts.record(
        connection,
        oauth_apps,
        at=at,
        by=by,
        id=id,
        provider=provider,
        config=json.dumps(dict(config), sort_keys=True),
        secret=sealed,
    )
