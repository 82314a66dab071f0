"""The worker: each delivery recorded once, position and all, whatever fails on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from ingest.children import ReaderNotStarted
from ingest.domain.deliveries import Delivery, End, NewDelivery
from ingest.domain.interactions import call_key_id
from ingest.domain.mails import Mail
from ingest.readers import CLOCK, Sources, closing
from ingest.worker import NotDecided, NotNow, Worker
from storage import directory
from storage.log import LogUnavailable
from storage.log_sqlite import SqliteLog, open_log
from storage.tables import call_reports, deliveries, interactions, redecide_jobs
from tests.desk import Desk, Died, a_call, sources
from tests.world import NOW, point, postgres_world, sqlite_world


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = sqlite_world(tmp_path)
    world.line("+74951110001", world.employee("Xenia"))
    found = Desk(world, tmp_path)
    yield found
    found.log.close()
    world.close()


def test_what_is_kept_is_recorded_and_the_position_with_it(desk: Desk):
    desk.keep(a_call(1, "ringing"), a_call(1), a_call(2))

    desk.worker().drain()

    assert desk.position() == 3
    assert desk.count(interactions) == 2
    assert {end for end, _ in desk.ends().values()} == {End.READ}


def test_batch_and_position_are_one_transaction(desk: Desk):
    desk.on_sqlite(
        "CREATE TRIGGER no_position BEFORE INSERT ON positions"
        " BEGIN SELECT RAISE(ABORT, 'not now'); END"
    )
    desk.keep(a_call(1), a_call(2))

    with pytest.raises(Exception, match="not now"):
        desk.worker().drain()

    assert desk.position() == 0
    assert desk.count(deliveries) == desk.count(call_reports) == desk.count(interactions) == 0
    desk.on_sqlite("DROP TRIGGER no_position")
    desk.worker().drain()
    assert (desk.position(), desk.count(interactions)) == (2, 2)


def test_a_delivery_whose_reader_raises_is_parked_alone(desk: Desk):
    desk.keep(a_call(1), a_call(2, raises=True), a_call(3))

    desk.worker().drain()

    assert desk.parked() == {"d2": "the reader of plain failed: RuntimeError"}
    assert desk.count(interactions) == 2
    assert desk.position() == 3


def test_three_ends_each_with_its_reason(desk: Desk):
    desk.keep(a_call(1), a_call(2, unreadable=True), a_call(3, ignored=True))
    desk.keep(a_call(4), source="unheard-of")

    desk.worker().drain()

    assert desk.ends() == {
        "d1": (End.READ, None),
        "d2": (End.PARKED, "no call is named"),
        "d3": (End.IGNORED, "a test message"),
        "d4": (End.PARKED, "no source is named unheard-of"),
    }


def test_a_closing_that_nobody_can_read_is_parked_alone(desk: Desk):
    desk.keep_bytes(b"not json", CLOCK)
    desk.keep_bytes(b"{}", CLOCK)
    desk.keep(a_call(1))

    desk.worker().drain()

    assert set(desk.parked()) == {"d1", "d2"}
    assert desk.count(interactions) == 1


def test_the_clock_closes_a_call_that_never_ended(desk: Desk):
    desk.keep(a_call(1, "ringing"))
    desk.keep_bytes(closing("office", "c1", "no end was reported"), CLOCK)

    desk.worker().drain()

    assert desk.world.status(call_key_id("office", "c1")) == "callback_due"


@pytest.mark.parametrize("poison", [1, 4, 7])
def test_a_delivery_that_cannot_be_recorded_is_found_by_halving_and_parked_alone(
    desk: Desk, poison: int
):
    desk.on_sqlite(
        "CREATE TRIGGER poison BEFORE INSERT ON call_reports WHEN NEW.event LIKE '%79990000000%'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
    for number in range(1, 8):
        told = {"from": "+79990000000"} if number == poison else {}
        desk.keep(a_call(number, **told))

    worker = desk.worker()
    worker.drain()

    assert desk.parked() == {f"d{poison}": "recording it failed: IntegrityError"}
    assert desk.count(interactions) == 6
    assert desk.position() == 7
    assert (worker.counters.read, worker.counters.parked) == (6, 1)


def test_a_database_that_is_away_is_waited_for_and_nothing_is_parked(desk: Desk):
    refused = []

    def away(connection: Any) -> None:
        if len(refused) < 3:
            refused.append(1)
            raise OperationalError("BEGIN", {}, Exception("away"))

    event.listen(desk.world.database.writer, "begin", away, insert=True)
    desk.keep(a_call(1), a_call(2))
    worker = desk.worker()
    thread = Thread(target=worker.run)
    thread.start()
    wait_until_recorded(desk, 2, thread)

    worker.stop()
    thread.join(10)

    assert len(refused) == 3
    assert desk.parked() == {}
    assert worker.counters.retries >= 1


def test_a_log_that_is_away_is_waited_for(desk: Desk):
    class Away:
        """The log, whose first readings fail."""

        partitions = 1
        failures = 3

        def read(self, *args: Any, **kw: Any) -> list[Delivery]:
            if self.failures:
                self.failures -= 1
                raise LogUnavailable("away")
            return desk.log.read(*args, **kw)

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.log, name)

    desk.keep(a_call(1))
    worker = desk.worker(log=Away())
    thread = Thread(target=worker.run)
    thread.start()
    wait_until_recorded(desk, 1, thread)

    worker.stop()
    thread.join(10)

    assert desk.parked() == {}


def wait_until_recorded(desk: Desk, number: int, thread: Thread) -> None:
    """Look until so many deliveries were dealt with, for ten seconds at the most."""
    for _ in range(200):
        if desk.count(deliveries) >= number or not thread.is_alive():
            return
        thread.join(0.05)


def test_a_fault_in_deciding_anew_does_not_stop_fresh_deliveries(desk: Desk):
    desk.keep(a_call(1))
    desk.worker().drain()
    desk.on_sqlite("INSERT INTO redecide_jobs (scope, targets, done) VALUES ('keys', 'broken', 0)")
    worker = desk.worker()
    thread = Thread(target=worker.run)
    thread.start()
    desk.keep(a_call(2))
    wait_until_recorded(desk, 2, thread)
    alive = thread.is_alive()

    worker.stop()
    thread.join(10)

    assert alive
    assert desk.count(interactions) == 2
    assert desk.count(redecide_jobs) == 1


def test_a_job_that_always_fails_does_not_stop_the_jobs_behind_it(desk: Desk):
    desk.keep(a_call(1))
    desk.worker().drain()
    desk.on_sqlite("INSERT INTO redecide_jobs (scope, targets) VALUES ('keys', 'broken')")
    client = desk.world.client("Acme")
    with desk.world.database.write() as connection:
        directory.hold(connection, point("+79161110001"), client, at=NOW, by="test")
    worker = desk.worker()

    with pytest.raises(NotDecided):
        worker.step()
    worker.step()

    assert desk.world.touch(call_key_id("office", "c1"))["clients"] == [client]
    assert desk.count(redecide_jobs) == 1


def test_a_job_that_fails_is_tried_again_after_longer_and_longer_pauses(desk: Desk):
    desk.on_sqlite("INSERT INTO redecide_jobs (scope, targets) VALUES ('keys', 'broken')")
    hands = Hands()
    worker = desk.worker()
    worker.monotonic = hands

    tried = []
    for tenth in range(40):
        hands.at = tenth / 10
        try:
            worker.step()
        except NotDecided:
            tried.append(tenth)

    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert len(tried) == 6
    assert pauses == sorted(pauses)


# Trouble that may pass ---------------------------------------------------------------------------


@dataclass
class Hands:
    """A monotonic clock that the test moves."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@contextmanager
def refusing(desk: Desk, beginning: str, holding: str = "") -> Iterator[None]:
    """Let main refuse statements that begin so and hold that, as if it might take them later."""

    def refuse(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        if statement.startswith(beginning) and holding in str(values):
            raise OperationalError(beginning, {}, Exception("not now"))

    writer = desk.world.database.writer
    event.listen(writer, "before_cursor_execute", refuse)
    yield
    event.remove(writer, "before_cursor_execute", refuse)


def test_a_database_that_can_only_be_read_parks_nothing_however_long(desk: Desk):
    desk.keep(a_call(1), a_call(2))
    hands = Hands()
    worker = desk.worker()
    worker.monotonic = hands

    with refusing(desk, "INSERT"):
        for hands.at in (0.0, 10.0, 1_000.0):
            with pytest.raises(OperationalError):
                worker.step()
    worker.drain()

    assert desk.parked() == {}
    assert desk.count(interactions) == 2


def test_passing_trouble_of_one_delivery_is_given_time_to_pass(desk: Desk):
    desk.keep(a_call(1), a_call(2, **{"from": "+79990000000"}), a_call(3))
    hands = Hands()
    worker = desk.worker()
    worker.monotonic = hands

    with refusing(desk, "INSERT INTO call_reports", "+79990000000"):
        for hands.at in (0.0, 1.0, 29.0):
            with pytest.raises(NotNow):
                worker.step()
    worker.drain()

    assert desk.parked() == {}
    assert desk.count(interactions) == 3


def test_trouble_of_one_delivery_that_does_not_pass_parks_it_alone(desk: Desk):
    desk.keep(a_call(1), a_call(2, **{"from": "+79990000000"}), a_call(3))
    hands = Hands()
    worker = desk.worker()
    worker.monotonic = hands

    with refusing(desk, "INSERT INTO call_reports", "+79990000000"):
        with pytest.raises(NotNow):
            worker.step()
        hands.at = 30.0
        worker.drain()

    assert desk.parked() == {"d2": "recording it failed: OperationalError"}
    assert desk.count(interactions) == 2


# Mails beside calls ------------------------------------------------------------------------------


@pytest.fixture
def mail_log(tmp_path: Path) -> Iterator[SqliteLog]:
    found = open_log(tmp_path / "mail.log.db", name="mail")
    found.append(
        0,
        [
            NewDelivery(source="box", key=f"m{number}", received_at=NOW, head={}, body=b"mail")
            for number in range(10)
        ],
    )
    yield found
    found.close()


def test_mails_that_cannot_be_read_at_the_moment_do_not_stop_calls_and_late_facts(
    desk: Desk, mail_log: SqliteLog
):
    def no_reader(raw: Sequence[bytes]) -> Sequence[Mail | str]:
        raise ReaderNotStarted("no memory")

    desk.keep(a_call(1))
    worker = desk.worker()
    worker.logs = {"mail": mail_log, "calls": desk.log}
    worker.read_mails = no_reader
    with pytest.raises(ReaderNotStarted):
        worker.step()
    client = desk.world.client("Acme", "+79161110001")
    thread = Thread(target=worker.run)
    thread.start()
    desk.keep(a_call(2))
    wait_until_recorded(desk, 2, thread)
    ends = time.monotonic() + 10  # deciding anew comes behind fresh deliveries
    while not desk.world.touch(call_key_id("office", "c1"))["clients"]:
        assert thread.is_alive()
        assert time.monotonic() < ends
        time.sleep(0.01)
    worker.stop()
    thread.join(10)

    assert desk.world.touch(call_key_id("office", "c1"))["clients"] == [client]
    assert set(desk.ends()) == {"d1", "d2"}


def test_a_call_does_not_wait_for_mails_that_are_being_read(desk: Desk, mail_log: SqliteLog):
    go = Event()

    def slow(raw: Sequence[bytes]) -> Sequence[Mail | str]:
        assert go.wait(10)
        return ["not a mail" for _ in raw]

    worker = desk.worker()
    worker.logs = {"mail": mail_log, "calls": desk.log}
    worker.read_mails = slow
    worker.step()
    desk.keep(a_call(1))
    worker.step()

    assert set(desk.ends()) == {"d1"}
    go.set()
    worker.drain()
    assert len(desk.ends()) == 11


def test_mails_are_read_while_those_before_them_are_recorded(desk: Desk, mail_log: SqliteLog):
    read: list[int] = []
    ahead = Event()

    def reader(raw: Sequence[bytes]) -> Sequence[Mail | str]:
        read.append(len(raw))
        if len(read) == 2:
            ahead.set()
        return ["not a mail" for _ in raw]

    worker = desk.worker(batch=4)
    worker.logs = {"mail": mail_log}
    worker.read_mails = reader
    while not desk.ends():
        worker.step()

    assert ahead.wait(10)  # nobody has asked for them yet
    assert len(desk.ends()) == 4
    worker.drain()
    assert read == [4, 4, 2]
    assert len(desk.ends()) == 10


def test_what_was_read_ahead_of_a_batch_that_fails_is_recorded_all_the_same(
    desk: Desk, mail_log: SqliteLog
):
    desk.on_sqlite(
        "CREATE TRIGGER poison BEFORE INSERT ON deliveries WHEN NEW.key = 'm2'"
        " AND NEW.reason LIKE 'not a%' BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
    worker = desk.worker(batch=4)
    worker.logs = {"mail": mail_log}

    worker.drain()

    assert {key: why for key, (_, why) in desk.ends().items()} == {
        f"m{number}": "recording it failed: IntegrityError" if number == 2 else "not a mail"
        for number in range(10)
    }


def test_another_log_in_the_same_place_is_read_from_0_and_nothing_doubles(desk: Desk):
    desk.keep(a_call(1), a_call(2), a_call(3))
    desk.worker().drain()
    before = desk.world.rows()
    desk.log.close()
    (desk.path / "calls.log.db").unlink()
    for rest in desk.path.glob("calls.log.db-*"):
        rest.unlink()
    desk.log = open_log(desk.path / "calls.log.db", name="calls")
    desk.kept = 0
    desk.keep(a_call(1), a_call(2), a_call(3), a_call(4))

    worker = desk.worker()
    worker.drain()

    assert worker.said == ["The calls log is another one: it has another epoch. Read again."]
    assert desk.position() == 4
    assert desk.count(call_reports) == desk.count(interactions) == 4
    assert set(before["interactions"]) <= set(desk.world.rows()["interactions"])


def test_a_delivery_read_again_changes_nothing(desk: Desk):
    desk.keep(a_call(1, "ringing"), a_call(1), a_call(2, raises=True))
    desk.worker().drain()
    before, ends = desk.world.rows(), desk.ends()
    with desk.world.database.write() as connection:
        connection.execute(text("DELETE FROM positions"))

    worker = desk.worker()
    worker.drain()

    assert desk.world.rows() == before
    assert desk.ends() == ends
    assert desk.position() == 3


# Death -----------------------------------------------------------------------------------------


def die(desk: Desk, *, killed_at: Sequence[int | None] = ()) -> None:
    """Let a worker begin and die of what it meets, or be killed while one delivery is tried.

    `killed_at` names the positions tried alone; None: a batch. The file that tells what was being
    done is put back afterwards: a process that dies clears nothing.
    """
    attempts = desk.path / "attempts"
    written: list[str] = []

    def watching() -> Sources:
        written.append(attempts.read_text())
        if json.loads(written[-1])["alone"] in killed_at:
            raise Died
        return sources()

    worker = desk.worker()
    worker.sources = watching
    with pytest.raises(Died):
        run_to_the_end(worker)
    attempts.write_text(written[-1])


def run_to_the_end(worker: Worker) -> None:
    """Do, after what is left of an earlier life, all that waits."""
    worker.recall()
    worker.drain()


def test_a_mail_of_which_the_worker_dies_is_parked_alone_after_two_deaths(
    desk: Desk, mail_log: SqliteLog
):
    deadly = NewDelivery(source="box", key="deadly", received_at=NOW, head={}, body=b"deadly")
    after = NewDelivery(source="box", key="after", received_at=NOW, head={}, body=b"mail")
    mail_log.append(0, [deadly, after])
    note = desk.path / "attempts.mail-0"

    def read(raw: Sequence[bytes]) -> Sequence[Mail | str]:
        if b"deadly" in raw:
            notes.append(note.read_text())
            raise Died
        return ["not a mail" for _ in raw]

    notes: list[str] = []
    for _ in range(3):  # in a batch, then twice alone
        worker = desk.worker()
        worker.logs, worker.read_mails = {"mail": mail_log}, read
        with pytest.raises(Died):
            run_to_the_end(worker)
        note.write_text(notes[-1])  # a process that dies clears nothing
    worker = desk.worker()
    worker.logs, worker.read_mails = {"mail": mail_log}, read
    run_to_the_end(worker)

    assert desk.parked()["deadly"] == "the worker died of it twice"
    assert len(desk.ends()) == 12
    assert note.read_text() == ""


def test_an_orderly_stop_is_no_death_of_the_worker(desk: Desk, mail_log: SqliteLog):
    begun, go = Event(), Event()

    def read(raw: Sequence[bytes]) -> Sequence[Mail | str]:
        begun.set()
        go.wait(10)
        raise ReaderNotStarted("reading has been stopped")

    worker = desk.worker()
    worker.logs, worker.read_mails = {"mail": mail_log}, read
    thread = Thread(target=worker.run)
    thread.start()
    assert begun.wait(10)
    worker.stop()
    go.set()
    thread.join(10)

    assert (desk.path / "attempts.mail-0").read_text() == ""
    assert desk.ends() == {}
    assert worker.counters.retries == 0


def test_a_delivery_of_which_the_worker_dies_is_parked_alone_after_two_deaths(desk: Desk):
    desk.keep(a_call(1), a_call(2, deadly=True), a_call(3))

    die(desk)  # in a batch: which one it was is not known
    die(desk)  # alone
    die(desk)  # alone again
    run_to_the_end(desk.worker())

    assert desk.parked() == {"d2": "the worker died of it twice"}
    assert desk.count(interactions) == 2
    assert desk.position() == 3


def test_being_killed_at_several_deliveries_in_turn_parks_none_of_them(desk: Desk):
    """As when somebody kills the process again and again: it is no delivery's fault."""
    desk.keep(a_call(1), a_call(2), a_call(3))

    for at in (None, 1, 2, 3):
        die(desk, killed_at=[at])
    run_to_the_end(desk.worker())

    assert desk.parked() == {}
    assert desk.count(interactions) == 3


def test_stopping_while_the_database_is_away_is_no_death(desk: Desk):
    def away(connection: Any) -> None:
        raise OperationalError("BEGIN", {}, Exception("away"))

    desk.keep(a_call(1))
    writer = desk.world.database.writer
    event.listen(writer, "begin", away, insert=True)
    for _ in range(3):
        with pytest.raises(OperationalError):
            run_to_the_end(desk.worker())
    event.remove(writer, "begin", away)

    run_to_the_end(desk.worker())

    assert desk.parked() == {}
    assert desk.count(interactions) == 1


def test_an_unreadable_file_of_attempts_is_no_obstacle(desk: Desk):
    (desk.path / "attempts").write_text('{"log": "calls"')
    desk.keep(a_call(1))

    run_to_the_end(desk.worker())

    assert desk.count(interactions) == 1


def test_the_worker_records_on_postgres_too(tmp_path: Path, postgres_url: str):
    world = postgres_world(postgres_url)
    desk = Desk(world, tmp_path)
    desk.keep(a_call(1, "ringing"), a_call(1), a_call(2, raises=True), a_call(3))

    desk.worker().drain()

    assert desk.position() == 4
    assert set(desk.parked()) == {"d3"}
    assert desk.count(interactions) == 2
    assert world.rebuild().rows == 0
    desk.log.close()
    world.close()
