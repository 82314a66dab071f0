"""Requests to addresses that strangers name: where they may go, checked after resolution.

A report may carry any address, and a name may lead anywhere. So the host must be one that the
provider or the administrator named, the addresses it resolves to are looked at, and the connection
is made to the very address that was looked at.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")


class Forbidden(Exception):
    """This address must not be asked; the text says why, and what would allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Where requests may go."""

    hosts: tuple[str, ...] = ()  #: names; ".example.com" is everything beneath it, and itself
    networks: tuple[Network, ...] = ()  #: private networks that may be reached all the same
    setting: str = "recording_hosts"  #: of the source, named when a host is refused
    public: bool = True  #: False: these networks alone may be reached

    @property
    def plain(self) -> Allowed:
        """Return where plain http may go: into the networks alone, as to a system in the house."""
        return replace(self, public=False)


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return networks written as text. Raises ValueError for what is none."""
    return tuple(ip_network(text, strict=False) for text in texts)


def check(url: str, allowed: Allowed) -> None:
    """Raise Forbidden unless the URL may be asked, as far as its text can tell."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden("the address cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise Forbidden(f"{parts.scheme or 'an address without a scheme'} is not fetched")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("an address with a name or password in it is not fetched")
    if port == 0 or not host:
        raise Forbidden("the address names no host")
    if not any(matches(host, one) for one in allowed.hosts):
        raise Forbidden(f"{host} is not among the hosts of this source: see {allowed.setting}")
    if parts.scheme == "http":
        if not allowed.networks:
            raise Forbidden(f"{host}: plain http is only for a source with recording_networks")
        allowed = allowed.plain
    literal = _literal(host)
    if literal is not None:
        _check_address(host, literal, allowed)


def matches(host: str, named: str) -> bool:
    """Tell whether a host is the named one, or beneath it where the name begins with a dot."""
    host, named = host.lower().rstrip("."), named.lower()
    return host == named.lstrip(".") or (named.startswith(".") and host.endswith(named))


def is_public(address: Address) -> bool:
    """Tell whether an address lies in the public internet, also one wrapped in another."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def connector(allowed: Allowed, resolver: AbstractResolver | None = None) -> TCPConnector:
    """Return a connector that reaches only what is allowed; close it with its session."""
    return TCPConnector(
        resolver=GuardedResolver(allowed, resolver or ThreadedResolver()),
        use_dns_cache=False,  # each connection is made to what was looked at for it
        limit=8,
        force_close=True,
    )


class GuardedResolver(AbstractResolver):
    """Resolves names; one forbidden address among the answers forbids the name."""

    def __init__(self, allowed: Allowed, inner: AbstractResolver) -> None:
        self._allowed = allowed
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises Forbidden, OSError."""
        found = await self._inner.resolve(host, port, family)
        for one in found:
            _check_address(host, ip_address(one["host"].partition("%")[0]), self._allowed)
        return found

    async def close(self) -> None:
        """Let go of the resolver underneath."""
        await self._inner.close()


def _check_address(host: str, address: Address, allowed: Allowed) -> None:
    if any(address in network for network in allowed.networks):
        return
    if not allowed.public:
        raise Forbidden(
            f"{host} leads to {address}, outside of recording_networks: http is not sent there"
        )
    if is_public(address):
        return
    raise Forbidden(
        f"{host} leads to {address}, which is not public: if it is your own telephone system, "
        "name its network in recording_networks"
    )


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def texts(value: Any, name: str) -> tuple[str, ...]:
    """Return a setting that is a list of texts. Raises ValueError that names it."""
    if not isinstance(value, list | tuple) or not all(isinstance(it, str) for it in value):
        raise ValueError(f'{name}: {value} is no list of texts; write it like ["one", "two"]')
    return tuple(value)
