"""P8: fetching messages through our IMAP wrapper, beside a socket that looks at none of them.

Dovecot on loopback, 20,000 messages, one connection, 100 messages a command. The wrapper is what
a follower uses; "as a follower reads" also asks for size, date and flags, of the next hundred
together with the messages of this one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aioimaplib import aioimaplib

from benchmarks._common import arguments, folder, machine, show
from benchmarks._mailbox import USER, fill, mailbox_at, read_raw
from ingest.mail.imap import Limits, Session
from ingest.mail.imap_dial import connected
from ingest.mail.imap_words import Fetched
from tests.imap_servers import Dovecot, why_no_dovecot

BATCH = 100
LIMITS = Limits()


async def bodies(session: Session, count: int) -> int:
    """Fetch all messages by their UIDs; return how many came."""
    return await _all(session, count, lambda uids: _of_size(session, uids))


async def _of_size(session: Session, uids: range) -> int:
    return len(await session.bodies([Fetched(uid=uid, size=32 * 1024) for uid in uids]))


async def as_follower(session: Session, count: int) -> int:
    """Fetch all messages as a follower does in a first import; return how many came."""
    total = 0
    outlines = await session.outlines(range(1, BATCH + 1))
    for first in range(1, count + 1, BATCH):
        then = range(first + BATCH, min(first + 2 * BATCH, count + 1))
        found, outlines = await session.bodies_and_outlines(list(outlines.values()), then)
        total += len(found)
    return total


async def _all(session: Session, count: int, ask: Callable[[range], Awaitable[int]]) -> int:
    total = 0
    for first in range(1, count + 1, BATCH):
        total += await ask(range(first, min(first + BATCH, count + 1)))
    return total


def ours(server: Dovecot, count: int, read: Callable[[Session, int], Awaitable[int]]) -> float:
    """Return the seconds that our wrapper takes."""

    async def run() -> float:
        box = mailbox_at(server.port)
        async with connected(box, LIMITS) as session:
            await session.sign_in(box)
            await session.open("INBOX")
            began = time.perf_counter()
            total = await read(session, count)
            took = time.perf_counter() - began
        assert total == count, f"{total} of {count} came"
        return took

    return asyncio.run(run())


def library(server: Dovecot, count: int) -> float:
    """Return the seconds that aioimaplib takes as it is, at its best batch."""

    async def run() -> float:
        client = aioimaplib.IMAP4("127.0.0.1", server.port, timeout=120)
        await client.wait_hello_from_server()
        await client.login(USER, "secret")
        await client.select("INBOX")
        began = time.perf_counter()
        for first in range(1, count + 1, 50):
            await client.uid("fetch", f"{first}:{first + 49}", "(UID BODY.PEEK[])")
        took = time.perf_counter() - began
        await client.logout()
        return took

    return asyncio.run(run())


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    count = 300 if options.small else 20_000
    rounds = 1 if options.small else options.rounds
    print(f"fetching {count:,} messages; {machine()}")
    if reason := why_no_dovecot():
        print(f"not measured: {reason}")
        return
    rows: dict[str, list[float]] = {}
    with folder() as where:
        where.chmod(0o755)  # the server's workers are not root
        server = Dovecot(where)
        fill(server, count)
        server.start()
        try:
            read_raw(server, count)  # the server makes its index; not counted
            for _ in range(rounds):
                _measure(rows, server, count)
        finally:
            server.stop()
    for name, values in rows.items():
        show(name, values, "" if " : " in name else "/s")


def _measure(rows: dict[str, list[float]], server: Dovecot, count: int) -> None:
    fewer = max(100, count // 4)  # the library as it is takes its time
    took = {
        "raw socket": read_raw(server, count) / count,
        "our wrapper": ours(server, count, bodies) / count,
        "our wrapper, as a follower reads": ours(server, count, as_follower) / count,
        "aioimaplib as it is": library(server, fewer) / fewer,
    }
    for name, seconds in took.items():
        rows.setdefault(name, []).append(1 / seconds)
    for name in list(took)[1:]:
        rows.setdefault(f"{name} : raw socket", []).append(took["raw socket"] / took[name])


if __name__ == "__main__":
    main()
