"""Where a telephone system is found: what a source's config says of host, port, TLS and files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from ingest.domain.deliveries import Account, Provider

FILE_SETTINGS = ("cdr_file", "cel_file")
CDR_FOLDER = "cdr_folder"  #: names a folder of whole files
CDR_URL = "cdr_url"  #: the secret that names a telephone system's own database
FOLDER_SETTINGS = (CDR_FOLDER, "folder")  #: the last: of call files of operators

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?|::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a connection is opened to."""

    host: str
    port: int
    tls: bool = False  #: from the first byte, and the certificate must prove `host`
    ca_file: str | None = None  #: PEM file of the company's own authority; None: the system's

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def endpoint_of(provider: Provider, account: Account) -> Endpoint | None:
    """Return where to connect to; None: the source names no host, so nothing is to be opened.

    Reads `host`, `port`, `tls` (true or false) and `ca_file` of the source's config. Raises
    ValueError with a sentence that names the bad setting.
    """
    config = account.config
    host = config.get("host")
    if host is None:
        return None
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ValueError(f"host: {host} is no name of a host; write it like pbx.example.org")
    tls = config.get("tls", False)
    if not isinstance(tls, bool):
        raise ValueError(f"tls: {tls} is neither true nor false")
    ca_file = config.get("ca_file")
    if ca_file is not None and (not isinstance(ca_file, str) or not tls):
        raise ValueError("ca_file: it names a PEM file, and needs tls=true")
    usual = provider.talk_tls_port if tls else provider.talk_port
    return Endpoint(host=host, port=_port(config, usual), tls=tls, ca_file=ca_file)


def _port(config: Mapping[str, Any], usual: int | None) -> int:
    port = config.get("port", usual)
    if port is None:
        raise ValueError("port: it is missing; write it like 5038")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError(f"port: {port} is no port; write it like 5038")
    return port


def paths_of(account: Account) -> dict[str, Path]:
    """Return the files that a source names, by what they hold: cdr or cel.

    Raises ValueError with a sentence that names the bad setting.
    """
    found: dict[str, Path] = {}
    for setting in FILE_SETTINGS:
        written = account.config.get(setting)
        if written is None:
            continue
        if not isinstance(written, str) or not Path(written).is_absolute() or "\0" in written:
            raise ValueError(
                f"{setting}: {written} is no whole path; write it like"
                " /var/log/asterisk/cdr-csv/Master.csv"
            )
        found[setting.removesuffix("_file")] = Path(written)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen, and to whom."""

    host: str
    port: int
    networks: tuple[IPv4Network | IPv6Network, ...]


def place_of(account: Account) -> Place:
    """Return where a source listens. Raises ValueError with a sentence that names the setting."""
    written = account.config.get("listen")
    host, _, port = written.rpartition(":") if isinstance(written, str) else ("", "", "")
    if not host or not (port.isascii() and port.isdigit()) or not int(port) < 65_536:
        raise ValueError(f"listen: {written} is no place; write it like 192.0.2.10:5015")
    networks = tuple(ip_network(each, strict=False) for each in account.unsigned_from)
    if not networks:
        raise ValueError(
            "unsigned_from: name the telephone system's address; it proves itself by nothing else"
        )
    return Place(host=host.strip("[]"), port=int(port), networks=networks)


def folder_of(account: Account) -> Path:
    """Return the folder. Raises ValueError with a sentence that names the setting."""
    written = account.config.get(CDR_FOLDER)
    if not isinstance(written, str) or "\0" in written or not Path(written).is_absolute():
        raise ValueError(f"{CDR_FOLDER}: {written} is no whole path; write it like /srv/cdr/cucm")
    return Path(written)


def problem_of_paths(account: Account, ours: Sequence[Path]) -> str | None:
    """Return which setting of a source names something of our own; None: none does.

    What is in a followed file is shown to people, and what is in a watched folder is moved: neither
    may be a database of ours, or the key file. Looks at the disk: call it in a thread.
    """
    named = [(it, account.config.get(it)) for it in (*FILE_SETTINGS, *FOLDER_SETTINGS)]
    named += [(CDR_URL, _database_file(held.get(CDR_URL, ""))) for held in account.secrets]
    for setting, written in named:
        if not isinstance(written, str) or "\0" in written or not written:
            continue
        path = Path(written).resolve()
        for own in (each.resolve() for each in ours):
            holds = setting in FOLDER_SETTINGS and own.parent == path and not own.is_dir()
            if path.is_relative_to(own) or holds:
                return f"{setting}: {written} belongs to this service itself; name another place"
    return None


def _database_file(url: str) -> str:
    """Return the file of an address such as sqlite:////var/lib/asterisk/master.db; else ""."""
    scheme, _, path = url.partition("://")
    return path[1:].partition("?")[0] if scheme.partition("+")[0].lower() == "sqlite" else ""


def settings_problem(provider: Provider, account: Account) -> str | None:
    """Return which setting of a source is wrong, and how it is written; None if it can be run."""
    try:
        if provider.talk is not None:
            endpoint_of(provider, account)
        paths_of(account)
        if provider.dials_us and account.config.get("listen") is not None:
            place_of(account)
        if account.config.get(CDR_FOLDER) is not None:
            folder_of(account)
    except ValueError as error:
        return str(error)
    return provider.config_problem(account)
