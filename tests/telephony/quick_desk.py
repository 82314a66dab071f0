"""A companion's desk whose waiting is not waited for: its clock jumps to the end of each wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet

from ingest.domain.deliveries import Account, NewDelivery, Provider, Receipt
from ingest.secrets import Secrets
from ingest.telephony.desk import SourceDesk
from storage.log import Kept

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class House:
    """What is behind a desk: its time, what it kept, what it remembers."""

    now: datetime = NOON
    ends: datetime = NOON + timedelta(hours=1)  #: the desk says stop then
    kept: list[NewDelivery] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event)  #: something was kept or remembered

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until it is so; a test that waits in vain fails by its time-out."""
        while not so():
            self.told.clear()
            await self.told.wait()

    def after(self, **passed: float) -> datetime:
        """Return the moment so long after noon."""
        return NOON + timedelta(**passed)

    async def keep(
        self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
    ) -> list[Kept]:
        self.kept += deliveries
        self.memory.update(memory)
        self.told.set()
        return [
            Kept(receipt=Receipt.NEW, partition=0, position=at)
            for at, _ in enumerate(deliveries, len(self.kept))
        ]

    async def recall(self, name: str) -> Any:
        return self.memory.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickDesk(SourceDesk):
    """A desk in a house whose time jumps."""

    house: House

    async def wait(self, seconds: float) -> bool:
        await asyncio.sleep(0)
        self.house.now += timedelta(seconds=seconds)
        if self.house.now >= self.house.ends:
            self.stop.set()
        return self.stop.is_set()


VAULT = Secrets([Fernet.generate_key()])


def a_desk(
    provider: Provider, account: Account, house: House, *, vault: Secrets | None = VAULT
) -> QuickDesk:
    """Return a desk of that house."""
    return QuickDesk(
        provider=provider,
        account=account,
        clock=lambda: house.now,
        stop=asyncio.Event(),
        keep=house.keep,
        recall=house.recall,
        vault=vault,
        house=house,
    )
