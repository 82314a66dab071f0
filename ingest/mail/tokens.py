"""Access tokens of mailboxes: asked for once for all who share a consent, kept sealed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.mailboxes import Grant, Mailbox
from ingest.keeper import KeepFailed
from ingest.mail.oauth import Granted, TokenRefused, app_of, grant_key, granted, token_request
from ingest.secrets import BadKey, Secrets

log = structlog.get_logger()

AHEAD = timedelta(minutes=2)  #: a token with less life left is not begun with

#: Sends a request to its provider. Raises TokenRefused with `passing` if no answer came.
Ask = Callable[[Grant, ApiRequest], Awaitable[ApiResponse]]


class Tokens:
    """Gives mailboxes their access tokens. One in a process; used from one event loop."""

    def __init__(
        self,
        secrets: Secrets,
        ask: Ask,
        clock: Callable[[], datetime],
        *,
        recall: Callable[[Iterable[str]], Awaitable[dict[str, Any]]],
        remember: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._secrets = secrets
        self._ask = ask
        self._clock = clock
        self._recall = recall
        self._remember = remember
        self._held: dict[str, Granted] = {}
        self._not_durable: set[str] = set()  #: keys of tokens that could not be remembered yet
        self._asking: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def opened(self, mailbox: Mailbox, refused: str | None = None) -> Mailbox:
        """Return the mailbox with a valid token as its secret; one with a password as it is.

        `refused`: the token that the server did not accept. Raises TokenRefused.
        """
        if mailbox.grant is None:
            return mailbox
        token = await self._token(mailbox.grant, refused)
        return replace(mailbox, secret=token.access)

    async def _token(self, grant: Grant, refused: str | None) -> Granted:
        key = grant_key(grant)
        async with self._asking[key]:  # whoever comes meanwhile finds the fresh one
            now = self._clock()
            held = await self._known(key)
            if held and held.expires_at - AHEAD > now and held.access != refused:
                await self._make_durable(key)
                return held
            refresh = held.refresh if held is not None else None
            request = token_request(grant, refresh)
            answer = await self._ask(grant, request)
            found = granted(answer, app_of(grant).known.title, self._clock())
            if found.refresh is None:
                found = replace(found, refresh=refresh)
            self._held[key] = found
            self._not_durable.add(key)
            await self._make_durable(key)
            log.info("mailbox.token", provider=grant.provider)
            return found

    async def _make_durable(self, key: str) -> None:
        """Remember a token that is not yet; a log that is away loses nothing while we run."""
        if key in self._not_durable:
            with contextlib.suppress(KeepFailed):
                await self._remember({_name(key): self._sealed(key, self._held[key])})
                self._not_durable.discard(key)

    async def _known(self, key: str) -> Granted | None:
        """Return the last token, valid or not."""
        if key in self._held:
            return self._held[key]
        sealed = (await self._recall([_name(key)])).get(_name(key))
        if sealed is None:
            return None
        try:
            plain = self._secrets.open(_name(key), str(sealed))
        except (BadKey, ValueError):
            return None
        return Granted(
            access=plain["access"],
            expires_at=datetime.fromisoformat(plain["expires_at"]),
            refresh=plain["refresh"],
        )

    def _sealed(self, key: str, found: Granted) -> str:
        plain = {
            "access": found.access,
            "expires_at": found.expires_at.isoformat(),
            "refresh": found.refresh,
        }
        return self._secrets.seal(_name(key), plain)


def _name(key: str) -> str:
    """Return the name under which a token is remembered, which is also what it is sealed to."""
    return f"oauth:{key}"


__all__ = ["Ask", "TokenRefused", "Tokens"]
