"""Rows of a delivery log, as SQLite and PostgreSQL alike hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import structlog

from ingest.domain.deliveries import Delivery, NewDelivery, Receipt
from storage.blobs import INLINE_BYTES, Blobs
from storage.log import Imprint, Kept, LogReader

#: Where the body of a row lies.
IN_ROW, IN_FILE, EMPTIED = 0, 1, 2

COLUMNS = "position, source, key, event_id, received_us, head, sha256, size, place, body"
Row = tuple[int, str, str, str | None, int, str, bytes, int, int, bytes | None]
IMPRINT_COLUMNS = "source, key, event_id, received_us, sha256, size, place"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lying:
    """Which keys and event ids of a group lie in the log already, and where it ends."""

    def __init__(
        self,
        keys: dict[tuple[str, str], tuple[int, int]],
        events: set[tuple[str, str | None]],
        last: int,
    ) -> None:
        self._keys = keys  #: to partition and position
        self._events = events
        self._last = last

    def sort_out(
        self, partition: int, deliveries: Sequence[NewDelivery], digests: Sequence[bytes]
    ) -> tuple[list[Kept], list[Row]]:
        """Return what becomes of each delivery, and the rows to insert."""
        kept: list[Kept] = []
        rows: list[Row] = []
        for new, digest in zip(deliveries, digests, strict=True):
            name, event = (new.source, new.key), (new.source, new.event_id)
            if name in self._keys:
                there, position = self._keys[name]
                kept.append(Kept(partition=there, position=position, receipt=Receipt.REPEATED))
                continue
            self._last += 1
            receipt = Receipt.CHANGED if event in self._events else Receipt.NEW
            kept.append(Kept(partition=partition, position=self._last, receipt=receipt))
            rows.append(_row(self._last, new, digest))
            self._keys[name] = (partition, self._last)
            if new.event_id is not None:
                self._events.add(event)
        return kept, rows


def digest_of(new: NewDelivery) -> bytes:
    """Return the SHA-256 of a body, which whoever made its key from it has at hand."""
    return new.digest or sha256(new.body).digest()


def check_storable(deliveries: Sequence[NewDelivery]) -> None:
    """Raise ValueError if a name of these is text that some database cannot hold.

    PostgreSQL holds no NUL and neither database a lone surrogate; both refuse alike.
    """
    for new in deliveries:
        for text in (new.source, new.key, new.event_id or ""):
            if "\0" in text:
                raise ValueError("a delivery's source, key or event id contains NUL")
            text.encode()  # UnicodeEncodeError is a ValueError


def delivery_of(row: Row, *, log: LogReader, partition: int, blobs: Blobs) -> Delivery:
    """Return the delivery that a row holds, its body fetched from the file if it lies there."""
    position, source, key, _event_id, received_us, head, digest, _size, place, body = row
    if place == IN_FILE:
        body = blobs.read(digest)
        if body is None and not _was_emptied(log, partition, position):
            structlog.get_logger().error("log.body_missing", log=log.name, position=position)
    return Delivery(
        log=log.name,
        partition=partition,
        position=position,
        source=source,
        key=key,
        received_at=from_microseconds(received_us),
        head=json.loads(head),
        body=body,
    )


def imprint_of(row: Sequence[Any]) -> Imprint:
    """Return the imprint that a row of IMPRINT_COLUMNS holds."""
    source, key, event_id, received_us, digest, size, place = row
    return Imprint(
        source=source,
        key=key,
        event_id=event_id,
        received_at=from_microseconds(received_us),
        sha256=digest.hex(),
        size=size,
        emptied=place == EMPTIED,
    )


def to_microseconds(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970, UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(value: int) -> datetime:
    """Return the moment that `to_microseconds` wrote."""
    return _EPOCH + timedelta(microseconds=value)


def to_json(value: Any) -> str:
    """Return JSON that every database can hold as text: NUL and lone surrogates are escaped.

    Raises TypeError for what is no JSON value.
    """
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a header with octets that are not UTF-8
        return json.dumps(value, separators=(",", ":"))


def _row(position: int, new: NewDelivery, digest: bytes) -> Row:
    in_row = len(new.body) <= INLINE_BYTES
    return (
        position,
        new.source,
        new.key,
        new.event_id,
        to_microseconds(new.received_at),
        to_json(new.head),
        digest,
        len(new.body),
        IN_ROW if in_row else IN_FILE,
        new.body if in_row else None,
    )


def _was_emptied(log: LogReader, partition: int, position: int) -> bool:
    """The file may have gone between the reading of its row and its own."""
    imprint = log.imprint(partition, position)
    return imprint is not None and imprint.emptied
