"""Tokens: a provider's leave to use its interface for a while, given for lasting secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from ingest.domain.histories import ApiRequest, ApiResponse

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is shown with each request. Kept in memory, or sealed."""

    value: str = field(repr=False)
    expires_at: datetime
    #: JSON, such as what renews it.
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)


def bearer(request: ApiRequest, token: Token) -> ApiRequest:
    """Return the request with the token as RFC 6750 writes it."""
    headers = {**request.headers, "Authorization": f"Bearer {token.value}"}
    return ApiRequest(
        method=request.method,
        url=request.url,
        headers=headers,
        body=request.body,
        digest=request.digest,
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """How one provider gives out tokens: pure functions."""

    request: Callable[[Account, Token | None, datetime], ApiRequest]  #: None: there is no old one
    #: Raises UnreadableDelivery with a sentence for people when the provider refused.
    granted: Callable[[Account, ApiResponse, datetime], Token]
    authorised: Callable[[ApiRequest, Token], ApiRequest] = bearer
    refusals: tuple[int, ...] = (401,)  #: what is said to a token that is good no more
    remembered: bool = False  #: True: sealed in the log's memory, for one that renews itself once
    #: We make it ourselves and ask nobody. Raises UnreadableDelivery with a sentence for people.
    made: Callable[[Account, datetime], Token] | None = None


def made_by_us(make: Callable[[Account, datetime], Token]) -> Grant:
    """Return the grant of a provider that takes tokens signed with a key which it knows."""
    return Grant(request=_asks_nobody, granted=_asks_nobody, made=make)


def _asks_nobody(*_: Any) -> NoReturn:
    raise AssertionError("a token that we make ourselves is asked of nobody")
