"""Delivery logs: what they promise, whatever database holds them.

A log keeps raw deliveries in partitions, each an ever growing row of positions beginning at 1.
**A reader that was given position p never misses a row at or below p**: rows become visible in
the order of their positions. Beside the rows lies the *edge memory*: the cursors, tokens, pauses
and counters of the edges that write this log, so that a mail and its cursor move in one
transaction.

Here are the promise and its values; `log_sqlite` and `log_postgres` keep it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

from ingest.domain.deliveries import Delivery, NewDelivery, Receipt

#: One `read` returns no more bytes than this, but always at least one delivery.
READ_BYTES = 32 * 1024 * 1024


class LogUnavailable(Exception):
    """The delivery log cannot be reached or written at the moment; nothing was kept."""


class WrongLog(Exception):
    """This file or table is not the delivery log that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where a delivery lies now, and whether it was there before."""

    partition: int
    position: int  #: of a repeat: where the first one lies
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one partition holds."""

    epoch: str  #: random, made with the log; another one means another log
    first: int | None  #: None: nothing was ever kept
    last: int  #: 0: nothing was ever kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What stays of a delivery for ever, also when its bytes have expired."""

    source: str
    key: str
    event_id: str | None
    received_at: datetime
    sha256: str  #: of the body, hexadecimal
    size: int  #: of the body, octets
    emptied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a reader came, with what it takes to know this log again."""

    partition: int
    epoch: str
    position: int
    key: str | None  #: of the row at that position; None at position 0


class LogReader(Protocol):
    """A delivery log as its readers see it. Every method may raise LogUnavailable."""

    name: str  #: "calls" or "mail"

    @property
    def partitions(self) -> int:
        """Return how many partitions there are; they count from 0."""

    def read(
        self, partition: int, after: int, limit: int = 500, *, max_bytes: int = READ_BYTES
    ) -> list[Delivery]:
        """Return the next deliveries beyond position `after`, in order."""

    def bounds(self, partition: int) -> Bounds:
        """Return the epoch, the first and the last position."""

    def key_at(self, partition: int, position: int) -> str | None:
        """Return the key of the row at that position, or None if there is none."""

    def get(self, partition: int, position: int) -> Delivery | None:
        """Return one delivery, or None if there is none."""

    def imprint(self, partition: int, position: int) -> Imprint | None:
        """Return what stays of that delivery for ever, or None if there is none."""

    def memory(self, name: str) -> Any:
        """Return what was remembered under that name, or None."""

    def memories(self, prefix: str) -> dict[str, Any]:
        """Return everything remembered under names that begin so."""

    def close(self) -> None:
        """Let go of the connections."""


class DeliveryLog(LogReader, Protocol):
    """A delivery log as its owner, the edge, sees it. Synchronous: called from threads."""

    def append(
        self,
        partition: int,
        deliveries: Sequence[NewDelivery],
        *,
        memory: Mapping[str, Any] | None = None,
    ) -> list[Kept]:
        """Keep all of these and the memory in one durable transaction, or nothing of it.

        Raises LogUnavailable if the cause may pass, and ValueError for a source, key or event id
        that no database can hold.
        """

    def empty(self, partition: int, positions: Iterable[int]) -> int:
        """Drop the bodies of these rows; key, hash, size and times stay. Returns how many."""

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Write edge memory, durably; None as a value forgets the name."""


def mark(log: LogReader, partition: int, position: int) -> Mark:
    """Return what a reader that came to this position should store beside it."""
    return Mark(
        partition=partition,
        epoch=log.bounds(partition).epoch,
        position=position,
        key=log.key_at(partition, position) if position else None,
    )


def same_log(stored: Mark, log: LogReader) -> str | None:
    """Return None if this is the log the mark was made on, else why it is another.

    After another log was put in its place (a restored backup, a new file) the reader begins again
    at 0; delivery keys absorb what it has seen.
    """
    bounds = log.bounds(stored.partition)
    if bounds.epoch != stored.epoch:
        return "it has another epoch"
    if stored.position > bounds.last:
        return f"it ends at {bounds.last}, before position {stored.position}"
    if stored.position and log.key_at(stored.partition, stored.position) != stored.key:
        return f"another delivery lies at position {stored.position}"
    return None


def partition_of(source: str, key: str, partitions: int) -> int:
    """Return the partition of a delivery key: by hash, so that no source is bound to one."""
    if partitions == 1:
        return 0
    digest = blake2b(f"{source}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
