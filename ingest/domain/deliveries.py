"""Deliveries: raw bytes from the wire, who may send them, what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ingest.domain.answers import Lookup
from ingest.domain.histories import History
from ingest.domain.recordings import Recordings
from ingest.domain.records import SplitFile, whole_file
from ingest.domain.streams import Talk
from ingest.domain.subscriptions import Subscription

if TYPE_CHECKING:
    from ingest.domain.calls import CallEvent


class BadSignature(Exception):
    """The sender could not be proved: wrong or missing signature, or a stale one."""

    def __init__(self, *reason: object, skew_s: float | None = None) -> None:
        super().__init__(*reason)
        self.skew_s = skew_s  #: of a stale one: the signed moment minus ours


class UnreadableDelivery(Exception):
    """The sender is known, but this text cannot be read; it waits parked for a fix."""


class IgnoredDelivery(Exception):
    """Understood, and nothing to record: the text of the exception is the reason shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """One HTTP request as it came, with what is beneath `/hooks/{source}`."""

    method: str
    path: str  #: beneath the source, "" or starting with "/"
    query: str = ""  #: raw, without "?"
    headers: tuple[tuple[str, str], ...] = ()  #: names in lower case, as often as sent
    body: bytes = b""
    url: str = ""  #: as the sender saw it: public base address, path and query
    received_at: datetime
    peer: str = ""  #: address of the sender, or of what the trusted hop saw

    def header(self, name: str) -> str | None:
        """Return the first header of that name, or None."""
        wanted = name.lower()
        for key, value in self.headers:
            if key == wanted:
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResponse:
    """What the provider expects to read."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class Kind(StrEnum):
    """How a delivery of calls came to us."""

    HOOK = "hook"  #: the provider sent an HTTP request
    STREAM = "stream"  #: one message of a connection that we opened
    RECORD = "record"  #: one record of a file of call details
    PULL = "pull"  #: one answer of a history that we asked


class Receipt(StrEnum):
    """What keeping a request came to; a provider may answer each differently."""

    NEW = "new"
    REPEATED = "repeated"  #: the very same delivery was kept before
    CHANGED = "changed"  #: the provider's event id was seen before with another body; kept too


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a provider's functions may know of one source."""

    source: str  #: the source's name, also its part of the path
    #: Valid sets of secrets, newest first.
    secrets: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))  #: of the account's naive times
    region: str = "ZZ"  #: ISO 3166 region of national numbers
    own_numbers: tuple[str, ...] = ()  #: E.164 numbers that the account is known to own
    config: Mapping[str, Any] = field(default_factory=dict)  #: provider's own settings
    public_url: str = ""  #: base address as seen from outside, without a slash at the end
    tolerance_s: float = 300.0  #: greatest age of a signed timestamp, both ways
    unsigned_from: tuple[str, ...] = ()  #: networks that may send unsigned requests


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What an edge asks a delivery log to keep."""

    source: str  #: source name, or mailbox id
    key: str  #: unique within the source: a repeat has the same
    event_id: str | None = None  #: the provider's own event id, to notice changed repeats
    received_at: datetime
    head: Mapping[str, Any]  #: method, path, query, headers, url; for mail: folder, uid and so on
    body: bytes
    digest: bytes | None = None  #: SHA-256 of the body, from whoever has it; None: still to be made


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A kept delivery. `body` is None once the bytes expired by policy."""

    log: str  #: "calls" or "mail"
    partition: int
    position: int
    source: str
    key: str
    received_at: datetime
    head: Mapping[str, Any]
    body: bytes | None

    @property
    def id(self) -> str:
        """Return the id that pages, logs and the API show, such as `calls-0-17`."""
        return f"{self.log}-{self.partition}-{self.position}"

    @property
    def kind(self) -> Kind:
        """Return how it came; raises ValueError for a kind that this version does not know."""
        return Kind(self.head.get("kind", Kind.HOOK))


#: Reads a delivery that is no HTTP request; raises UnreadableDelivery or IgnoredDelivery.
ReadDelivery = Callable[[Delivery, Account], "Sequence[CallEvent]"]


#: Answers a check of the set-up, such as an echo or a challenge; None: this request is none.
#: Asked before `verify`, because many checks are signed by nobody; one that is signed, or whose
#: answer tells something, raises BadSignature for whom it does not believe. Nothing is kept.
Handshake = Callable[[HookRequest, Account], HookResponse | None]


def no_secret_problem(secrets: Mapping[str, str]) -> str | None:
    """Find nothing wrong: any text may be a secret."""
    return None


def no_config_problem(account: Account) -> str | None:
    """Find nothing wrong: the provider has no settings of its own."""
    return None


@dataclass(frozen=True, slots=True)
class Provider:
    """What the server and the worker need to know of one PBX provider: pure functions."""

    name: str
    verify: Callable[[HookRequest, Account], None]  #: raises BadSignature
    key: Callable[[HookRequest, Account], str | None]  #: the provider's event id, if it has one
    parse: Callable[[HookRequest, Account], Sequence[CallEvent]]
    #: raises UnreadableDelivery or IgnoredDelivery
    answer: Callable[[HookRequest, Account, Receipt], HookResponse]
    secret_fields: tuple[str, ...] = ()  #: names of body fields that pages and exports mask
    secrets: tuple[str, ...] = ()  #: names of the secrets that a source of it needs
    any_secret: bool = False  #: True: one of `secrets` is enough, as by the provider's platform
    signs: bool = True  #: False: signs nothing, so its path needs an unguessable part
    secret_problem: Callable[[Mapping[str, str]], str | None] = no_secret_problem
    #: of secrets by which no request could ever be proved: the sentence that says how to mend them
    config_problem: Callable[[Account], str | None] = no_config_problem
    #: of settings that it could not be run with: the sentence that names the setting, and mends it
    reads: Mapping[Kind, ReadDelivery] = field(default_factory=dict)  #: beside HTTP requests
    hooks: bool = True  #: False: it sends no HTTP requests, so it needs no door
    lookup: Lookup | None = None  #: it asks who is calling
    talk: Callable[[Account], Talk] | None = None  #: we open a connection and listen
    talk_port: int | None = None  #: where it listens, unless the source's `port` says otherwise
    talk_tls_port: int | None = None  #: the same with `tls`
    files: SplitFile = whole_file  #: how its files of call details are cut into records
    dials_us: bool = False  #: it may open that connection itself, and hears nothing from us
    history: History | None = None  #: it can be asked what we missed
    subscription: Subscription | None = None  #: it must be asked again and again to report
    handshake: Handshake | None = None  #: it checks our address with requests that are not kept
    recordings: Recordings | None = None

    @property
    def optional_secrets(self) -> tuple[str, ...]:
        """Return the names of secrets without which it works, but cannot be asked anything."""
        asked: list[str] = []
        if self.history is not None:
            asked += (*self.history.secrets, *self.history.or_secrets)
        if self.subscription is not None:
            asked += self.subscription.secrets
        if self.recordings is not None:
            asked += self.recordings.secrets
        return tuple(name for name in dict.fromkeys(asked) if name not in self.secrets)


def request_of(delivery: Delivery) -> HookRequest:
    """Return the HTTP request that a kept delivery was. Raises UnreadableDelivery if emptied."""
    if delivery.body is None:
        raise UnreadableDelivery("the raw bytes have expired by policy")
    head = delivery.head
    return HookRequest(
        method=head["method"],
        path=head["path"],
        query=head.get("query", ""),
        headers=tuple((name, value) for name, value in head.get("headers", ())),
        body=delivery.body,
        url=head.get("url", ""),
        received_at=delivery.received_at,
        peer=head.get("peer", ""),
    )


class End(StrEnum):
    """The three ends of a delivery."""

    READ = "read"
    IGNORED = "ignored"
    PARKED = "parked"
