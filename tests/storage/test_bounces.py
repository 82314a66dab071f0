"""Addresses that do not exist any more: marked by a hard bounce, cleared by a mail from there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from ingest.domain.mails import FailedRecipient
from ingest.domain.people import UserRole, Viewer
from storage import reads
from storage.bounces import Undeliverable, undeliverable
from tests.world import NOW, World, day, sqlite_world

OURS, THEIRS = "x@ours.example", "c@client.example"
POINT = f"mail:{THEIRS}"
VERA = Viewer(user="v", login="vera", name="Vera", role=UserRole.SUPERVISOR)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = sqlite_world(tmp_path)
    found.line(OURS, found.employee("X"))
    return found


def bounce(world: World, at: datetime, *, hard: bool = True, status: str = "5.1.1") -> str:
    failed = (FailedRecipient(address=THEIRS, hard=hard, status=status, reason="User unknown"),)
    return world.mail(
        "mailer-daemon@mx.example", (OURS,), at, automatic="bounce", read={"failed": failed}
    )


def mark(world: World) -> Undeliverable | None:
    with world.reading() as connection:
        return undeliverable(connection, [POINT, "mail:other@client.example"]).get(POINT)


def test_a_hard_bounce_marks_the_address_since_then_and_says_why(world: World) -> None:
    first = bounce(world, day(5))
    bounce(world, day(6), status="5.2.1")

    assert mark(world) == Undeliverable(
        point=POINT, since=day(5), status="5.1.1", reason="User unknown", mail=first
    )


def test_a_soft_bounce_marks_nothing(world: World) -> None:
    bounce(world, day(5), hard=False)

    assert mark(world) is None


def test_a_later_mail_from_the_address_takes_the_mark_away(world: World) -> None:
    bounce(world, day(5))
    world.mail(THEIRS, (OURS,), day(6))

    assert mark(world) is None


def test_an_earlier_mail_or_an_automatic_answer_from_the_address_does_not(world: World) -> None:
    world.mail(THEIRS, (OURS,), day(4))
    bounce(world, day(5))
    world.mail(THEIRS, (OURS,), day(6), automatic="auto-reply")

    found = mark(world)
    assert found is not None
    assert found.since == day(5)


def test_a_bounce_after_the_mail_that_took_it_away_marks_anew(world: World) -> None:
    for at in (day(5), day(7)):
        bounce(world, at)
    world.mail(THEIRS, (OURS,), day(6))

    found = mark(world)
    assert found is not None
    assert found.since == day(7)


def test_the_order_in_which_we_learn_of_it_changes_nothing(world: World) -> None:
    world.mail(THEIRS, (OURS,), day(6))
    bounce(world, day(5))

    assert mark(world) is None


def test_the_clients_card_shows_the_mark_and_rebuild_keeps_it(world: World) -> None:
    client = world.client("C", THEIRS)
    bounce(world, day(5))

    assert world.rebuild().rows == 0
    with world.reading() as connection:
        card = reads.client(connection, VERA, client, now=NOW)
    assert card is not None
    [held] = card.points
    assert held.undeliverable is not None
    assert held.undeliverable.status == "5.1.1"
