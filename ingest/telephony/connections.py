"""Guarded connections of the public door: a deadline on request heads, a cap per address.

aiohttp reads a head for as long as its sender likes. Here a connection that has not delivered a
whole head in time is closed, whether it said nothing or half of it; an idle connection between two
requests may live longer, as proxies like it. Malformed requests become one short line of log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from ingest.telephony.door import Networks, is_in
from ingest.telephony.turns import Turns

HEAD_DEADLINE_S = 10.0
IDLE_S = 75.0  #: longer than most proxies keep an idle connection to what they serve
CONNECTIONS_PER_ADDRESS = 2_000
LOG_LINE_BYTES = 300
MOST_PUT_OFF = 1024 * 1024  #: octets of one connection that wait for its turn


class GuardedHandler(RequestHandler):
    """aiohttp's connection with a deadline on each head."""

    __slots__ = ("_address", "_guard", "_head_timer", "_put_off")

    def __init__(self, guard: GuardedServer, **options: Any) -> None:
        super().__init__(guard, **options)
        self._guard = guard
        self._address = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._put_off = b""  #: what came and waits for its turn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the deadline, or close at once if this address has too many connections."""
        super().connection_made(transport)
        self._address = address_of(transport.get_extra_info("peername"))
        if self._guard.admit(self._address):
            self._begin_head()
        else:
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take bytes, at their turn: who asks who is calling is heard first."""
        if self._put_off:
            self._put_off += data
            if len(self._put_off) > MOST_PUT_OFF:
                self._take_put_off()
        elif self._guard.urgent(data) or self._guard.turns.passes():
            self._take(data)
        else:
            self._put_off = data
            self._guard.turns.later(self._take_put_off)

    def eof_received(self) -> None:
        """Take what waits: a sender may say its piece and leave."""
        self._take_put_off()
        super().eof_received()

    def _take_put_off(self) -> None:
        data, self._put_off = self._put_off, b""
        if data and self.transport is not None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Hand bytes on; part of a head begins the deadline, its end takes it away."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._end_head()
            if self._current_request is not None:
                self._end_broken_body(self._current_request)
        elif self._waiter is not None and not self._messages:
            self._begin_head()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on after a pause. aiohttp asks for it after each body, and parses nothing anew."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._end_head()
        self._guard.leave(self._address)
        super().connection_lost(exc)

    def _end_broken_body(self, request: BaseRequest) -> None:
        """aiohttp queues the error of a bad chunk as a next request; its reader must not wait."""
        if not self._messages or isinstance(self._messages[-1][0], RawRequestMessage):
            return
        if not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("the body breaks off"))

    def _begin_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(
                self._guard.head_deadline_s, self._head_overdue
            )

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._head_timer = None
        self._guard.late_heads += 1
        self.force_close()


class GuardedServer(web.Server):
    """Makes guarded connections and counts them by address."""

    def __init__(
        self,
        handler: Any,
        *,
        head_deadline_s: float,
        per_address: int,
        uncapped: Networks,
        urgent: Callable[[bytes], bool] | None,
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self.turns = Turns()
        self.urgent = urgent or (lambda data: False)
        self.head_deadline_s = head_deadline_s
        self.late_heads = 0  #: connections closed because their head did not come
        self.refused = 0  #: connections closed because their address had too many
        self._per_address = per_address
        self._uncapped = uncapped
        self._open: Counter[str] = Counter()

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return GuardedHandler(self, loop=self._loop, **self._kwargs)

    def admit(self, address: str) -> bool:
        """Count a connection of this address; tell whether it may stay."""
        self._open[address] += 1
        if self._open[address] <= self._per_address or is_in(address, self._uncapped):
            return True
        self.refused += 1
        return False

    def leave(self, address: str) -> None:
        """Count a connection of this address as gone."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """An application that is one door and has no routes to choose from."""

    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    #: tells of a request's first bytes whether a telephone may be ringing over it
    urgent: Callable[[bytes], bool]


FRONT = web.AppKey("front", Front)


class DoorRunner(web.AppRunner):
    """aiohttp's runner with guarded connections; the public door is run by nothing else.

    An application's `FRONT` is called without its router, middlewares and signals.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        head_deadline_s: float = HEAD_DEADLINE_S,
        per_address: int = CONNECTIONS_PER_ADDRESS,
        uncapped: Networks = (),
        **options: Any,
    ) -> None:
        options.setdefault("keepalive_timeout", IDLE_S)
        # What was refused unread is drained by the door itself, within bounds.
        options.setdefault("lingering_time", 0.0)
        options.setdefault("auto_decompress", False)
        options.setdefault("access_log", None)  # paths can hold secrets
        options.setdefault("logger", _one_line_logger())
        super().__init__(app, **options)
        self._guarded: dict[str, Any] = {
            "head_deadline_s": head_deadline_s,
            "per_address": per_address,
            "uncapped": uncapped,
        }

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        front = self.app.get(FRONT)
        return GuardedServer(
            front.answer if front else plain.request_handler,
            request_factory=None if front else plain.request_factory,
            loop=asyncio.get_running_loop(),
            urgent=front.urgent if front else None,
            **self._guarded,
            **plain._kwargs,
        )


def address_of(peername: object) -> str:
    """Return the address part of a socket's peer name; "" for a local socket."""
    return str(peername[0]) if isinstance(peername, (tuple, list)) and peername else ""


def _one_line_logger() -> logging.Logger:
    logger = logging.getLogger("keepline.door")
    if not logger.filters:
        logger.addFilter(_one_line)
    return logger


def _one_line(record: logging.LogRecord) -> bool:
    """Cut a record to one line that quotes nothing of the request, and drop its traceback."""
    error = record.exc_info[1] if record.exc_info else None
    kind = type(error).__name__ if error else "no exception"
    address = next((arg for arg in record.args or () if isinstance(arg, str)), "")
    record.msg = f"door.bad_request {kind} from {address}"[:LOG_LINE_BYTES]
    record.args, record.exc_info, record.exc_text = (), None, None
    return True
