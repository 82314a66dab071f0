"""Turns: of many reports that come at once a few are worked on at a time, in their order."""

from __future__ import annotations

import asyncio

from ingest.telephony.turns import Turns


async def looks(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_few_pass_at_once() -> None:
    turns = Turns(at_once=3)

    assert [turns.passes() for _ in range(4)] == [True, True, True, False]


async def test_the_next_pass_after_another_look_at_the_connections_in_their_order() -> None:
    turns, passed = Turns(at_once=2), []
    for number in range(6):
        if turns.passes():
            passed.append(number)
        else:
            turns.later(lambda number=number: passed.append(number))
    seen = [list(passed)]
    for _ in range(4):
        await looks(1)
        seen.append(list(passed))

    assert seen[0] == [0, 1]
    assert [0, 1, 2, 3] in seen
    assert seen[-1] == [0, 1, 2, 3, 4, 5]


async def test_whoever_comes_while_others_wait_passes_after_them() -> None:
    turns, passed = Turns(at_once=1), []
    assert turns.passes()
    turns.later(lambda: passed.append("first"))
    await looks(1)

    assert passed == ["first"]
    assert not turns.passes()  # its turn was this one
    await looks(2)
    assert turns.passes()


async def test_who_waits_and_leaves_takes_no_turn_from_others() -> None:
    turns = Turns(at_once=1)
    tasks = [asyncio.ensure_future(turns.take()) for _ in range(3)]
    await looks(1)
    tasks[1].cancel()
    await looks(6)

    assert tasks[0].done()
    assert tasks[1].cancelled()
    assert tasks[2].done()
