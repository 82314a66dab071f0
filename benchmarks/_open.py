"""An open-loop load client: requests leave at their own moments, whoever was not answered yet.

Run as a process of its own: `python -m benchmarks._open PORT FILE RATE` sends the requests of a
file at that rate, at random moments (exponential pauses), and prints one line of JSON. A time is
counted from the moment the request should have left. Only to loopback.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from benchmarks._load import _read

CONNECTIONS = 64  #: what finds none free waits here, and its time runs
WARM_UP = 0.1  #: part of the requests whose times are not counted


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        # Answers are small and come in one piece.
        self.load.count(data, time.perf_counter() - self.due)
        self.load.free(self)


class _Load:
    """What is sent, and what came of it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.times: list[float] = []
        self.statuses: dict[str, int] = {}
        self.named = 0

    def count(self, data: bytes, took: float) -> None:
        status = data[9:12].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.named += b"contact_name" in data
        self.times.append(took)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
        self.idle.append(made)

    def send(self, request: bytes, due: float) -> None:
        if self.idle:
            self.idle.popleft().send(request, due)
        else:
            self.waiting.append((request, due))

    def free(self, connection: _Connection) -> None:
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.idle.append(connection)

    def figures(self, sent: int, took_s: float) -> dict:
        counted = sorted(self.times[int(len(self.times) * WARM_UP) :])
        return {
            "per_s": len(self.times) / took_s,
            "p50_ms": counted[len(counted) // 2] * 1000,
            "p99_ms": counted[int(len(counted) * 0.99)] * 1000,
            "worst_ms": counted[-1] * 1000,
            "unanswered": sent - len(self.times),
            "statuses": self.statuses,
            "named": self.named,
        }


def _moments(count: int, rate: float, seed: int) -> Iterator[float]:
    random_, at = random.Random(seed), 0.0
    for _ in range(count):
        at += random_.expovariate(rate)
        yield at


async def _send(port: int, requests: list[bytes], rate: float) -> dict:
    load = _Load(port)
    for _ in range(CONNECTIONS):
        await load.open()
    gc.freeze()  # a pause of the sender is not the server's
    began = time.perf_counter() + 0.1
    for at, request in zip(_moments(len(requests), rate, port), requests, strict=True):
        due = began + at
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        load.send(request, due)
    for _ in range(3000):
        if len(load.times) == len(requests):
            break
        await asyncio.sleep(0.01)
    return load.figures(len(requests), time.perf_counter() - began)


if __name__ == "__main__":
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    port, file, rate = sys.argv[1:4]
    print(json.dumps(run(_send(int(port), _read(Path(file)), float(rate)))))
