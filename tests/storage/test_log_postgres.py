"""What only a PostgreSQL log has to show: partitions, several writers, a database that is away."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ingest.domain.deliveries import NewDelivery, Receipt
from storage.log import LogUnavailable, partition_of
from storage.log_postgres import PostgresLog, open_postgres_log
from storage.owner import AlreadyOwned, lock_number, own_database, plain_url

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(postgres_url: str, tmp_path: Path) -> Iterator[PostgresLog]:
    log = open_postgres_log(postgres_url, name="calls", blobs=tmp_path, partitions=3)
    yield log
    log.close()


@pytest.fixture
def other(log: PostgresLog, postgres_url: str, tmp_path: Path) -> Iterator[PostgresLog]:
    """The same log, as another process has it."""
    other = open_postgres_log(postgres_url, name="calls", blobs=tmp_path, partitions=9)
    yield other
    other.close()


def a_delivery(key: str, event_id: str | None = None) -> NewDelivery:
    return NewDelivery(
        source="acme", key=key, event_id=event_id, received_at=NOON, head={}, body=b"x"
    )


def test_the_database_remembers_how_many_partitions_there_are(other: PostgresLog) -> None:
    assert other.partitions == 3
    assert len({other.bounds(partition).epoch for partition in range(3)}) == 3


def test_a_key_is_kept_once_whatever_the_partition(log: PostgresLog, other: PostgresLog) -> None:
    log.append(0, [a_delivery("k1")])

    [kept] = other.append(1, [a_delivery("k1")])

    assert (kept.partition, kept.position, kept.receipt) == (0, 1, Receipt.REPEATED)
    assert other.bounds(1).last == 0


def test_a_changed_event_is_noticed_across_partitions(log: PostgresLog) -> None:
    log.append(0, [a_delivery("e/1", "e")])

    assert log.append(2, [a_delivery("e/2", "e")])[0].receipt is Receipt.CHANGED


def test_one_group_waits_for_another_of_its_partition_and_takes_the_positions_after_it(
    log: PostgresLog, other: PostgresLog, postgres_url: str
) -> None:
    number = lock_number("keepline append calls 0")
    with ThreadPoolExecutor(1) as threads, psycopg.connect(plain_url(postgres_url)) as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
        late = threads.submit(other.append, 0, [a_delivery("late")])
        elsewhere = log.append(1, [a_delivery("elsewhere")])
        assert elsewhere[0].position == 1
        assert not late.done()
        first.commit()
        assert late.result(5)[0].position == 1


def test_a_reader_never_misses_a_row_while_two_processes_append(
    log: PostgresLog, other: PostgresLog, postgres_url: str, tmp_path: Path
) -> None:
    reader = open_postgres_log(postgres_url, name="calls", blobs=tmp_path)
    done = threading.Event()
    with psycopg.connect(plain_url(postgres_url), autocommit=True) as connection:
        # Each commit takes its time, a different one, so that commits in flight overtake.
        connection.execute("""
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(random() * 0.004); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER dawdling AFTER INSERT ON calls_log
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();
        """)

    def append(log: PostgresLog, name: str) -> None:
        for n in range(100):
            log.append(0, [a_delivery(f"{name}{n}"), a_delivery(f"{name}{n}+")])

    def follow() -> list[str]:
        seen: list[str] = []
        position = 0
        while True:
            last_round = done.is_set()
            for delivery in reader.read(0, position, 50):
                seen.append(delivery.key)
                position = delivery.position
            if last_round and position == reader.bounds(0).last:
                return seen

    with ThreadPoolExecutor(3) as threads:
        following = threads.submit(follow)
        writings = [threads.submit(append, log, "a"), threads.submit(append, other, "b")]
        wait(writings)
        done.set()
        for writing in writings:
            writing.result()
        seen = following.result()
    reader.close()

    assert len(seen) == len(set(seen)) == 400


def test_a_database_that_is_away_is_said_quickly(tmp_path: Path) -> None:
    began = time.monotonic()

    with pytest.raises(LogUnavailable):
        open_postgres_log(
            f"postgresql+psycopg://postgres@/none?host={tmp_path}", name="calls", blobs=tmp_path
        )

    assert time.monotonic() - began < 3


def test_a_statement_that_takes_too_long_is_given_up(
    log: PostgresLog, postgres_url: str, tmp_path: Path
) -> None:
    hasty = open_postgres_log(postgres_url, name="calls", blobs=tmp_path, statement_timeout_ms=100)
    with psycopg.connect(plain_url(postgres_url)) as blocker:
        blocker.execute(
            "SELECT pg_advisory_xact_lock(%s)", (lock_number("keepline append calls 0"),)
        )
        with pytest.raises(LogUnavailable):
            hasty.append(0, [a_delivery("k1")])

    assert hasty.append(0, [a_delivery("k1")])[0].receipt is Receipt.NEW
    hasty.close()


def test_after_its_sessions_were_killed_it_connects_again(
    log: PostgresLog, postgres_url: str
) -> None:
    log.append(0, [a_delivery("k1")])
    log.read(0, 0)
    with psycopg.connect(plain_url(postgres_url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'keepline calls%' AND pid <> pg_backend_pid()"
        )

    with suppress(LogUnavailable):  # the first use may meet the dead session, and says so by name
        log.append(0, [])
    with suppress(LogUnavailable):
        log.read(0, 0)

    assert log.append(0, [a_delivery("k2")])[0].position == 2
    assert [delivery.key for delivery in log.read(0, 0)] == ["k1", "k2"]


def test_whatever_the_server_says_commits_are_durable_and_reads_committed(
    postgres_url: str, tmp_path: Path
) -> None:
    database = postgres_url.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(plain_url(postgres_url), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{database}" SET synchronous_commit = off'.encode())
        connection.execute(
            f'ALTER DATABASE "{database}"'
            " SET default_transaction_isolation = 'repeatable read'".encode()
        )
    log = open_postgres_log(postgres_url, name="calls", blobs=tmp_path)
    log.append(0, [a_delivery("k1")])
    session = log._appending[0].connection
    assert session is not None

    said = [
        session.execute(f"SHOW {setting}".encode()).fetchone()
        for setting in ("synchronous_commit", "default_transaction_isolation")
    ]

    assert said == [("on",), ("read committed",)]
    log.close()


def test_who_waits_is_woken_by_an_append(log: PostgresLog, other: PostgresLog) -> None:
    assert not other.wait(0.01)  # listens from now on
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(other.wait, 5.0)
        log.append(0, [a_delivery("k1")])
        assert waiting.result(5)


def test_deliveries_are_spread_over_all_partitions(log: PostgresLog) -> None:
    for n in range(60):
        new = a_delivery(f"k{n}")
        log.append(partition_of(new.source, new.key, log.partitions), [new])

    assert sum(log.bounds(partition).last for partition in range(3)) == 60
    assert all(log.bounds(partition).last > 5 for partition in range(3))


def test_a_duty_in_a_database_has_one_holder_who_is_named(postgres_url: str) -> None:
    with own_database(postgres_url, "core") as owned:
        assert owned.held()
        with pytest.raises(AlreadyOwned, match=f"core is in use by keepline process {os.getpid()}"):
            own_database(postgres_url, "core")
        own_database(postgres_url, "edges").release()

    own_database(postgres_url, "core").release()
