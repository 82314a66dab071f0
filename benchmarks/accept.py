"""P1 and P5: durable accept, alone and with everything behind it, against a bare handler.

Side by side in one run: a bare aiohttp handler that reads the body; the public door (signature
checked, answered after the commit, counters kept); the door with the worker recording in the same
process; the same with edges and core in two processes. Every case runs in fresh processes, with
the load client in one of its own.
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
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path

from benchmarks._common import SECRET, SOURCE, arguments, company, deliveries, folder, machine, show
from benchmarks._load import start, write_requests

CONNECTIONS = 64
SOURCES = 10  #: one source may send 2,000 a second at the most


def requests(count: int, size: int, first: int) -> Iterator[bytes]:
    """Yield signed requests as they stand on the wire."""
    key = b64decode(SECRET.removeprefix("whsec_"))
    stamp = str(int(time.time()))
    for n, new in enumerate(deliveries(count, size, seed=first, first=first)):
        name = f"msg-{first + n}"
        signed = f"{name}.{stamp}.".encode() + new.body
        signature = b64encode(hmac(key, signed, sha256).digest()).decode()
        yield (
            f"POST /hooks/{SOURCE}{n % SOURCES} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(new.body)}\r\n"
            f"webhook-id: {name}\r\nwebhook-timestamp: {stamp}\r\n"
            f"webhook-signature: v1,{signature}\r\n\r\n"
        ).encode() + new.body


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


CASES: dict[str, Callable[[Path, Path, int], dict]] = {
    "bare handler": lambda where, file, count: bare(where, file),
    "door, durable": lambda where, file, count: service(
        where, file, part="edges", processes=1, count=count
    ),
    "one process, recorded": lambda where, file, count: service(
        where, file, part="all", processes=1, count=count
    ),
    "two processes, recorded": lambda where, file, count: service(
        where, file, part="all", processes=2, count=count
    ),
}


def recorded(where: Path) -> int:
    """Return how many deliveries are dealt with."""
    connection = sqlite3.connect(f"file:{where / 'main.db'}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM deliveries").fetchone()[0])
    finally:
        connection.close()


def prepare(where: Path, size: int) -> None:
    """Make the company and its source, as an administrator would."""
    company(where, size).close()
    environment = {**os.environ, "KEEPLINE_DATA_DIR": str(where)}
    add = ["--provider", "generic", "--zone", "Europe/Moscow", "--region", "RU"]
    sources = [
        ["source", "add", f"{SOURCE}{n}", *add, "--secret", f"secret={SECRET}"]
        for n in range(SOURCES)
    ]
    for command in (["init", "--zone", "Europe/Moscow", "--region", "RU"], *sources):
        subprocess.run(
            [sys.executable, "-m", "ingest", *command],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


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
    print(f"accept: {count} signed webhooks of 600 octets a case, {CONNECTIONS} connections;")
    print(f"        {size:,} clients; {machine()}")
    cases: dict[str, list[dict]] = {}
    with folder() as where:
        prepare(where, size)
        file = where / "requests"
        for round_ in range(rounds):
            for n, (name, run) in enumerate(CASES.items()):
                write_requests(file, requests(count, size, (round_ * len(CASES) + n) * count))
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
