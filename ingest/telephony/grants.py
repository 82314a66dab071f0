"""Tokens at work: asked for when one is needed, shown with each request, never kept in clear.

A token lives in memory. One that must outlive the process, because what renews it is good for one
renewal only, is remembered sealed with the key file; without the key it is not remembered at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.tokens import Grant, Token
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, part_state_name

PART = "token"
EARLY = timedelta(seconds=60)  #: before its end a token is not used any more
ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  #: of requests that are only compared

Ask = Callable[[ApiRequest], Awaitable[ApiResponse]]  #: asks the provider, as `api_client.call`


class Tokens:
    """The token of one source, for as long as one companion runs."""

    def __init__(self, desk: SourceDesk, grant: Grant, ask: Ask) -> None:
        self._desk = desk
        self._grant = grant
        self._ask = ask
        self._name = part_state_name(desk.source, PART)
        self._token: Token | None = None  #: also one that is over: it may be what renews itself
        self._usable = True
        self._recalled = False
        self._durable = True  #: False: the token could not be remembered yet

    async def authorised(self, request: ApiRequest) -> ApiRequest:
        """Return the request with a token that is good now.

        Raises UnreadableDelivery with a sentence for people when the provider refused to give one,
        and what `ask` raises.
        """
        return self._grant.authorised(request, await self._good())

    def refused(self) -> None:
        """Do not use the token again: the provider did not accept it."""
        self._usable = False

    def refused_by(self, answer: ApiResponse) -> bool:
        """Tell whether an answer refuses the token, and do not use it again if it does."""
        refuses = answer.status in self._grant.refusals
        self._usable = self._usable and not refuses
        return refuses

    async def _good(self) -> Token:
        if not self._recalled:
            self._token, self._recalled = await self._remembered(), True
        now = self._desk.clock()
        if self._token is None or not self._usable or now >= self._token.expires_at - EARLY:
            self._token = await self._fresh(now)
            self._usable, self._durable = True, False
        if not self._durable:
            # At once: the old one may be good for nothing now. A log that is away loses nothing
            # while we run; it is tried again with the next request.
            with contextlib.suppress(KeepFailed):
                await self._remember(self._token)
                self._durable = True
        return self._token

    async def _fresh(self, now: datetime) -> Token:
        if self._grant.made is not None:
            return self._grant.made(self._desk.account, now)
        asking = self._grant.request(self._desk.account, self._token, now)
        return self._grant.granted(self._desk.account, await self._ask(asking), now)

    async def _remembered(self) -> Token | None:
        """Return what was remembered, unless the secrets it grew from were replaced since."""
        vault, sealed = self._desk.vault, None
        if self._grant.remembered and vault is not None:
            sealed = await self._desk.recall(self._name)
        if vault is None or not isinstance(sealed, str):
            return None
        with contextlib.suppress(Exception):  # another key file, or of another version
            held = vault.open(self._name, sealed)
            if held["of"] == self._origin():
                return Token(
                    value=held["value"],
                    expires_at=datetime.fromisoformat(held["expires_at"]),
                    more=held["more"],
                )
        return None

    def _origin(self) -> str:
        return origin(self._grant.request(self._desk.account, None, ANY_TIME))

    async def _remember(self, token: Token) -> None:
        if not self._grant.remembered or self._desk.vault is None:
            return
        held = {
            "of": self._origin(),
            "value": token.value,
            "expires_at": token.expires_at.isoformat(),
            "more": dict(token.more),
        }
        await self._desk.remember({self._name: self._desk.vault.seal(self._name, held)})


def origin(anew: ApiRequest) -> str:
    """Return what changes when a request that begins anew would be another one.

    It is made of secrets, so it is remembered sealed only. What else is changed of a source leaves
    it as it is.
    """
    told = [anew.method, anew.url, sorted(anew.headers.items()), anew.body.decode("latin-1")]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
