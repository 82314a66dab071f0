"""One call that two sources reported is one touch, where an administrator declared them so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest.domain.calls import Outcome
from ingest.domain.directory import BEGINNING
from ingest.domain.interactions import Status, call_key_id
from ingest.domain.people import UserRole, Viewer
from ingest.domain.ties import TieVerdict
from storage import decisions, directory, reads_ties, sources
from storage.database import Database, sqlite_url
from storage.facts import Conflict, new_id
from storage.tables import call_witnesses, interactions
from tests.world import World, call_events, day, sqlite_world

PBX, SIM, BACKUP = "office", "mobile", "backup"
CLIENT, DID, CELL = "+79161110001", "+74951110001", "+79031110002"
AT = day(4, 10)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("company")
    world = sqlite_world(path)
    world.line(DID, world.employee("Xenia"))
    world.line(CELL, world.employee("Yuri"))
    world.client("Acme", CLIENT)
    world.close()
    return path / "main.db"


@pytest.fixture
def world(company: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copy(company, tmp_path / "main.db")
    found = World(Database(sqlite_url(tmp_path / "main.db")))
    yield found
    found.close()


def neighbours(
    world: World,
    one: str = PBX,
    other: str = SIM,
    *,
    since: datetime = BEGINNING,
    together: bool = True,
) -> None:
    world.change(directory.declare_neighbours, one, other, together, from_at=since)


def told(
    world: World,
    source: str,
    key: str,
    *,
    late: float = 0,
    line: str = DID,
    remote: str = CLIENT,
    talk: float | None = 60.0,
    **more: Any,
) -> str:
    """Let a source report a call that began so many seconds after AT; returns its key's id."""
    at = AT + timedelta(seconds=late)
    for event in call_events(key, remote, line, at, talk=talk, **more):
        world.report(event, at + timedelta(minutes=2), source)
    return call_key_id(source, key)


def pair(world: World, one: str, other: str, verdict: TieVerdict) -> str:
    made: str = world.change(decisions.decide_tie, one, other, verdict)
    return made


def touches(world: World) -> set[frozenset[str]]:
    """Every touch as the set of its keys."""
    with world.reading() as connection:
        found = connection.scalars(select(interactions.c.key_ids))
        return {frozenset(json.loads(keys)) for keys in found}


# Tied ------------------------------------------------------------------------------------------


def test_without_a_word_of_the_administrator_nothing_is_tied_and_nothing_is_stored(
    world: World,
) -> None:
    one, other = told(world, PBX, "a"), told(world, SIM, "b", late=2)

    assert touches(world) == {frozenset({one}), frozenset({other})}
    with world.reading() as connection:
        assert connection.execute(select(call_witnesses)).all() == []


@pytest.mark.parametrize("declared", ["before", "after"])
def test_two_neighbours_reports_of_one_call_are_one_touch(world: World, declared: str) -> None:
    if declared == "before":
        neighbours(world)
    one, other = told(world, PBX, "a"), told(world, SIM, "b", late=3)
    if declared == "after":
        neighbours(world)

    assert touches(world) == {frozenset({one, other})}
    assert world.touch(one)["id"] == world.touch(other)["id"] == min(one, other)
    with world.reading() as connection:
        reasons = connection.scalars(select(call_witnesses.c.tied)).all()
    assert sorted(reasons) == sorted(f'[["{it}","agreed"]]' for it in (one, other))


@pytest.mark.parametrize(
    ("source", "differs"),
    [
        (SIM, {"late": 3.5}),
        (SIM, {"remote": "+79161110002"}),
        (SIM, {"out": True}),
        (SIM, {"talk": None}),
        (BACKUP, {}),
    ],
    ids=["later_answer", "other_number", "other_direction", "no_answer", "no_neighbour"],
)
def test_reports_that_differ_are_two_touches(
    world: World, source: str, differs: dict[str, Any]
) -> None:
    neighbours(world)

    one, other = told(world, PBX, "a"), told(world, source, "b", **differs)

    assert touches(world) == {frozenset({one}), frozenset({other})}


def test_sources_are_neighbours_from_their_day_on_and_until_it_is_taken_back(world: World) -> None:
    neighbours(world, since=AT + timedelta(hours=1))
    one, other = told(world, PBX, "a"), told(world, SIM, "b")
    assert len(touches(world)) == 2

    neighbours(world, since=AT - timedelta(hours=1))
    assert touches(world) == {frozenset({one, other})}

    neighbours(world, since=AT - timedelta(minutes=1), together=False)
    assert len(touches(world)) == 2


def test_each_source_says_what_it_knows_best(world: World) -> None:
    """The PBX sent the call on to a SIM; only the operator of that SIM knows that it was taken."""
    neighbours(world)
    sent_on = told(world, PBX, "a", outcome=Outcome.FORWARDED)
    assert world.touch(sent_on)["outcome"] == "forwarded"

    told(world, SIM, "b", late=2, line=CELL, talk=58.0)

    touch = world.touch(sent_on)
    details = json.loads(touch["details"])
    with world.reading() as connection:
        yuri = directory.find_employees(connection, "Yuri")[0]
    assert (touch["outcome"], touch["talk_s"], touch["employee_id"]) == ("answered", 58.0, yuri.id)
    assert touch["occurred_at"] == AT
    assert touch["dialled"] == json.dumps([touch["own_line"]])  # what the client called
    assert [it["source"] for it in details["witnesses"]] in ([PBX, SIM], [SIM, PBX])


def test_the_source_that_sees_telephones_says_who_talked(world: World) -> None:
    world.line("101", None)
    zoya = world.employee("Zoya")
    with world.reading() as connection:
        line = directory.load_directory(connection).by_point["ext:101@office"].id
    world.assigns(line, zoya, BEGINNING)
    neighbours(world)

    told(world, SIM, "b", late=-2, line=CELL)
    key = told(world, PBX, "a", agent="101", rang=("101",))

    touch = world.touch(key)
    assert (touch["source"], touch["employee_id"]) == (PBX, zoya)


def test_of_calls_that_are_one_a_later_call_closes_one_and_a_client_counts_one(
    world: World,
) -> None:
    neighbours(world)
    key, _ = told(world, PBX, "a"), told(world, SIM, "b", late=1)
    with world.reading() as connection:
        rows = connection.execute(select(interactions)).all()

    assert len(rows) == 1
    assert world.touch(key)["clients"] != []


# Not tied any more -----------------------------------------------------------------------------


def test_a_second_candidate_parts_what_was_tied_in_whatever_order_the_three_come(
    world: World,
) -> None:
    neighbours(world)
    calls = [(PBX, "a", 0), (SIM, "b", 1), (SIM, "c", 2)]
    for number, order in enumerate(permutations(calls)):
        moved = number * 600
        keys = [
            told(world, source, f"{name}{number}", late=late + moved)
            for source, name, late in order
        ]
        assert {frozenset({key}) for key in keys} <= touches(world)


def test_a_candidate_that_moves_away_leaves_the_other_two_tied(world: World) -> None:
    neighbours(world)
    one, other = told(world, PBX, "a", late=20), told(world, SIM, "b", late=20)
    third = told(world, SIM, "c", late=21)
    assert len(touches(world)) == 3

    told(world, SIM, "c", late=0)  # an earlier answer was reported later

    assert touches(world) == {frozenset({one, other}), frozenset({third})}


def test_a_chain_over_three_sources_that_ends_where_it_began_is_no_call(world: World) -> None:
    for pair_ in ((PBX, SIM), (SIM, BACKUP), (BACKUP, PBX)):
        neighbours(world, *pair_)
    three = [told(world, PBX, "a"), told(world, SIM, "b", late=3), told(world, BACKUP, "c", late=6)]
    assert touches(world) == {frozenset(three)}

    last = told(world, PBX, "d", late=9)

    assert touches(world) == {frozenset({key}) for key in (*three, last)}


# People ----------------------------------------------------------------------------------------


def test_a_person_parts_a_tie_and_takes_that_back(world: World) -> None:
    neighbours(world)
    one, other = told(world, PBX, "a"), told(world, SIM, "b")

    parted = pair(world, one, other, TieVerdict.PART)
    assert touches(world) == {frozenset({one}), frozenset({other})}

    world.undoes(parted)
    assert touches(world) == {frozenset({one, other})}


def test_a_person_ties_what_was_not_answered_and_takes_that_back(world: World) -> None:
    neighbours(world)
    one, other = told(world, PBX, "a", talk=None), told(world, SIM, "b", late=9, talk=None)

    tied = pair(world, one, other, TieVerdict.TIE)
    assert touches(world) == {frozenset({one, other})}
    with world.reading() as connection:
        assert '"person"' in str(connection.scalar(select(call_witnesses.c.tied)))

    world.undoes(tied)
    assert len(touches(world)) == 2


def test_where_a_person_chose_among_three_the_third_stays_alone(world: World) -> None:
    neighbours(world)
    one, other = told(world, PBX, "a"), told(world, SIM, "b", late=1)
    third = told(world, SIM, "c", late=2)

    chosen = pair(world, one, third, TieVerdict.TIE)
    assert touches(world) == {frozenset({one, third}), frozenset({other})}

    world.undoes(chosen)
    pair(world, one, third, TieVerdict.PART)
    assert touches(world) == {frozenset({one, other}), frozenset({third})}


def test_nobody_decides_about_reports_of_sources_that_are_no_neighbours(world: World) -> None:
    one, other = told(world, PBX, "a"), told(world, SIM, "b")

    with pytest.raises(Conflict):
        pair(world, one, other, TieVerdict.TIE)


def test_a_status_set_on_either_report_is_the_touchs_and_stays_with_its_own_when_parted(
    world: World,
) -> None:
    neighbours(world)
    one, other = told(world, PBX, "a"), told(world, SIM, "b")
    world.sets_status(other, Status.DONE)
    assert world.status(one) is Status.DONE

    pair(world, one, other, TieVerdict.PART)

    assert (world.status(one), world.status(other)) == (Status.NEEDS_COMMENT, Status.DONE)


# Late facts ------------------------------------------------------------------------------------


def test_a_line_that_only_one_source_names_still_asks_for_the_touch_anew(world: World) -> None:
    neighbours(world)
    told(world, PBX, "a")
    key = told(world, SIM, "b", late=2, line="+79031110099")
    zoya = world.employee("Zoya")
    assert world.touch(key)["employee_id"] != zoya

    world.line("+79031110099", zoya)
    world.settle()

    assert world.touch(key)["employee_id"] == zoya


def test_a_region_that_changes_for_the_source_that_does_not_lead_is_read_anew(
    world: World,
) -> None:
    neighbours(world)
    read_as(world, "RU")
    one = told(world, PBX, "a")
    other = told(world, SIM, "b", late=2, remote="8 916 111-00-01", line="+79031110099")
    assert touches(world) == {frozenset({one, other})}

    read_as(world, "NL")

    assert touches(world) == {frozenset({one}), frozenset({other})}
    assert world.rebuild().rows == 0


def read_as(world: World, region: str) -> None:
    common: dict[str, Any] = {"provider": "callfile", "zone": "UTC", "config": {}, "sealed": ""}
    with world.database.write() as connection:
        sources.put_source(
            connection, id=new_id(), name=SIM, region=region, at=AT, by="test", **common
        )
    world.settle()


def test_a_manager_is_shown_no_ties(world: World) -> None:
    neighbours(world)
    one = told(world, PBX, "a")
    told(world, SIM, "b", late=1)
    told(world, SIM, "c", late=2)
    boss, manager = (
        Viewer(user="u", login="u", name="U", role=role, employee=None)
        for role in (UserRole.SUPERVISOR, UserRole.MANAGER)
    )
    with world.reading() as connection:
        for viewer, seen in ((boss, 2), (manager, 0)):
            assert len(reads_ties.resembling(connection, viewer, one)) == seen
            found = reads_ties.all_resembling(connection, viewer, since=AT - timedelta(days=1))
            assert len(found) == seen
            assert reads_ties.reports_of(connection, viewer, one) == []
