"""What two sources reported of one call, as a supervisor meets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from ingest.domain.directory import BEGINNING
from ingest.domain.interactions import call_key_id
from storage import directory
from tests.review.serving import CHAMOMILE, OFFICE, add_people, company, serving
from tests.review.test_site import Browser, _fields
from tests.world import SOURCE, World, call_events, day, sqlite_world

AT = day(19, 10)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = company(sqlite_world(tmp_path))
    add_people(found.world, found.employees["boris"])
    found.world.change(directory.declare_neighbours, SOURCE, "mobile", from_at=BEGINNING)
    yield found.world
    found.world.close()


@pytest.fixture
async def vera(world: World) -> AsyncIterator[Browser]:
    async with (
        serving(world) as running,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(running, http)
        await person.signs_in("vera")
        yield person


def told(world: World, source: str, key: str, late: float, talk: float | None) -> str:
    at = AT + timedelta(seconds=late)
    for event in call_events(key, CHAMOMILE, OFFICE, at, talk=talk):
        world.report(event, at + timedelta(minutes=2), source)
    return call_key_id(source, key)


async def decide(vera: Browser, verdict: str, target: str) -> None:
    asked = await vera.post("/decisions/preview", verdict=verdict, target=target)
    assert (await vera.post("/decisions", **_fields(await asked.text()))).status == 200


async def test_a_touch_says_who_reported_it_why_it_is_one_and_can_be_parted(
    vera: Browser, world: World
) -> None:
    one, other = told(world, SOURCE, "a", 0, 60), told(world, "mobile", "b", 2, 60)
    page = await vera.text(f"/interactions/{other}")
    assert "Reported by" in page
    assert "number, direction and answer time agree, and no other call fits" in page

    await decide(vera, "part", "|".join(sorted((one, other))))

    assert world.touch(one)["id"] != world.touch(other)["id"]
    page = await vera.text(f"/interactions/{one}")
    assert "Taken as two calls" in page
    assert "Reported by" not in page
    assert "Taken as two calls" in await vera.text("/decisions")


async def test_what_nobody_answered_is_suggested_and_a_person_says_that_it_is_one(
    vera: Browser, world: World
) -> None:
    one, other = told(world, SOURCE, "a", 0, None), told(world, "mobile", "b", 8, None)
    assert "1 pair, perhaps one call" in await vera.text("/unmatched")
    assert f"/interactions/{other}" in await vera.text("/ties")
    assert "Perhaps the same call" in await vera.text(f"/interactions/{one}")

    await decide(vera, "tie", f"{one}|{other}")

    assert world.touch(one)["id"] == world.touch(other)["id"]
    assert "a person said so" in await vera.text(f"/interactions/{one}")
    assert "Nothing waits" in await vera.text("/ties")


async def test_of_three_that_agree_each_pair_is_suggested_and_none_is_tied(
    vera: Browser, world: World
) -> None:
    one = told(world, SOURCE, "a", 0, 60)
    two = told(world, "mobile", "b", 1, 60)
    three = told(world, "mobile", "c", 2, 60)

    page = await vera.text("/ties")

    assert page.count(f"/interactions/{one}") == 2
    assert page.count(f"/interactions/{two}") == page.count(f"/interactions/{three}") == 1
