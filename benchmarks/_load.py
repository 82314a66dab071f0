"""A load client: ready-made HTTP requests over open connections, each waiting for its answer.

Run as a process of its own: `python -m benchmarks._load PORT FILE CONNECTIONS` reads requests
(length-prefixed) from FILE, sends them once each, and prints one line of JSON. Only to loopback.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path


class _Client(asyncio.Protocol):
    """One connection: sends a request, waits for its answer, sends the next."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self.run.requests, None)
        if request is None:
            self.run.leave()
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        # Answers are small and come in one piece; a body is empty or a few octets.
        self.run.count(data[9:12], time.perf_counter() - self.sent)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.run.errors += 1
            self.run.leave()


class _Run:
    def __init__(self, requests: Iterable[bytes], connections: int) -> None:
        self.requests = iter(requests)
        self.open = connections
        self.errors = 0
        self.statuses: dict[str, int] = {}
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def count(self, status: bytes, took: float) -> None:
        text = status.decode()
        self.statuses[text] = self.statuses.get(text, 0) + 1
        self.times.append(took)

    def leave(self) -> None:
        self.open -= 1
        if self.open <= 0 and not self.done.done():
            self.done.set_result(None)


async def _send(port: int, requests: list[bytes], connections: int) -> dict:
    loop = asyncio.get_running_loop()
    run = _Run(requests, connections)
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
    await asyncio.wait_for(run.done, 300)
    took = time.perf_counter() - began
    times = sorted(run.times)
    return {
        "per_s": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "statuses": run.statuses,
        "errors": run.errors,
    }


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write requests for a load process to read."""
    with path.open("wb") as file:
        for request in requests:
            file.write(struct.pack("!I", len(request)) + request)


def start(port: int, path: Path, connections: int) -> subprocess.Popen:
    """Start the load client as a process of its own."""
    command = [sys.executable, "-m", "benchmarks._load", str(port), str(path), str(connections)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _read(path: Path) -> list[bytes]:
    raw, at, found = path.read_bytes(), 0, []
    while at < len(raw):
        (size,) = struct.unpack_from("!I", raw, at)
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found


if __name__ == "__main__":
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    result = run(_send(int(sys.argv[1]), _read(Path(sys.argv[2])), int(sys.argv[3])))
    print(json.dumps(result))
