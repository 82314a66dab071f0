"""Subscriptions: a provider reports only while somebody renews the wish to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingest.domain.histories import ApiRequest, ApiResponse

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """What is remembered of a subscription until it is renewed."""

    id: str
    expires_at: datetime
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """How one provider's subscription is made and renewed: pure functions."""

    request: Callable[[Account, Subscribed | None, datetime], ApiRequest]  #: None: make a new one
    #: Raises UnreadableDelivery with a sentence for people when the provider refused.
    subscribed: Callable[[Account, ApiResponse, datetime], Subscribed]
    renew_at: float = 0.5  #: of its life; what is left is for trying again
    secrets: tuple[str, ...] = ()  #: names of the secrets that it needs
