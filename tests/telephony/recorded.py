"""The recorded cases beside the tests, as values: cases, requests, and reports by scenario."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ingest.domain.calls import Report
from ingest.domain.deliveries import Account, HookRequest, Provider
from ingest.telephony.cases import account_of, provider_of, requests_of
from ingest.telephony.conformance import Walk

CASES = Path(__file__).parent / "providers"


@cache
def cases() -> dict[str, Mapping[str, Any]]:
    """Return every recorded case by its name."""
    return {
        str(path.relative_to(CASES)): json.loads(path.read_text("utf-8"))
        for path in sorted(CASES.rglob("*.json"))
    }


@cache
def deliveries() -> list[tuple[Provider, Account, HookRequest]]:
    """Return every recorded request with its provider and source."""
    return list(_deliveries())


@cache
def scenarios() -> dict[str, tuple[Report, ...]]:
    """Return the reports of every scenario, in order of arrival."""
    walks: dict[str, Walk] = {}
    for name, case in cases().items():
        provider = provider_of(case)
        if provider is None or not ("request" in case or "requests" in case):
            continue
        folder = name.partition("/")[0]
        group = f"{folder}/{case['scenario']}" if "scenario" in case else name
        walk = walks.setdefault(group, Walk(provider=provider, account=account_of(case)))
        for request in requests_of(case):
            walk.deliver(request)
    return {name: tuple(walk.reports) for name, walk in walks.items() if walk.reports}


def recorded(name: str) -> tuple[Provider, Account, HookRequest]:
    """Return the first request of one recorded case."""
    case = cases()[name]
    provider = provider_of(case)
    assert provider is not None
    return provider, account_of(case), requests_of(case)[0]


def changed(request: HookRequest, **fields: Any) -> HookRequest:
    """Return the request with some of its fields replaced."""
    return replace(request, **fields)


def _deliveries() -> Iterator[tuple[Provider, Account, HookRequest]]:
    for case in cases().values():
        provider = provider_of(case)
        if provider is not None and ("request" in case or "requests" in case):
            for request in requests_of(case):
                yield provider, account_of(case), request
