"""Requests to providers: to their own hosts only, within bounds, and over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ingest.domain.histories import ApiRequest
from ingest.telephony.api_client import (
    ApiNotAllowed,
    ApiUnreachable,
    call,
    is_host_of,
    why_not_allowed,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HERE = ("127.0.0.1",)


@asynccontextmanager
async def a_provider(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def says_nothing(request: web.Request) -> web.Response:
    return web.Response()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.test.evil.test/v1",
        "https://evil.test/api.acme.test",
        "https://evil.test#api.acme.test",
        "https://api.acme.test@evil.test/",
        "https://evilapi.acme.test.test/",
        "https://notacme.test/",
        "https://127.0.0.1/",
        "//api.acme.test/",
        "file:///etc/passwd",
        "https://",
        "https://api.acme.test:x/",
        "https://api.acme.test\\@evil.test/",
        "https://api.acme.test /",
        "http://api.acme.test/",
        "ftp://api.acme.test/",
    ],
)
def test_another_host_or_way_is_not_asked(url: str) -> None:
    assert why_not_allowed(url, ("api.acme.test", ".acme.example"), loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.test/v1?a=1",
        "https://API.acme.test:8443/v1",
        "https://a.b.acme.example/",
        "https://acme.example/",
    ],
)
def test_the_providers_own_hosts_are(url: str) -> None:
    assert why_not_allowed(url, ("api.acme.test", ".acme.example")) is None


def test_a_name_that_only_ends_alike_is_another() -> None:
    assert not is_host_of("badacme.example", (".acme.example",))
    assert not is_host_of("", (".acme.example",))


def test_this_machine_is_asked_without_tls_only_where_that_is_set() -> None:
    assert why_not_allowed("http://127.0.0.1:1/", HERE)
    assert why_not_allowed("http://127.0.0.1:1/", HERE, loopback=True) is None
    assert why_not_allowed("http://192.0.2.1/", ("192.0.2.1",), loopback=True)


async def test_what_is_not_allowed_is_not_even_connected_to() -> None:
    with pytest.raises(ApiNotAllowed, match="not one of the provider's hosts"):
        await call(ApiRequest(url="https://127.0.0.1:1/"), hosts=("api.acme.test",))


async def test_the_request_goes_out_as_written_and_the_answer_comes_back_whole() -> None:
    seen: list[tuple[str, str, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append((request.method, request.raw_path, request.headers.get("X-Key"), body))
        return web.Response(status=404, body=b"none", headers={"X-Left": "3"})

    async with a_provider(handler) as base:
        answer = await call(
            ApiRequest(
                method="PUT", url=f"{base}/a%2Fb?t=%2B1", headers={"X-Key": "k"}, body=b"{}"
            ),
            hosts=HERE,
            loopback=True,
        )

    assert seen == [("PUT", "/a%2Fb?t=%2B1", "k", b"{}")]
    assert (answer.status, answer.body, answer.headers["x-left"]) == (404, b"none", "3")


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=308, headers={"Location": "/elsewhere"})

    async with a_provider(handler) as base:
        with pytest.raises(ApiUnreachable, match="another address"):
            await call(ApiRequest(url=f"{base}/a"), hosts=HERE, loopback=True)

    assert asked == ["/a"]


async def test_an_answer_without_end_is_given_up() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 1024)
        return answer

    async with a_provider(handler) as base:
        with pytest.raises(ApiUnreachable, match="larger than 4096"):
            await call(ApiRequest(url=base), hosts=HERE, loopback=True, most_bytes=4096)


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await done.wait()
        return web.Response()

    async with a_provider(handler) as base:
        with pytest.raises(ApiUnreachable, match="no answer within"):
            await call(ApiRequest(url=base), hosts=HERE, loopback=True, timeout_s=0.1)
        done.set()


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    async with a_provider(handler) as base:
        with pytest.raises(ApiUnreachable, match="compressed"):
            await call(ApiRequest(url=base), hosts=HERE, loopback=True)


async def test_nothing_that_listens_is_trouble_with_the_provider() -> None:
    async with a_provider(says_nothing) as base:
        gone = base
    with pytest.raises(ApiUnreachable):
        await call(ApiRequest(url=gone), hosts=HERE, loopback=True)


async def test_a_header_that_would_be_two_is_not_sent() -> None:
    async with a_provider(says_nothing) as base:
        with pytest.raises(ApiUnreachable):
            await call(
                ApiRequest(url=base, headers={"X-A": "1\r\nX-B: 2"}), hosts=HERE, loopback=True
            )


async def test_a_digest_challenge_is_answered() -> None:
    challenge = 'Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5'
    proofs: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        proof = request.headers.get("Authorization", "")
        if not proof.startswith("Digest "):
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        proofs.append(proof)
        return web.Response(body=b"in")

    async with a_provider(handler) as base:
        asked = ApiRequest(url=f"{base}/cdrapi", digest=("cdr", "p"))
        answer = await call(asked, hosts=HERE, loopback=True)

    assert answer.body == b"in"
    assert 'username="cdr"' in proofs[0]
