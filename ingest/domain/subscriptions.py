"""Subscriptions: a provider reports only while somebody renews the wish to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.tokens import Grant

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account, HookRequest


class SubscriptionGone(Exception):
    """The provider does not know this subscription any more: a new one is asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """What is remembered of a subscription until it is renewed. It holds no secret."""

    id: str
    expires_at: datetime
    more: Mapping[str, Any] = field(default_factory=dict)  #: JSON values of the provider's own


@dataclass(frozen=True, slots=True)
class Subscription:
    """How one provider's subscription is made and renewed: pure functions."""

    request: Callable[[Account, Subscribed | None, datetime], ApiRequest]  #: None: make a new one
    #: Raises SubscriptionGone, or UnreadableDelivery with a sentence for people on a refusal.
    subscribed: Callable[[Account, ApiResponse, datetime], Subscribed]
    renew_at: float = 0.5  #: of its life; what is left is for trying again
    secrets: tuple[str, ...] = ()  #: names of the secrets that it needs
    hosts: tuple[str, ...] = ()  #: names that may be asked; ".example.com": also beneath it
    hosts_of: Callable[[Account], tuple[str, ...]] = lambda account: ()  #: by the source's settings
    #: Returns the id of the subscription that a proved request says has ended, "" where it names
    #: none, and None for every other request. A new one is then asked for at once.
    ended: Callable[[HookRequest, Account], str | None] = lambda request, account: None
    grant: Grant | None = None  #: its requests need a token
