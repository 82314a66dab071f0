"""P6: kept deliveries drained a second and core: read, fold, match, decide, record.

Against 1,000,000 clients. Beside it, in the same run, the bare limit: one row per delivery
inserted into SQLite in transactions of 500.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from benchmarks._common import (
    NOW,
    arguments,
    company,
    deliveries,
    folder,
    machine,
    show,
    sources,
)
from ingest.worker import Worker
from storage.log_sqlite import open_log


def drain(where: Path, database, count: int, size: int, round_: int) -> tuple[float, float]:
    """Return deliveries a second by the wall, and by CPU time of this process."""
    path = where / f"calls-{round_}.log.db"
    log = open_log(path, name=f"calls{round_}")
    kept = list(deliveries(count, size, seed=round_, first=round_ * count))
    for start in range(0, count, 500):
        log.append(0, kept[start : start + 500])
    worker = Worker(
        database=database,
        logs={f"calls{round_}": log},
        sources=sources,
        read_mails=lambda raw: [],
        clock=lambda: NOW,
        attempts=where / "attempt",
    )
    wall, cpu = time.perf_counter(), time.process_time()
    worker.drain()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert worker.counters.read == count, worker.counters
    log.close()
    return count / wall, count / cpu


def bare(where: Path, count: int) -> float:
    """Return rows a second of the simplest durable insert."""
    connection = sqlite3.connect(where / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, body BLOB)")
    began = time.perf_counter()
    for _ in range(0, count, 500):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO row (body) VALUES (?)", [(b"x" * 600,)] * 500)
        connection.execute("COMMIT")
    connection.close()
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    size, count = (1_000, 500) if options.small else (1_000_000, 20_000)
    rounds = 1 if options.small else options.rounds
    print(f"drain: {count} deliveries a round against {size:,} clients; {machine()}")
    walls, cpus, limits = [], [], []
    with folder() as where:
        database = company(where, size)
        for round_ in range(rounds):
            limits.append(bare(where, count))
            wall, cpu = drain(where, database, count, size, round_)
            walls.append(wall)
            cpus.append(cpu)
        database.close()
    show("drained, by the wall", walls, "/s")
    show("drained, by CPU time of one core", cpus, "/s")
    show("bare insert", limits, "/s")
    show("drained : bare insert", [a / b for a, b in zip(walls, limits, strict=True)], "")


if __name__ == "__main__":
    main()
