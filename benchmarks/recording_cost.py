"""What recording one delivery costs: CPU time, function calls and SQL statements.

The worker alone over kept deliveries in batches: read, fold, match, decide, record, position. Four
reports of each call come within two minutes, among those of other calls. CPU time and counts are
taken in runs of their own: counting calls is dear.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import random
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event

from benchmarks._common import (
    NOW,
    SOURCE,
    arguments,
    company,
    delivery_key_of,
    folder,
    machine,
    number,
    show,
    sources,
)
from ingest.domain.deliveries import NewDelivery
from ingest.worker import BATCH, Worker
from storage.database import Database, sqlite_url
from storage.log_sqlite import SqliteLog, open_log

CLIENTS = 10_000
A_SECOND = 3  #: calls that begin
COUNTED = 4_000  #: deliveries of the runs that only count

#: What a telephone system says of an answered call, and how many seconds after its beginning.
ANSWERED = (("ringing", 0), ("answered", 8), ("ended", 85), ("recording", 95))
MISSED = (("ringing", 0), ("ended", 30))
TALKS_ARE_ANSWERED = 0.85


def reports(count: int, size: int, seed: int = 7) -> Iterator[NewDelivery]:
    """Yield so many kept webhooks in order of time: 70 % from clients, the rest from strangers."""
    chance = random.Random(seed)
    told = []
    for call in range(count // 3):  # of fewer than four reports each, so more than enough
        known = chance.random() < 0.7
        client = int(size * chance.random() ** 3) if known else size + chance.randrange(size)
        begin = call / A_SECOND
        stages = ANSWERED if chance.random() < TALKS_ARE_ANSWERED else MISSED
        line = chance.randrange(10)
        said = {
            "call_id": f"call-{call}",
            "direction": "inbound" if chance.random() < 0.7 else "outbound",
            "from": number(client),
            "to": f"+7495000000{line}",
        }
        if said["direction"] == "outbound":
            said["from"], said["to"] = said["to"], said["from"]
        told += [(begin + after, stage, said, len(stages)) for stage, after in stages]
    told.sort(key=lambda it: it[0])
    for second, stage, said, reports_ in told[:count]:
        at = NOW - timedelta(days=2) + timedelta(seconds=second)
        raw = _body(stage, said, at.isoformat(), answered=reports_ == len(ANSWERED))
        yield NewDelivery(
            source=SOURCE,
            key=delivery_key_of(raw),
            received_at=at + timedelta(seconds=1),
            head={"method": "POST", "path": "", "query": "", "headers": [], "url": ""},
            body=raw,
        )


def _body(stage: str, said: dict[str, str], at: str, *, answered: bool) -> bytes:
    data: dict[str, object] = dict(said)
    if stage == "ended":
        data["outcome"] = "answered" if answered else "no_answer"
    if stage == "recording":
        data |= {"recording_id": f"sound-{said['call_id']}", "recording_ready": True}
    return json.dumps({"type": f"call.{stage}", "timestamp": at, "data": data}).encode()


def worked_off(where: Path, log: SqliteLog) -> Worker:
    """Return a worker with as many deliveries before it, on a copy of the company."""
    shutil.copy(where / "main.db", where / "copy.db")
    for beside in ("copy.db-wal", "copy.db-shm"):
        (where / beside).unlink(missing_ok=True)
    return Worker(
        database=Database(sqlite_url(where / "copy.db")),
        logs={"calls": log},
        sources=sources,
        read_mails=lambda raw: [],
        clock=lambda: NOW,
        attempts=where / "attempt",
    )


def cpu(worker: Worker, count: int) -> float:
    """Return microseconds of CPU time for each of so many deliveries."""
    began = time.process_time()
    while worker.counters.read < count:
        worker.step()
    return (time.process_time() - began) / worker.counters.read * 1e6


def calls(worker: Worker, count: int) -> tuple[float, pstats.Stats]:
    """Return how many functions are called for each delivery, and the whole profile."""
    profile = cProfile.Profile()
    profile.enable()
    while worker.counters.read < count:
        worker.step()
    profile.disable()
    stats = pstats.Stats(profile)
    return stats.total_calls / worker.counters.read, stats  # type: ignore[attr-defined]


def statements(worker: Worker, count: int) -> tuple[float, float]:
    """Return how many SQL statements are executed for each delivery, and for each batch."""
    seen = [0]

    @event.listens_for(worker.database.writer, "before_cursor_execute")
    def _note(*_: object) -> None:
        seen[0] += 1

    while worker.counters.read < count:
        worker.step()
    return seen[0] / worker.counters.read, seen[0] / worker.counters.batches


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "", profiled=True)
    size, count = (500, 600) if options.small else (CLIENTS, 20_000)
    counted = min(count, COUNTED)
    rounds = 1 if options.small else options.rounds
    print(f"recording: {count:,} deliveries a round in batches of {BATCH}; {machine()}")
    with folder() as where:
        company(where, size).close()
        log = open_log(where / "calls.log.db", name="calls")
        kept = list(reports(count, size))
        for start in range(0, count, BATCH):
            log.append(0, kept[start : start + BATCH])
        costs = []
        for _ in range(rounds):
            worker = worked_off(where, log)
            costs.append(cpu(worker, count))
            worker.database.close()
        worker = worked_off(where, log)
        called, stats = calls(worker, counted)
        worker.database.close()
        worker = worked_off(where, log)
        each, batch = statements(worker, counted)
        worker.database.close()
        log.close()
    show("CPU time a delivery", costs, "us")
    show("recorded, by CPU time of one core", [1e6 / cost for cost in costs], "/s")
    show("function calls a delivery", [called], "")
    show("SQL statements a delivery", [each], "")
    show("SQL statements a batch", [batch], "")
    if options.profile:
        stats.sort_stats("tottime").print_stats(options.profile)


if __name__ == "__main__":
    main()
