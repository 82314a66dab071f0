"""Somebody who telephones: signs webhooks, sends each until it is accepted, keeps a journal.

Each call is two reports with webhook ids of their own. What got no 2xx is sent again under the
same id, as providers do; now and then also what got one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.harness.journal import Journal
from tests.harness.service import LINE, SECRET, SOURCE

CALLERS = tuple(f"+790300000{number:02}" for number in range(20))
TIMEOUT_S = 10.0
RETRY_S = 0.05
REPEATED = 0.1  #: part of the accepted webhooks that is sent once more
SENDERS = 8
PAUSE_S = 0.015  #: of each sender between two webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One webhook: its id and its body."""

    id: str
    body: bytes

    def headers(self) -> dict[str, str]:
        """Return the headers that Standard Webhooks 1.0.0 asks for, signed now."""
        at = str(int(time.time()))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        signed = f"{self.id}.{at}.".encode() + self.body
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return {
            "webhook-id": self.id,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{digest}",
            "content-type": "application/json",
        }


def a_hook(id: str, type: str, **data: object) -> Hook:
    """Return a webhook of the generic provider."""
    told = {"type": type, "timestamp": datetime.now(UTC).isoformat(), "data": data}
    return Hook(id=id, body=json.dumps(told).encode())


def hooks_of_call(call: str, caller: str) -> list[Hook]:
    """Return the two reports of a missed call."""
    common = {"call_id": call, "direction": "inbound", "from": caller, "to": LINE}
    return [
        a_hook(f"{call}/ringing", "call.ringing", **common),
        a_hook(f"{call}/ended", "call.ended", outcome="no_answer", **common),
    ]


def post(port: int, hook: Hook, source: str = SOURCE) -> tuple[int, dict[str, str]]:
    """Send a webhook once; return status and headers of the answer. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        return _exchange(connection, hook, source)
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, hook: Hook, source: str
) -> tuple[int, dict[str, str]]:
    try:
        connection.request("POST", f"/hooks/{source}", hook.body, hook.headers())
        answer = connection.getresponse()
        answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


class Load:
    """Senders that go on until they are stopped; whatever they began they also finish."""

    def __init__(self, port: int, journal: Journal, seed: str) -> None:
        self.port = port
        self.journal = journal
        self.seed = seed
        self.statuses: Counter[int] = Counter()
        self.broken = 0  #: exchanges that ended without an answer
        self.calls: dict[str, str] = {}  #: every call that was begun, with its caller
        self.repeats = 0
        self._stop = threading.Event()
        self._give_up = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._send, args=(number,), daemon=True)
            for number in range(SENDERS)
        ]

    def start(self) -> None:
        """Begin to telephone."""
        for thread in self._threads:
            thread.start()

    def finish(self, seconds: float = 30.0) -> None:
        """Begin no call any more, and return when all that were begun are accepted."""
        self._stop.set()
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a webhook is never accepted"

    def abandon(self) -> None:
        """Stop at once; what was not accepted stays unsent."""
        self._stop.set()
        self._give_up.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 1)

    def _send(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        count = 0
        while not self._stop.is_set():
            count += 1
            call, caller = f"{self.seed}-{number}-{count}", chance.choice(CALLERS)
            with self._lock:
                self.calls[call] = caller
            for hook in hooks_of_call(call, caller):
                if not self._until_accepted(connection, hook):
                    return
                if chance.random() < REPEATED:
                    with self._lock:
                        self.repeats += 1
                    self._once(connection, hook)
                self._stop.wait(PAUSE_S)
        connection.close()

    def _until_accepted(self, connection: http.client.HTTPConnection, hook: Hook) -> bool:
        while not self._once(connection, hook):
            if self._give_up.wait(RETRY_S):
                return False
        self.journal.add(hook.id)
        return True

    def _once(self, connection: http.client.HTTPConnection, hook: Hook) -> bool:
        try:
            status, _ = _exchange(connection, hook, SOURCE)
        except OSError:
            connection.close()  # the next request connects anew
            with self._lock:
                self.broken += 1
            return False
        with self._lock:
            self.statuses[status] += 1
        return 200 <= status < 300


@contextmanager
def telephoning(port: int, journal: Journal, seed: str) -> Iterator[Load]:
    """Give a running load; it is stopped whatever happens."""
    load = Load(port, journal, seed)
    load.start()
    try:
        yield load
    finally:
        load.abandon()
