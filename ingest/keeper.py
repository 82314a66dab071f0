"""Keeping with group commit: whatever waits at a moment shares one transaction.

Each partition of the log has a lane: a queue and the one thread that writes it. Senders wait until
their delivery is durable; every one of them is answered or failed within the deadline.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ingest.domain.deliveries import NewDelivery, Receipt
from storage.log import DeliveryLog, Kept, LogUnavailable, partition_of

#: After the log was found away, senders are refused at once for so long; then one try is made.
AWAY_S = 1.0


class KeepFailed(Exception):
    """The delivery was not made durable in time; its sender shall send it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperLimits:
    """Bounds of one keeper."""

    waiting_rows: int = 5_000  #: above it new senders are refused before they are heard
    group_rows: int = 512  #: in one transaction
    group_bytes: int = 8 * 1024 * 1024  #: in one transaction, or one delivery if it is larger
    deadline_s: float = 5.0  #: within it every sender is answered or failed
    disk_free: float = 0.10  #: below this part of the disk new senders are refused
    drain_s: float = 20.0  #: the longest that closing waits


@dataclass(slots=True, kw_only=True)
class KeeperCounters:
    """What a keeper has done since the process began."""

    kept: int = 0  #: rows written, changed ones among them
    repeated: int = 0
    changed: int = 0
    failed: int = 0
    bytes: int = 0
    groups: int = 0
    last_flush_s: float = 0.0  #: how long the last transaction took


def disk_free_of(directory: Path) -> Callable[[], float]:
    """Return a function that says which part of that disk is free, from 0 to 1."""

    def free() -> float:
        usage = shutil.disk_usage(directory)
        return usage.free / usage.total

    return free


@dataclass(slots=True, eq=False)
class _Parcel:
    """What one sender waits for: all of it in one transaction."""

    deliveries: Sequence[NewDelivery]
    memory: Mapping[str, Any] | None
    answer: asyncio.Future[list[Kept]]
    due: float  #: by the loop's clock
    size: int


@dataclass(slots=True)
class _Lane:
    """The queue of one partition."""

    partition: int
    changed: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.Lock())
    )
    queue: deque[_Parcel] = field(default_factory=deque)
    closing: bool = False
    thread: threading.Thread | None = None


class Keeper:
    """Makes deliveries durable in a log; the only writer of its rows. Used from one event loop."""

    def __init__(
        self,
        log: DeliveryLog,
        *,
        limits: KeeperLimits | None = None,
        disk_free: Callable[[], float] | None = None,
    ) -> None:
        self.log = log
        self.limits = limits or KeeperLimits()
        self.counters = KeeperCounters()
        #: Called on the loop after a commit with the partition and its last new position.
        self.on_kept: list[Callable[[int, int], None]] = []
        self._lanes = [_Lane(number) for number in range(log.partitions)]
        self._unanswered: dict[_Parcel, None] = {}
        self._rows_waiting = 0
        self._watch: asyncio.TimerHandle | None = None
        self._away_until = 0.0
        self._free_space = disk_free
        self._space: tuple[float, float] = (0.0, 1.0)  #: looked at, part that was free
        self._closing = False

    @property
    def waiting(self) -> int:
        """Return how many rows are not durable yet."""
        return self._rows_waiting

    @property
    def full(self) -> str | None:
        """Return why new senders should be refused before they are heard, or None."""
        if self._closing:
            return "closing"
        if self._rows_waiting > self.limits.waiting_rows:
            return "too many deliveries wait to be written"
        now = time.monotonic()
        if now < self._away_until:
            return "the delivery log is not available"
        if self._free_space and self._part_free(now, self._free_space) < self.limits.disk_free:
            return "the disk is nearly full"
        return None

    async def keep(self, new: NewDelivery, memory: Mapping[str, Any] | None = None) -> Kept:
        """Return once this delivery is durable, and the memory with it.

        Raises KeepFailed. A cancelled caller cancels nothing: it may be kept all the same.
        """
        partition = partition_of(new.source, new.key, len(self._lanes))
        [kept] = await self._submit(partition, (new,), memory)
        return kept

    async def keep_many(
        self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any] | None = None
    ) -> list[Kept]:
        """Return once all of these are durable, and the memory with them, in one transaction.

        Where the log has several partitions there is one transaction for each, and the memory
        moves in the last, when the others are durable: a cursor is never beyond what was kept.
        """
        if len(self._lanes) == 1:
            return await self._submit(0, deliveries, memory)
        parts: dict[int, list[int]] = {}
        for index, new in enumerate(deliveries):
            partition = partition_of(new.source, new.key, len(self._lanes))
            parts.setdefault(partition, []).append(index)
        *others, last = parts.items() or [(0, [])]
        kept: dict[int, Kept] = {}
        waits = [self._submit(p, [deliveries[i] for i in where], None) for p, where in others]
        for (_, where), answer in zip(others, await asyncio.gather(*waits), strict=True):
            kept.update(zip(where, answer, strict=True))
        partition, where = last
        answer = await self._submit(partition, [deliveries[i] for i in where], memory)
        kept.update(zip(where, answer, strict=True))
        return [kept[index] for index in range(len(deliveries))]

    async def close(self) -> None:
        """Write what waits, then stop. Later senders are refused."""
        self._closing = True
        threads = []
        for lane in self._lanes:
            with lane.changed:
                lane.closing = True
                lane.changed.notify()
            if lane.thread is not None:
                threads.append(lane.thread)
        ends = time.monotonic() + self.limits.drain_s
        for thread in threads:
            await asyncio.to_thread(thread.join, max(0.0, ends - time.monotonic()))
        await asyncio.sleep(0)  # the last answers were handed to the loop before the threads ended
        for parcel in list(self._unanswered):
            self._fail(parcel, KeepFailed("the service stopped before it was durable"))
        if self._watch is not None:
            self._watch.cancel()

    def _submit(
        self, partition: int, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any] | None
    ) -> asyncio.Future[list[Kept]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Kept]] = loop.create_future()
        parcel = _Parcel(
            deliveries,
            memory,
            answer,
            loop.time() + self.limits.deadline_s,
            sum(len(new.body) for new in deliveries),
        )
        # Twice the mark: those who were heard below it may still come in, others may not.
        if self._closing or self._rows_waiting > 2 * self.limits.waiting_rows:
            self._fail(parcel, KeepFailed(self.full or "too many deliveries wait"))
            return answer
        self._unanswered[parcel] = None
        self._rows_waiting += len(deliveries)
        if self._watch is None:
            self._watch = loop.call_at(parcel.due, self._fail_overdue, loop)
        lane = self._lanes[partition]
        with lane.changed:
            lane.queue.append(parcel)
            lane.changed.notify()
        if lane.thread is None:
            lane.thread = threading.Thread(
                target=self._run, args=(lane, loop), name=f"keep-{self.log.name}-{partition}"
            )
            lane.thread.daemon = True
            lane.thread.start()
        return answer

    def _run(self, lane: _Lane, loop: asyncio.AbstractEventLoop) -> None:
        """Write group after group: the one writing thread of a lane."""
        while True:
            with lane.changed:
                while not lane.queue and not lane.closing:
                    lane.changed.wait()
                if not lane.queue:
                    return
                group = _take(lane.queue, self.limits)
            began = time.monotonic()
            answers = self._write(lane.partition, group)
            took = time.monotonic() - began
            try:
                loop.call_soon_threadsafe(self._answer, lane.partition, group, answers, took)
            except RuntimeError:
                return  # the loop has ended, and with it everybody who waited

    def _write(self, partition: int, group: list[_Parcel]) -> list[list[Kept] | Exception]:
        """Write a group in one transaction; if that fails, each parcel alone, once."""
        try:
            return list(self._write_together(partition, group))
        except Exception as error:
            structlog.get_logger().warning(
                "keep.group_failed", log=self.log.name, rows=len(group), reason=_brief(error)
            )
        answers: list[list[Kept] | Exception] = []
        away = 0
        for parcel in group:
            if away >= 2:  # it is not the parcel: do not let each wait for its own time-out
                answers.append(answers[-1])
                continue
            try:
                answers.extend(self._write_together(partition, [parcel]))
                away = 0
            except Exception as error:
                away = away + 1 if isinstance(error, LogUnavailable) else 0
                answers.append(error)
        return answers

    def _write_together(self, partition: int, group: list[_Parcel]) -> Iterable[list[Kept]]:
        memory: dict[str, Any] = {}
        for parcel in group:
            memory.update(parcel.memory or {})
        rows = [new for parcel in group for new in parcel.deliveries]
        kept = iter(self.log.append(partition, rows, memory=memory or None))
        return [[next(kept) for _ in parcel.deliveries] for parcel in group]

    def _answer(
        self,
        partition: int,
        group: list[_Parcel],
        answers: list[list[Kept] | Exception],
        took: float,
    ) -> None:
        """Tell every sender of a group; runs on the loop."""
        self.counters.groups += 1
        self.counters.last_flush_s = took
        last_new = 0
        for parcel, answer in zip(group, answers, strict=True):
            self._rows_waiting -= len(parcel.deliveries)
            if isinstance(answer, Exception):
                self._fail(parcel, answer)
                continue
            last_new = max(last_new, self._count(parcel, answer))
            self._unanswered.pop(parcel, None)
            if not parcel.answer.done():
                parcel.answer.set_result(answer)
        if all(isinstance(answer, LogUnavailable) for answer in answers):
            self._away_until = time.monotonic() + AWAY_S
        else:
            self._away_until = 0.0
        if last_new:
            for tell in self.on_kept:
                tell(partition, last_new)

    def _count(self, parcel: _Parcel, kept: list[Kept]) -> int:
        """Count what was kept; return the last new position, or 0."""
        counters, last_new = self.counters, 0
        for new, one in zip(parcel.deliveries, kept, strict=True):
            if one.receipt is Receipt.REPEATED:
                counters.repeated += 1
                continue
            counters.kept += 1
            counters.bytes += len(new.body)
            counters.changed += one.receipt is Receipt.CHANGED
            last_new = max(last_new, one.position)
        return last_new

    def _fail(self, parcel: _Parcel, error: Exception) -> None:
        self._unanswered.pop(parcel, None)
        if not parcel.answer.done():
            self.counters.failed += len(parcel.deliveries)
            failure = KeepFailed(_brief(error))
            failure.__cause__ = error
            parcel.answer.set_exception(failure)

    def _fail_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail whoever waited too long; the parcels lie in the order of their deadlines."""
        self._watch = None
        while self._unanswered:
            oldest = next(iter(self._unanswered))
            if oldest.due > loop.time():
                self._watch = loop.call_at(oldest.due, self._fail_overdue, loop)
                return
            self._fail(oldest, KeepFailed(f"not durable within {self.limits.deadline_s:g} s"))

    def _part_free(self, now: float, free_space: Callable[[], float]) -> float:
        looked_at, free = self._space
        if now - looked_at >= 1.0 or looked_at == 0.0:
            try:
                free = free_space()
            except OSError:
                free = 0.0
            self._space = (now, free)
        return free


def _take(queue: deque[_Parcel], limits: KeeperLimits) -> list[_Parcel]:
    """Take the next group off a queue: at least one parcel, else within the limits."""
    group = [queue.popleft()]
    rows, size = len(group[0].deliveries), group[0].size
    while queue:
        rows += len(queue[0].deliveries)
        size += queue[0].size
        if rows > limits.group_rows or size > limits.group_bytes:
            break
        group.append(queue.popleft())
    return group


def _brief(error: BaseException) -> str:
    """Return one line on an error; it may quote no more than a little of what was sent."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
