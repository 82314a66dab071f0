"""Sources, mailboxes, users and tokens: what an administrator enters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers

from ingest.accounts import account_of
from ingest.custody.departures import find_employee
from ingest.custody.office import Office
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import Provider
from ingest.domain.directory import BEGINNING, LineKind
from ingest.domain.people import UserRole
from ingest.local import Refused, Tell
from ingest.matching.addresses import normalise_address
from ingest.secrets import BadKey
from ingest.telephony.endpoints import settings_problem
from ingest.telephony.providers import PROVIDERS
from storage import directory, facts, people, sources
from storage.sources import StoredSource


def check_zone(zone: str) -> str:
    """Return the zone. Raises Refused if there is none of that name."""
    if zone not in available_timezones():
        raise Refused(f"--zone: there is no zone {zone}; write it like Europe/Moscow")
    return ZoneInfo(zone).key


def check_region(region: str) -> str:
    """Return the region in capitals. Raises Refused if numbers have none of that name."""
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise Refused(f"--region: there is no region {region}; write it like RU, NL or US")
    return region.upper()


def init(office: Office, *, tell: Tell, zone: str, region: str) -> dict[str, Any]:
    """Set the company's zone and region."""
    now, begin = office.clock(), BEGINNING
    with office.database.write() as connection:
        for name, value in (("zone", check_zone(zone)), ("region", check_region(region))):
            directory.set_policy(connection, name, value, from_at=begin, at=now, by=office.by)
    return {"zone": zone, "region": region.upper()}


def add_source(
    office: Office,
    *,
    tell: Tell,
    name: str,
    provider: str,
    zone: str,
    region: str,
    secrets: Mapping[str, str],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """Add a source; returns the address that the provider must be told."""
    known = PROVIDERS.get(provider)
    if known is None:
        raise Refused(f"--provider: {provider} is none of {', '.join(sorted(PROVIDERS))}")
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise Refused("--name: use letters, digits, - and _; it becomes part of an address")
    unsigned = bool(config.get("unsigned_from"))
    wanted = dict(secrets)
    _check_secrets(known, wanted)
    _check_account(office, name, check_zone(zone), check_region(region), config, known)
    missing = [key for key in known.secrets if not wanted.get(key)]
    if _only_reads_files(known, config):
        missing = []
    if known.any_secret and len(missing) < len(known.secrets):
        missing = []
    if missing and not unsigned:
        raise Refused(
            f"--secret: {provider} needs {', '.join(missing)}; give --secret {missing[0]}=VALUE,"
            " or --unsigned-from NETWORK to accept unsigned requests from an address list"
        )
    with office.database.write() as connection:
        if any(stored.name == name for stored in sources.load_sources(connection)):
            raise Refused(f"--name: there is a source {name} already; see `keepline source list`")
        row = facts.new_id()
        sources.put_source(
            connection,
            id=row,
            name=name,
            provider=provider,
            zone=check_zone(zone),
            region=check_region(region),
            config=config,
            sealed=office.secrets.seal(row, [wanted] if wanted else []),
            at=office.clock(),
            by=office.by,
        )
    # Of a provider that signs nothing the path itself is the secret: it is told this once.
    hidden = "" if known.signs else f"/{wanted.get('path_token', '')}".rstrip("/")
    url = f"{office.public_url}/hooks/{name}{hidden}" if known.hooks else ""
    return {"name": name, "url": url}


def rotate_source(
    office: Office, *, tell: Tell, name: str, secrets: Mapping[str, str], end_old: bool = False
) -> dict[str, Any]:
    """Give a source new secrets; the ones before stay valid until `end_old`."""
    with office.database.write() as connection:
        stored = _source(sources.load_sources(connection), name)
        _check_secrets(PROVIDERS[stored.provider], secrets)
        valid = office.secrets.open(stored.id, stored.sealed)
        if end_old:
            valid = valid[:1]
        elif secrets:
            valid = [{**(valid[0] if valid else {}), **secrets}, *valid[:1]]
        else:
            raise Refused("--secret NAME=VALUE for new ones, or --end-old to end the old ones")
        _check_account(
            office, name, stored.zone, stored.region, stored.config, PROVIDERS[stored.provider]
        )
        row = facts.new_id()
        sources.put_source(
            connection,
            id=row,
            name=name,
            provider=stored.provider,
            zone=stored.zone,
            region=stored.region,
            config=stored.config,
            sealed=office.secrets.seal(row, valid),
            at=office.clock(),
            by=office.by,
        )
    return {"name": name, "valid": len(valid)}


def edit_source(
    office: Office,
    *,
    tell: Tell,
    name: str,
    zone: str | None = None,
    region: str | None = None,
    config: Mapping[str, Any] | None = None,
    whole: bool = False,
) -> dict[str, Any]:
    """Change a source's zone, region or settings; its secrets and its address stay.

    A setting whose value is None is taken away. With `whole` the settings given are all there are.
    """
    with office.database.write() as connection:
        stored = _source(sources.load_sources(connection), name)
        before = {} if whole else dict(stored.config)
        merged = {
            key: value for key, value in {**before, **(config or {})}.items() if value is not None
        }
        new_zone = check_zone(zone or stored.zone)
        new_region = check_region(region or stored.region)
        known = PROVIDERS[stored.provider]
        _check_account(office, name, new_zone, new_region, merged, known)
        valid = office.secrets.open(stored.id, stored.sealed)
        needs_one = known.secrets and not _only_reads_files(known, merged)
        if not valid and not merged.get("unsigned_from") and needs_one:
            raise Refused("--unsigned-from: this source has no secret, so it needs an address list")
        row = facts.new_id()
        sources.put_source(
            connection,
            id=row,
            name=name,
            provider=stored.provider,
            zone=new_zone,
            region=new_region,
            config=merged,
            sealed=office.secrets.seal(row, valid),
            at=office.clock(),
            by=office.by,
        )
    return {"name": name, "zone": new_zone, "region": new_region, "config": merged}


def show_source(office: Office, *, tell: Tell, name: str) -> dict[str, Any]:
    """Return one source with its whole address, and how many sets of secrets are valid.

    The values of secrets stay where they are, but for the part of the address that is one.
    """
    with office.database.read() as connection:
        stored = _source(sources.load_sources(connection), name)
    provider = PROVIDERS[stored.provider]
    try:
        valid, problem = office.secrets.open(stored.id, stored.sealed), None
    except BadKey as error:
        valid, problem = [], str(error)
    hidden = "" if provider.signs or not valid else f"/{valid[0].get('path_token', '')}"
    return {
        "name": name,
        "provider": stored.provider,
        "zone": stored.zone,
        "region": stored.region,
        "config": dict(stored.config),
        "url": f"{office.public_url}/hooks/{name}{hidden}".rstrip("/") if provider.hooks else None,
        "valid": len(valid),
        "problem": problem,
        "secrets": sorted({key for secrets in valid for key in secrets}),
        "changed_at": stored.recorded_at.isoformat(),
    }


def _check_secrets(provider: Provider, given: Mapping[str, str]) -> None:
    """Refuse secrets by which no request of that provider could ever be proved."""
    names = (*provider.secrets, *provider.optional_secrets)
    known = ", ".join(names) or "no secrets"
    for name, value in given.items():
        if name not in names:
            raise Refused(f"--secret: {provider.name} has no {name}; it has {known}")
        if not value:
            raise Refused(f"--secret: {name} is empty; {provider.name} needs {known}")
    problem = provider.secret_problem(given)
    if problem is not None:
        raise Refused(f"--secret: {problem}")


def _check_account(
    office: Office,
    name: str,
    zone: str,
    region: str,
    config: Mapping[str, Any],
    provider: Provider,
) -> None:
    """Refuse what the service could not be run with, before it is stored."""
    try:
        account = account_of(
            name,
            zone=zone,
            region=region,
            secrets=(),
            config=config,
            public_url=office.public_url,
        )
    except ValueError as error:
        told = str(error)
        for setting, option in _OPTIONS.items():
            told = told.replace(f"{setting}:", f"{option}:", 1)
        raise Refused(told) from error
    problem = settings_problem(provider, account)
    if problem is not None:
        raise Refused(f"--set {problem}")


def _only_reads_files(provider: Provider, config: Mapping[str, Any]) -> bool:
    """Tell whether a source sends nothing and is asked for nothing, so that it needs no secret."""
    return not provider.hooks and provider.talk is not None and config.get("host") is None


#: How settings of a source are given on the command line, where not by --set.
_OPTIONS = {
    "unsigned_from": "--unsigned-from",
    "own_numbers": "--own-number",
    "tolerance_s": "--set tolerance_s",
}


def _source(stored: list[StoredSource], name: str) -> StoredSource:
    found = next((source for source in stored if source.name == name), None)
    if found is None:
        names = ", ".join(source.name for source in stored) or "none"
        raise Refused(f"there is no source {name}; there are: {names}")
    return found


def list_sources(office: Office, *, tell: Tell) -> list[dict[str, Any]]:
    """Return every source, without its secrets."""
    with office.database.read() as connection:
        return [
            {
                "name": stored.name,
                "provider": stored.provider,
                "zone": stored.zone,
                "region": stored.region,
                "url": f"{office.public_url}/hooks/{stored.name}",
                "config": dict(stored.config),
            }
            for stored in sources.load_sources(connection)
        ]


def add_mailbox(
    office: Office,
    *,
    tell: Tell,
    address: str,
    host: str,
    port: int,
    tls: str,
    login: str,
    password: str,
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """Add a mailbox to follow, and the line that it is."""
    normal = normalise_address(address)
    if normal is None:
        raise Refused(f"ADDRESS: {address} is no mail address")
    if not password:
        raise Refused("--password: it is empty; type it, or send it to standard input")
    if tls not in ("implicit", "starttls", "none"):
        raise Refused("--tls: implicit, starttls or none")
    if tls == "none" and host not in ("127.0.0.1", "::1", "localhost"):
        raise Refused("--tls none is only for a server on this very machine")
    now, row = office.clock(), facts.new_id()
    with office.database.write() as connection:
        try:
            sources.add_mailbox(
                connection,
                id=row,
                address=normal,
                host=host,
                port=port,
                tls=tls,
                login=login,
                config=config,
                sealed=office.secrets.seal(row, password),
                at=now,
                by=office.by,
            )
        except facts.Conflict as error:
            raise Refused(str(error)) from error
        point = ContactPoint(PointKind.EMAIL, normal)
        if directory.load_directory(connection).line_of(point) is None:
            directory.add_line(connection, kind=LineKind.MAILBOX, point=point, at=now, by=office.by)
    return {"id": row, "address": normal}


def list_mailboxes(office: Office, *, tell: Tell) -> list[dict[str, Any]]:
    """Return every mailbox, without its password."""
    with office.database.read() as connection:
        return [
            {
                "id": stored.id,
                "address": stored.address,
                "host": stored.host,
                "port": stored.port,
                "tls": stored.tls,
                "login": stored.login,
            }
            for stored in sources.load_mailboxes(connection)
        ]


def add_user(
    office: Office,
    *,
    tell: Tell,
    login: str,
    name: str,
    role: str,
    password_hash: str,
    employee: str | None = None,
) -> dict[str, Any]:
    """Add a person who may sign in; the password arrives hashed."""
    if role not in [it.value for it in UserRole]:
        raise Refused(f"--role: {role} is none of {', '.join(it.value for it in UserRole)}")
    if role == UserRole.MANAGER.value and not employee:
        raise Refused("--employee: a manager sees the clients of one employee; say which")
    with office.database.write() as connection:
        try:
            user = people.add_user(
                connection,
                login=login,
                name=name,
                role=UserRole(role),
                password=password_hash,
                employee=find_employee(connection, employee).id if employee else None,
                at=office.clock(),
                by=office.by,
            )
        except facts.Conflict as error:
            raise Refused(str(error)) from error
    return {"id": user, "login": login}


def add_token(office: Office, *, tell: Tell, name: str, user: str) -> dict[str, Any]:
    """Make an API token for a user; it is shown once and stored as a hash."""
    with office.database.write() as connection:
        try:
            token = people.add_token(
                connection, login=user, name=name, at=office.clock(), by=office.by
            )
        except facts.Conflict as error:
            raise Refused(f"--user: {error}") from error
    return {"name": name, "token": token}


def parse_pairs(pairs: list[str], option: str) -> dict[str, str]:
    """Return `NAME=VALUE` arguments as a mapping. Raises Refused."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Refused(f"{option}: write it as NAME=VALUE")
        found[name.strip()] = value
    return found


def parse_config(pairs: list[str]) -> dict[str, Any]:
    """Return `NAME=VALUE` arguments whose values may be JSON."""
    found: dict[str, Any] = {}
    for name, value in parse_pairs(pairs, "--set").items():
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
