"""Tokens by which sound is asked for: one for each sign-in, shown again as long as it is good.

Providers let nobody sign in for every file. Only such a grant fits here whose secrets are good for
any number of tokens: one that renews itself once belongs to who remembers it (`grants`).
"""

from __future__ import annotations

from datetime import datetime

from ingest.domain.deliveries import Account
from ingest.domain.tokens import Grant, Token
from ingest.telephony.grants import EARLY, Ask, origin


class SoundTokens:
    """What one process holds, in memory alone."""

    def __init__(self) -> None:
        self._held: dict[str, Token] = {}

    async def good(
        self, grant: Grant, account: Account, now: datetime, ask: Ask
    ) -> tuple[Token, bool]:
        """Return a token, and whether it was held already.

        Raises UnreadableDelivery with a sentence for a refusal, and what `ask` raises.
        """
        self._held = {name: it for name, it in self._held.items() if now < it.expires_at - EARLY}
        asking = grant.request(account, None, now)
        name = origin(asking)
        if name in self._held:
            return self._held[name], True
        token = grant.granted(account, await ask(asking), now)
        self._held[name] = token
        return token, False

    def forget(self, token: Token) -> None:
        """Do not show this token again: it was not accepted."""
        self._held = {name: it for name, it in self._held.items() if it != token}
