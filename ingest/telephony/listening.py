"""Listening: takes the connections of a telephone system that dials us to tell of its calls.

What is said over a connection is the provider's `Talk`; here are the socket, its bounds, and the
memory. Such a system proves nothing, so only addresses of the source's `unsigned_from` are heard,
and a source without that list does not listen. `listen` of its config says where: host:port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from ingest.domain.deliveries import Account, Provider
from ingest.domain.streams import Message, Talk
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, of_messages, part_state_name
from ingest.telephony.door import is_in
from ingest.telephony.endpoints import Place, place_of
from ingest.telephony.stream_state import StreamState, recalled

log = structlog.get_logger()

PART = "listening"
READ_BYTES = 65_536  #: of one read; what is sent beyond is held back by the socket
HEARD_EVERY = timedelta(seconds=30)  #: how often a silent, standing connection is noted


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningLimits:
    """Bounds of one listening source."""

    connections: int = 4  #: at once; a new one takes the place of the oldest
    backlog: int = 8  #: waiting to be taken
    look_s: float = 1.0  #: between looks whether the log takes something again
    bind_s: float = 30.0  #: before a place that is taken is tried again
    keepalive_s: int = 60  #: of silence, before the network is asked whether the other side lives


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source listens: its provider dials, and a place is set."""
    return provider.dials_us and account.config.get("listen") is not None


async def receive(desk: SourceDesk, *, limits: ListeningLimits | None = None) -> None:
    """Listen for one source until its desk says stop."""
    await Listening(desk, limits or ListeningLimits()).run()


class Listening:
    """The listening socket of one source and the connections to it."""

    def __init__(self, desk: SourceDesk, limits: ListeningLimits) -> None:
        self._desk = desk
        self._limits = limits
        self._name = part_state_name(desk.source, PART)
        self._state = StreamState(since=desk.clock())
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}  #: oldest first
        self._refused_at: datetime | None = None  #: when that was last logged
        self.port = 0  #: where it listens, once it does

    async def run(self) -> None:
        """Go on until the desk says stop."""
        self._state = recalled(await self._desk.recall(self._name), self._desk.clock())
        try:
            place = place_of(self._desk.account)
        except ValueError as error:
            await self._become("refused", str(error))
            await self._desk.stop.wait()
            return
        while not self._desk.stop.is_set():
            try:
                await self._listen(place)
            except (OSError, UnicodeError) as error:  # the last: a name that is none
                because = f"listen: {place.host}:{place.port}: {getattr(error, 'strerror', error)}"
                await self._become("refused", because)
                await self._desk.wait(self._limits.bind_s)

    async def _listen(self, place: Place) -> None:
        """Take connections until the desk says stop. Raises OSError if the place is taken."""

        async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._taken(reader, writer, place)

        server = await asyncio.start_server(
            taken, place.host, place.port, limit=READ_BYTES, backlog=self._limits.backlog
        )
        self.port = server.sockets[0].getsockname()[1]
        await self._become("away", "nobody is connected")
        try:
            await self._desk.stop.wait()
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            if self._state.state == "connected":
                await self._become("away", "it was stopped")

    async def _taken(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place
    ) -> None:
        task = asyncio.current_task()
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        if task is None or not is_in(peer, place.networks) or self._desk.provider.talk is None:
            self._say_refused()
            writer.transport.abort()
            return
        while len(self._open) >= self._limits.connections:
            oldest = next(iter(self._open))
            self._open.pop(oldest).transport.abort()
        self._open[task] = writer
        _keep_alive(writer, self._limits.keepalive_s)
        try:
            await self._converse(reader, self._desk.provider.talk(self._desk.account))
        except (OSError, KeepFailed) as error:
            log.warning("listening.lost", source=self._desk.source, because=str(error))
        finally:
            writer.transport.abort()
            self._open.pop(task, None)
            if not self._open and not self._desk.stop.is_set():
                await self._become("away", "nobody is connected")

    def _say_refused(self) -> None:
        """Log that a stranger dialled, but not each time: scanners come by the thousand."""
        now = self._desk.clock()
        if self._refused_at is None or now - self._refused_at >= HEARD_EVERY:
            self._refused_at = now
            log.warning("listening.refused", source=self._desk.source)

    async def _converse(self, reader: asyncio.StreamReader, talk: Talk) -> None:
        """Feed the talk with what comes until the other side closes; nothing is said to it."""
        talk.opened()
        self._state = self._state.connected(self._desk.clock())
        await self._keep(())
        while True:
            while self._desk.full() is not None:  # what comes meanwhile waits in the socket
                if await self._desk.wait(self._limits.look_s):
                    return
            try:
                async with asyncio.timeout(HEARD_EVERY.total_seconds()):
                    data = await reader.read(READ_BYTES)
            except TimeoutError:
                await self._note()
                continue
            if not data:
                return
            said = talk.received(data, self._desk.clock())
            self._state = self._state.heard_at(self._desk.clock())
            if said.keep:
                self._state = self._state.told_at(self._desk.clock())
                await self._keep(said.keep)
            if said.failed is not None:
                log.warning("listening.given_up", source=self._desk.source, because=said.failed)
                return

    async def _note(self) -> None:
        """Remember that nothing was missed up to now: the connection stands."""
        self._state = self._state.heard_at(self._desk.clock())
        with contextlib.suppress(KeepFailed):
            await self._desk.remember({self._name: self._state.plain()})

    async def _keep(self, messages: Sequence[Message]) -> None:
        """Make messages and state durable, in one transaction; until then nothing more is read."""
        deliveries = of_messages(self._desk, messages, self._desk.clock())
        while True:
            try:
                await self._desk.keep(deliveries, {self._name: self._state.plain()})
                return
            except KeepFailed as failure:
                log.warning("listening.not_kept", source=self._desk.source, because=str(failure))
                if await self._desk.wait(self._limits.look_s):
                    raise

    async def _become(self, state: str, because: str | None) -> None:
        self._state = self._state.become(state, because, self._desk.clock())
        with contextlib.suppress(KeepFailed):
            await self._desk.remember({self._name: self._state.plain()})


def _keep_alive(writer: asyncio.StreamWriter, after_s: int) -> None:
    """Let the network notice a telephone system that lost its power: it says nothing for hours."""
    wire = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, after_s)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, after_s // 4))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
