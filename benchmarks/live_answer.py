"""P9: the live answer (who is calling, where to), while webhooks come at half the accept rate.

First the accept rate is measured, closed loop: signed webhooks to the public door, each answered
after its commit. Then, in the same run, webhooks come at half that rate and questions (MegaFon's
`contact`) beside them, both in an open loop: each leaves at its own random moment, and its time is
counted from that moment, whatever the answers before it took. 70 % of the questions are of clients.
Each client has a manager, every second one two numbers. Beside it, in the same round, a bare
aiohttp handler gets the same requests at the same moments: what machine and senders alone cost.
Memory is that of the process with the index, without it, and at its highest.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from sqlalchemy import insert

from benchmarks._common import (
    NOW,
    arguments,
    client_id,
    folder,
    machine,
    number,
    show,
)
from benchmarks._load import write_requests
from benchmarks._senders import MEGAFON, generic, question
from benchmarks.accept import SOURCES, Served, command, free_port, load, prepare
from ingest import local
from ingest.domain.directory import BEGINNING
from storage.database import Database, sqlite_url
from storage.tables import holdings

QUESTIONS_PER_S = 200.0


class Edges:
    """The edges of the service, as a process."""

    def __init__(self, where: Path) -> None:
        self.where = where
        port = free_port()
        environment = {
            "KEEPLINE_DATA_DIR": str(where),
            "KEEPLINE_PUBLIC_LISTEN": f"127.0.0.1:{port}",
            "KEEPLINE_LOG_LEVEL": "error",
            "KEEPLINE_DISK_FREE_MIN": "0",
        }
        serve = [sys.executable, "-m", "ingest", "serve", "--part", "edges"]
        self.served = Served(serve, port, environment)

    def index(self) -> dict:
        """Return what the process says of its index."""
        [socket] = self.where.glob("*edges*.sock*")
        return local.ask(socket, "state", {}, patience_s=30)["lookups"]

    def wait_for_index(self) -> dict:
        """Wait until it is loaded; returns what it says."""
        for _ in range(6000):
            found = self.index()
            if found["loaded"]:
                return found
            time.sleep(0.05)
        raise RuntimeError("the index was not loaded")

    def memory_mib(self, name: str) -> float:
        """Return a figure of the process: VmRSS now, VmHWM at its highest."""
        status = Path(f"/proc/{self.served.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) / 1024


def second_numbers(where: Path, size: int) -> None:
    """Give every second client one more number."""
    database = Database(sqlite_url(where / "main.db"))
    for start in range(0, size, 40_000):
        rows = [
            {
                "id": f"s{i}",
                "point": f"tel:{number(i + 500_000_000)}",
                "client_id": client_id(i),
                "from_at": BEGINNING,
                "recorded_at": NOW,
                "recorded_by": "bench",
            }
            for i in range(start, min(start + 40_000, size), 2)
        ]
        with database.write() as connection:
            connection.execute(insert(holdings), rows)
    database.close()


def ask(where: Path, size: int, webhooks: int, rate: float, seconds: float, first: int) -> dict:
    """Serve with the index, send both loads, and return every figure."""
    files = [where / "webhooks", where / "questions"]
    random_ = random.Random(first)
    callers = [
        number(random_.randrange(size) if random_.random() < 0.7 else size + i)
        for i in range(int(QUESTIONS_PER_S * seconds))
    ]
    began = time.perf_counter()
    edges = Edges(where)
    try:
        index = edges.wait_for_index()
        loaded_s = time.perf_counter() - began
        write_requests(files[0], generic(webhooks, size, first, SOURCES if size > 500 else 1))
        write_requests(files[1], (question(caller, i) for i, caller in enumerate(callers)))
        sent, asked = send(edges.served.port, files, rate)
        for each in (sent, asked):
            assert each["unanswered"] == 0, each
            assert all(status.startswith("2") for status in each["statuses"]), each
        assert asked["named"] > 0.5 * len(callers), asked
        return {
            "asked": asked,
            "sent": sent,
            "index": index,
            "loaded_s": loaded_s,
            "rss": edges.memory_mib("VmRSS"),
            "peak": edges.memory_mib("VmHWM"),
        }
    finally:
        edges.served.stop()


def send(port: int, files: list[Path], rate: float) -> list[dict]:
    """Send webhooks and questions at their rates, each from a process of its own."""
    senders = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks._open", str(port), str(file), str(per_s)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for file, per_s in zip(files, (rate, QUESTIONS_PER_S), strict=True)
    ]
    return [json.loads(sender.communicate(timeout=300)[0]) for sender in senders]


def bare(where: Path, rate: float) -> list[dict]:
    """Send the requests of the last round to a bare handler."""
    port = free_port()
    serve = [sys.executable, "-m", "benchmarks.accept", "--serve-bare", str(port)]
    served = Served(serve, port, {})
    try:
        return send(port, [where / "webhooks", where / "questions"], rate)
    finally:
        served.stop()


def accept(where: Path, size: int, count: int, first: int) -> tuple[float, float]:
    """Return the accept rate of a door without an index, and the memory of its process."""
    file = where / "requests"
    write_requests(file, generic(count, size, first, SOURCES if size > 500 else 1))
    edges = Edges(where)
    try:
        return load(edges.served, file)["per_s"], edges.memory_mib("VmRSS")
    finally:
        edges.served.stop()


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    size, count, seconds = (500, 300, 1.0) if options.small else (1_000_000, 20_000, 20.0)
    rounds = 1 if options.small else options.rounds
    print(f"live answer: {size:,} clients with {size * 3 // 2:,} numbers,")
    print(f"             {QUESTIONS_PER_S:g} questions a second for {seconds:g} s a round;")
    print(f"             {machine()}")
    rates, plain, runs, bares = [], [], [], []
    with folder() as where:
        prepare(where, size, 1 if options.small else SOURCES, ("generic",))
        second_numbers(where, size)
        for round_ in range(rounds):
            rate, memory = accept(where, size, count, round_ * count)
            rates.append(rate)
            plain.append(memory)
        zone = ["--zone", "Europe/Moscow", "--region", "RU"]
        token = f"crm_token={MEGAFON['crm_token']}"
        command(where, "source", "add", "asking", "--provider", "megafon", *zone, "--secret", token)
        half = median(rates) / 2
        for round_ in range(rounds):
            first = (round_ + 1) * 1_000_000
            runs.append(ask(where, size, int(half * seconds), half, seconds, first))
            bares.append(bare(where, half))
    show("accepted without questions, closed loop", rates, "/s")
    show("webhooks beside the questions", [run["sent"]["per_s"] for run in runs], "/s")
    show("  p99", [run["sent"]["p99_ms"] for run in runs], "ms")
    show("live answer p50", [run["asked"]["p50_ms"] for run in runs], "ms")
    show("live answer p99", [run["asked"]["p99_ms"] for run in runs], "ms")
    show("  the slowest", [run["asked"]["worst_ms"] for run in runs], "ms")
    show("bare handler, the same questions p50", [asked["p50_ms"] for _, asked in bares], "ms")
    show("  p99", [asked["p99_ms"] for _, asked in bares], "ms")
    show("index, packed", [run["index"]["packed_bytes"] / 2**20 for run in runs], "MiB")
    show("process with index", [run["rss"] for run in runs], "MiB")
    show("  at its highest, while loading", [run["peak"] for run in runs], "MiB")
    show("process without", plain, "MiB")
    show("from its start until the index is loaded", [run["loaded_s"] for run in runs], "s")


if __name__ == "__main__":
    main()
