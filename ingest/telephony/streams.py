"""Streams: keeps a connection open to a telephone system that tells of its calls over TCP.

What is said over it is the provider's `Talk`; here are the socket, patience, and the memory: what
one read gave is kept in one transaction together with the state, so that a gap can be named. A
source without `host` in its config has no stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from ingest.domain.deliveries import Account, Provider
from ingest.domain.streams import Message, Said, Talk
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, of_messages, part_state_name
from ingest.telephony.endpoints import Endpoint, endpoint_of
from ingest.telephony.stream_state import PART, StreamState, recalled
from ingest.telephony.stream_wire import Lost, Wire, open_wire

log = structlog.get_logger()

HEARD_EVERY = timedelta(seconds=30)  #: how often a silent, living connection is noted

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How patient a stream is, in seconds."""

    connect_s: float = 10.0
    login_s: float = 30.0  #: from the connection to the first sign that events will come
    quiet_s: float = 30.0  #: of silence, before the other side is asked whether it lives
    dead_s: float = 20.0  #: of silence after that question
    first_s: float = 1.0  #: before the first new try; each further one waits twice as long
    most_s: float = 60.0  #: before any new try
    refused_tries: int = 3  #: after so many refused logins only `refused_s` helps
    refused_s: float = 600.0
    look_s: float = 1.0  #: between looks whether the log takes something again


class _Stopped(Exception):
    """The desk says stop."""


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source has a stream: its provider talks, and a host is set."""
    return provider.talk is not None and account.config.get("host") is not None


async def listen(
    desk: SourceDesk,
    *,
    limits: StreamLimits | None = None,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Listen to one source until its desk says stop: connect, log in, keep, connect again."""
    await _Listener(desk, limits or StreamLimits(), jitter).run()


class _Listener:
    """The stream of one source. Holds its state over connections."""

    def __init__(self, desk: SourceDesk, limits: StreamLimits, jitter: Callable[[], float]) -> None:
        self._desk = desk
        self._limits = limits
        self._jitter = jitter
        self._name = part_state_name(desk.source, PART)
        self._state = StreamState(since=desk.clock())
        self._failures = 0  #: in a row, without a login between
        self._refusals = 0
        self._noted: datetime | None = None  #: when the state was last made durable

    async def run(self) -> None:
        """Go on until the desk says stop."""
        self._state = recalled(await self._desk.recall(self._name), self._desk.clock())
        await self._become("connecting", None)
        try:
            endpoint = endpoint_of(self._desk.provider, self._desk.account)
        except ValueError as error:
            await self._become("refused", str(error))
            await self._desk.stop.wait()
            return
        if endpoint is None or self._desk.provider.talk is None:
            return
        with contextlib.suppress(_Stopped):
            while True:
                await self._once(endpoint, self._desk.provider.talk(self._account()))
        if self._state.state == "connected":
            await self._become("away", "it was stopped")

    def _account(self) -> Account:
        """Return the source; after a refused login with its other valid secrets first."""
        account = self._desk.account
        if not account.secrets:
            return account
        turn = self._refusals % len(account.secrets)
        return replace(account, secrets=account.secrets[turn:] + account.secrets[:turn])

    async def _once(self, endpoint: Endpoint, talk: Talk) -> None:
        """One connection from opening to its end, and the wait after it."""
        await self._until_taken()
        try:
            async with _opened(endpoint, self._limits, self._or_stop) as wire:
                await self._converse(wire, talk)
        except Lost as lost:
            log.warning("stream.lost", source=self._desk.source, because=str(lost))
            self._refusals = self._refusals + 1 if lost.refused else 0
            self._failures += 1
            await self._become("refused" if lost.refused else "away", str(lost))
        if await self._desk.wait(self._pause()):
            raise _Stopped

    def _pause(self) -> float:
        """Return how long to wait before the next try."""
        limits = self._limits
        if self._refusals >= limits.refused_tries:
            return limits.refused_s
        doubled = limits.first_s * 2.0 ** min(self._failures - 1, 20)
        return min(limits.most_s, doubled) * (0.5 + 0.5 * self._jitter())

    async def _converse(self, wire: Wire, talk: Talk) -> None:
        """Feed the talk until the connection ends; raises Lost or _Stopped."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._limits.login_s
        ready = await self._follow(wire, talk.opened(), ready=False)
        asked = False  #: whether it lives, with no word since
        while True:
            await self._until_taken()
            patience = self._limits.dead_s if asked else self._limits.quiet_s
            if not ready:
                patience = max(0.0, due - loop.time())
            data = await self._or_stop(wire.read(patience))
            if data is not None:
                asked = False
                ready = await self._follow(wire, talk.received(data, self._desk.clock()), ready)
                await self._note_that_it_lives(ready)
            elif not ready:
                raise Lost("it did not greet us and let us in in time")
            elif asked:
                raise Lost("it fell silent: it no longer answers when asked")
            else:
                said = talk.quiet()
                asked = bool(said.send)
                await self._follow(wire, said, ready)

    async def _follow(self, wire: Wire, said: Said, ready: bool) -> bool:
        """Do what the talk says; return whether it is logged in."""
        if said.send:
            await wire.send(said.send)
        if said.ready and not ready:
            self._failures = self._refusals = 0
            await self._keep((), self._state.connected(self._desk.clock()))
            log.info("stream.connected", source=self._desk.source)
        if said.keep:
            await self._keep(said.keep, self._state.told_at(self._desk.clock()))
        if said.failed is not None:
            raise Lost(said.failed, refused=said.refused)
        return ready or said.ready

    async def _note_that_it_lives(self, ready: bool) -> None:
        now = self._desk.clock()
        self._state = self._state.heard_at(now)
        if ready and (self._noted is None or now - self._noted >= HEARD_EVERY):
            await self._keep((), self._state)

    async def _become(self, state: str, because: str | None) -> None:
        self._state = self._state.become(state, because, self._desk.clock())
        with contextlib.suppress(KeepFailed):
            await self._desk.remember({self._name: self._state.plain()})

    async def _keep(self, messages: Sequence[Message], state: StreamState) -> None:
        """Make messages and state durable, in one transaction; raises _Stopped if that is vain.

        Only then it is the state: what was heard and could not be kept was not heard.
        """
        now = self._desk.clock()
        deliveries = of_messages(self._desk, messages, now)
        while True:
            try:
                await self._desk.keep(deliveries, {self._name: state.plain()})
                self._state, self._noted = state, now
                return
            except KeepFailed as failure:
                log.warning("stream.not_kept", source=self._desk.source, because=str(failure))
            if await self._desk.wait(self._limits.look_s):
                raise _Stopped

    async def _until_taken(self) -> None:
        """Wait while the log is full; what comes meanwhile waits in the socket."""
        while self._desk.full() is not None:
            if await self._desk.wait(self._limits.look_s):
                raise _Stopped
        if self._desk.stop.is_set():
            raise _Stopped

    async def _or_stop(self, work: Awaitable[T]) -> T:
        """Return what the work gives; raises _Stopped at once when the desk says stop."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._desk.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise _Stopped
            return working.result()
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working


@contextlib.asynccontextmanager
async def _opened(
    endpoint: Endpoint,
    limits: StreamLimits,
    or_stop: Callable[[Awaitable[Wire]], Awaitable[Wire]],
) -> AsyncIterator[Wire]:
    wire = await or_stop(open_wire(endpoint, limits.connect_s))
    try:
        yield wire
    finally:
        wire.close()
