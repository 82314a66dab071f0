"""Deliveries that are no requests, kept and read as log and worker would; for recorded cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.domain.calls import Report
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)


@dataclass(kw_only=True)
class Reader:
    """One source: what came, each once, and what it said."""

    provider: Provider
    account: Account
    reports: list[Report] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    _seen: set[tuple[Kind, str | None, bytes]] = field(default_factory=set)

    def take(
        self,
        kind: Kind,
        body: bytes,
        head: Mapping[str, Any],
        now: datetime,
        event_id: str | None = None,
    ) -> None:
        """Keep a delivery and read it; the same one again says nothing new."""
        if (kind, event_id, body) in self._seen:
            return
        self._seen.add((kind, event_id, body))
        delivery = Delivery(
            log="calls",
            partition=0,
            position=len(self._seen),
            source=self.account.source,
            key=f"{kind}:{len(self._seen)}",
            received_at=now,
            head={**head, "kind": str(kind)},
            body=body,
        )
        try:
            events = self.provider.reads[kind](delivery, self.account)
        except IgnoredDelivery as ignored:
            self.ignored.append(str(ignored))
        except UnreadableDelivery as unreadable:
            self.parked.append(str(unreadable))
        else:
            self.reports += [Report(event=event, received_at=now) for event in events]

    def parked_as(self, expect: Mapping[str, Any]) -> Iterator[str]:
        """Yield where more or less was parked than a case expects; it expects none by itself."""
        wanted = expect.get("quarantined", 0)
        if len(self.parked) != wanted:
            yield f"quarantined: {wanted} expected, {self.parked} found"
