"""What is remembered of a source's subscription: how it is, and what is held. No secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ingest.domain.subscriptions import Subscribed

PART = "subscription"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionState:
    """How a source's subscription is, as pages show it and as a restart finds it."""

    state: str = "asking"  #: subscribed, asking, refused, away
    since: datetime
    because: str | None = None  #: why it is not subscribed, for people
    asked_at: datetime | None = None  #: when that was asked which subscribed us
    held: Subscribed | None = None
    origin: str | None = None  #: sealed: the settings and secrets that it was made with

    def become(self, state: str, because: str | None, now: datetime) -> SubscriptionState:
        """Return it in another state; the same one goes on since it began."""
        since = self.since if state == self.state else now
        return replace(self, state=state, because=because, since=since)

    def subscribed(
        self, held: Subscribed, asked_at: datetime, origin: str | None, now: datetime
    ) -> SubscriptionState:
        """Return it with a subscription that was just made or renewed."""
        told = self.become("subscribed", None, now)
        return replace(told, held=held, asked_at=asked_at, origin=origin)

    def without(self) -> SubscriptionState:
        """Return it with nothing held: a new subscription is to be asked for."""
        return replace(self, held=None)

    def plain(self) -> dict[str, Any]:
        """Return JSON values, for `recalled` to understand."""
        return {
            "state": self.state,
            "since": self.since.isoformat(),
            "because": self.because,
            "asked_at": self.asked_at and self.asked_at.isoformat(),
            "id": self.held and self.held.id,
            "expires_at": self.held and self.held.expires_at.isoformat(),
            "more": dict(self.held.more) if self.held else {},
            "origin": self.origin,
        }


def recalled(plain: Mapping[str, Any]) -> SubscriptionState:
    """Return what was remembered. Raises LookupError, TypeError or ValueError for anything else."""
    held = Subscribed(
        id=plain["id"],
        expires_at=datetime.fromisoformat(plain["expires_at"]),
        more=plain["more"],
    )
    return SubscriptionState(
        state=plain["state"],
        since=datetime.fromisoformat(plain["since"]),
        because=plain["because"],
        asked_at=datetime.fromisoformat(plain["asked_at"]),
        held=held,
        origin=plain["origin"],
    )
