"""Group commit: who is answered when, and what one bad delivery does to its neighbours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.domain.deliveries import NewDelivery, Receipt
from ingest.keeper import Keeper, KeeperLimits, KeepFailed
from storage.log import DeliveryLog, Kept, LogUnavailable, partition_of
from storage.log_postgres import open_postgres_log
from storage.log_sqlite import SqliteLog


class GatedLog(SqliteLog):
    """A real log that writes only while its gate is open, and notes the size of each group."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, name="calls")
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.groups: list[int] = []
        self.away = False

    def append(
        self,
        partition: int,
        deliveries: Sequence[NewDelivery],
        *,
        memory: Mapping[str, Any] | None = None,
    ) -> list[Kept]:
        self.entered.set()
        self.gate.wait(10)
        self.groups.append(len(deliveries))
        if self.away:
            raise LogUnavailable("the disk is away")
        return super().append(partition, deliveries, memory=memory)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[GatedLog]:
    log = GatedLog(tmp_path / "calls.log.db")
    yield log
    log.gate.set()
    log.close()


def a_delivery(key: str, body: bytes = b"x") -> NewDelivery:
    return NewDelivery(
        source="acme",
        key=key,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
        head={},
        body=body,
    )


def keys(log: DeliveryLog, partition: int = 0) -> set[str]:
    return {delivery.key for delivery in log.read(partition, 0, 5000)}


async def entered(log: GatedLog) -> None:
    """Return once the writing thread stands before the closed gate."""
    assert await asyncio.to_thread(log.entered.wait, 5)
    log.entered.clear()


async def test_what_waits_shares_one_transaction(log: GatedLog) -> None:
    keeper = Keeper(log)
    log.gate.clear()
    first = asyncio.create_task(keeper.keep(a_delivery("first")))
    await entered(log)
    others = [asyncio.create_task(keeper.keep(a_delivery(f"k{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    log.gate.set()

    kept = await asyncio.gather(first, *others)

    assert log.groups == [1, 50]
    assert [one.position for one in kept] == list(range(1, 52))
    assert keeper.counters.kept == 51
    assert keeper.waiting == 0
    await keeper.close()


async def test_a_group_ends_at_its_rows_and_at_its_bytes(log: GatedLog) -> None:
    keeper = Keeper(log, limits=KeeperLimits(group_rows=10, group_bytes=1000))
    log.gate.clear()
    first = asyncio.create_task(keeper.keep(a_delivery("first")))
    await entered(log)
    small = [asyncio.create_task(keeper.keep(a_delivery(f"s{n}"))) for n in range(15)]
    large = [asyncio.create_task(keeper.keep(a_delivery(f"l{n}", b"x" * 600))) for n in range(2)]
    await asyncio.sleep(0)
    log.gate.set()

    await asyncio.gather(first, *small, *large)

    assert log.groups == [1, 10, 6, 1]
    await keeper.close()


async def test_of_a_failing_group_only_the_bad_row_fails(log: GatedLog) -> None:
    keeper = Keeper(log)
    log.gate.clear()
    first = asyncio.create_task(keeper.keep(a_delivery("first")))
    await entered(log)
    senders = [
        asyncio.create_task(keeper.keep(a_delivery(key), {f"cursor/{n}": n}))
        for n, key in enumerate(["good1", "bad\0", "good2"])
    ]
    await asyncio.sleep(0)
    log.gate.set()

    answers = await asyncio.gather(first, *senders, return_exceptions=True)

    assert [type(answer) for answer in answers] == [Kept, Kept, KeepFailed, Kept]
    assert keys(log) == {"first", "good1", "good2"}
    assert log.memories("cursor/") == {"cursor/0": 0, "cursor/2": 2}
    assert keeper.counters.failed == 1
    await keeper.close()


async def test_a_log_that_is_away_fails_all_at_once_and_refuses_the_next(log: GatedLog) -> None:
    keeper = Keeper(log)
    log.gate.clear()
    log.away = True
    senders = [asyncio.create_task(keeper.keep(a_delivery(f"k{n}"))) for n in range(100)]
    await entered(log)
    log.gate.set()

    answers = await asyncio.gather(*senders, return_exceptions=True)

    assert {type(answer) for answer in answers} == {KeepFailed}
    assert len(log.groups) <= 6, "each sender waited for its own time-out"
    assert keeper.full == "the delivery log is not available"
    log.away = False
    await keeper.keep(a_delivery("again"))
    assert keeper.full is None
    await keeper.close()


async def test_a_sender_that_hangs_up_cancels_nothing(log: GatedLog) -> None:
    keeper = Keeper(log)
    log.gate.clear()
    first = asyncio.create_task(keeper.keep(a_delivery("first")))
    await entered(log)
    leaver = asyncio.create_task(keeper.keep(a_delivery("leaver")))
    neighbour = asyncio.create_task(keeper.keep(a_delivery("neighbour")))
    await asyncio.sleep(0)

    leaver.cancel()
    log.gate.set()
    await asyncio.gather(first, neighbour)

    assert leaver.cancelled()
    assert log.groups == [1, 2]
    assert keys(log) == {"first", "leaver", "neighbour"}
    assert keeper.counters.failed == 0
    await keeper.close()


async def test_nobody_waits_beyond_the_deadline(log: GatedLog) -> None:
    keeper = Keeper(log, limits=KeeperLimits(deadline_s=0.05))
    log.gate.clear()

    answers = await asyncio.gather(
        keeper.keep(a_delivery("k1")), keeper.keep(a_delivery("k2")), return_exceptions=True
    )

    assert {type(answer) for answer in answers} == {KeepFailed}
    assert keeper.waiting == 2, "it is failed, not forgotten: it still takes room"
    log.gate.set()
    await keeper.close()
    assert keys(log) == {"k1", "k2"}
    assert keeper.waiting == 0


async def test_above_the_high_mark_it_is_full_and_at_twice_that_it_refuses(log: GatedLog) -> None:
    keeper = Keeper(log, limits=KeeperLimits(waiting_rows=2))
    log.gate.clear()
    senders = [asyncio.create_task(keeper.keep(a_delivery(f"k{n}"))) for n in range(5)]
    await entered(log)

    assert keeper.full == "too many deliveries wait to be written"
    with pytest.raises(KeepFailed):
        await keeper.keep(a_delivery("one too many"))

    log.gate.set()
    await asyncio.gather(*senders)
    assert keeper.full is None
    await keeper.close()


async def test_a_nearly_full_disk_refuses_and_is_looked_at_once_a_second(log: GatedLog) -> None:
    looks = iter([0.05, 1.0])
    keeper = Keeper(log, disk_free=lambda: next(looks))

    assert keeper.full == "the disk is nearly full"
    assert keeper.full == "the disk is nearly full"
    await keeper.close()


async def test_closing_writes_what_waits_and_refuses_what_comes(log: GatedLog) -> None:
    keeper = Keeper(log)
    log.gate.clear()
    senders = [asyncio.create_task(keeper.keep(a_delivery(f"k{n}"))) for n in range(20)]
    await entered(log)
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0)
    log.gate.set()

    await closing

    assert len(await asyncio.gather(*senders)) == 20
    assert len(keys(log)) == 20
    assert keeper.full == "closing"
    with pytest.raises(KeepFailed):
        await keeper.keep(a_delivery("late"))


async def test_after_a_commit_the_last_new_position_is_told(log: GatedLog) -> None:
    keeper = Keeper(log)
    told: list[tuple[int, int]] = []
    keeper.on_kept.append(lambda partition, position: told.append((partition, position)))

    await keeper.keep_many([a_delivery("k1"), a_delivery("k2")])
    repeat = await keeper.keep(a_delivery("k1"))

    assert repeat.receipt is Receipt.REPEATED
    assert told == [(0, 2)]
    await keeper.close()


async def test_many_deliveries_and_their_memory_are_one_transaction(log: GatedLog) -> None:
    keeper = Keeper(log)

    with pytest.raises(KeepFailed):
        await keeper.keep_many([a_delivery("good"), a_delivery("bad\0")], {"cursor": 2})
    kept = await keeper.keep_many([a_delivery("good"), a_delivery("good too")], {"cursor": 2})
    none = await keeper.keep_many([], {"cursor": 3})

    assert [one.receipt for one in kept] == [Receipt.NEW, Receipt.NEW]
    assert none == []
    assert log.memory("cursor") == 3
    await keeper.close()


async def test_with_several_partitions_each_delivery_goes_to_its_own(
    postgres_url: str, tmp_path: Path
) -> None:
    log = open_postgres_log(postgres_url, name="calls", blobs=tmp_path, partitions=3)
    keeper = Keeper(log)
    news = [a_delivery(f"k{n}") for n in range(30)]

    kept = await keeper.keep_many(news, {"cursor": 30})

    assert [one.partition for one in kept] == [partition_of(n.source, n.key, 3) for n in news]
    assert set().union(*(keys(log, partition) for partition in range(3))) == {n.key for n in news}
    assert log.memory("cursor") == 30
    await keeper.close()
    log.close()
