"""Mailboxes that are opened with tokens, the company's apps, and another password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from ingest.custody.office import Office
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import LineKind
from ingest.domain.mailboxes import Auth, Grant
from ingest.local import Refused, Tell
from ingest.mail.oauth import OAUTH_PROVIDERS, OAuthApp, grant_of
from ingest.matching.addresses import normalise_address
from storage import directory, facts, sources
from storage.sources import StoredMailbox

NAMES = (*OAUTH_PROVIDERS, "custom")


def set_oauth_app(
    office: Office,
    *,
    tell: Tell,
    provider: str,
    client_id: str,
    client_secret: str,
    tenant: str | None = None,
    authorize_url: str | None = None,
    token_url: str | None = None,
    scope: str | None = None,
) -> dict[str, Any]:
    """Record the company's app at a provider of mailboxes."""
    if provider not in NAMES:
        raise Refused(f"PROVIDER: {provider} is none of {', '.join(NAMES)}")
    if not client_id or not client_secret:
        raise Refused(
            "--client-id and the secret: the provider shows both when you register an app"
        )
    if provider == "microsoft-app" and not tenant:
        raise Refused("--tenant: an application needs the company's own tenant")
    if provider == "custom" and not (token_url and scope):
        raise Refused("--token-url and --scope: a provider that is not in the list needs both")
    for option, url in (("--authorize-url", authorize_url), ("--token-url", token_url)):
        _check_url(option, url)
    given = {
        "tenant": tenant,
        "authorize_url": authorize_url,
        "token_url": token_url,
        "scope": scope,
    }
    config = {"client_id": client_id, **{key: value for key, value in given.items() if value}}
    row = facts.new_id()
    with office.database.write() as connection:
        sources.put_oauth_app(
            connection,
            id=row,
            provider=provider,
            config=config,
            sealed=office.secrets.seal(row, client_secret),
            at=office.clock(),
            by=office.by,
        )
    return {"provider": provider, "client_id": client_id}


def list_oauth_apps(office: Office, *, tell: Tell) -> list[dict[str, Any]]:
    """Return the company's apps, without their secrets."""
    with office.database.read() as connection:
        return [
            {"provider": app.provider, "client_id": app.config["client_id"]}
            for app in sources.load_oauth_apps(connection)
        ]


def oauth_app(office: Office, connection: Connection, provider: str) -> OAuthApp:
    """Return the company's app at a provider. Raises Refused if there is none."""
    for stored in sources.load_oauth_apps(connection):
        if stored.provider == provider:
            secret = office.secrets.open(stored.id, stored.sealed)
            return OAuthApp(provider=provider, client_secret=secret, **stored.config)
    raise Refused(f"there is no app at {provider}; enter it with `keepline oauth set {provider}`")


def add_app_mailbox(
    office: Office, *, tell: Tell, address: str, provider: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """Follow a mailbox that the company's app opens in its own name."""
    with office.database.read() as connection:
        app = oauth_app(office, connection, provider)
    if app.consents:
        raise Refused(
            f"--oauth: at {provider} the owner of the mailbox consents; open /mailboxes/new on the"
            " review site"
        )
    return add_granted(office, address=address, grant=grant_of(app), config=config)


def add_granted(
    office: Office, *, address: str, grant: Grant, config: Mapping[str, Any], host: str = ""
) -> dict[str, Any]:
    """Follow a mailbox with a grant, or give a followed one this grant."""
    normal = normalise_address(address)
    if normal is None:
        raise Refused(f"ADDRESS: {address} is no mail address")
    known = OAUTH_PROVIDERS.get(grant.provider)
    where = host or (known.imap_host if known else "")
    if not where:
        raise Refused("--host: the mail server of this provider is not known; name it")
    settings = {**config, "auth": str(config.get("auth") or Auth.XOAUTH2)}
    now = office.clock()
    with office.database.write() as connection:
        found = _followed(connection, normal)
        if found is not None:
            if found.host.lower() != where.lower():  # who opens a mailbox is shown its token
                raise Refused(
                    f"ADDRESS: {normal} is followed at {found.host}, to which a token of"
                    f" {known.title if known else grant.provider} is not given"
                )
            sources.renew_mailbox(
                connection,
                found.id,
                login=normal,
                config={**found.config, **settings},
                sealed=office.secrets.seal(found.id, asdict(grant)),
                at=now,
            )
            return {"id": found.id, "address": normal, "renewed": True}
        row = facts.new_id()
        sources.add_mailbox(
            connection,
            id=row,
            address=normal,
            host=where,
            port=993,
            tls="implicit",
            login=normal,
            config=settings,
            sealed=office.secrets.seal(row, asdict(grant)),
            at=now,
            by=office.by,
        )
        point = ContactPoint(PointKind.EMAIL, normal)
        if directory.load_directory(connection).line_of(point) is None:
            directory.add_line(connection, kind=LineKind.MAILBOX, point=point, at=now, by=office.by)
    return {"id": row, "address": normal, "renewed": False}


def set_password(office: Office, *, tell: Tell, address: str, password: str) -> dict[str, Any]:
    """Give a followed mailbox another password; a pause ends."""
    if not password:
        raise Refused("--password: it is empty; type it, or send it to standard input")
    normal = normalise_address(address) or address
    with office.database.write() as connection:
        found = _followed(connection, normal)
        if found is None:
            raise Refused(f"ADDRESS: {address} is not followed; see `keepline mailbox list`")
        config = {key: value for key, value in found.config.items() if key != "auth"}
        sources.renew_mailbox(
            connection,
            found.id,
            config=config,
            sealed=office.secrets.seal(found.id, password),
            at=office.clock(),
        )
    return {"address": normal}


def remove_mailbox(office: Office, *, tell: Tell, address: str) -> dict[str, Any]:
    """Follow a mailbox no longer; its mails, and how far it was followed, stay."""
    normal = normalise_address(address) or address
    with office.database.write() as connection:
        found = _followed(connection, normal)
        if found is None:
            raise Refused(f"ADDRESS: {address} is not followed; see `keepline mailbox list`")
        sources.remove_mailbox(connection, found.id, at=office.clock(), by=office.by)
    return {"id": found.id, "address": normal}


def _followed(connection: Connection, address: str) -> StoredMailbox | None:
    return next((it for it in sources.load_mailboxes(connection) if it.address == address), None)


def _check_url(option: str, url: str | None) -> None:
    if not url:
        return
    parts = urlsplit(url)
    near = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and near)):
        raise Refused(f"{option}: write it as https://host/path")
