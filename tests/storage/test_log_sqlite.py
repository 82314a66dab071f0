"""What only a SQLite log has to show: its owner, its file, its readers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.domain.deliveries import NewDelivery, Receipt
from storage import log_sqlite
from storage.blobs import INLINE_BYTES
from storage.log import LogUnavailable, WrongLog
from storage.log_sqlite import SqliteLog, open_log, open_reader, sqlite_warning
from storage.owner import AlreadyOwned, own_file

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = open_log(path, name="calls")
    yield log
    log.close()


def a_delivery(key: str, body: bytes = b"x") -> NewDelivery:
    return NewDelivery(source="acme", key=key, received_at=NOON, head={}, body=body)


def in_another_process(code: str) -> str:
    """Run Python code to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_second_owner_is_refused_by_the_first_ones_pid(log: SqliteLog, path: Path) -> None:
    said = in_another_process(f"""
        from pathlib import Path
        from storage.log_sqlite import open_log
        from storage.owner import AlreadyOwned
        try:
            open_log(Path({str(path)!r}), name="calls")
        except AlreadyOwned as error:
            print(error)
    """)

    assert f"in use by process {os.getpid()}" in said
    with pytest.raises(AlreadyOwned):
        own_file(path)


def test_ownership_ends_with_the_process(path: Path) -> None:
    in_another_process(f"""
        import os
        from pathlib import Path
        from storage.owner import own_file
        held = own_file(Path({str(path)!r}))
        os._exit(0)
    """)

    own_file(path).release()


def test_a_forked_child_that_outlives_the_owner_does_not_go_on_owning(path: Path) -> None:
    child = int(
        in_another_process(f"""
            import os, signal, sys
            from pathlib import Path
            from storage.owner import own_file
            held = own_file(Path({str(path)!r}))
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(1), os.close(2)
                os.write(writing, b"!")
                signal.pause()
            os.read(reading, 1)
            print(child, flush=True)
            os._exit(0)
        """)
    )
    try:
        own_file(path).release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_log_that_was_refused_does_not_stay_owned(tmp_path: Path) -> None:
    path = tmp_path / "mail.log.db"
    open_log(path, name="mail").close()

    with pytest.raises(WrongLog, match="'mail', not 'calls'"):
        open_log(path, name="calls")

    open_log(path, name="mail").close()


def test_a_file_of_somebody_else_is_refused_and_not_changed(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(WrongLog):
        open_log(path, name="calls")

    assert path.read_bytes() == before


def test_the_file_and_what_lies_beside_it_are_private(log: SqliteLog, path: Path) -> None:
    log.append(0, [a_delivery("k", b"x" * (INLINE_BYTES + 1))])

    modes = {
        file.name.removeprefix(path.name): file.stat().st_mode & 0o777
        for file in path.parent.iterdir()
    }

    assert modes == {"": 0o600, "-wal": 0o600, "-shm": 0o600, ".lock": 0o600, "blobs": 0o700}


def test_every_commit_waits_for_the_disk(log: SqliteLog) -> None:
    [full] = log._writer.execute("PRAGMA synchronous").fetchone()
    [mode] = log._writer.execute("PRAGMA journal_mode").fetchone()

    assert (full, mode) == (2, "wal")


def test_a_reader_in_another_process_sees_what_is_kept_and_leaves_the_wal_alone(
    log: SqliteLog, path: Path
) -> None:
    log.append(0, [a_delivery("k1")], memory={"cursor": 7})
    before = path.read_bytes()

    said = in_another_process(f"""
        import sqlite3
        from pathlib import Path
        from storage.log_sqlite import open_reader
        reader = open_reader(Path({str(path)!r}), name="calls")
        print([d.id for d in reader.read(0, 0)], reader.memory("cursor"))
        for pragma in ("query_only", "wal_autocheckpoint"):
            print(reader._reader.execute(f"PRAGMA {{pragma}}").fetchone()[0])
        try:
            reader._reader.execute("PRAGMA query_only = 0")
            reader._reader.execute("DELETE FROM delivery")
        except sqlite3.OperationalError as error:
            print(error)
        reader.close()
    """)

    assert said.splitlines() == [
        "['calls-0-1'] 7",
        "1",
        "0",
        "attempt to write a readonly database",
    ]
    assert path.read_bytes() == before, "the reader checkpointed"
    assert log.append(0, [a_delivery("k2")])[0].position == 2


def test_a_reader_waits_for_the_file_and_reads_it_also_without_its_owner(path: Path) -> None:
    reader = open_reader(path, name="calls")
    with pytest.raises(LogUnavailable, match="does not exist yet"):
        reader.read(0, 0)

    log = open_log(path, name="calls")
    log.append(0, [a_delivery("k1")])
    log.close()

    assert [delivery.key for delivery in reader.read(0, 0)] == ["k1"]
    reader.close()


def test_a_reader_sees_that_another_file_lies_in_the_place_of_its_own(path: Path) -> None:
    first = open_log(path, name="calls")
    first.append(0, [a_delivery("a")])
    reader = open_reader(path, name="calls")
    before = reader.bounds(0)
    first.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    with pytest.raises(LogUnavailable):
        reader.bounds(0)
    second = open_log(path, name="calls")
    second.append(0, [a_delivery("b"), a_delivery("c")])

    after = reader.bounds(0)

    assert after.epoch != before.epoch
    assert [row.key for row in reader.read(0, 0)] == ["b", "c"]
    reader.close()
    second.close()


def test_a_position_is_never_given_twice(log: SqliteLog, path: Path) -> None:
    log.append(0, [a_delivery("k1"), a_delivery("k2")])
    log.close()
    with sqlite3.connect(path) as connection:  # by hand, as nobody should
        connection.execute("DELETE FROM delivery WHERE position = 2")
    connection.close()

    again = open_log(path, name="calls")
    try:
        assert again.append(0, [a_delivery("k3")])[0].position == 3
    finally:
        again.close()


def test_a_full_disk_is_unavailable_and_afterwards_it_goes_on(log: SqliteLog) -> None:
    log.append(0, [a_delivery("k1")])
    [pages] = log._writer.execute("PRAGMA page_count").fetchone()
    log._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LogUnavailable):
        log.append(0, [a_delivery("k2", bytes(200_000))], memory={"cursor": 2})

    log._writer.execute("PRAGMA max_page_count = 1000000")
    kept = log.append(0, [a_delivery("k2"), a_delivery("k1")])

    assert [(one.position, one.receipt) for one in kept] == [
        (2, Receipt.NEW),
        (1, Receipt.REPEATED),
    ]
    assert log.memory("cursor") is None


def test_a_long_body_that_cannot_be_written_keeps_nothing(tmp_path: Path, path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the directory should be")
    log = open_log(path, name="calls", blobs=blocked)

    with pytest.raises(LogUnavailable):
        log.append(0, [a_delivery("k1"), a_delivery("k2", b"x" * (INLINE_BYTES + 1))])

    assert log.bounds(0).last == 0
    log.close()


def test_what_was_emptied_is_gone_from_the_file(log: SqliteLog, path: Path) -> None:
    log.append(0, [a_delivery("k1", b"canary-of-a-body")])
    log.empty(0, [1])
    log.close()  # the last connection folds the WAL into the file

    assert b"canary-of-a-body" not in path.read_bytes()


def test_groups_of_any_size_are_written_whole(log: SqliteLog) -> None:
    sizes = [1, 3, 4, 15, 16, 63, 64, 65, 149]
    for size in sizes:
        log.append(0, [a_delivery(f"{size}-{n}") for n in range(size)])

    keys = [delivery.key for delivery in log.read(0, 0, 1000)]
    assert keys == [f"{size}-{n}" for size in sizes for n in range(size)]


@pytest.mark.parametrize("asked", [log_sqlite._LYING, log_sqlite._LYING_KEYS])
def test_repeats_are_found_by_index(log: SqliteLog, asked: str) -> None:
    values = ("acme", "[]")[-asked.count("?2") - 1 :]
    plan = log._writer.execute(f"EXPLAIN QUERY PLAN {asked}", values).fetchall()

    steps = [step[-1] for step in plan if "d " in step[-1] or step[-1].endswith(" d")]
    assert steps
    assert all("USING" in step and "(source=? AND " in step for step in steps), plan


def test_an_old_sqlite_is_named() -> None:
    warning = sqlite_warning((3, 40, 1))

    assert warning is not None
    assert "3.40.1" in warning
    assert sqlite_warning((3, 51, 3)) is None
