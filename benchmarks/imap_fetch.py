"""P8: fetching messages through our IMAP wrapper, beside a socket that looks at none of them.

Dovecot on loopback, 20,000 messages, one connection, 100 messages a command. The wrapper is what
a follower uses, on the loop that the service runs on; "as a follower reads" also asks for size,
date and flags, of the next hundred together with the messages of this one. Each round begins with
another one. By the wall, and by the processor time of this process: the server's is not in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aioimaplib import aioimaplib

from benchmarks._common import arguments, folder, machine, show
from benchmarks._mailbox import USER, as_service, fill, mailbox_at, read_raw
from ingest.mail.imap import Limits, Session
from ingest.mail.imap_dial import connected
from ingest.mail.imap_words import Fetched
from tests.imap_servers import Dovecot, why_no_dovecot

Taken = tuple[float, float]  #: seconds by the wall, seconds of processor time

RAW = "raw socket"
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


def ours(server: Dovecot, count: int, read: Callable[[Session, int], Awaitable[int]]) -> Taken:
    """Return what our wrapper takes."""

    async def run() -> Taken:
        box = mailbox_at(server.port)
        async with connected(box, LIMITS) as session:
            await session.sign_in(box)
            await session.open("INBOX")
            began, cpu = time.perf_counter(), time.process_time()
            total = await read(session, count)
            took = time.perf_counter() - began, time.process_time() - cpu
        assert total == count, f"{total} of {count} came"
        return took

    return as_service(run())


def raw(server: Dovecot, count: int) -> Taken:
    """Return what a socket takes that looks at nothing."""
    cpu = time.process_time()
    took = read_raw(server, count)
    return took, time.process_time() - cpu


def library(server: Dovecot, count: int) -> Taken:
    """Return what aioimaplib takes as it is, at its best batch."""

    async def run() -> Taken:
        client = aioimaplib.IMAP4("127.0.0.1", server.port, timeout=120)
        await client.wait_hello_from_server()
        await client.login(USER, "secret")
        await client.select("INBOX")
        began, cpu = time.perf_counter(), time.process_time()
        for first in range(1, count + 1, 50):
            await client.uid("fetch", f"{first}:{first + 49}", "(UID BODY.PEEK[])")
        took = time.perf_counter() - began, time.process_time() - cpu
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
            for round_ in range(rounds):
                _measure(rows, server, count, round_)
        finally:
            server.stop()
    for name, values in rows.items():
        show(name, values, "" if " : " in name else "us" if "CPU" in name else "/s")


def _measure(rows: dict[str, list[float]], server: Dovecot, count: int, round_: int) -> None:
    fewer = max(100, count // 4)  # the library as it is takes its time
    ways: list[tuple[str, int, Callable[[int], Taken]]] = [
        (RAW, count, lambda count: raw(server, count)),
        ("our wrapper", count, lambda count: ours(server, count, bodies)),
        ("our wrapper, as a follower reads", count, lambda count: ours(server, count, as_follower)),
        ("aioimaplib as it is", fewer, lambda count: library(server, count)),
    ]
    turn = round_ % len(ways)
    took = {name: (measure(of), of) for name, of, measure in ways[turn:] + ways[:turn]}
    each = {name: (wall / of, cpu / of) for name, ((wall, cpu), of) in took.items()}
    for name, _, _ in ways:
        rows.setdefault(name, []).append(1 / each[name][0])
    for name, _, _ in ways[1:]:
        rows.setdefault(f"{name} : {RAW}", []).append(each[RAW][0] / each[name][0])
    for name, _, _ in ways:
        rows.setdefault(f"{name}, CPU a message", []).append(each[name][1] * 1e6)


if __name__ == "__main__":
    main()
