"""Setting the demo up through the same commands that an administrator types."""

from __future__ import annotations

import asyncio
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ingest.core import Core
from ingest.custody.commands import COMMANDS
from ingest.custody.imports import read_csv
from ingest.demo import company as office
from ingest.demo.company import Company
from ingest.demo.mailserver import MailServer
from ingest.demo.simulators import SIMULATORS, Pbx
from ingest.demo.threads import in_thread
from ingest.edges import Edges
from ingest.review.passwords import hash_password

SLICE = 25
KNOWN_S = 15.0  #: the public door looks once a second which sources there are

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who may sign in to this demo."""

    login: str
    role: str
    name: str
    employee: str | None = None
    password: str = field(default_factory=lambda: random.token_hex(8), repr=False)


SUPERVISOR, MANAGER = "demo", office.ELENA


def run_command(core: Core, do: str, **arguments: Any) -> Any:
    """Run a command as the local socket would. Blocks. Raises Refused."""
    return COMMANDS[do](core.office, tell=lambda done, total: None, **arguments)


async def import_company(core: Core, company: Company, folder: Path, progress: Progress) -> int:
    """Write the company's files and import them; returns how many rows were read."""
    await in_thread(run_command, core, "init", zone=office.ZONE, region=office.REGION)
    read = 0
    for name, (kind, text) in company.files().items():
        rows = await in_thread(_written, folder / name, text, kind)
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            await in_thread(run_command, core, "import", kind=kind, rows=part, file=name)
            progress(kind, start + len(part), len(rows))
        read += len(rows)
    await in_thread(run_command, core, "policy.set", name="duty", value="olga", since="2020-01-01")
    return read


def _written(file: Path, text: str, kind: str) -> list[tuple[int, dict[str, str]]]:
    """Write a file and return its rows as the import reads them."""
    file.write_text(text, encoding="utf-8")
    return read_csv(file.read_bytes(), kind)


def add_people(core: Core) -> dict[str, SignIn]:
    """Add a supervisor and a manager with passwords made up for this run. Blocks."""
    people = [
        SignIn(login=SUPERVISOR, role="administrator", name=office.NAMES["olga"]),
        SignIn(
            login=MANAGER, role="manager", name=office.NAMES[office.ELENA], employee=office.ELENA
        ),
    ]
    for person in people:
        run_command(
            core,
            "user.add",
            login=person.login,
            name=person.name,
            role=person.role,
            employee=person.employee,
            password_hash=hash_password(person.password),
        )
    return {person.login: person for person in people}


def add_sources(core: Core) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Add the telephone systems; returns address and secrets of each. Blocks."""
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for name, (provider, zone, region) in office.SOURCES.items():
        secrets = SIMULATORS[provider].new_secrets()
        added = run_command(
            core,
            "source.add",
            name=name,
            provider=provider,
            zone=zone,
            region=region,
            secrets=secrets,
            config={},
        )
        found[name] = (added["url"], secrets)
    return found


def add_mailboxes(core: Core, servers: Mapping[str, MailServer]) -> None:
    """Follow the mailboxes of the mail server. Blocks."""
    for address, server in servers.items():
        run_command(
            core,
            "mailbox.add",
            address=address,
            host="127.0.0.1",
            port=server.port,
            tls="none",
            login=address,
            password=server.password,
            config={},
        )


def connected(
    sources: Mapping[str, tuple[str, Mapping[str, str]]], http: aiohttp.ClientSession, core: Core
) -> dict[str, Pbx]:
    """Return a telephone system for each source."""
    return {
        name: Pbx(
            name=name,
            provider=office.SOURCES[name][0],
            url=url,
            secrets=secrets,
            http=http,
            clock=core.clock,
        )
        for name, (url, secrets) in sources.items()
    }


async def until_known(edges: Edges) -> None:
    """Return when the public door knows every source. Raises TimeoutError."""
    async with asyncio.timeout(KNOWN_S):
        while not set(office.SOURCES) <= set(edges.book.sources()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
