"""One process of the service in the benchmarks of mail, so that each has its own memory.

    python -m benchmarks._mail_side keep DIRECTORY PORT COUNT    follow until so many are kept
    python -m benchmarks._mail_side record DIRECTORY COUNT       read, match and record them

Prints one JSON object when it is done; `record` first says `ready`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks._mailbox import as_service, mailbox_at
from ingest import logs
from ingest.children import Failure, Readers
from ingest.domain.mailboxes import MailboxState
from ingest.keeper import Keeper
from ingest.mail.follower import desk_of, follow
from ingest.mail.message import parse
from ingest.worker import Worker
from storage.database import Database, sqlite_url
from storage.log_sqlite import open_log, open_reader


def resident_kib() -> int:
    """Return how much memory this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def keep(where: Path, port: int, count: int) -> dict[str, Any]:
    """Follow the mailbox until so many mails are kept; return the figures."""
    log = open_log(where / "mail.log.db", name="mail")
    keeper = Keeper(log)
    stop, quarter = asyncio.Event(), 0
    began, cpu = time.perf_counter(), time.process_time()

    def note(state: MailboxState) -> None:
        nonlocal quarter
        inbox = next((each for each in state.folders if each.folder == "INBOX"), None)
        if inbox and inbox.kept >= count // 4 and not quarter:
            quarter = resident_kib()
        if inbox and inbox.complete:
            stop.set()

    await follow(
        mailbox_at(port),
        desk=desk_of(keeper),
        clock=lambda: datetime.now(UTC),
        stop=stop,
        on_state=note,
    )
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    kept = keeper.counters.kept
    await keeper.close()
    log.close()
    assert kept == count, f"{kept} of {count} were kept"
    return {
        "took": took,
        "ended": time.time(),
        "cpu": cpu,
        "quarter_kib": quarter,
        "end_kib": resident_kib(),
    }


def record(where: Path, count: int) -> dict[str, Any]:
    """Record so many kept mails; return the figures."""
    readers = Readers(parse, children=1)
    worker = Worker(
        database=Database(sqlite_url(where / "main.db")),
        logs={"mail": open_reader(where / "mail.log.db", name="mail")},
        sources=lambda: {},
        read_mails=lambda raw: [
            found.reason if isinstance(found, Failure) else found
            for found in readers.read_many(raw)
        ],
        clock=lambda: datetime.now(UTC),
        attempts=where / "attempt",
    )
    print("ready", flush=True)
    thread = Thread(target=worker.run)
    thread.start()
    while worker.counters.read + worker.counters.parked < count and thread.is_alive():
        time.sleep(0.01)
    ended = time.time()
    worker.stop()
    thread.join()
    readers.close()
    assert worker.counters.read == count, worker.counters
    return {"ended": ended, "cpu": time.process_time()}


def main() -> None:
    """Do what the command line says."""
    logs.configure("error")
    role, where = sys.argv[1], Path(sys.argv[2])
    if role == "keep":
        print(json.dumps(as_service(keep(where, int(sys.argv[3]), int(sys.argv[4])))))
    else:
        print(json.dumps(record(where, int(sys.argv[3]))))


if __name__ == "__main__":
    main()
