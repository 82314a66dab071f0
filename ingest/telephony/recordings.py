"""Fetches the sound of calls: from the provider's own hosts, within limits, into a file.

What comes is believed to be sound only if its first octets say so: an error page under status 200
is an error page.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from ingest.domain.deliveries import Account, Provider, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.recordings import RecordingOf, Recordings
from ingest.domain.tokens import Grant, Token, bearer
from ingest.outbound import Allowed, Forbidden, check, connector, networks_of, texts
from ingest.telephony.sound_tokens import SoundTokens

MIB = 1024 * 1024
CHUNK = 256 * 1024
SNIFF = 64  #: octets by which sound is told from an error page
REDIRECTS = 3
LINK_BYTES = 256 * 1024  #: of an answer that only says where the sound lies
AGENT = "keepline"

#: How files of sound begin: octets, from where, and what it is served as.
SOUND = (
    (b"ID3", 0, "audio/mpeg"),
    (b"OggS", 0, "audio/ogg"),
    (b"fLaC", 0, "audio/flac"),
    (b"#!AMR", 0, "audio/amr"),
    (b"ftyp", 4, "audio/mp4"),
    (b"WAVE", 8, "audio/wav"),
    (b"\x1aE\xdf\xa3", 0, "audio/webm"),
)


class NotFetched(Exception):
    """The sound did not come; the text says why."""

    def __init__(self, because: str, *, final: bool = False) -> None:
        super().__init__(because)
        self.final = final  #: True: asking again will not help


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Bounds of one recording."""

    bytes: int = 256 * MIB
    total_s: float = 600.0
    silent_s: float = 30.0  #: without an octet


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Sound that lies in a file now."""

    digest: str  #: SHA-256, in hex
    size: int
    content_type: str


def allowed_of(recordings: Recordings, account: Account) -> Allowed:
    """Return where a source's sound may be fetched from. Raises ValueError for a bad setting."""
    config = account.config
    networks = networks_of(texts(config.get("recording_networks", ()), "recording_networks"))
    named = texts(config.get("recording_hosts", ()), "recording_hosts")
    return Allowed(
        hosts=(*recordings.hosts, *recordings.hosts_of(account), *named),
        networks=networks,
    )


async def fetch(
    provider: Provider,
    account: Account,
    recording: RecordingOf,
    target: Path,
    *,
    limits: FetchLimits | None = None,
    resolver: AbstractResolver | None = None,
    now: datetime | None = None,
    tokens: SoundTokens | None = None,
) -> Fetched:
    """Fetch a recording into a new file at `target`. Raises NotFetched; then there is no file.

    `tokens` are those of earlier recordings; without them the provider is asked for one each time.
    """
    limits = limits or FetchLimits()
    recordings = provider.recordings or Recordings()
    try:
        allowed = allowed_of(recordings, account)
        request = recordings.request(account, recording)
    except ValueError as error:
        raise NotFetched(str(error), final=True) from error
    if request is None:
        raise NotFetched(_what_is_missing(recordings, account), final=True)
    now, tokens = now or datetime.now(UTC), tokens or SoundTokens()
    try:
        if recordings.made is not None:
            request = bearer(request, recordings.made(account, now))
        async with asyncio.timeout(limits.total_s), AsyncExitStack() as stack:
            sessions = {
                scheme: await stack.enter_async_context(_session(within, limits, resolver))
                for scheme, within in (("https", allowed), ("http", allowed.plain))
            }
            if recordings.link is not None:
                first = await _small(sessions, request, allowed)
                request = recordings.link(account, first)

            async def ask(asking: ApiRequest) -> ApiResponse:
                return await _small(sessions, asking, allowed)

            async def get(asking: ApiRequest) -> Fetched:
                return await _into_file(sessions, asking, allowed, target, limits)

            if recordings.grant is None:
                return await get(request)
            good = functools.partial(tokens.good, recordings.grant, account, now, ask)
            return await _with_token(recordings.grant, request, tokens, good, get)
    except Forbidden as error:
        raise NotFetched(str(error), final=True) from error
    except UnreadableDelivery as error:
        raise NotFetched(str(error)) from error
    except TimeoutError as error:
        raise NotFetched("it did not come in time") from error
    except aiohttp.ClientError as error:
        raise NotFetched(_of_connection(error), final=_forbidden(error)) from error
    except (OSError, ValueError) as error:
        raise NotFetched(f"fetching failed: {type(error).__name__}") from error


async def _with_token(
    grant: Grant,
    request: ApiRequest,
    tokens: SoundTokens,
    good: Callable[[], Awaitable[tuple[Token, bool]]],
    get: Callable[[ApiRequest], Awaitable[Fetched]],
) -> Fetched:
    """Get with a token. One that was held and is not accepted any more is asked for anew, once."""
    while True:
        token, held = await good()
        try:
            return await get(grant.authorised(request, token))
        except NotFetched as error:
            if not (held and error.final):
                raise
            tokens.forget(token)


def _what_is_missing(recordings: Recordings, account: Account) -> str:
    have = {name for secrets in account.secrets for name in secrets}
    missing = [name for name in recordings.secrets if name not in have]
    if missing and recordings.hosts:
        return f"the source lacks the secret {', '.join(missing)}; see docs/providers.md"
    return "nothing says where the sound lies: see recordings_url in docs/providers.md"


def _forbidden(error: BaseException) -> bool:
    return isinstance(error.__cause__, Forbidden) or isinstance(error.__context__, Forbidden)


def _of_connection(error: aiohttp.ClientError) -> str:
    for cause in (error.__cause__, error.__context__):
        if isinstance(cause, Forbidden):
            return str(cause)
    return f"the connection failed: {type(error).__name__}"


@asynccontextmanager
async def _session(
    allowed: Allowed, limits: FetchLimits, resolver: AbstractResolver | None
) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=limits.silent_s, sock_read=limits.silent_s
    )
    async with aiohttp.ClientSession(
        connector=connector(allowed, resolver),
        timeout=timeout,
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
        max_line_size=16 * 1024,
        max_field_size=16 * 1024,
    ) as session:
        yield session


#: By scheme: each reaches only what may be asked that way.
Sessions = Mapping[str, aiohttp.ClientSession]


@asynccontextmanager
async def _answer(
    sessions: Sessions, request: ApiRequest, allowed: Allowed
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask, following a few redirects, each of them checked like the first address."""
    for _ in range(REDIRECTS + 1):
        check(request.url, allowed)
        async with sessions[urlsplit(request.url).scheme].request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            if response.status not in (301, 302, 303, 307, 308):
                _check_status(response)
                yield response
                return
            request = _redirected(request, response.headers.get("Location", ""))
    raise NotFetched("it was sent on too often")


def _redirected(request: ApiRequest, location: str) -> ApiRequest:
    """Return the request for where we were sent; what proves us goes to no other host."""
    url = urljoin(request.url, location)
    same = urlsplit(url)[:2] == urlsplit(request.url)[:2]
    headers: Mapping[str, str] = request.headers if same else {}
    return ApiRequest(url=url, headers=headers)


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in (200, 206):
        return
    gone = status in (401, 403, 410)
    raise NotFetched(f"the provider answered {status}", final=gone)


async def _small(sessions: Sessions, request: ApiRequest, allowed: Allowed) -> ApiResponse:
    async with _answer(sessions, request, allowed) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) > LINK_BYTES:
                raise NotFetched("the answer that names the sound is too large")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return ApiResponse(status=response.status, headers=headers, body=bytes(body))


async def _into_file(
    sessions: Sessions,
    request: ApiRequest,
    allowed: Allowed,
    target: Path,
    limits: FetchLimits,
) -> Fetched:
    async with _answer(sessions, request, allowed) as response:
        if (response.content_length or 0) > limits.bytes:
            raise NotFetched(f"it is larger than {limits.bytes // MIB} MiB", final=True)
        draft = await asyncio.to_thread(_Draft, target)
        try:
            async for chunk in response.content.iter_chunked(CHUNK):
                if draft.size + len(chunk) > limits.bytes:
                    raise NotFetched(f"it is larger than {limits.bytes // MIB} MiB", final=True)
                await asyncio.to_thread(draft.add, chunk)
            if response.content_length not in (None, draft.size):
                raise NotFetched("the connection broke off in the middle")
            content_type = sound_type(draft.head)
            if content_type is None:
                raise NotFetched("what came is no sound")
        except BaseException:
            draft.drop()
            raise
        draft.close()
        return Fetched(digest=draft.digest.hexdigest(), size=draft.size, content_type=content_type)


class _Draft:
    """A file that grows; dropped unless it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")
        self.digest = hashlib.sha256()
        self.size = 0
        self.head = b""

    def add(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.digest.update(chunk)
        self.size += len(chunk)
        if len(self.head) < SNIFF:
            self.head += chunk[: SNIFF - len(self.head)]

    def close(self) -> None:
        self._file.close()

    def drop(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def sound_type(head: bytes) -> str | None:
    """Return what sound begins with these octets, or None if they are not known as sound."""
    for octets, start, name in SOUND:
        if head[start : start + len(octets)] == octets:
            return name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a frame of MPEG audio
        return "audio/aac" if head[1] & 0x06 == 0 else "audio/mpeg"
    return None
