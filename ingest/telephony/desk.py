"""What works for one source beside the public door: keeps deliveries, remembers, says how it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ingest.domain.deliveries import Account, Kind, NewDelivery, Provider
from ingest.domain.streams import Message
from storage.log import Kept


class Vault(Protocol):
    """The key file, as `secrets.Secrets` is: what it seals belongs to a name, and to no other."""

    def seal(self, row: str, value: Any) -> str:
        """Return the ciphertext of a JSON value."""

    def open(self, row: str, sealed: str) -> Any:
        """Return the value. Raises an exception for another key or another row's ciphertext."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDesk:
    """The side of the house that a companion of one source sees. Its log is `calls`."""

    provider: Provider
    account: Account
    clock: Callable[[], datetime]
    stop: asyncio.Event  #: set when the source was changed or the service ends
    keep: Callable[[Sequence[NewDelivery], Mapping[str, Any]], Awaitable[list[Kept]]]
    #: durable when it returns, the memory in the same transaction; raises keeper.KeepFailed
    recall: Callable[[str], Awaitable[Any]]  #: what is remembered under a name, or None
    full: Callable[[], str | None] = field(default=lambda: None)  #: why nothing should be taken now
    vault: Vault | None = None  #: seals what must not be remembered in clear; None: no key at hand

    @property
    def source(self) -> str:
        """Return the source's name."""
        return self.account.source

    async def remember(self, memory: Mapping[str, Any]) -> None:
        """Remember JSON values under names; None forgets one."""
        await self.keep([], memory)

    async def wait(self, seconds: float) -> bool:
        """Wait so long, or until it shall stop; return whether it shall."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return False
        return True


def new_delivery(
    desk: SourceDesk,
    kind: Kind,
    body: bytes,
    *,
    head: Mapping[str, Any] | None = None,
    event_id: str | None = None,
    received_at: datetime | None = None,
) -> NewDelivery:
    """Return a delivery that is no HTTP request. Its key: kind, event id, hash of the body.

    What the head adds is not part of the key: the same record out of two files is one.
    """
    digest = hashlib.sha256(body).hexdigest()
    return NewDelivery(
        source=desk.source,
        key=f"{kind}:{event_id or ''}:{digest}",
        event_id=event_id,
        received_at=received_at or desk.clock(),
        head={**(head or {}), "kind": str(kind)},
        body=body,
    )


def of_messages(
    desk: SourceDesk, messages: Sequence[Message], received_at: datetime
) -> list[NewDelivery]:
    """Return what a connection said as deliveries, in the same order."""
    return [
        new_delivery(
            desk,
            Kind.STREAM,
            message.body,
            head=message.head,
            event_id=message.event_id,
            received_at=received_at,
        )
        for message in messages
    ]


def part_state_name(source: str, part: str) -> str:
    """Return the name under which the state of a source's companion is remembered.

    The value is {"state": word, "since": moment, "because": text or None} and what it adds.
    """
    return f"source:{source}:{part}"
