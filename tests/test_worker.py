"""The worker: each delivery recorded once, position and all, whatever fails on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    Delivery,
    End,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    NewDelivery,
    Provider,
    UnreadableDelivery,
)
from ingest.domain.interactions import call_key_id
from ingest.domain.mails import Mail
from ingest.readers import CLOCK, Sources, closing
from ingest.worker import Worker
from storage import wire
from storage.log import LogUnavailable
from storage.log_sqlite import SqliteLog, open_log
from storage.tables import call_reports, deliveries, interactions, redecide_jobs
from tests.world import NOW, World, day, postgres_world, sqlite_world

HEAD = {"method": "POST", "path": "", "headers": []}


class Died(BaseException):
    """Stands for the death of the process: nothing catches it."""


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """A provider that says by the body what the test wants of its reader."""
    said: dict[str, Any] = json.loads(request.body)
    if said.get("raises"):
        raise RuntimeError("a fault in the reader")
    if said.get("unreadable"):
        raise UnreadableDelivery("no call is named")
    if said.get("ignored"):
        raise IgnoredDelivery("a test message")
    if said.get("deadly"):
        raise Died
    ends = said["stage"] == "ended"
    return [
        CallEvent(
            call_keys=(said["call"],),
            stage=CallStage(said["stage"]),
            direction=Direction.INBOUND,
            caller=said.get("from", "+79161110001"),
            callee="+74951110001",
            outcome=Outcome.NO_ANSWER if ends else None,
        )
    ]


PROVIDER = Provider(
    name="plain",
    verify=lambda request, account: None,
    key=lambda request, account: None,
    parse=parse,
    answer=lambda request, account, receipt: HookResponse(),
)


def sources() -> Sources:
    return {"office": (PROVIDER, Account(source="office", region="RU"))}


def no_mails(bodies: Sequence[bytes]) -> Sequence[Mail | str]:
    return ["not a mail" for _ in bodies]


@dataclass
class Desk:
    """A log, a main database and as many workers, one after another, as the test needs."""

    world: World
    path: Path
    log: SqliteLog = field(init=False)
    kept: int = 0

    def __post_init__(self) -> None:
        self.log = open_log(self.path / "calls.log.db", name="calls")

    def keep(self, *said: dict[str, Any], source: str = "office") -> None:
        """Keep one delivery for each of these bodies."""
        for body in said:
            self.keep_bytes(json.dumps(body).encode(), source)

    def keep_bytes(self, body: bytes, source: str = "office") -> None:
        self.kept += 1
        at = day(6) + timedelta(seconds=self.kept)
        new = NewDelivery(source=source, key=f"d{self.kept}", received_at=at, head=HEAD, body=body)
        self.log.append(0, [new])

    def worker(self, *, batch: int = 500, log: Any = None) -> Worker:
        return Worker(
            database=self.world.database,
            logs={"calls": log or self.log},
            sources=sources,
            read_mails=no_mails,
            clock=lambda: NOW,
            attempts=self.path / "attempts",
            batch=batch,
        )

    def ends(self) -> dict[str, tuple[str, str | None]]:
        """What became of each delivery, by its key."""
        with self.world.reading() as connection:
            rows = connection.execute(
                select(deliveries.c.key, deliveries.c.end, deliveries.c.reason)
            )
            return {row.key: (row.end, row.reason) for row in rows}

    def parked(self) -> dict[str, str | None]:
        return {key: why for key, (end, why) in self.ends().items() if end == End.PARKED}

    def position(self) -> int:
        with self.world.reading() as connection:
            mark = wire.position(connection, "calls", 0)
        return mark.position if mark else 0

    def count(self, table: Any) -> int:
        with self.world.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(table)) or 0)

    def on_sqlite(self, statement: str) -> None:
        """Let the database itself refuse something."""
        with self.world.database.write() as connection:
            connection.execute(text(statement))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = sqlite_world(tmp_path)
    world.line("+74951110001", world.employee("Xenia"))
    found = Desk(world, tmp_path)
    yield found
    found.log.close()
    world.close()


def a_call(number: int, stage: str = "ended", **more: Any) -> dict[str, Any]:
    return {"call": f"c{number}", "stage": stage, **more}


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
    desk.on_sqlite(
        "INSERT INTO redecide_jobs (scope, targets, done, total) VALUES ('keys', 'broken', 0, 0)"
    )
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


def die(desk: Desk, **how: Any) -> None:
    """Let a worker begin and die of what it meets, as the operating system would kill it.

    The file that tells what was being done is put back: a process that dies clears nothing.
    """
    attempts = desk.path / "attempts"
    written: list[str] = []

    def watching() -> Sources:
        written.append(attempts.read_text())
        return sources()

    worker = desk.worker(**how)
    worker.sources = watching
    with pytest.raises(Died):
        run_to_the_end(worker)
    attempts.write_text(written[-1])


def run_to_the_end(worker: Worker) -> None:
    """Do, after what is left of an earlier life, all that waits."""
    worker.recall()
    worker.drain()


def test_a_delivery_of_which_the_worker_dies_is_parked_alone_after_two_deaths(desk: Desk):
    desk.keep(a_call(1), a_call(2, deadly=True), a_call(3))

    die(desk)  # in a batch: which one it was is not known
    die(desk)  # alone
    die(desk)  # alone again
    run_to_the_end(desk.worker())

    assert desk.parked() == {"d2": "the worker died of it twice"}
    assert desk.count(interactions) == 2
    assert desk.position() == 3


def test_two_deaths_at_different_deliveries_park_neither(desk: Desk):
    """As when somebody kills the process twice: it is no delivery's fault."""
    desk.keep(a_call(1), a_call(2))
    attempts = desk.path / "attempts"
    dead = {"log": "calls", "partition": 0, "until": 2, "alone": 1, "crashes": 0}
    attempts.write_text(json.dumps(dead))
    first_life = desk.worker(batch=1)
    first_life.recall()
    first_life.step()
    attempts.write_text(json.dumps({**dead, "alone": 2}))

    run_to_the_end(desk.worker())

    assert desk.parked() == {}
    assert desk.count(interactions) == 2


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
