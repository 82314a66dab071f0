"""Recorded requests, records, messages and answers of providers, mutated."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ingest.domain.calls import CallEvent, Report
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    Delivery,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.calls import fold
from ingest.telephony.cases import account_of, provider_of, requests_of
from tests.fuzzing.mutations import mutated
from tests.telephony.recorded import cases

CPU_S = 0.05  #: for 64 KiB
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One recorded thing and who reads it."""

    provider: Provider
    account: Account
    request: HookRequest | None = None
    delivery: Delivery | None = None


@cache
def seeds() -> dict[str, tuple[Seed, ...]]:
    """Return what was recorded, by provider and how it came."""
    found: dict[str, list[Seed]] = {}
    for case in cases().values():
        provider = provider_of(case)
        if provider is None:
            continue
        account = account_of(case)
        for seed in (*_hooks(case, provider, account), *_others(case, provider, account)):
            kind = "hook" if seed.request else str(seed.delivery and seed.delivery.kind)
            found.setdefault(f"{provider.name} {kind}", []).append(seed)
    return {name: tuple(known) for name, known in found.items()}


def _hooks(case: Any, provider: Provider, account: Account) -> Sequence[Seed]:
    if not ("request" in case or "requests" in case) or not provider.hooks:
        return ()
    return [Seed(provider=provider, account=account, request=it) for it in requests_of(case)]


def _others(case: Any, provider: Provider, account: Account) -> Sequence[Seed]:
    bodies: list[tuple[Kind, str]] = []
    if "response" in case and case.get("kind") == "pull":
        bodies.append((Kind.PULL, str(case["response"].get("body", ""))))
    for file in case.get("files", ()):
        bodies += [(Kind.RECORD, line) for line in str(file.get("body", "")).splitlines() if line]
    for item in case.get("transcript", ()):
        if item.get("dir") == "S":
            text = str(item.get("data", ""))
            bodies += [(Kind.STREAM, it) for it in text.split("\r\n\r\n") if it.strip()]
    return [
        Seed(provider=provider, account=account, delivery=_delivery(kind, text.encode()))
        for kind, text in bodies
        if kind in provider.reads
    ]


def _delivery(kind: Kind, body: bytes) -> Delivery:
    return Delivery(
        log="calls",
        partition=0,
        position=1,
        source="case",
        key="k",
        received_at=NOW,
        head={"kind": str(kind)},
        body=body,
    )


@cache
def _bodies() -> tuple[bytes, ...]:
    return tuple(
        seed.request.body if seed.request else (seed.delivery and seed.delivery.body) or b""
        for known in seeds().values()
        for seed in known
    )


def mutate(seed: Seed, chance: random.Random) -> tuple[bytes, Seed]:
    """Return the seed with mutated octets; of a request sometimes the query or a header."""
    others = _bodies()
    if seed.delivery is not None:
        body = mutated(seed.delivery.body or b"", chance, others)
        return body, replace(seed, delivery=replace(seed.delivery, body=body))
    request = seed.request
    assert request is not None
    where = chance.random()
    if where < 0.8 or not request.headers:
        body = mutated(request.body, chance, others)
        return body, replace(seed, request=replace(request, body=body))
    if where < 0.9:
        query = mutated(request.query.encode(), chance, others, most=8_000)
        text = query.decode("latin-1")
        return query, replace(seed, request=replace(request, query=text))
    at = chance.randrange(len(request.headers))
    name, value = request.headers[at]
    changed = mutated(value.encode(), chance, others, most=8_000)
    headers = list(request.headers)
    headers[at] = (name, changed.decode("latin-1"))
    return changed, replace(seed, request=replace(request, headers=tuple(headers)))


def attempt(seed: Seed) -> None:
    """Read it as the service would; only the named exceptions are allowed."""
    if seed.delivery is not None:
        read = seed.provider.reads[seed.delivery.kind]
        try:
            _fold(read(seed.delivery, seed.account))
        except (UnreadableDelivery, IgnoredDelivery):
            return
        return
    request = seed.request
    assert request is not None
    with suppress(BadSignature):
        seed.provider.verify(request, seed.account)
    with suppress(UnreadableDelivery):
        seed.provider.key(request, seed.account)
    assert isinstance(seed.provider.answer(request, seed.account, Receipt.NEW), HookResponse)
    try:
        _fold(seed.provider.parse(request, seed.account))
    except (UnreadableDelivery, IgnoredDelivery):
        return


def _fold(events: Sequence[CallEvent]) -> None:
    """What was read is folded too: it must not break a call."""
    for event in events[:50]:
        fold([Report(event=event, received_at=NOW)])
