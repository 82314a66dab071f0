"""One HTTP request to a provider's interface: to its own hosts, and to nobody else.

Every request that a companion sends goes through `call`: the host is checked against a list, a
redirect is not followed, time and size are bounded. What an answer means is the provider's matter,
so a refusal is returned like any other answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TypedDict
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ingest.domain.deliveries import Account
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.outbound import matches

TIMEOUT_S = 30.0  #: for the whole of one request
MOST_BYTES = 8 * 1024 * 1024  #: of an answer
MOST_HEADER = 8_190  #: octets of one line of an answer's head
USER_AGENT = "keepline"


class Bounds(TypedDict):
    """Arguments of `call` that a source's settings decide."""

    loopback: bool
    ca_file: str | None


class ApiUnreachable(Exception):
    """The provider gave no whole answer: try again later."""


class ApiNotAllowed(Exception):
    """This address is not one of the provider's own: nothing was sent."""


async def call(
    request: ApiRequest,
    *,
    hosts: Sequence[str],
    timeout_s: float = TIMEOUT_S,
    most_bytes: int = MOST_BYTES,
    loopback: bool = False,
    ca_file: str | None = None,
) -> ApiResponse:
    """Return what one of these hosts answered, whatever its status.

    `hosts` are names; one that begins with a dot stands for all beneath it as well. `loopback`
    lets a host of the list that is this machine be asked without TLS, as tests do. `ca_file` names
    certificates to believe instead of the system's. Raises ApiNotAllowed, ApiUnreachable.
    """
    problem = why_not_allowed(request.url, hosts, loopback=loopback)
    if problem is not None:
        raise ApiNotAllowed(problem)
    try:
        async with asyncio.timeout(timeout_s):
            return await _call(request, most_bytes, ca_file)
    except TimeoutError:
        raise ApiUnreachable(f"no answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ApiUnreachable(f"no answer: {type(error).__name__}") from error


def bounds_of(account: Account) -> Bounds:
    """Return what a source's settings say of being asked, to be passed on to `call`.

    `api_loopback` lets a simulator on this machine be asked; `ca_file` is for a telephone system
    in the house whose certificate only the company's own authority knows.
    """
    ca_file = account.config.get("ca_file")
    return {
        "loopback": account.config.get("api_loopback") is True,
        "ca_file": ca_file if isinstance(ca_file, str) and ca_file else None,
    }


def why_not_allowed(url: str, hosts: Sequence[str], *, loopback: bool = False) -> str | None:
    """Return why this address may not be asked, in words without the address; None if it may."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "the address cannot be read"
    if not host or "@" in parts.netloc or "\\" in url or any(ord(c) <= 32 for c in url):
        return "the address cannot be read"
    if not is_host_of(host, hosts):
        return f"{host} is not one of the provider's hosts"
    if parts.scheme == "https" or (parts.scheme == "http" and loopback and _is_loopback(host)):
        return None
    return f"{host} would be asked without TLS"


def is_host_of(host: str, hosts: Sequence[str]) -> bool:
    """Tell whether a host is one of the list, or lies beneath one that begins with a dot."""
    return any(matches(host, named) for named in hosts)


async def _call(request: ApiRequest, most_bytes: int, ca_file: str | None) -> ApiResponse:
    context = None if ca_file is None else await asyncio.to_thread(_believing, ca_file)
    connector = aiohttp.TCPConnector(ssl=True if context is None else context, force_close=True)
    digest = request.digest
    middlewares = (aiohttp.DigestAuthMiddleware(*digest),) if digest else ()
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=MOST_HEADER,
            max_field_size=MOST_HEADER,
            middlewares=middlewares,
        ) as session,
        session.request(
            request.method,
            URL(request.url, encoded=True),  # as the provider's module wrote and perhaps signed it
            headers={"User-Agent": USER_AGENT, **request.headers, "Accept-Encoding": "identity"},
            data=request.body or None,
            allow_redirects=False,
        ) as answer,
    ):
        if 300 <= answer.status < 400 and answer.status != 304:
            raise ApiUnreachable("it sent us on to another address, where we do not go")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ApiUnreachable("its answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > most_bytes:
                raise ApiUnreachable(f"its answer is larger than {most_bytes} octets")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return ApiResponse(status=answer.status, headers=headers, body=bytes(body))


def _believing(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ApiNotAllowed(f"ca_file: {ca_file} holds no certificates that can be read") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
