"""Histories: what a provider remembers of its calls, asked for page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One HTTP request that we send to a provider."""

    method: str = "GET"
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """What the provider answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  #: names in lower case
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class History:
    """How one provider's history is asked for: pure functions.

    What an answer says is read by the provider's `reads[Kind.PULL]`.
    """

    request: Callable[[Account, datetime, datetime, str | None], ApiRequest]
    #: account, since, until, page (None: the first)
    next_page: Callable[[Account, ApiResponse, str | None], str | None]  #: None: that was the last
    window: timedelta = timedelta(days=1)  #: the longest period of one question
    every: timedelta = timedelta(minutes=15)  #: between looks on schedule
    settles: timedelta = timedelta(minutes=5)  #: after it a call's record is there
    per_minute: int = 30  #: requests that the provider allows
    secrets: tuple[str, ...] = ()  #: names of the secrets that it needs
