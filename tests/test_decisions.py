"""People's decisions as facts: the latest counts, undo takes back, nothing is edited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import PointVerdict
from ingest.domain.interactions import Status, call_key_id
from storage import decisions, facts
from storage.tables import clients, holdings
from tests.world import SOURCE, World, day, point, sqlite_world

STRANGER = "+79161110009"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = sqlite_world(tmp_path)
    found.line("+74951110001", found.employee("Xenia"))
    yield found
    found.close()


def told(world: World, target: str) -> list[tuple[int, bool]]:
    """Every decision about a target: its number, and whether it stands; the latest first."""
    with world.reading() as connection:
        return [
            (it.number, it.retracted_at is None) for it in decisions.of_target(connection, target)
        ]


def test_decisions_are_numbered_in_the_order_taken_and_undo_keeps_the_row(world: World):
    call = world.call(STRANGER, "+74951110001", day(6))
    first = world.sets_status(call, Status.SPAM)
    world.sets_status(call, Status.DONE)
    world.undoes(first)

    assert told(world, call) == [(2, True), (1, False)]


def test_the_latest_status_counts_whatever_its_moment_says(world: World):
    call = world.call(STRANGER, "+74951110001", day(6))
    world.sets_status(call, Status.SPAM, at=day(9))
    world.sets_status(call, Status.DONE, at=day(8))

    assert world.status(call) is Status.DONE


def test_after_all_decisions_are_undone_the_opinion_shows_again(world: World):
    call = world.call(STRANGER, "+74951110001", day(6))
    made = [world.sets_status(call, status) for status in (Status.SPAM, Status.DONE)]
    for decision in made:
        world.undoes(decision)

    assert world.status(call) is Status.CALLBACK_DUE


def test_a_status_on_a_key_not_heard_of_yet_waits_for_its_call(world: World):
    world.sets_status(call_key_id(SOURCE, "later"), Status.SPAM)

    assert world.status(world.call(STRANGER, "+74951110001", day(6), key="later")) is Status.SPAM


@pytest.mark.parametrize("kind", [PointKind.SHORT, PointKind.WITHHELD, PointKind.EXTENSION])
def test_what_cannot_belong_to_a_client_is_not_linked(world: World, kind: PointKind):
    client = world.client("A")

    with pytest.raises(facts.Conflict):
        world.change(
            decisions.decide_point, ContactPoint(kind, "900"), PointVerdict.LINK, client=client
        )


def test_linking_to_a_client_that_is_none_is_refused_and_leaves_nothing(world: World):
    with pytest.raises(facts.Conflict):
        world.links(STRANGER, "nobody")
    with pytest.raises(facts.Conflict):
        world.links(STRANGER)

    assert told(world, str(point(STRANGER))) == []
    with world.reading() as connection:
        assert connection.execute(select(holdings)).all() == []


def test_undoing_a_link_takes_its_holding_back_and_only_its_own(world: World):
    client = world.client("A", "+79161110001")
    world.undoes(world.links(STRANGER, client))

    with world.reading() as connection:
        rows = connection.execute(select(holdings.c.point, holdings.c.retracted_at)).all()
    assert {row.point: row.retracted_at is None for row in rows} == {
        "tel:+79161110001": True,
        f"tel:{STRANGER}": False,
    }


@pytest.mark.parametrize("why", ["held", "managed"])
def test_a_client_that_something_refers_to_stays_and_undo_says_why(world: World, why: str):
    decision = world.links(STRANGER, new_client="New")
    with world.reading() as connection:
        client = connection.scalar(select(clients.c.id))
    assert client is not None
    if why == "held":
        world.holds(client, "+79161110001")
    else:
        world.names(client, world.employee("Yuri"), day(6))

    reason = {"held": "+79161110001 belongs to it by now", "managed": "it has a manager by now"}

    assert world.undoes(decision).stays == (f"The client New stays: {reason[why]}.",)


def test_undoing_what_is_no_decision_or_was_undone_is_refused(world: World):
    decision = world.links(STRANGER, world.client("A"))
    world.undoes(decision)

    for which in (decision, "none"):
        with pytest.raises(facts.Conflict):
            world.undoes(which)
