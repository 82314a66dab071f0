"""The worker: from its position in each delivery log, batch by batch, to recorded touches.

One batch is one transaction, and in it the position. After a crash the batch is read again and
delivery keys absorb the repeat. A failing batch is halved until the one bad delivery is alone: it
is tried again while the cause may pass, and parked when it does not.

Each partition of each log, and deciding anew, is work of its own: trouble in one waits for its own
time and leaves the others theirs. Mails are read beside all this, one batch ahead (`ahead`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError

from ingest import redecide
from ingest.ahead import MailsAhead
from ingest.attempts import Suspect, read_attempts, write_attempt
from ingest.children import ReaderNotStarted
from ingest.domain.deliveries import Delivery, End
from ingest.pipeline import record
from ingest.readers import Reading, ReadMails, Sources, read
from ingest.steps import Changed, Directories
from storage import facts, wire
from storage.database import Database
from storage.log import LogReader, LogUnavailable, Mark, same_log
from storage.tables import changes

log = structlog.get_logger()

BATCH = 500  #: deliveries in one transaction at the most
TRIES = 3  #: of one delivery whose trouble cannot pass
TRY_AGAIN_S = 30.0  #: that one delivery is tried again whose trouble may pass, before it is parked
IDLE_S = 0.05  #: between looks at the logs when nothing wakes the worker
WAIT_S, WAIT_MOST_S = (
    0.1,
    1.0,
)  #: between tries of work that fails: doubled from the one to the other
JOB_WAIT_MOST_S = 60.0  #: the same of one job of deciding anew
SAY_AGAIN_S = 60.0  #: between lines of the log about work that goes on failing
CHECK_LOG_S = 5.0  #: between checks that the logs are still the ones the positions belong to
KEEP_CHANGES = 10_000  #: rows an open page may look back on

PASSING = (OperationalError, InterfaceError, LogUnavailable)

PROBE = "worker_probe"  #: the counter that is raised to see whether main can be written

Work = Callable[[], bool]  #: does a part of it; False: there was nothing to do


class NotDecided(Exception):
    """A job of deciding anew failed; it comes behind the others and is tried again."""


class NotNow(Exception):
    """One delivery cannot be recorded for a cause that may pass; it is tried again."""


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
    monotonic: Callable[[], float] = time.monotonic
    attempts: Path  #: small file that tells, after a crash, what was being done
    batch: int = BATCH
    counters: Counters = field(default_factory=Counters)
    known: Directories = field(default_factory=Directories)
    said: list[str] = field(default_factory=list)  #: what an operator should know about the logs
    _marks: dict[tuple[str, int], Mark] = field(default_factory=dict)
    _checked: dict[tuple[str, int], float] = field(default_factory=dict)
    _troubles: dict[str, _Trouble] = field(default_factory=dict)
    _said: dict[str, float] = field(default_factory=dict)
    _stuck: dict[tuple[str, int], tuple[int, float]] = field(default_factory=dict)
    _jobs: dict[int, _Trouble] = field(default_factory=dict)
    _suspects: dict[tuple[str, int], Suspect] = field(default_factory=dict)
    _ahead: dict[int, MailsAhead] = field(default_factory=dict)
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
        """Work until stopped; what fails is tried again, and leaves the rest its turn."""
        self.recall()
        try:
            while not self._stop.is_set():
                if not self._round():
                    self._wake.wait(IDLE_S)
                    self._wake.clear()
        finally:
            for partition, ahead in self._ahead.items():
                ahead.close()
                self._attempt_of_mails(partition).write_text("")  # nobody died of it

    def _round(self) -> bool:
        """Do a part of all that is not left for later; False: there was nothing, or trouble."""
        busy = False
        for name, work in self._works().items():
            if self._rests("main") or self._stop.is_set():
                return False
            if self._rests(name):
                continue
            try:
                busy |= work()
            except (OperationalError, InterfaceError) as error:
                self._rest("main", error)
            except Exception as error:
                if self._stop.is_set() and isinstance(error, ReaderNotStarted):
                    return False  # broken off, as it was asked to be
                self._rest(name, error)
            else:
                self._troubles.pop(name, None)
                self._troubles.pop("main", None)
        return busy

    def _rests(self, name: str) -> bool:
        trouble = self._troubles.get(name)
        return trouble is not None and self.monotonic() < trouble.until

    def _rest(self, name: str, error: Exception) -> None:
        """Leave this work for a while, the longer the oftener; say so, but not each time."""
        now = self.monotonic()
        self._troubles[name] = _after(self._troubles.get(name), now, most=WAIT_MOST_S)
        self._marks.clear()  # the logs are looked at anew
        if isinstance(error, (*PASSING, NotNow)):
            self.counters.retries += 1
        if now - self._said.get(name, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said[name] = now
            cause = error if error.__cause__ is None else error.__cause__
            if isinstance(error, (*PASSING, NotNow)):
                log.warning("worker.waiting", work=name, cause=type(cause).__name__)
            else:  # a fault of ours in one place must not stop all recording
                log.error("worker.failed", work=name, exc_info=error)

    def recall(self) -> None:
        """Find out what an earlier life was at when it died, if it did."""
        for path in (self.attempts, *self.attempts.parent.glob(f"{self.attempts.name}.mail-*")):
            self._suspects |= read_attempts(path)

    def drain(self) -> None:
        """Work until nothing waits, neither deliveries nor decisions to be made anew."""
        while self.step():
            pass

    def step(self) -> bool:
        """Do one batch of each log, then one slice of deciding anew; False: there was nothing.

        What fails is raised, when all else has had its turn.
        """
        busy = False
        troubles: list[Exception] = []
        for work in self._works().values():
            try:
                busy |= work()
            except Exception as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return busy

    def _works(self) -> dict[str, Work]:
        """Return what there is to do, in the order of its turns: calls before mails."""
        works: dict[str, Work] = {}
        for name, source in sorted(self.logs.items()):
            for partition in range(source.partitions):
                works[f"{name}-{partition}"] = partial(self._step_log, name, source, partition)
        works["redecide"] = self._step_redecide
        return works

    # Deliveries --------------------------------------------------------------------------------

    def _check_log(self, name: str, source: LogReader, partition: int) -> Mark:
        """Return how far we came; 0 where another log lies in the place of the one we knew."""
        place = name, partition
        known = self._marks.get(place)
        if known is not None and self.monotonic() - self._checked[place] < CHECK_LOG_S:
            return known
        with self.database.read() as connection:
            stored = wire.position(connection, name, partition)
        epoch = source.bounds(partition).epoch
        if stored is not None:
            other = same_log(stored, source)
            if other is not None:
                self.said.append(f"The {name} log is another one: {other}. Read again.")
                log.warning("log.replaced", log=name, partition=partition, why=other)
                stored = None
        mark = stored or Mark(partition=partition, epoch=epoch, position=0, key=None)
        self._marks[place], self._checked[place] = mark, self.monotonic()
        return mark

    def _step_log(self, name: str, source: LogReader, partition: int) -> bool:
        at = self._check_log(name, source, partition)
        suspect = self._suspects.get((name, partition))
        if suspect is not None and at.position >= suspect.until:
            suspect = self._suspects.pop((name, partition)) and None
        if name == "mail" and suspect is None:
            return self._step_mails(source, at)
        limit = 1 if suspect is not None else self.batch
        batch = source.read(partition, at.position, limit)
        if not batch:
            return False
        if suspect is not None and suspect.parks(batch[0]):
            self._park(batch[0], at, "the worker died of it twice")
            return True
        note = self._attempt_of_mails(partition) if name == "mail" else self.attempts
        write_attempt(note, name, partition, batch, suspect)
        try:
            self._record(read(batch, self.sources(), self.read_mails), at)
        finally:  # whatever was raised, the worker lives
            note.write_text("")
        return True

    def _step_mails(self, source: LogReader, at: Mark) -> bool:
        """Record the mails that have been read; those that are being read leave others a turn."""
        ahead = self._ahead.get(at.partition) or self._read_ahead(source, at.partition)
        readings: list[Reading] | None = None
        try:
            readings = ahead.take(at)
            if readings:
                self._record(readings, at)
        finally:
            if readings != [] and not ahead.busy:  # nothing of it is under way any more
                self._attempt_of_mails(at.partition).write_text("")
        return readings is None or bool(readings)

    def _read_ahead(self, source: LogReader, partition: int) -> MailsAhead:
        path = self._attempt_of_mails(partition)
        self._ahead[partition] = MailsAhead(
            source=source,
            partition=partition,
            read_mails=self.read_mails,
            limit=self.batch,
            # What is read ahead lies beyond what is recorded: its note stands for both.
            note=lambda batch: write_attempt(path, "mail", partition, batch, None),
            monotonic=self.monotonic,
        )
        return self._ahead[partition]

    def _attempt_of_mails(self, partition: int) -> Path:
        return self.attempts.with_name(f"{self.attempts.name}.mail-{partition}")

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
                only = readings[0].delivery
                passing = isinstance(error, PASSING)
                if passing and not self._tried_long(only):
                    raise NotNow from error
                self.counters.retries += not passing
                if passing or attempt == TRIES:
                    log.exception("delivery.failed", delivery=only.id)
                    self._park(only, at, f"recording it failed: {type(error).__name__}")
                    return
        middle = len(readings) // 2
        for half in (readings[:middle], readings[middle:]):
            self._record(half, at)
            at = self._mark_of(half[-1].delivery, at)

    def _tried_long(self, delivery: Delivery) -> bool:
        """Tell whether the delivery has been in trouble for so long that it is given up."""
        place, now = (delivery.log, delivery.partition), self.monotonic()
        position, since = self._stuck.get(place, (0, 0.0))
        if position != delivery.position:
            self._stuck[place] = (delivery.position, now)
            return False
        return now - since >= TRY_AGAIN_S

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
        """Tell whether main takes a change: one that can be read may be full or read-only."""
        try:
            with self.database.write() as connection:
                facts.bump(connection, PROBE)
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
            job = redecide.oldest_job(connection)
        if job is None or (job in self._jobs and self.monotonic() < self._jobs[job].until):
            return False
        now = self.clock()
        try:
            with self.database.write() as connection:
                changed = redecide.run_slice(connection, self.known, self._region, now=now)
                if changed is not None:
                    note_change(connection, changed, now)
        except Exception as error:
            self.known.forget()
            if not isinstance(error, PASSING) or self._can_write():
                self._jobs[job] = _after(
                    self._jobs.get(job), self.monotonic(), most=JOB_WAIT_MOST_S
                )
                with self.database.write() as connection:
                    redecide.note_failure(connection, job)
                raise NotDecided(f"job {job}") from error
            raise
        self._jobs.pop(job, None)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """Work that failed and is left for a while."""

    pause: float
    until: float


def _after(before: _Trouble | None, now: float, *, most: float) -> _Trouble:
    """Return the next pause of work that failed: twice the last one."""
    pause = min(before.pause * 2, most) if before else WAIT_S
    return _Trouble(pause=pause, until=now + pause)
