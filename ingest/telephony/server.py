"""The public door: takes what telephone providers send, keeps it, and only then answers.

`/hooks/{source}` and everything beneath it, any method. Who sends is proved first; nothing is read
into calls here. What cannot be kept at the moment is answered so that the provider sends it again.
Who asks who is calling is answered first, and kept afterwards (`live`).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Any

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    NewDelivery,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.keeper import Keeper, KeepFailed
from ingest.telephony.connections import FRONT, Front
from ingest.telephony.door import DoorCounters, DoorLimits, Networks, Quota, sender
from ingest.telephony.greetings import Greetings
from ingest.telephony.live import FindWho, LiveAnswers, asks_usually
from ingest.telephony.request import delivery_key, storable
from ingest.telephony.subscriptions import ended_memory
from ingest.telephony.turns import Turns

Sources = Mapping[str, tuple[Provider, Account]]

PREFIX = "/hooks/"
_SOURCE = re.compile(rb"[A-Z]{1,10} /hooks/([^/? ]{1,200})")
LONGEST_EVENT_ID = 200  #: characters; a longer one is named by its hash
DRAIN_BYTES = 64 * 1024  #: of a body that nobody wants, so that its sender can read our answer
DRAIN_S = 0.5
REFUSED = b"refused\n"
SERVER = "keepline"  #: instead of aiohttp's, which tells its version to everybody

#: What reading a body raises when its sender breaks the rules of chunks, or leaves.
_BROKEN_BODY = (web.RequestPayloadError, HttpProcessingError, ConnectionError)

log = structlog.get_logger()


class _Refused(Exception):
    """The request gets this answer and is not kept."""

    def __init__(
        self, status: int, why: str = "refused", *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after_s = retry_after_s


def public_door(
    *,
    sources: Callable[[], Sources],
    unusable: Callable[[], Container[str]] = tuple,
    keeper: Keeper,
    clock: Callable[[], datetime],
    limits: DoorLimits | None = None,
    counters: DoorCounters | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    find_who: FindWho | None = None,
) -> web.Application:
    """Return the application of the public door, to be run by `connections.DoorRunner`.

    `sources` is asked at each request, so that a new source needs no restart; `unusable` returns
    the names of those that are known and cannot be opened: they are to send again. `find_who`
    answers who is calling, at once. Raises ValueError for a trusted proxy that is no network.
    """
    door = _Door(
        sources,
        unusable,
        keeper,
        clock,
        limits or DoorLimits(),
        DoorCounters() if counters is None else counters,
        monotonic,
        find_who,
    )
    app = web.Application()
    app.on_cleanup.append(door.close)
    app.router.add_route("*", "/{tail:.*}", door.handle)
    app[FRONT] = Front(answer=door.handle, urgent=door.is_urgent)
    return app


class _Door:
    """What one request after another needs."""

    def __init__(
        self,
        sources: Callable[[], Sources],
        unusable: Callable[[], Container[str]],
        keeper: Keeper,
        clock: Callable[[], datetime],
        limits: DoorLimits,
        counters: DoorCounters,
        monotonic: Callable[[], float],
        find_who: FindWho | None,
    ) -> None:
        self._live = LiveAnswers(find_who, counters)
        self._sources = sources
        self._unusable = unusable
        self._keeper = keeper
        self._clock = clock
        self._limits = limits
        self._counters = counters
        self._monotonic = monotonic
        self._proxies: Networks = limits.proxies
        self._quotas: dict[str, Quota] = {}
        self._greetings = Greetings(limits.handshakes_per_s, limits.handshakes_burst, monotonic)
        self._turns = Turns()

    def is_urgent(self, octets: bytes) -> bool:
        """Tell of a request's first octets whether its source asks who is calling."""
        found = _SOURCE.match(octets)
        known = self._sources().get(found[1].decode("ascii", "replace")) if found else None
        return known is not None and asks_usually(*known)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request; whatever happens, never with a 500."""
        source, path, query = split_target(request.raw_path)
        try:
            return await self._handle(request, source, path, query)
        except _Refused as refused:
            await _drain(request)
            return _refusal(refused)
        except Exception as error:  # a fault of ours: the provider shall send it again
            log.error("hook.failed", source=source, reason=type(error).__name__)
            return _refusal(_Refused(503, retry_after_s=self._limits.retry_after_s))

    async def _handle(
        self, request: web.BaseRequest, source: str, path: str, query: str
    ) -> web.Response:
        known = self._sources().get(source)
        if known is not None and not known[0].hooks:
            known = None  # a source that nobody sends to has no door
        refusal = self._refusal_when_full(source, known is not None)
        if refusal is not None and (known is None or known[0].lookup is None):
            raise refusal
        if known is None and source in self._unusable():
            self._counters.of(source).failed += 1
            raise _Refused(503, retry_after_s=self._limits.retry_after_s)
        try:
            body = await self._body(request)
        except _Refused as refused:
            if known is not None:
                self._counters.rejected(source, refused, self._clock())
            raise
        if known is None:
            hashlib.sha256(body).digest()  # as long as a signature would have taken
            self._counters.unknown += 1
            raise _Refused(404)
        provider, account = known
        hook = HookRequest(
            method=request.method,
            path=path,
            query=query,
            headers=tuple([(name.lower(), value) for name, value in request.headers.items()]),
            body=body,
            url=account.public_url + request.raw_path,
            received_at=self._clock(),
            peer=self._peer(request),
        )
        greeting = self._handshake(hook, provider, account)
        if greeting is not None:
            return _response(greeting)
        event_id = self._proved_event_id(hook, provider, account)
        asked = self._live.question(hook, provider, account)
        if asked is None and refusal is not None:
            raise refusal
        if refusal is None:
            self._take_quota(source)
        if asked is not None:
            said = self._live.answer(asked, hook, provider, account)
            if refusal is None:
                self._live.keep_after(source, self._store(hook, source, event_id, {}))
            else:
                self._live.not_kept(source)
            return _response(said)
        if asks_usually(provider, account):  # it came in before its turn, and asks nothing
            await self._turns.take()
        memory = ended_memory(hook, provider, account)
        receipt = await self._keep(hook, account.source, event_id, memory)
        return _response(_answer(hook, provider, account, receipt))

    def _refusal_when_full(self, source: str, known: bool) -> _Refused | None:
        """Return why nothing more is taken now. Who asks who is calling is answered even so."""
        refusal = None
        if self._keeper.full is not None:
            refusal = _Refused(503, retry_after_s=self._limits.retry_after_s)
        elif known and self._quota(source).spent():
            refusal = _Refused(429, retry_after_s=1)
        if refusal is not None and known:
            self._counters.of(source).overloaded += 1
        return refusal

    def _take_quota(self, source: str) -> None:
        """Only proved requests use a source's quota up: nobody else can spend it."""
        self._quota(source).take()

    def _quota(self, source: str) -> Quota:
        found = self._quotas.get(source)
        if found is None:
            found = self._quotas[source] = Quota(
                self._limits.quota_per_s, self._limits.quota_burst, self._monotonic
            )
        return found

    def _handshake(
        self, hook: HookRequest, provider: Provider, account: Account
    ) -> HookResponse | None:
        """Return the answer to a check of the set-up, which is counted and not kept."""
        if provider.handshake is None:
            return None
        try:
            greeting = provider.handshake(hook, account)
        except BadSignature as error:
            self._reject(hook, account, error)
            raise _Refused(401) from None
        except Exception as error:
            self._reject(hook, account, error)
            raise _Refused(400) from None
        if greeting is not None and greeting.status < 400:  # else it only asks for a proof
            self._take_greeting(account.source, hook.peer)
        return greeting

    def _take_greeting(self, source: str, peer: str) -> None:
        """Use up a quota of its own: whoever shakes hands for fun takes nothing from others."""
        if not self._greetings.take(source, peer):
            self._counters.of(source).overloaded += 1
            raise _Refused(429, retry_after_s=1)
        self._counters.of(source).handshakes += 1

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Return the body. Raises _Refused for one too large, too slow or compressed."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Refused(415, "the body is compressed")
        most = self._limits.body_bytes
        if (request.content_length or 0) > most:
            raise _Refused(413, "the body is too large")
        content = request.content
        if (expected := request.headers.get("Expect")) and not content.is_eof():
            self._go_on(request, expected)
        try:
            if content.is_eof():  # nearly always: it came with the head
                return _at_most(most, content.read_nowait())
            parts = bytearray()
            async with asyncio.timeout(self._limits.body_deadline_s):
                while chunk := await content.readany():
                    parts += _at_most(most - len(parts), chunk)
            return bytes(parts)
        except TimeoutError:
            raise _Refused(408, "the body did not come in time") from None
        except _BROKEN_BODY:
            raise _Refused(400, "the body breaks off") from None

    @staticmethod
    def _go_on(request: web.BaseRequest, expected: str) -> None:
        """Tell a sender that waits with its body to send it: nothing refused it by its head."""
        if expected.lower() != "100-continue":
            raise _Refused(417, "the request expects what is not known")
        if request.version >= HttpVersion11 and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _peer(self, request: web.BaseRequest) -> str:
        direct = request.remote or ""
        if not self._proxies:
            return direct
        forwarded = request.headers.getall("X-Forwarded-For", None)
        return sender(direct, ",".join(forwarded) if forwarded else None, self._proxies)

    def _proved_event_id(
        self, hook: HookRequest, provider: Provider, account: Account
    ) -> str | None:
        """Return the provider's event id of a request whose sender is proved, else refuse it."""
        try:
            provider.verify(hook, account)
        except BadSignature as error:
            self._reject(hook, account, error)
            raise _Refused(401) from None
        except Exception as error:  # nothing was proved, so nothing is kept
            self._reject(hook, account, error)
            raise _Refused(400) from None
        try:
            event_id = provider.key(hook, account)
        except UnreadableDelivery:
            return None  # a proved sender's broken body: kept, and parked by the reader
        except Exception as error:
            self._reject(hook, account, error)
            raise _Refused(400) from None
        return short_event_id(event_id)

    def _reject(self, hook: HookRequest, account: Account, error: Exception) -> None:
        reason = self._counters.rejected(account.source, error, hook.received_at)
        log.warning("hook.rejected", source=account.source, kind=type(error).__name__, why=reason)

    async def _keep(
        self, hook: HookRequest, source: str, event_id: str | None, memory: Mapping[str, Any]
    ) -> Receipt:
        try:
            return await self._store(hook, source, event_id, memory)
        except KeepFailed as error:
            self._counters.of(source).failed += 1
            log.warning("hook.not_kept", source=source, why=str(error))
            raise _Refused(503, retry_after_s=self._limits.retry_after_s) from None

    async def _store(
        self, hook: HookRequest, source: str, event_id: str | None, memory: Mapping[str, Any]
    ) -> Receipt:
        new = NewDelivery(
            source=source,
            key=delivery_key(hook, event_id),
            event_id=event_id,
            received_at=hook.received_at,
            head={
                "method": hook.method,
                "path": hook.path,
                "query": hook.query,
                "headers": hook.headers,
                "url": hook.url,
                "peer": hook.peer,
            },
            body=hook.body,
        )
        kept = await self._keeper.keep(new, memory or None)
        self._counters.kept(source, kept.receipt, hook.received_at)
        return kept.receipt

    async def close(self, app: web.Application) -> None:
        """Wait until what was answered at once is kept."""
        await self._live.close()


def split_target(target: str) -> tuple[str, str, str]:
    """Return source, path beneath it and query of a request's raw target, nothing re-encoded."""
    path, _, query = target.partition("?")
    if not path.startswith(PREFIX):
        return "", "", ""  # spelt in a way of its own: a source of no name, which nobody has
    source, slash, rest = path[len(PREFIX) :].partition("/")
    return source, slash + rest, query


def short_event_id(event_id: str | None) -> str | None:
    """Return an event id that every database can hold and index; None for an empty one."""
    if not event_id:
        return None
    if len(event_id) > LONGEST_EVENT_ID:
        return "sha256-" + hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()
    return storable(event_id)


def _at_most(most: int, octets: bytes) -> bytes:
    if len(octets) > most:
        raise _Refused(413, "the body is too large")
    return octets


def _answer(
    hook: HookRequest, provider: Provider, account: Account, receipt: Receipt
) -> HookResponse:
    """Return what the provider expects to read; it is kept, so a failing answer is still 200."""
    try:
        return provider.answer(hook, account, receipt)
    except Exception as error:
        log.error("hook.answer_failed", source=account.source, reason=type(error).__name__)
        return HookResponse()


def _response(answer: HookResponse) -> web.Response:
    headers = {"Content-Type": answer.content_type, "Server": SERVER}
    headers.update(answer.headers)
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _refusal(refused: _Refused) -> web.Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Server": SERVER}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(refused.retry_after_s)
    return web.Response(status=refused.status, body=REFUSED, headers=headers)


async def _drain(request: web.BaseRequest) -> None:
    """Read a little of an unwanted body: closing on unread bytes could cost the sender our answer.

    What is left after that closes the connection.
    """
    content = request.content
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while not content.at_eof() and size < DRAIN_BYTES:
                size += len(await content.readany())
    except (TimeoutError, *_BROKEN_BODY):
        return
