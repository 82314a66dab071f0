"""Guarded connections of the public door: a deadline on request heads, a cap per address.

aiohttp reads a head for as long as its sender likes. Here a connection that has not delivered a
whole head in time is closed, whether it said nothing or half of it; an idle connection between two
requests may live longer, as proxies like it. Malformed requests become one short line of log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from ingest.telephony.door import Networks, is_in

HEAD_DEADLINE_S = 10.0
IDLE_S = 75.0  #: longer than most proxies keep an idle connection to what they serve
CONNECTIONS_PER_ADDRESS = 2_000
LOG_LINE_BYTES = 300


class GuardedHandler(RequestHandler):
    """aiohttp's connection with a deadline on each head."""

    __slots__ = ("_address", "_guard", "_head_timer")

    def __init__(self, guard: GuardedServer, **options: Any) -> None:
        super().__init__(guard, **options)
        self._guard = guard
        self._address = ""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the deadline, or close at once if this address has too many connections."""
        super().connection_made(transport)
        self._address = address_of(transport.get_extra_info("peername"))
        if self._guard.admit(self._address):
            self._begin_head()
        else:
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take bytes; part of a head begins the deadline, its end takes it away."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._end_head()
            if self._current_request is not None:
                self._end_broken_body(self._current_request)
        elif self._waiter is not None and not self._messages:
            self._begin_head()

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
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
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


class DoorRunner(web.AppRunner):
    """aiohttp's runner with guarded connections; the public door is run by nothing else."""

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
        return GuardedServer(
            plain.request_handler,
            request_factory=plain.request_factory,
            loop=asyncio.get_running_loop(),
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
