"""The worker: from its position in each delivery log, batch by batch, to recorded touches.

One batch is one transaction, and in it the position. After a crash the batch is read again and
delivery keys absorb the repeat. A failing batch is halved until the one bad delivery is alone: it
is tried again while the cause may pass, and parked when it does not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError

from ingest import redecide
from ingest.domain.deliveries import Delivery, End
from ingest.pipeline import Changed, Directories, record
from ingest.readers import Reading, ReadMails, Sources, read
from storage import wire
from storage.database import Database
from storage.log import LogReader, LogUnavailable, Mark, same_log
from storage.tables import changes

log = structlog.get_logger()

BATCH = 500  #: deliveries in one transaction at the most
TRIES = 3  #: of one delivery whose trouble is not the database's being away
IDLE_S = 0.05  #: between looks at the logs when nothing wakes the worker
WAIT_MOST_S = 1.0  #: between tries while a database is away; each log may fail once more after it
CHECK_LOG_S = 5.0  #: between checks that the logs are still the ones the positions belong to
KEEP_CHANGES = 10_000  #: rows an open page may look back on

PASSING = (OperationalError, InterfaceError, LogUnavailable)


@dataclass(slots=True, kw_only=True)
class Counters:
    """What the worker did since it started."""

    read: int = 0
    ignored: int = 0
    parked: int = 0
    batches: int = 0
    redecided: int = 0
    retries: int = 0
    last_batch_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Worker:
    """Follows delivery logs and records what they hold. Its methods block: run it in a thread."""

    database: Database
    logs: Mapping[str, LogReader]
    sources: Callable[[], Sources]
    read_mails: ReadMails
    clock: Callable[[], datetime]
    attempts: Path  #: small file that tells, after a crash, what was being done
    batch: int = BATCH
    counters: Counters = field(default_factory=Counters)
    known: Directories = field(default_factory=Directories)
    said: list[str] = field(default_factory=list)  #: what an operator should know about the logs
    _marks: dict[tuple[str, int], Mark] = field(default_factory=dict)
    _checked: float = 0.0
    _suspects: dict[tuple[str, int], _Suspect] = field(default_factory=dict)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    def wake(self) -> None:
        """Say that something was kept; safe from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Ask the worker to end after the batch at hand; safe from any thread."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        self.recall()
        pause = 0.1
        while not self._stop.is_set():
            try:
                busy = self.step()
                pause = 0.1
            except PASSING as error:
                self.counters.retries += 1
                log.warning("worker.waiting", cause=type(error).__name__, seconds=pause)
                pause = self._rest(pause)
                continue
            except Exception:  # a fault of ours in one place must not stop all recording
                log.exception("worker.failed", seconds=pause)
                pause = self._rest(pause)
                continue
            if not busy:
                self._wake.wait(IDLE_S)
                self._wake.clear()

    def recall(self) -> None:
        """Find out what an earlier life was at when it died, if it did."""
        self._suspects = _read_attempts(self.attempts)

    def _rest(self, pause: float) -> float:
        """Wait before trying again, and look at the logs anew then; returns the next pause."""
        self._marks.clear()
        self._stop.wait(pause)
        return min(pause * 2, WAIT_MOST_S)

    def drain(self) -> None:
        """Work until nothing waits, neither deliveries nor decisions to be made anew."""
        while self.step():
            pass

    def step(self) -> bool:
        """Do one batch of each log, then one slice of deciding anew; False: there was nothing."""
        self._check_logs()
        busy = False
        for name, source in self.logs.items():
            for partition in range(source.partitions):
                busy |= self._step_log(name, source, partition)
        return self._step_redecide() or busy

    # Deliveries --------------------------------------------------------------------------------

    def _check_logs(self) -> None:
        """Begin again at 0 where another log lies in the place of the one we knew."""
        if self._marks and time.monotonic() - self._checked < CHECK_LOG_S:
            return
        self._checked = time.monotonic()
        for name, source in self.logs.items():
            for partition in range(source.partitions):
                with self.database.read() as connection:
                    stored = wire.position(connection, name, partition)
                epoch = source.bounds(partition).epoch
                start = Mark(partition=partition, epoch=epoch, position=0, key=None)
                if stored is not None:
                    other = same_log(stored, source)
                    if other is not None:
                        self.said.append(f"The {name} log is another one: {other}. Read again.")
                        log.warning("log.replaced", log=name, partition=partition, why=other)
                        stored = None
                self._marks[name, partition] = stored or start

    def _step_log(self, name: str, source: LogReader, partition: int) -> bool:
        at = self._marks[name, partition]
        suspect = self._suspects.get((name, partition))
        if suspect is not None and at.position >= suspect.until:
            suspect = self._suspects.pop((name, partition)) and None
        limit = 1 if suspect is not None else self.batch
        batch = source.read(partition, at.position, limit)
        if not batch:
            return False
        if suspect is not None and suspect.parks(batch[0]):
            self._park(batch[0], at, "the worker died of it twice")
            return True
        _write_attempt(self.attempts, name, partition, batch, suspect)
        try:
            readings = read(batch, self.sources(), self.read_mails)
            self._record(readings, at)
        finally:  # whatever was raised, the worker lives
            self.attempts.write_text("")
        return True

    def _record(self, readings: Sequence[Reading], at: Mark) -> None:
        """Record a batch; halve it when it fails, until the bad delivery is alone."""
        for attempt in range(1, TRIES + 1):
            try:
                self._commit(readings, at)
                return
            except Exception as error:
                self._marks.pop((readings[0].delivery.log, at.partition), None)
                self.known.forget()
                if isinstance(error, PASSING) and not self._can_write():
                    raise
                if len(readings) > 1:
                    break
                self.counters.retries += 1
                if attempt == TRIES:
                    only = readings[0].delivery
                    log.exception("delivery.failed", delivery=only.id)
                    self._park(only, at, f"recording it failed: {type(error).__name__}")
                    return
        middle = len(readings) // 2
        for half in (readings[:middle], readings[middle:]):
            self._record(half, at)
            at = self._mark_of(half[-1].delivery, at)

    def _commit(self, readings: Sequence[Reading], at: Mark) -> None:
        now = self.clock()
        last = readings[-1].delivery
        mark = self._mark_of(last, at)
        with self.database.write() as connection:
            changed = record(connection, readings, self.known, self._region, now=now)
            wire.move(connection, last.log, mark)
            note_change(connection, changed, now, [it for it in readings if it.end is not End.READ])
        self._marks[last.log, at.partition] = mark
        self._count(readings, now)

    def _park(self, delivery: Delivery, at: Mark, reason: str) -> None:
        self._commit([Reading(delivery=delivery, end=End.PARKED, reason=reason)], at)

    def _mark_of(self, delivery: Delivery, at: Mark) -> Mark:
        return replace(at, position=delivery.position, key=delivery.key)

    def _can_write(self) -> bool:
        try:
            with self.database.write() as connection:
                connection.execute(select(1))
        except PASSING:
            return False
        return True

    def _region(self, source: str) -> str:
        known = self.sources().get(source)
        return known[1].region if known else "ZZ"

    def _count(self, readings: Sequence[Reading], now: datetime) -> None:
        self.counters.batches += 1
        self.counters.last_batch_at = now
        for reading in readings:
            named = {"delivery": reading.delivery.id, "source": reading.delivery.source}
            if reading.end is End.READ:
                self.counters.read += 1
                log.debug("delivery.read", events=len(reading.events), **named)
            elif reading.end is End.IGNORED:
                self.counters.ignored += 1
                log.info("delivery.ignored", because=reading.reason, **named)
            else:
                self.counters.parked += 1
                log.warning("delivery.parked", because=reading.reason, **named)

    # Deciding anew -----------------------------------------------------------------------------

    def _step_redecide(self) -> bool:
        with self.database.read() as connection:
            if not redecide.progress(connection)[0]:
                return False
        now = self.clock()
        try:
            with self.database.write() as connection:
                changed = redecide.run_slice(connection, self.known, self._region, now=now)
                if changed is not None:
                    note_change(connection, changed, now)
        except Exception:
            self.known.forget()
            raise
        self.counters.redecided += len(changed.interactions) if changed else 0
        return changed is not None


def note_change(
    connection: Connection, changed: Changed, now: datetime, unread: Sequence[Reading] = ()
) -> None:
    """Tell open pages to look again, if anything changed."""
    if not changed.rows and not unread:
        return
    what: dict[str, Any] = {"rows": changed.rows, "parked": len(unread)}
    connection.execute(insert(changes), {"at": now, "what": json.dumps(what)})
    number = last_change(connection)
    if number % 1000 == 0:
        connection.execute(delete(changes).where(changes.c.number <= number - KEEP_CHANGES))


def last_change(connection: Connection) -> int:
    """Return the number of the latest change, for a page to compare with the one it has seen."""
    return int(connection.scalar(select(func.coalesce(func.max(changes.c.number), 0))) or 0)


# After a crash ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    """Deliveries that were being worked on when the worker died."""

    until: int  #: the last position of them
    alone: int | None  #: the one that was tried by itself
    crashes: int  #: while that one was tried

    def parks(self, delivery: Delivery) -> bool:
        return self.crashes >= 2 and delivery.position == self.alone


def _write_attempt(
    path: Path, name: str, partition: int, batch: Sequence[Delivery], suspect: _Suspect | None
) -> None:
    # Not synced: a power cut is no crash of the worker's own making.
    alone = batch[0].position if len(batch) == 1 else None
    again = suspect is not None and alone is not None and suspect.alone == alone
    path.write_text(
        json.dumps(
            {
                "log": name,
                "partition": partition,
                "until": suspect.until if suspect else batch[-1].position,
                "alone": alone,
                "crashes": suspect.crashes if suspect and again else 0,
            }
        )
    )


def _read_attempts(path: Path) -> dict[tuple[str, int], _Suspect]:
    try:
        told = json.loads(path.read_text() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    if not told:
        return {}
    suspect = _Suspect(until=told["until"], alone=told["alone"], crashes=told["crashes"] + 1)
    return {(told["log"], told["partition"]): suspect}
