"""Replay: each delivery for itself, and what was read stays read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ingest.accounts import Book
from ingest.custody.export import find
from ingest.custody.office import Office
from ingest.custody.replay import replay
from ingest.domain.deliveries import End
from ingest.secrets import Secrets
from storage import wire
from storage.log_sqlite import open_log
from storage.tables import call_reports, interactions
from tests.desk import Desk, a_call, no_mails, sources
from tests.world import NOW, sqlite_world


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = sqlite_world(tmp_path)
    world.line("+74951110001", world.employee("Xenia"))
    found = Desk(world, tmp_path)
    yield found
    found.log.close()
    world.close()


class Mended(Book):
    """The sources of the desk, as they are after a fix."""

    def sources(self) -> Any:
        return sources()


def replays(desk: Desk, **which: Any) -> dict[str, Any]:
    secrets = Secrets([Fernet.generate_key()])
    office = Office(
        database=desk.world.database,
        secrets=secrets,
        book=Mended(desk.world.database, secrets, "https://h.example"),
        clock=lambda: NOW,
        logs={"calls": desk.log},
        read_mails=no_mails,
        public_url="https://h.example",
    )
    return replay(office, tell=lambda done, total: None, **which)


def parks_all(desk: Desk) -> None:
    """Let a worker that knows no source deal with what is kept."""
    worker = desk.worker()
    worker.sources = dict
    worker.drain()


def new_log(desk: Desk, *numbers: int) -> None:
    """Put another log in the place of the one there was, with these of its deliveries."""
    desk.log.close()
    for file in desk.path.glob("calls.log.db*"):
        file.unlink()
    desk.log = open_log(desk.path / "calls.log.db", name="calls")
    for number in numbers:
        desk.kept = number - 1
        desk.keep(a_call(number))


def test_one_that_cannot_be_recorded_leaves_the_others_of_its_slice_their_replay(desk: Desk):
    desk.keep(a_call(1), a_call(2, **{"from": "+79990000000"}), a_call(3))
    parks_all(desk)
    desk.on_sqlite(
        "CREATE TRIGGER poison BEFORE INSERT ON call_reports WHEN NEW.event LIKE '%79990000000%'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )

    done = replays(desk, parked=True)

    assert (done["read"], done["parked"]) == (2, 1)
    assert desk.parked() == {"d2": "recording it failed: IntegrityError"}
    assert desk.count(interactions) == 2


@pytest.mark.parametrize("now", ["raises", "unreadable", "ignored"])
def test_what_was_read_stays_read_also_where_it_cannot_be_read_any_more(desk: Desk, now: str):
    desk.keep(a_call(1, **{now: True}))
    [kept] = desk.log.read(0, 0)
    id_ = wire.delivery_id(kept.source, kept.key)
    with desk.world.database.write() as connection:
        wire.record_ends(connection, [(kept, End.READ, None)])

    done = replays(desk, ids=[id_])

    assert desk.ends() == {"d1": (End.READ, None)}
    assert done["left"] == 1


def test_after_a_log_was_replaced_what_lies_elsewhere_is_found_there(desk: Desk):
    desk.keep(a_call(1), a_call(2), a_call(3))
    parks_all(desk)
    new_log(desk, 3, 1)
    desk.worker().drain()

    done = replays(desk, ids=[wire.delivery_id("office", "d3")])

    assert (done["read"], done["bytes_gone"]) == (1, 0)
    assert set(desk.parked()) == {"d1", "d2"}


def test_another_delivery_at_its_old_place_is_not_taken_for_it(desk: Desk):
    desk.keep(a_call(1), a_call(2))
    parks_all(desk)
    new_log(desk, 7, 8)  # and the worker has not looked yet

    done = replays(desk, parked=True)

    assert (done["read"], done["bytes_gone"]) == (0, 2)
    assert desk.count(call_reports) == 0


def test_export_of_an_id_never_shows_another_delivery(desk: Desk):
    desk.keep(a_call(1))
    desk.worker().drain()
    new_log(desk, 7)
    logs = {"calls": desk.log}

    assert find(desk.world.database, logs, wire.delivery_id("office", "d1")) is None
    shown = find(desk.world.database, logs, "calls-0-1")

    assert shown is not None
    kept, end = shown
    assert (json.loads(kept.body or b"")["call"], end) == ("c7", None)
