"""What is settled is not told again, and nothing comes out otherwise for it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.interactions import Status
from tests.properties import examples
from tests.world import World, day, sqlite_world

CLIENT, LINE = "+79031234567", "+79160000001"
BOX, THEIRS = "anna@ours.example", "client@theirs.example"


def an_office(path: Path) -> World:
    world = sqlite_world(path)
    anna = world.employee("Anna")
    world.line(LINE, anna)
    world.line(BOX, anna)
    world.client("Steady", CLIENT, THEIRS, primary=anna)
    return world


def test_a_later_call_closes_what_an_earlier_batch_left_open(tmp_path: Path):
    world = an_office(tmp_path)
    missed = world.call(CLIENT, LINE, day(1))

    world.call(CLIENT, LINE, day(2), talk=60)

    assert world.status(missed) is Status.DONE


def test_a_missed_call_learned_late_is_closed_by_the_call_that_followed_it(tmp_path: Path):
    world = an_office(tmp_path)
    world.call(CLIENT, LINE, day(2), talk=60)

    missed = world.call(CLIENT, LINE, day(1), learned=day(3))

    assert world.status(missed) is Status.DONE


def test_an_answer_learned_late_closes_only_what_came_before_it(tmp_path: Path):
    world = an_office(tmp_path)
    first = world.call(CLIENT, LINE, day(1))
    last = world.call(CLIENT, LINE, day(3))

    world.call(CLIENT, LINE, day(2), talk=60, learned=day(4))

    assert world.status(first) is Status.DONE
    assert world.status(last) is Status.CALLBACK_DUE


def test_a_call_that_closed_another_and_turns_out_longer_closes_it_still(tmp_path: Path):
    world = an_office(tmp_path)
    missed = world.call(CLIENT, LINE, day(1))
    world.call(CLIENT, LINE, day(2), talk=60, key="again")
    before = world.rows()

    world.call(CLIENT, LINE, day(2), talk=60, key="again", learned=day(5))

    assert world.status(missed) is Status.DONE
    assert world.rows()["flags"] == before["flags"]


@dataclass(frozen=True)
class Happens:
    """One thing that happens with the client: when, and what."""

    minute: int
    what: str


happenings = st.lists(
    st.builds(
        Happens,
        minute=st.integers(0, 30),
        what=st.sampled_from(["missed", "answered", "out", "unreached", "rings", "in", "reply"]),
    ),
    min_size=2,
    max_size=9,
)


@examples(40)
@given(told=happenings)
def test_batch_by_batch_gives_what_telling_all_from_the_beginning_gives(told: list[Happens]):
    with tempfile.TemporaryDirectory() as folder:
        world = an_office(Path(folder))
        for number, it in enumerate(told):
            happen(world, it, number)
        assert world.rebuild().rows == 0
        world.database.close()


def happen(world: World, it: Happens, number: int) -> None:
    at = day(3) + timedelta(minutes=it.minute)
    learned = day(4) + timedelta(minutes=number)
    match it.what:
        case "missed":
            world.call(CLIENT, LINE, at, learned=learned)
        case "answered":
            world.call(CLIENT, LINE, at, talk=60, learned=learned)
        case "out":
            world.call(CLIENT, LINE, at, talk=60, out=True, learned=learned)
        case "unreached":
            world.call(CLIENT, LINE, at, out=True, learned=learned)
        case "rings":
            world.call(CLIENT, LINE, at, ended=False, learned=learned)
        case "in":
            world.mail(THEIRS, (BOX,), at, message_id=f"{it.minute}@x", learned=learned)
        case _:
            world.mail(
                BOX,
                (THEIRS,),
                at,
                sent=True,
                message_id=f"r{number}@x",
                reply_to=f"{it.minute}@x",
                learned=learned,
            )
