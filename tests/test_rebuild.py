"""Rebuild changes nothing: what was derived step by step is what the facts say as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from ingest.domain.directory import PointVerdict
from ingest.domain.interactions import Status, call_key_id
from storage import decisions, directory
from storage.database import Database
from storage.tables import DERIVED, positions
from tests.desk import Desk, a_call
from tests.interleaved import (
    NUMBERS,
    Company,
    Op,
    Played,
    a_company,
    deliveries,
    facts_,
    judgements,
    neighbours,
    pairings,
    readings,
    twins,
)
from tests.properties import examples
from tests.world import NOW, SOURCE, World, day, point


def played(number: int) -> settings:
    """Return how a property is tried whose every example plays the whole house.

    Shrinking would play it again for minutes; a failure prints what was played.
    """
    return settings(
        examples(number),
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return a_company(tmp_path_factory.mktemp("company"))


def a_copy(company: Company) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        world = company.world(Path(directory) / "main.db")
        yield world
        world.close()


@played(40)
@given(
    wire=st.lists(deliveries, min_size=3, max_size=10),
    people=st.lists(st.one_of(facts_, judgements), min_size=1, max_size=10),
    data=st.data(),
)
def test_rebuild_changes_nothing_after_anything_in_any_order(
    company: Company, wire: list[Op], people: list[Op], data: st.DataObject
) -> None:
    order = data.draw(st.permutations([*readings(wire), *people]), label="order")
    rebuild_changes_nothing(company, order)


@played(14)
@given(
    wire=st.lists(twins, min_size=3, max_size=8),
    people=st.lists(
        st.one_of(neighbours, neighbours, pairings, pairings, facts_, judgements),
        min_size=3,
        max_size=8,
    ),
    data=st.data(),
)
def test_rebuild_changes_nothing_of_calls_that_several_sources_reported(
    company: Company, wire: list[Op], people: list[Op], data: st.DataObject
) -> None:
    order = data.draw(st.permutations([*readings(wire), *people]), label="order")
    rebuild_changes_nothing(company, order)


def rebuild_changes_nothing(company: Company, order: list[Any]) -> None:
    for world in a_copy(company):
        played = Played(world, company)
        for it in order:
            if isinstance(it, tuple):
                played.play(it)
            else:
                world.deliver([it])
        before = world.rows()

        rebuilt = world.rebuild()

        assert world.rows() == before
        assert rebuilt.rows == 0
        wipe(world)
        world.rebuild(at_once=1)
        assert world.rows() == before


def wipe(world: World) -> None:
    """Drop every derived row."""
    with world.database.write() as connection:
        for table in DERIVED:
            connection.execute(delete(table))


# The order of recording ------------------------------------------------------------------------


@played(20)
@given(
    wire=st.lists(deliveries, min_size=3, max_size=10),
    recorded=st.lists(facts_, min_size=1, max_size=6),
    decided=st.lists(judgements, max_size=4),
    data=st.data(),
)
def test_what_commutes_gives_the_same_rows_in_whatever_order_it_is_recorded(
    company: Company,
    wire: list[Op],
    recorded: list[Op],
    decided: list[Op],
    data: st.DataObject,
) -> None:
    """Decisions keep their order among themselves: of several the latest counts."""
    said, free = readings(each_mail_once(wire)), without_conflicts(recorded)
    kept = [it for it in decided if it[0] != "undo" and it[1].get("client") != "new"]
    seats = [*said, *free, *(None for _ in kept)]
    results = []
    for order in (seats, data.draw(st.permutations(seats), label="order")):
        for world in a_copy(company):
            played, waiting = Played(world, company), iter(kept)
            for it in order:
                if it is None:
                    played.play(next(waiting))
                elif isinstance(it, tuple):
                    played.play(it)
                else:
                    world.deliver([it])
            results.append(world.rows())

    assert results[0] == results[1]


@played(8)
@given(
    wire=st.lists(twins, min_size=3, max_size=8),
    declared=st.lists(neighbours, min_size=1, max_size=3),
    data=st.data(),
)
def test_in_whatever_order_several_sources_report_the_same_calls_are_tied(
    company: Company, wire: list[Op], declared: list[Op], data: st.DataObject
) -> None:
    said = [*readings(wire), *without_conflicts(declared)]
    results = []
    for order in (said, data.draw(st.permutations(said), label="order")):
        for world in a_copy(company):
            played = Played(world, company)
            for it in order:
                if isinstance(it, tuple):
                    played.play(it)
                else:
                    world.deliver([it])
            results.append(world.rows())

    assert results[0] == results[1]


def each_mail_once(wire: list[Op]) -> list[Op]:
    """Give each mail an identity of its own: two mails are not one with two readings."""
    return [
        (name, {**told, "number": n} if name == "mail" else told)
        for n, (name, told) in enumerate(wire)
    ]


def without_conflicts(recorded: list[Op]) -> list[Op]:
    """Leave out what would be refused, or replace another, depending on which came first."""
    taken: dict[tuple[Any, ...], Op] = {}
    for name, told in recorded:
        match name:
            case "leave":
                key: tuple[Any, ...] = (name, told["who"])
            case "assign":
                key = (name, told["line"], told["at"])
            case "name":
                key = (name, told["client"], told["at"])
            case "policy":
                key = (name, told["rule"][0], told["at"])
            case "neighbours":
                key = (name, tuple(sorted(told["pair"])), told["at"])
            case "hold":
                key = (name, len(taken))
            case _:  # a return takes back what came before it; a line's id is made anew
                continue
        taken.setdefault(key, (name, told))
    return list(taken.values())


# With a log and a worker -----------------------------------------------------------------------


@pytest.fixture
def desk(company: Company, tmp_path: Path) -> Iterator[Desk]:
    found = Desk(company.world(tmp_path / "main.db"), tmp_path)
    yield found
    found.log.close()
    found.world.close()


def test_rebuild_changes_nothing_after_half_of_the_raw_bytes_expired(desk: Desk) -> None:
    for number in range(1, 21):
        desk.keep(a_call(number, "ringing"), a_call(number), a_call(number, raises=number == 7))
    desk.worker().drain()
    before, ends = desk.world.rows(), desk.ends()

    desk.log.empty(0, range(1, 60, 2))

    assert desk.world.rebuild().rows == 0
    assert desk.world.rows() == before
    with desk.world.database.write() as connection:
        connection.execute(delete(positions))  # the log is read again from 0
    desk.worker().drain()
    assert (desk.world.rows(), desk.ends()) == (before, ends)


def test_a_dry_run_says_what_would_change_and_changes_nothing(desk: Desk) -> None:
    desk.keep(a_call(1), a_call(2))
    desk.worker().drain()
    right = desk.world.rows()
    with desk.world.database.write() as connection:
        connection.execute(DERIVED[1].update().values(talk_s=99.0))
    wrong = desk.world.rows()

    trial = desk.world.rebuild(dry_run=True)
    assert (trial.rows, desk.world.rows()) == (2, wrong)
    assert set(trial.examples) == {call_key_id(SOURCE, "c1"), call_key_id(SOURCE, "c2")}

    assert desk.world.rebuild().rows == 2
    assert desk.world.rows() == right


@pytest.mark.parametrize("own_connection", [False, True], ids=["one_writer", "two_connections"])
def test_rebuild_changes_nothing_after_facts_were_written_while_the_worker_ran(
    desk: Desk, company: Company, own_connection: bool
) -> None:
    database = desk.world.database
    others = Database(database.url) if own_connection else database
    worker = desk.worker(batch=7)
    following = Thread(target=worker.run)
    writing = Thread(target=write_facts, args=(others, company))
    following.start()
    writing.start()
    for number in range(60):
        stage = "ringing" if number % 3 else "ended"
        desk.keep(a_call(number % 40, stage, **{"from": NUMBERS[number % 4]}))
        worker.wake()
    writing.join(30)
    worker.stop()
    following.join(30)
    worker.drain()
    before = desk.world.rows()

    rebuilt = desk.world.rebuild()

    if own_connection:
        others.close()
    assert not following.is_alive()
    assert len(before["interactions"]) == 40
    assert desk.world.rows() == before
    assert rebuilt.rows == 0


def write_facts(database: Database, company: Company) -> None:
    """Record departures, transfers, names, numbers, decisions, one transaction each."""
    who, clients = company.employees, company.clients
    line = company.lines["+74951110001"]
    common: dict[str, Any] = {"at": NOW, "by": "test"}
    for turn in range(12):
        with database.write() as connection:
            directory.leave(connection, who[0], left_at=day(6, 12, turn), **common)
        with database.write() as connection:
            directory.assign_line(connection, line, who[turn % 3], from_at=day(5, turn), **common)
        with database.write() as connection:
            directory.name_primary(
                connection, clients[0], who[turn % 3], from_at=day(4, turn), **common
            )
        with database.write() as connection:
            link = decisions.decide_point(
                connection,
                point(NUMBERS[2 + turn % 2]),
                PointVerdict.LINK,
                client=clients[turn % 3],
                **common,
            )
            decisions.decide_status(
                connection, call_key_id(SOURCE, f"c{turn}"), Status.SPAM, **common
            )
        if turn % 2:
            with database.write() as connection:
                decisions.undo(connection, link, **common)
        with database.write() as connection:
            directory.undo_leave(connection, who[0], why="a mistake", **common)
