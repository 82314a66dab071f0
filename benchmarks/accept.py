"""P1 and P5: durable accept, alone and with everything behind it, against a bare handler.

Side by side in one run: a bare aiohttp handler that reads the body; the public door (signature
checked, answered after the commit, counters kept), with the webhooks of three providers, each of
which signs otherwise; the door with the worker recording in the same process; the same with edges
and core in two processes. Every case runs in fresh processes, with the load client in one of its
own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._common import SOURCE, arguments, company, folder, machine, show
from benchmarks._load import start, write_requests
from benchmarks._senders import SENDERS

CONNECTIONS = 64
SOURCES = 10  #: one source may send 2,000 a second at the most


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """A server process for one case."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("the server did not come up")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def load(served: Served, file: Path) -> dict:
    """Send every request of the file; returns the load client's figures."""
    client = start(served.port, file, CONNECTIONS)
    said = json.loads(client.communicate(timeout=300)[0])
    refused = {status: n for status, n in said["statuses"].items() if not status.startswith("2")}
    assert not refused, said
    assert not said["errors"], said
    return said


def bare(where: Path, file: Path) -> dict:
    """The bare handler."""
    port = free_port()
    served = Served(
        [sys.executable, "-m", "benchmarks.accept", "--serve-bare", str(port)], port, {}
    )
    try:
        return load(served, file)
    finally:
        served.stop()


def service(where: Path, file: Path, *, part: str, processes: int, count: int) -> dict:
    """The service, whole or only its edges; adds how fast everything was recorded."""
    port = free_port()
    environment = {
        "KEEPLINE_DATA_DIR": str(where),
        "KEEPLINE_PUBLIC_LISTEN": f"127.0.0.1:{port}",
        "KEEPLINE_INNER_LISTEN": f"127.0.0.1:{free_port()}",
        "KEEPLINE_PROCESSES": str(processes),
        "KEEPLINE_LOG_LEVEL": "error",
        "KEEPLINE_DISK_FREE_MIN": "0",
    }
    served = Served([sys.executable, "-m", "ingest", "serve", "--part", part], port, environment)
    try:
        time.sleep(1.0)
        before = recorded(where)
        began = time.perf_counter()
        said = load(served, file)
        behind = count - (recorded(where) - before)
        said["backlog"] = max(0, behind) if part == "all" else 0
        while part == "all" and recorded(where) - before < count:
            time.sleep(0.02)
        said["recorded_per_s"] = count / (time.perf_counter() - began)
        return said
    finally:
        served.stop()


def edges(where: Path, file: Path, count: int) -> dict:
    """The door alone: accepted and durable."""
    return service(where, file, part="edges", processes=1, count=count)


#: name -> who sends, and what is sent to
CASES: dict[str, tuple[str, Callable[[Path, Path, int], dict]]] = {
    "bare handler": ("generic", lambda where, file, count: bare(where, file)),
    "door, durable": ("generic", edges),
    "door, durable: Mango": ("mango", edges),
    "door, durable: Zadarma": ("zadarma", edges),
    "one process, recorded": (
        "generic",
        lambda where, file, count: service(where, file, part="all", processes=1, count=count),
    ),
    "two processes, recorded": (
        "generic",
        lambda where, file, count: service(where, file, part="all", processes=2, count=count),
    ),
}


def recorded(where: Path) -> int:
    """Return how many deliveries are dealt with."""
    connection = sqlite3.connect(f"file:{where / 'main.db'}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM deliveries").fetchone()[0])
    finally:
        connection.close()


def command(where: Path, *arguments: str) -> None:
    """Run one command of the product on this installation."""
    subprocess.run(
        [sys.executable, "-m", "ingest", *arguments],
        env={**os.environ, "KEEPLINE_DATA_DIR": str(where)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def prepare(where: Path, size: int, sources: int, providers: tuple[str, ...]) -> None:
    """Make the company and its sources, as an administrator would."""
    company(where, size).close()
    command(where, "init", "--zone", "Europe/Moscow", "--region", "RU")
    for provider in providers:
        secrets = [f"{name}={value}" for name, value in SENDERS[provider][1].items()]
        given = [part for secret in secrets for part in ("--secret", secret)]
        name = SOURCE if provider == "generic" else provider
        # Reports alone are measured: no index of clients beside them.
        zone = ["--zone", "Europe/Moscow", "--region", "RU", "--set", "live_answer=false"]
        for n in range(sources):
            command(where, "source", "add", f"{name}{n}", "--provider", provider, *zone, *given)


async def serve_bare(port: int) -> None:
    """Serve the reference: reads the body, does nothing."""
    from aiohttp import web

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    size, count, rounds = (500, 300, 1) if options.small else (1_000_000, 20_000, options.rounds)
    sources = 1 if options.small else SOURCES
    print(f"accept: {count} signed webhooks a case, {CONNECTIONS} connections;")
    print(f"        {size:,} clients; {machine()}")
    cases: dict[str, list[dict]] = {}
    with folder() as where:
        prepare(where, size, sources, tuple(SENDERS))
        file = where / "requests"
        for round_ in range(rounds):
            for n, (name, (sender, run)) in enumerate(CASES.items()):
                first = (round_ * len(CASES) + n) * count
                write_requests(file, SENDERS[sender][0](count, size, first, sources))
                cases.setdefault(name, []).append(run(where, file, count))
    reference = cases["bare handler"]
    for name, runs in cases.items():
        print(f"-- {name}")
        show("accepted", [run["per_s"] for run in runs], "/s")
        pairs = list(zip(runs, reference, strict=True))
        show("  : bare", [run["per_s"] / limit["per_s"] for run, limit in pairs], "")
        show("p50", [run["p50_ms"] for run in runs], "ms")
        show("p99", [run["p99_ms"] for run in runs], "ms")
        if "recorded" in name:
            show("recorded, all in all", [run["recorded_per_s"] for run in runs], "/s")
            show("  : bare", [run["recorded_per_s"] / limit["per_s"] for run, limit in pairs], "")
            show("waiting when the last was accepted", [run["backlog"] for run in runs], "")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve-bare"]:
        try:
            import uvloop

            uvloop.run(serve_bare(int(sys.argv[2])))
        except ImportError:
            asyncio.run(serve_bare(int(sys.argv[2])))
    else:
        main()
