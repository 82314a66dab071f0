"""Which sources and mailboxes there are: read from main, opened with the key, as last known."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ingest.domain.deliveries import Account, Provider
from ingest.domain.mailboxes import Auth, Mailbox, Tls
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
        self._mailboxes: dict[str, Mailbox] = {}

    def sources(self) -> Mapping[str, tuple[Provider, Account]]:
        """Return provider and account of each source, by its name."""
        return self._sources

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
        for stored in load_sources(connection):
            try:
                sources[stored.name] = self._account(stored)
            except (BadKey, KeyError, ValueError) as error:
                log.error("source.unusable", source=stored.name, because=str(error))
        mailboxes: dict[str, Mailbox] = {}
        for kept in load_mailboxes(connection):
            try:
                mailboxes[kept.id] = self._mailbox(kept)
            except (BadKey, ValueError) as error:
                log.error("mailbox.unusable", mailbox=kept.id, because=str(error))
        self._sources, self._mailboxes, self._version = sources, mailboxes, version

    def _account(self, stored: StoredSource) -> tuple[Provider, Account]:
        config = dict(stored.config)
        return PROVIDERS[stored.provider], Account(
            source=stored.name,
            secrets=tuple(self._secrets.open(stored.id, stored.sealed)),
            zone=ZoneInfo(stored.zone),
            region=stored.region,
            own_numbers=tuple(config.pop("own_numbers", ())),
            unsigned_from=tuple(config.pop("unsigned_from", ())),
            tolerance_s=float(config.pop("tolerance_s", 300.0)),
            public_url=self._public_url,
            config=config,
        )

    def _mailbox(self, stored: StoredMailbox) -> Mailbox:
        config = stored.config
        return Mailbox(
            id=stored.id,
            address=stored.address,
            host=stored.host,
            port=stored.port,
            tls=Tls(stored.tls),
            auth=Auth(config.get("auth", "password")),
            login=stored.login,
            secret=self._secrets.open(stored.id, stored.sealed),
            ca_file=config.get("ca_file"),
            folders=tuple(config.get("folders", ())),
            version=stored.recorded_at.isoformat(),
        )
