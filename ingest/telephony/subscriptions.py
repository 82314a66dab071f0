"""Subscriptions: keeps a provider reporting, by asking again before it stops.

What is asked and what an answer means is the provider's `Subscription`; here are the clock,
patience, and the memory. A subscription that the provider says has ended is asked for anew at once:
the door remembers that word in the transaction that keeps it (`ended_memory`), so that it is found
here whichever process took it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from ingest.domain.deliveries import Account, HookRequest, Provider, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.subscriptions import Subscribed, Subscription, SubscriptionGone
from ingest.keeper import KeepFailed
from ingest.telephony import api_client
from ingest.telephony.desk import SourceDesk, part_state_name
from ingest.telephony.grants import ANY_TIME, Tokens, origin
from ingest.telephony.subscription_state import PART, SubscriptionState, recalled

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLimits:
    """How patient we are, in seconds."""

    look_s: float = 2.0  #: between looks whether the provider said that it has ended
    first_s: float = 5.0  #: before the first new try; each further one waits twice as long
    most_s: float = 600.0  #: before any new try
    anew_s: float = 30.0  #: between two questions that the provider's own word caused
    shortest_s: float = 30.0  #: a subscription that lives shorter is not renewed more often
    timeout_s: float = 30.0  #: of one request
    most_bytes: int = 1_048_576  #: of one answer


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source has a subscription: one set of its secrets holds all that it needs."""
    subscription = provider.subscription
    return subscription is not None and any(
        all(held.get(name) for name in subscription.secrets) for held in account.secrets
    )


def ended_memory(hook: HookRequest, provider: Provider, account: Account) -> Mapping[str, Any]:
    """Return what to remember with a proved request: if it says so, that the subscription ended.

    A provider's reader that fails says nothing: the request is kept all the same.
    """
    if provider.subscription is None:
        return {}
    try:
        ended = provider.subscription.ended(hook, account)
    except Exception as error:
        log.error("subscription.unread", source=account.source, reason=type(error).__name__)
        return {}
    if ended is None:
        return {}
    return {_ended_name(account.source): {"id": ended, "at": hook.received_at.isoformat()}}


async def keep_subscribed(
    desk: SourceDesk,
    *,
    limits: SubscriptionLimits | None = None,
    call: Callable[..., Awaitable[ApiResponse]] = api_client.call,
) -> None:
    """Keep one source subscribed until its desk says stop."""
    if desk.provider.subscription is not None:
        await _Subscriber(desk, desk.provider.subscription, limits, call).run()


class _Subscriber:
    """The subscription of one source. Holds its state between questions."""

    def __init__(
        self,
        desk: SourceDesk,
        subscription: Subscription,
        limits: SubscriptionLimits | None,
        call: Callable[..., Awaitable[ApiResponse]],
    ) -> None:
        self._desk = desk
        self._subscription = subscription
        self._limits = limits or SubscriptionLimits()
        self._call = call
        self._name = part_state_name(desk.source, PART)
        self._state = SubscriptionState(since=desk.clock())
        self._failures = 0  #: in a row
        self._tried_at = desk.clock()
        grant = subscription.grant
        self._tokens = Tokens(desk, grant, self._ask) if grant is not None else None

    async def run(self) -> None:
        """Go on until the desk says stop."""
        self._state = self._recalled(await self._desk.recall(self._name))
        while not await self._due():
            if await self._ended():
                self._state = self._state.without()
            await self._try(self._state.held)

    async def _due(self) -> bool:
        """Wait until something is to be asked; return whether to stop instead."""
        while True:
            now = self._desk.clock()
            at = self._next_at(now)
            if now >= at or await self._ended():
                return self._desk.stop.is_set()
            left_s = max(0.0, (at - now).total_seconds())
            if await self._desk.wait(min(self._limits.look_s, left_s)):
                return True

    def _next_at(self, now: datetime) -> datetime:
        limits = self._limits
        if self._failures:
            doubled = limits.first_s * 2.0 ** min(self._failures - 1, 20)
            return self._tried_at + timedelta(seconds=min(limits.most_s, doubled))
        held, asked_at = self._state.held, self._state.asked_at
        if held is None or asked_at is None:
            return now
        life_s = (held.expires_at - asked_at).total_seconds()
        return asked_at + timedelta(
            seconds=max(limits.shortest_s, life_s * self._subscription.renew_at)
        )

    async def _ended(self) -> bool:
        """Tell whether the provider said that what we hold has ended, since we hold it."""
        said = await self._desk.recall(_ended_name(self._desk.source))
        held, asked_at = self._state.held, self._state.asked_at
        if not isinstance(said, Mapping) or held is None or asked_at is None:
            return False
        if said.get("id") not in ("", held.id):
            return False
        now = self._desk.clock()
        if self._failures or now < asked_at + timedelta(seconds=self._limits.anew_s):
            return False  # whoever ends each new one at once is not asked in a circle
        return datetime.fromisoformat(said["at"]) >= asked_at

    async def _try(self, held: Subscribed | None) -> None:
        self._tried_at = self._desk.clock()
        try:
            subscribed = await self._question(held)
        except SubscriptionGone as gone:
            log.warning("subscription.gone", source=self._desk.source, because=str(gone))
            if held is None:
                await self._failed("refused", str(gone))
            else:
                self._state, self._failures = self._state.without(), 0
            return
        except UnreadableDelivery as refusal:
            await self._failed("refused", str(refusal))
            return
        except (api_client.ApiUnreachable, api_client.ApiNotAllowed) as trouble:
            await self._failed("away", str(trouble))
            return
        self._failures = 0
        self._state = self._state.subscribed(
            subscribed, self._tried_at, self._sealed_origin(), self._desk.clock()
        )
        log.info("subscription.kept", source=self._desk.source, until=str(subscribed.expires_at))
        await self._remember()

    async def _question(self, held: Subscribed | None) -> Subscribed:
        account, now = self._desk.account, self._desk.clock()
        plain = self._subscription.request(account, held, now)
        if self._tokens is None:
            answer = await self._ask(plain)
        else:
            answer = await self._ask(await self._tokens.authorised(plain))
            if self._tokens.refused_by(answer):  # taken back before its time: once more
                answer = await self._ask(await self._tokens.authorised(plain))
        return self._subscription.subscribed(account, answer, self._desk.clock())

    async def _ask(self, request: ApiRequest) -> ApiResponse:
        account = self._desk.account
        return await self._call(
            request,
            hosts=(*self._subscription.hosts, *self._subscription.hosts_of(account)),
            timeout_s=self._limits.timeout_s,
            most_bytes=self._limits.most_bytes,
            **api_client.bounds_of(account),
        )

    async def _failed(self, state: str, because: str) -> None:
        self._failures += 1
        log.warning("subscription.failed", source=self._desk.source, because=because)
        held = self._state.held
        if held is not None and self._desk.clock() >= held.expires_at:
            self._state = self._state.without()
        self._state = self._state.become(state, because, self._desk.clock())
        await self._remember()

    async def _remember(self) -> None:
        with contextlib.suppress(KeepFailed):  # the provider is subscribed all the same
            await self._desk.remember({self._name: self._state.plain()})

    def _sealed_origin(self) -> str | None:
        vault = self._desk.vault
        return None if vault is None else vault.seal(self._name, self._origin())

    def _origin(self) -> str:
        return origin(self._subscription.request(self._desk.account, None, ANY_TIME))

    def _recalled(self, plain: Any) -> SubscriptionState:
        """Return what was remembered, if it was made for this very source; else begin anew."""
        vault = self._desk.vault
        if isinstance(plain, Mapping) and plain.get("id") and vault is not None:
            with contextlib.suppress(Exception):  # another key file, or of another version
                if vault.open(self._name, plain["origin"]) == self._origin():
                    return recalled(plain)
        return SubscriptionState(since=self._desk.clock())


def _ended_name(source: str) -> str:
    return part_state_name(source, "subscription-ended")
