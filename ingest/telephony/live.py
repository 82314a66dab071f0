"""Live answers at the public door: given at once from memory, and kept afterwards.

A question is answered whatever happens: when the index knows nothing, when the log is away or full,
when something here breaks. What goes out then is the provider's neutral answer, and never a 5xx.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import structlog

from ingest.domain.answers import Asked, Found
from ingest.domain.deliveries import Account, HookRequest, HookResponse, Provider, Receipt
from ingest.telephony.door import DoorCounters

#: Returns who is calling at that moment; None while it is not known.
FindWho = Callable[[Asked, Account, datetime], Found | None]

MOST_WAITING = 2_000  #: questions that wait to be kept; above it they are answered alone
CLOSE_S = 5.0  #: how long closing waits for those

NOTHING = Found()

log = structlog.get_logger()


class LiveAnswers:
    """Answers questions without waiting for the log, and keeps them behind their askers' backs."""

    def __init__(self, find: FindWho | None, counters: DoorCounters) -> None:
        self._find = find
        self._counters = counters
        self._keeping: set[asyncio.Task[Any]] = set()

    def question(self, hook: HookRequest, provider: Provider, account: Account) -> Asked | None:
        """Return what a proved request asks; None: nothing, so it goes the way of all others."""
        if provider.lookup is None:
            return None
        try:
            return provider.lookup.asks(hook, account)
        except Exception as error:
            log.error("lookup.unreadable", source=account.source, reason=type(error).__name__)
            return None

    def answer(
        self, asked: Asked, hook: HookRequest, provider: Provider, account: Account
    ) -> HookResponse:
        """Return the answer, or on any trouble the provider's neutral one."""
        counters = self._counters.of(account.source)
        counters.asked += 1
        try:
            found = self._found(asked, hook, account)
            assert provider.lookup is not None
            said = provider.lookup.answer(hook, account, found)
            counters.named += found.client_name is not None
            return said
        except Exception as error:
            log.error("lookup.failed", source=account.source, reason=type(error).__name__)
            return _neutral(hook, provider, account)

    def keep_after(self, source: str, keeping: Coroutine[Any, Any, Any]) -> None:
        """Keep a question that is answered already; what fails is counted."""
        if len(self._keeping) >= MOST_WAITING:
            keeping.close()
            self.not_kept(source)
            return
        task = asyncio.create_task(self._keep(source, keeping))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def not_kept(self, source: str) -> None:
        """Count a question that was answered and is not in the log."""
        self._counters.of(source).unkept += 1

    async def close(self) -> None:
        """Wait until the questions answered so far are kept."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=CLOSE_S)

    def _found(self, asked: Asked, hook: HookRequest, account: Account) -> Found:
        """Return who is calling; nobody, where the index is not there or breaks."""
        try:
            found = self._find(asked, account, hook.received_at) if self._find else None
        except Exception as error:
            log.error("lookup.broken", source=account.source, reason=type(error).__name__)
            found = None
        return NOTHING if found is None else found

    async def _keep(self, source: str, keeping: Coroutine[Any, Any, Any]) -> None:
        try:
            await keeping
        except Exception as error:
            self.not_kept(source)
            log.warning("lookup.not_kept", source=source, why=type(error).__name__)


def asks_usually(provider: Provider, account: Account) -> bool:
    """Tell whether this source asks who is calling, so that the index is worth its memory."""
    if provider.lookup is None:
        return False
    return bool(account.config.get("live_answer", provider.lookup.usual))


def _neutral(hook: HookRequest, provider: Provider, account: Account) -> HookResponse:
    """Return what the provider takes for no answer: the call goes on as it is set."""
    try:
        assert provider.lookup is not None
        return provider.lookup.answer(hook, account, NOTHING)
    except Exception:
        try:
            return provider.answer(hook, account, Receipt.NEW)
        except Exception:
            return HookResponse()
