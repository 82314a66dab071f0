"""Mails read while those before them are recorded, so that neither waits for the other.

Reading is pure and takes longer than recording; it needs no transaction and nothing of what the
mails before it changed. So the worker asks for what lies beyond its position: it gets it when it
is read, and what lies beyond that is begun at once, if more was waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field, replace

from ingest.domain.deliveries import Delivery
from ingest.readers import Reading, ReadMails, read
from storage.log import LogReader, Mark

READING_S = 0.3  #: mails are read for that long before the first of them are recorded
TOGETHER = 64  #: mails handed to the readers at a time
BATCH_BYTES = 8 * 1024 * 1024  #: of mails in one batch
PATIENCE_S = 0.05  #: that is waited for what is being read: meanwhile a telephone may ring


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What is being read: the mails beyond a mark."""

    at: Mark
    readings: Future[tuple[list[Reading], bool]]


@dataclass(slots=True, kw_only=True)
class MailsAhead:
    """The mails of one partition, read one batch ahead. Used by one thread."""

    source: LogReader
    partition: int
    read_mails: ReadMails
    limit: int
    note: Callable[[Sequence[Delivery]], None]  #: told what will be read, before it is
    monotonic: Callable[[], float] = time.monotonic
    _begun: _Begun | None = None
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="mails-ahead")
    )

    @property
    def busy(self) -> bool:
        """Tell whether anything is being read, or was and waits to be taken."""
        return self._begun is not None

    def take(self, at: Mark, patience_s: float = PATIENCE_S) -> list[Reading] | None:
        """Return what is kept beyond the mark, read; None while it is still being read.

        Raises what reading raises; it is begun anew then.
        """
        begun = self._begun
        if begun is None or begun.at != at:  # nothing, or what was not recorded after all
            self._begun = None
            batch = self._batch(at)
            if not batch:
                return []
            begun = self._begun = _Begun(at=at, readings=self._thread.submit(self._read, batch))
        if not wait_for([begun.readings], patience_s).done:
            return None
        self._begun = None
        readings, more = begun.readings.result()
        if more:
            last = readings[-1].delivery
            beyond = replace(at, position=last.position, key=last.key)
            readings_of_it = self._thread.submit(lambda: self._read(self._batch(beyond)))
            self._begun = _Begun(at=beyond, readings=readings_of_it)
        return readings

    def close(self) -> None:
        """Wait for what is being read, and forget it."""
        self._thread.shutdown(cancel_futures=True)
        self._begun = None

    def _batch(self, at: Mark) -> list[Delivery]:
        return self.source.read(self.partition, at.position, self.limit, max_bytes=BATCH_BYTES)

    def _read(self, batch: Sequence[Delivery]) -> tuple[list[Reading], bool]:
        """Return as many as can be read in their time, and whether more is waiting."""
        if not batch:
            return [], False
        self.note(batch)
        until = self.monotonic() + READING_S
        readings: list[Reading] = []
        for start in range(0, len(batch), TOGETHER):
            readings += read(batch[start : start + TOGETHER], {}, self.read_mails)
            if self.monotonic() >= until:
                break
        full = len(batch) == self.limit or sum(len(it.body or b"") for it in batch) >= BATCH_BYTES
        return readings, full or len(readings) < len(batch)
