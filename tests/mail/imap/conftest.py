"""A real delivery log, real servers, and a follower whose pace suits a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio

from ingest.domain.deliveries import Delivery
from ingest.domain.mailboxes import Mailbox, MailboxState, Tls
from ingest.keeper import Keeper
from ingest.mail.follower import Desk, Pace, desk_of, follow
from ingest.mail.imap import Limits
from storage.log_sqlite import SqliteLog, open_log
from tests.imap_servers import Dovecot, ScriptedServer, why_no_dovecot

NOW = datetime(2026, 7, 17, 12, 0, tzinfo=UTC)
QUICK = Pace(poll_s=30.0, look_s=0.0, retry_first_s=0.05, retry_most_s=0.2, batch=20)
IMPATIENT = Limits(patience_s=1.0)


def a_mail(number: int, *, subject: str | None = None, body: str = "Hello") -> bytes:
    """Return a small message of its own."""
    lines = (
        f"Message-ID: <{number}@example.com>",
        "From: Ann Example <ann@example.com>",
        "To: Bob Example <bob@example.org>",
        "Date: Fri, 17 Jul 2026 10:00:00 +0000",
        f"Subject: {subject or f'Number {number}'}",
        "",
        body,
        "",
    )
    return "\r\n".join(lines).encode()


def a_mailbox(server: ScriptedServer | Dovecot, user: str = "bob", **changes: Any) -> Mailbox:
    """Return a mailbox on that server."""
    settings: dict[str, Any] = {
        "id": f"mb-{user}",
        "address": f"{user}@example.org",
        "host": "127.0.0.1",
        "port": server.port,
        "tls": Tls.NONE,
        "login": user,
        "secret": "secret",
    }
    return Mailbox(**(settings | changes))


class Office:
    """A delivery log with its keeper, and the states that followers showed."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.disk_free = 1.0
        self.full: str | None = None  #: why nothing should be read now; None: ask the keeper
        self.keeper = Keeper(log, disk_free=lambda: self.disk_free)
        self.states: dict[str, MailboxState] = {}
        self.history: list[MailboxState] = []
        self._changed = asyncio.Event()
        self.keeper.on_kept.append(lambda *_: self._changed.set())

    def kept(self, mailbox: str | None = None) -> list[Delivery]:
        """Return what was kept, in order."""
        rows = self.log.read(0, 0, 100_000)
        return [row for row in rows if mailbox in (None, row.source)]

    def uids(self, folder: str = "INBOX") -> list[int]:
        """Return the UIDs kept of a folder, in the order of keeping."""
        return [row.head["uid"] for row in self.kept() if row.head["folder"] == folder]

    def show(self, state: MailboxState) -> None:
        """Take note of a state."""
        self.states[state.mailbox] = state
        self.history.append(state)
        self._changed.set()

    async def until(self, true: Callable[[], object], within_s: float = 10.0) -> None:
        """Return as soon as it is true; it is asked whenever something was kept or shown."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not true within {within_s} s; last: {self.states}") from None

    def desk(self) -> Desk:
        """Return what a follower is given of the log."""
        return replace(desk_of(self.keeper), full=lambda: self.full or self.keeper.full)

    @asynccontextmanager
    async def following(self, *mailboxes: Mailbox, **settings: Any) -> AsyncIterator[None]:
        """Follow these mailboxes meanwhile."""
        stop = asyncio.Event()
        given: dict[str, Any] = {
            "pace": QUICK,
            "limits": IMPATIENT,
            "chance": lambda: 0.5,
            "clock": lambda: NOW,
        }
        tasks = [
            asyncio.ensure_future(
                follow(
                    mailbox,
                    desk=self.desk(),
                    on_state=self.show,
                    stop=stop,
                    **(given | settings),
                )
            )
            for mailbox in mailboxes
        ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            # What was handed over may outlive who handed it over; a later life begins after it.
            await self.until(lambda: not self.keeper.waiting)


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """An empty delivery log for mail, and its keeper."""
    log = open_log(tmp_path / "mail.log.db", name="mail")
    found = Office(log)
    yield found
    await found.keeper.close()
    log.close()


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[ScriptedServer]]]:
    """Start scripted servers, which end with the test."""
    started: list[asyncio.Server] = []

    async def start(**script: Any) -> ScriptedServer:
        server = ScriptedServer(**script)
        started.append(await server.start())
        return server

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot; tests share it, each with users of its own."""
    if reason := why_no_dovecot():
        pytest.skip(reason)
    with TemporaryDirectory(prefix="dovecot-") as folder:  # pytest's own is closed to others
        server = Dovecot(Path(folder))
        server.start()
        yield server
        server.stop()
