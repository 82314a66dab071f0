"""What every delivery log promises, tried on each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.domain.deliveries import NewDelivery, Receipt
from storage.blobs import INLINE_BYTES
from storage.log import DeliveryLog, Kept, Mark, mark, partition_of, same_log
from storage.log_postgres import open_postgres_log
from storage.log_sqlite import open_log

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

MakeLog = Callable[[str], DeliveryLog]


@pytest.fixture(params=["sqlite", "postgres"])
def make_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeLog]:
    """Make logs, each of its own epoch; all are closed afterwards."""
    logs: list[DeliveryLog] = []

    def make(name: str) -> DeliveryLog:
        if request.param == "sqlite":
            log: DeliveryLog = open_log(tmp_path / f"{name}.log.db", name=name)
        else:
            url = request.getfixturevalue("postgres_url")
            log = open_postgres_log(url, name=name, blobs=tmp_path / "blobs")
        logs.append(log)
        return log

    if request.param == "postgres":
        request.getfixturevalue("postgres_url")  # so that it outlives the logs
    yield make
    for log in logs:
        log.close()


@pytest.fixture
def log(make_log: MakeLog) -> DeliveryLog:
    return make_log("calls")


def a_delivery(key: str, **changes: object) -> NewDelivery:
    new = NewDelivery(
        source="acme",
        key=key,
        received_at=NOON,
        head={"method": "POST", "path": "/in", "headers": [["x-a", "\udc80\0é"]]},
        body=f"body of {key}".encode(),
    )
    return replace(new, **changes)


def kept_one(log: DeliveryLog, new: NewDelivery) -> Kept:
    [kept] = log.append(0, [new])
    return kept


def test_what_is_kept_is_read_back_whole(log: DeliveryLog) -> None:
    new = a_delivery("k1", event_id="e1")
    log.append(0, [new])

    [delivery] = log.read(0, 0, 10)

    assert delivery.id == "calls-0-1"
    assert (delivery.source, delivery.key) == ("acme", "k1")
    assert delivery.received_at == NOON
    assert delivery.head == new.head
    assert delivery.body == new.body
    assert log.get(0, 1) == delivery
    assert log.get(0, 2) is None


def test_positions_count_from_one_in_the_order_given(log: DeliveryLog) -> None:
    kept = log.append(0, [a_delivery(f"k{n}") for n in range(100)])

    assert [one.position for one in kept] == list(range(1, 101))
    assert {one.receipt for one in kept} == {Receipt.NEW}
    assert [d.key for d in log.read(0, 40, 20)] == [f"k{n}" for n in range(40, 60)]


def test_a_repeat_is_no_new_row_and_names_the_first(log: DeliveryLog) -> None:
    log.append(0, [a_delivery("k1"), a_delivery("k2")])

    again = log.append(0, [a_delivery("k2"), a_delivery("k3"), a_delivery("k1")])

    assert [(one.position, one.receipt) for one in again] == [
        (2, Receipt.REPEATED),
        (3, Receipt.NEW),
        (1, Receipt.REPEATED),
    ]
    assert log.bounds(0).last == 3


def test_a_repeat_within_one_group_is_a_repeat(log: DeliveryLog) -> None:
    kept = log.append(0, [a_delivery("k1", event_id="e"), a_delivery("k1", event_id="e")])

    assert [one.receipt for one in kept] == [Receipt.NEW, Receipt.REPEATED]
    assert {one.position for one in kept} == {1}


def test_the_same_key_of_another_source_is_new(log: DeliveryLog) -> None:
    log.append(0, [a_delivery("k1")])

    assert kept_one(log, a_delivery("k1", source="other")).receipt is Receipt.NEW


def test_repeats_are_told_among_deliveries_of_several_sources(log: DeliveryLog) -> None:
    log.append(0, [a_delivery("k1"), a_delivery("k2", source="other")])

    again = log.append(
        0, [a_delivery(k, source=s) for s in ("acme", "other") for k in ("k1", "k2")]
    )

    assert [one.receipt for one in again] == [
        Receipt.REPEATED,
        Receipt.NEW,
        Receipt.NEW,
        Receipt.REPEATED,
    ]


def test_an_event_id_with_another_body_is_kept_as_changed(log: DeliveryLog) -> None:
    log.append(0, [a_delivery("e1/aa", event_id="e1")])

    changed = log.append(
        0,
        [
            a_delivery("e1/bb", event_id="e1"),
            a_delivery("e2/aa", event_id="e2"),
            a_delivery("e2/bb", event_id="e2"),
            a_delivery("e1/aa", event_id="e1"),
            a_delivery("e1/aa", event_id="e1", source="other"),
        ],
    )

    assert [one.receipt for one in changed] == [
        Receipt.CHANGED,
        Receipt.NEW,
        Receipt.CHANGED,
        Receipt.REPEATED,
        Receipt.NEW,
    ]


@pytest.mark.parametrize("bad", ["nul\0", "surrogate\ud800"])
def test_a_name_that_a_database_cannot_hold_is_refused_and_nothing_of_its_group_kept(
    log: DeliveryLog, bad: str
) -> None:
    with pytest.raises(ValueError):
        log.append(0, [a_delivery("good"), a_delivery(bad)])

    assert log.bounds(0).last == 0


def test_a_failed_group_leaves_neither_rows_nor_memory_nor_gaps(log: DeliveryLog) -> None:
    with pytest.raises(TypeError):
        log.append(0, [a_delivery("k1")], memory={"cursor/a": object()})

    assert log.bounds(0).first is None
    assert log.memories("") == {}
    assert kept_one(log, a_delivery("k2")).position == 1


def test_memory_moves_in_the_transaction_of_its_deliveries(log: DeliveryLog) -> None:
    log.append(0, [a_delivery("k1")], memory={"cursor/inbox": {"high": 7}, "pause/inbox": True})
    log.remember({"cursor/sent": [1, 2], "pause/inbox": None})

    assert log.memory("cursor/inbox") == {"high": 7}
    assert log.memory("pause/inbox") is None
    assert log.memories("cursor/") == {"cursor/inbox": {"high": 7}, "cursor/sent": [1, 2]}


def test_much_is_remembered_and_forgotten_at_once(log: DeliveryLog) -> None:
    log.remember({f"seen/{n:03}": n for n in range(150)})
    log.append(
        0, [a_delivery("k1")], memory={f"seen/{n:03}": None if n % 2 else -n for n in range(150)}
    )

    assert log.memories("seen/") == {f"seen/{n:03}": -n for n in range(0, 150, 2)}


def test_a_digest_that_is_given_is_what_would_have_been_made(log: DeliveryLog) -> None:
    body = b"x" * (INLINE_BYTES + 1)
    log.append(0, [a_delivery("given", body=body, digest=sha256(body).digest())])
    log.append(0, [a_delivery("made", body=body)])

    given, made = log.imprint(0, 1), log.imprint(0, 2)
    assert given is not None
    assert made is not None
    assert given.sha256 == made.sha256 == sha256(body).hexdigest()
    assert [delivery.body for delivery in log.read(0, 0)] == [body, body]


def test_a_long_body_lies_in_a_file_named_by_its_content(log: DeliveryLog, tmp_path: Path) -> None:
    body = b"x" * (INLINE_BYTES + 1)
    log.append(0, [a_delivery("long", body=body), a_delivery("same", body=body)])

    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]

    assert [d.body for d in log.read(0, 0, 10)] == [body, body]
    imprint = log.imprint(0, 1)
    assert imprint is not None
    [file] = files
    assert file.parent.name + file.name == imprint.sha256
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_emptied_row_keeps_key_hash_size_and_times(log: DeliveryLog) -> None:
    long = b"y" * (INLINE_BYTES + 1)
    log.append(0, [a_delivery("k1"), a_delivery("k2", body=long), a_delivery("k3")])
    before = log.imprint(0, 1)

    assert log.empty(0, [1, 2]) == 2
    assert log.empty(0, [1, 2, 99]) == 0

    assert before is not None
    assert log.imprint(0, 1) == replace(before, emptied=True)
    bodies = [(d.key, d.body, d.head) for d in log.read(0, 0, 2)]
    assert bodies == [("k1", None, {}), ("k2", None, {})]
    assert log.read(0, 2, 1)[0].body == b"body of k3"
    assert kept_one(log, a_delivery("k1")).receipt is Receipt.REPEATED


def test_a_file_is_deleted_with_the_last_row_that_names_it(
    log: DeliveryLog, tmp_path: Path
) -> None:
    body = b"z" * (INLINE_BYTES + 1)
    log.append(0, [a_delivery("k1", body=body), a_delivery("k2", body=body)])

    log.empty(0, [1])
    assert log.read(0, 1, 1)[0].body == body

    log.empty(0, [2])
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def test_a_reading_ends_at_its_bytes_but_never_before_one_delivery(log: DeliveryLog) -> None:
    log.append(0, [a_delivery(f"k{n}", body=b"x" * 1000) for n in range(10)])

    assert len(log.read(0, 0, 10, max_bytes=2500)) == 3
    assert len(log.read(0, 0, 10, max_bytes=1)) == 1


def test_a_reader_never_misses_a_row_while_two_append(log: DeliveryLog) -> None:
    done = threading.Event()

    def append(name: str) -> None:
        for n in range(60):
            log.append(0, [a_delivery(f"{name}{n}-{i}") for i in range(5)])

    def follow() -> list[str]:
        seen: list[str] = []
        position = 0
        while True:
            last_round = done.is_set()
            for delivery in log.read(0, position, 50):
                seen.append(delivery.key)
                position = delivery.position
            if last_round and position == log.bounds(0).last:
                return seen

    with ThreadPoolExecutor(3) as threads:
        following = threads.submit(follow)
        writings = [threads.submit(append, "a"), threads.submit(append, "b")]
        wait(writings)
        done.set()
        for writing in writings:
            writing.result()
        seen = following.result()

    assert len(seen) == len(set(seen)) == 600


def test_every_log_has_an_epoch_of_its_own(make_log: MakeLog) -> None:
    calls, mail = make_log("calls"), make_log("mail")

    assert calls.bounds(0).epoch != mail.bounds(0).epoch
    assert calls.bounds(0).epoch == calls.bounds(0).epoch


def test_a_mark_knows_its_log_again(log: DeliveryLog) -> None:
    at_start = mark(log, 0, 0)
    log.append(0, [a_delivery("k1"), a_delivery("k2")])
    log.empty(0, [1])

    assert same_log(at_start, log) is None
    assert same_log(mark(log, 0, 1), log) is None
    assert same_log(mark(log, 0, 2), log) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epoch": "another"}, "another epoch"),
        ({"position": 3}, "ends at 2"),
        ({"key": "k9"}, "another delivery lies at position 2"),
    ],
)
def test_a_mark_tells_another_log_by(
    log: DeliveryLog, changes: dict[str, object], reason: str
) -> None:
    log.append(0, [a_delivery("k1"), a_delivery("k2")])
    stored: Mark = mark(log, 0, 2)

    said = same_log(replace(stored, **changes), log)

    assert said is not None
    assert reason in said


def test_a_reopened_log_goes_on_where_it_was(make_log: MakeLog) -> None:
    first = make_log("calls")
    first.append(0, [a_delivery("k1")], memory={"a": 1})
    epoch = first.bounds(0).epoch
    first.close()

    again = make_log("calls")

    assert again.bounds(0).epoch == epoch
    assert again.memory("a") == 1
    assert [kept.position for kept in again.append(0, [a_delivery("k1"), a_delivery("k2")])] == [
        1,
        2,
    ]


def test_partitions_are_chosen_by_source_and_key_and_evenly() -> None:
    chosen = [partition_of("acme", f"k{n}", 4) for n in range(4000)]

    assert chosen == [partition_of("acme", f"k{n}", 4) for n in range(4000)]
    assert all(900 < chosen.count(partition) < 1100 for partition in range(4))
    assert {partition_of("acme", f"k{n}", 1) for n in range(9)} == {0}


def test_received_at_keeps_its_instant_from_any_zone(log: DeliveryLog) -> None:
    local = (NOON + timedelta(microseconds=1)).astimezone(ZoneInfo("Asia/Almaty"))
    log.append(0, [a_delivery("k1", received_at=local)])

    assert log.read(0, 0, 1)[0].received_at == local
