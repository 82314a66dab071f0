"""What the public door counts and allows: counters by source, quotas, addresses behind proxies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from ingest.domain.deliveries import BadSignature, Receipt

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """Bounds of the public door; those of connections are arguments of `DoorRunner`."""

    body_bytes: int = 1_048_576
    body_deadline_s: float = 15.0
    quota_per_s: float = 2_000.0  #: of proved requests, for each source
    quota_burst: float = 4_000.0
    handshakes_per_s: float = (
        5.0  #: for each source and sender: anybody may send some, so they are few
    )
    handshakes_burst: float = 30.0
    retry_after_s: int = 5  #: told to senders when we are overloaded
    #: networks of the proxies in front of us, whose X-Forwarded-For is believed
    trusted_proxies: tuple[str, ...] = ()

    @property
    def proxies(self) -> Networks:
        """Return the trusted proxies as networks. Raises ValueError for what is none."""
        return tuple(ip_network(each, strict=False) for each in self.trusted_proxies)


@dataclass(slots=True, kw_only=True)
class SourceCounters:
    """What one source sent since it was made."""

    accepted: int = 0  #: kept as new, changed ones among them
    repeated: int = 0
    changed: int = 0
    rejected: int = 0  #: not proved, or not even a request of this provider
    overloaded: int = 0  #: told to come again: quota, high mark
    failed: int = 0  #: told to come again: not durable in time
    handshakes: int = 0  #: checks of the set-up, answered and not kept
    asked: int = 0  #: questions who is calling
    named: int = 0  #: of these, answered with a client's name
    unkept: int = 0  #: of these, answered and not in the log: it was full or away
    last_event_at: datetime | None = None
    last_rejection_at: datetime | None = None
    last_rejection: str | None = None  #: the reason, for the sources page
    last_skew_s: float | None = None  #: of the last stale signature: its clock minus ours


_MOMENTS = ("last_event_at", "last_rejection_at")


@dataclass(slots=True)
class DoorCounters:
    """What came to the public door, by source. `snapshot` is what is remembered in the log."""

    sources: dict[str, SourceCounters] = field(default_factory=dict)
    unknown: int = 0  #: requests to sources that do not exist
    dirty: bool = False  #: something was counted since the last snapshot

    def of(self, source: str) -> SourceCounters:
        """Return the counters of a source, made when first asked for."""
        self.dirty = True
        found = self.sources.get(source)
        if found is None:
            found = self.sources[source] = SourceCounters()
        return found

    def kept(self, source: str, receipt: Receipt, at: datetime) -> None:
        """Count a delivery that is durable now."""
        counters = self.of(source)
        counters.last_event_at = at
        if receipt is Receipt.REPEATED:
            counters.repeated += 1
            return
        counters.accepted += 1
        counters.changed += receipt is Receipt.CHANGED

    def rejected(self, source: str, error: Exception, at: datetime) -> str:
        """Count a request that was not proved; return its reason in one line."""
        counters = self.of(source)
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        counters.rejected += 1
        counters.last_rejection, counters.last_rejection_at = reason, at
        if isinstance(error, BadSignature) and error.skew_s is not None:
            counters.last_skew_s = error.skew_s
        return reason

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values, and take it for remembered."""
        self.dirty = False
        return {
            "unknown": self.unknown,
            "sources": {name: _to_json(counters) for name, counters in self.sources.items()},
        }

    def restore(self, snapshot: Mapping[str, Any] | None) -> None:
        """Go on counting from a snapshot. Fields of another version are left out."""
        if not snapshot:
            return
        self.unknown = snapshot.get("unknown", 0)
        for name, values in snapshot.get("sources", {}).items():
            self.sources[name] = _from_json(values)


def _to_json(counters: SourceCounters) -> dict[str, Any]:
    values = asdict(counters)
    for moment in _MOMENTS:
        if values[moment] is not None:
            values[moment] = values[moment].isoformat()
    return values


def _from_json(values: Mapping[str, Any]) -> SourceCounters:
    known = {name: values[name] for name in SourceCounters.__slots__ if name in values}
    for moment in _MOMENTS:
        if known.get(moment):
            known[moment] = datetime.fromisoformat(known[moment])
    return SourceCounters(**known)


@dataclass(slots=True)
class Quota:
    """A token bucket: so many a second, and a burst after a pause."""

    per_s: float
    burst: float
    clock: Callable[[], float]  #: monotonic seconds
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at = self.burst, self.clock()

    def spent(self) -> bool:
        """Tell whether nothing is left at the moment."""
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        return self._tokens < 1.0

    def take(self) -> None:
        """Use one."""
        self._tokens -= 1.0


def sender(direct: str, forwarded: str | None, proxies: Networks) -> str:
    """Return the address of who sends, told by the trusted proxies alone.

    X-Forwarded-For is read from its end: hops of ours are passed over, the first other one is the
    sender, and what stands before it is the sender's own claim.
    """
    if forwarded is None or not is_in(direct, proxies):
        return direct
    for hop in reversed(forwarded.split(",")):
        address = _bare_address(hop)
        if address is None:
            return direct
        if not is_in(address, proxies):
            return address
    return direct


def is_in(address: str, networks: Networks) -> bool:
    """Tell whether an address lies in one of the networks; what is no address lies in none."""
    if not networks:
        return False
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def _bare_address(hop: str) -> str | None:
    """Return the address of a hop, which some proxies write with a port or in brackets."""
    text = hop.strip()
    if found := re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([\d.]+):\d+", text):
        text = found[1] or found[2]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
