"""Which sources and mailboxes there are: read from main, opened with the key, as last known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ingest.domain.deliveries import Account, Provider
from ingest.domain.mailboxes import Auth, Grant, Mailbox, Tls
from ingest.secrets import BadKey, Secrets
from ingest.telephony.providers import PROVIDERS
from storage import facts
from storage.database import Database
from storage.sources import (
    SOURCES_VERSION,
    StoredMailbox,
    StoredSource,
    load_mailboxes,
    load_sources,
)

log = structlog.get_logger()


class Book:
    """Sources and mailboxes as last known; `refresh` looks whether they changed."""

    def __init__(self, database: Database, secrets: Secrets, public_url: str) -> None:
        self._database = database
        self._secrets = secrets
        self._public_url = public_url
        self._version = -1
        self._sources: dict[str, tuple[Provider, Account]] = {}
        self._unusable: Set[str] = frozenset()
        self._mailboxes: dict[str, Mailbox] = {}

    @property
    def vault(self) -> Secrets:
        """Return the key file, for what edges must remember and nobody may read."""
        return self._secrets

    @property
    def database(self) -> Database:
        """Return the main database that all of it is read from."""
        return self._database

    @property
    def secrets(self) -> Secrets:
        """Return what seals and opens what the service remembers."""
        return self._secrets

    def sources(self) -> Mapping[str, tuple[Provider, Account]]:
        """Return provider and account of each source, by its name."""
        return self._sources

    def unusable(self) -> Set[str]:
        """Return the names of sources that are known and cannot be opened."""
        return self._unusable

    def mailboxes(self) -> Mapping[str, Mailbox]:
        """Return each mailbox to follow, by its id."""
        return self._mailboxes

    def region(self, source: str) -> str:
        """Return the region of a source's national numbers."""
        known = self._sources.get(source)
        return known[1].region if known else "ZZ"

    def refresh(self) -> None:
        """Read again if something changed; what cannot be opened is left out and said."""
        with self._database.read() as connection:
            self.refresh_in(connection)

    def refresh_in(self, connection: Connection) -> None:
        """Like `refresh`, in a transaction that is open already."""
        version = facts.counter(connection, SOURCES_VERSION)
        if version == self._version:
            return
        sources: dict[str, tuple[Provider, Account]] = {}
        unusable: set[str] = set()
        for stored in load_sources(connection):
            try:
                sources[stored.name] = self._account(stored)
            except (BadKey, KeyError, ValueError) as error:
                unusable.add(stored.name)
                log.error("source.unusable", source=stored.name, because=str(error))
        mailboxes: dict[str, Mailbox] = {}
        for kept in load_mailboxes(connection):
            try:
                mailboxes[kept.id] = self._mailbox(kept)
            except (BadKey, ValueError) as error:
                log.error("mailbox.unusable", mailbox=kept.id, because=str(error))
        self._sources, self._mailboxes, self._version = sources, mailboxes, version
        self._unusable = unusable

    def _account(self, stored: StoredSource) -> tuple[Provider, Account]:
        secrets = self._secrets.open(stored.id, stored.sealed)
        account = account_of(
            stored.name,
            zone=stored.zone,
            region=stored.region,
            secrets=secrets,
            config=stored.config,
            public_url=self._public_url,
        )
        return PROVIDERS[stored.provider], account

    def _mailbox(self, stored: StoredMailbox) -> Mailbox:
        config = stored.config
        secret = self._secrets.open(stored.id, stored.sealed)
        return Mailbox(
            id=stored.id,
            address=stored.address,
            host=stored.host,
            port=stored.port,
            tls=Tls(stored.tls),
            auth=Auth(config.get("auth", "password")),
            login=stored.login,
            secret=secret if isinstance(secret, str) else "",
            grant=None if isinstance(secret, str) else Grant(**secret),
            ca_file=config.get("ca_file"),
            folders=tuple(config.get("folders", ())),
            version=config.get("renewed_at") or stored.recorded_at.isoformat(),
        )


def account_of(
    name: str,
    *,
    zone: str,
    region: str,
    secrets: Sequence[Mapping[str, str]],
    config: Mapping[str, Any],
    public_url: str,
) -> Account:
    """Return a source's account. Raises ValueError with a sentence that names the bad setting."""
    rest = dict(config)
    return Account(
        source=name,
        secrets=tuple(secrets),
        zone=ZoneInfo(zone),
        region=region,
        own_numbers=_texts(rest.pop("own_numbers", ()), "own_numbers"),
        unsigned_from=_networks(rest.pop("unsigned_from", ())),
        tolerance_s=_seconds(rest.pop("tolerance_s", 300.0)),
        public_url=public_url,
        config=rest,
    )


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(it, str) for it in value):
        raise ValueError(f'{name}: {value} is no list of texts; write it like ["one", "two"]')
    return tuple(value)


def _networks(value: Any) -> tuple[str, ...]:
    for text in _texts(value, "unsigned_from"):
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            raise ValueError(
                f"unsigned_from: {text} is no network; write it like 203.0.113.0/24"
            ) from error
    return tuple(value)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"tolerance_s: {value} is no number of seconds; write it like 300")
    return seconds
