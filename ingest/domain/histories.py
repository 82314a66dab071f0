"""Histories: what a provider remembers of its calls, asked for page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account
    from ingest.domain.tokens import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One HTTP request that we send to a provider."""

    method: str = "GET"
    url: str = field(repr=False)  #: like what follows it may hold a secret
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    #: Name and password for HTTP Digest (RFC 7616): the server's challenge is answered with them.
    digest: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """What the provider answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  #: names in lower case
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What one answer of a history comes to."""

    next: str | None = None  #: the page to ask for next; None: that was the last
    keep: bool = True  #: False: it tells of no calls, as a ticket or "not ready yet" does
    wait_s: float = 0.0  #: before the next page is asked for
    cut: bool = False  #: it holds as much as an answer may: ask for the period in two halves


@dataclass(frozen=True, slots=True)
class History:
    """How one provider's history is asked for: pure functions.

    What an answer says is read by the provider's `reads[Kind.PULL]`.
    """

    #: Account, since, until, page (None: the first). Raises UnreadableDelivery with a sentence for
    #: people where the source lacks a setting that the request needs.
    request: Callable[[Account, datetime, datetime, str | None], ApiRequest]
    #: Account, answer of status 200 to 299 or of `not_yet`, page. Raises UnreadableDelivery for a
    #: refusal.
    turn: Callable[[Account, ApiResponse, str | None], Turned]
    api: str  #: what the provider calls it, for heads and pages
    window: timedelta = timedelta(days=1)  #: the longest period of one question
    every: timedelta = timedelta(minutes=15)  #: between looks on schedule
    settles: timedelta = timedelta(minutes=5)  #: after it a call's record is there
    overlap: timedelta = timedelta(minutes=10)  #: asked again by the next look: long calls end late
    keeps: timedelta | None = None  #: how far back it reaches; None: not known
    per_minute: int = 30  #: requests that the provider allows
    secrets: tuple[str, ...] = ()  #: names of the secrets that it needs
    or_secrets: tuple[str, ...] = ()  #: or these, where the provider has two platforms
    hosts: tuple[str, ...] = ()  #: names that may be asked; ".example.com": also beneath it
    hosts_of: Callable[[Account], tuple[str, ...]] = lambda account: ()  #: by the source's settings
    grant: Grant | None = None  #: its requests need a token; `telephony/grants` asks for it
    not_yet: tuple[int, ...] = ()  #: statuses that `turn` understands as well: "not made yet"
    table: bool = False  #: it is a table of a database: `telephony/cdr_tables` asks it

    def equipped(self, account: Account) -> bool:
        """Tell whether the source has the secrets that asking needs."""
        return any(
            names and all(held.get(name) for name in names)
            for names in (self.secrets, self.or_secrets)
            for held in account.secrets
        )
