"""Hearing a call in the browser: whole or in part, and only who may see it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from ingest.sound import SoundFiles
from storage import recordings
from tests.review.serving import Company, add_people, serving, told_company
from tests.review.test_site import Browser
from tests.world import NOW, SOURCE

SOUND = b"ID3" + bytes(range(256)) * 2_000
DIGEST = hashlib.sha256(SOUND).hexdigest()


@dataclass
class Heard:
    office: Company
    browser: Browser
    recording: str


@pytest.fixture
async def heard(tmp_path: Path) -> AsyncIterator[Heard]:
    """The company with the sound of one call to Anna, and a browser that is not signed in."""
    office = told_company(tmp_path)
    add_people(office.world, office.employees["boris"])
    store = SoundFiles(tmp_path / "sound")
    (tmp_path / "draft").write_bytes(SOUND)
    store.take(DIGEST, tmp_path / "draft")
    named = recordings.Named(
        source=SOURCE,
        call_key=office.touches["before"],
        provider_key="call-1",
        url="https://media.pbx.example/1.mp3",
        provider_id=None,
        ready=True,
    )
    with office.world.database.write() as connection:
        recordings.note(connection, [named], now=NOW)
        recordings.keep(
            connection,
            named.id,
            digest=DIGEST,
            size=len(SOUND),
            content_type="audio/mpeg",
            at=NOW,
        )
    jar = CookieJar(unsafe=True)
    async with serving(office.world, sound=store) as site, ClientSession(cookie_jar=jar) as http:
        yield Heard(office, Browser(site, http), named.id)
    office.world.close()


async def play(heard: Heard, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    browser = heard.browser
    url = f"{browser.site.url}/recordings/{heard.recording}"
    async with browser.http.get(url, headers=headers, allow_redirects=False) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_supervisor_hears_a_call_on_its_page(heard: Heard) -> None:
    await heard.browser.signs_in("vera")

    page = await heard.browser.text(f"/interactions/{heard.office.touches['before']}")
    status, sound, headers = await play(heard)

    assert f'src="/recordings/{heard.recording}"' in page
    assert (status, sound) == (200, SOUND)
    assert headers["Content-Type"] == "audio/mpeg"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


async def test_a_player_gets_the_part_that_it_asks_for(heard: Heard) -> None:
    await heard.browser.signs_in("vera")

    status, sound, headers = await play(heard, Range="bytes=400000-400099")
    beyond, _, told = await play(heard, Range=f"bytes={len(SOUND)}-")

    assert (status, sound) == (206, SOUND[400_000:400_100])
    assert headers["Content-Range"] == f"bytes 400000-400099/{len(SOUND)}"
    assert (beyond, told["Content-Range"]) == (416, f"bytes */{len(SOUND)}")


async def test_who_may_not_see_the_call_does_not_hear_it(heard: Heard) -> None:
    stranger, _, _ = await play(heard)
    await heard.browser.signs_in("boris")
    manager, _, _ = await play(heard)

    assert stranger in (302, 303, 401)
    assert manager == 404


async def test_one_that_was_given_up_says_why_and_can_be_asked_for_again(heard: Heard) -> None:
    with heard.office.world.database.write() as connection:
        recordings.fail(
            connection, heard.recording, because="the provider answered 403", next_at=None
        )
    await heard.browser.signs_in("vera")
    path = f"/interactions/{heard.office.touches['before']}"

    assert "the provider answered 403" in await heard.browser.text(path)
    answer = await heard.browser.post(f"/recordings/{heard.recording}/again")

    assert (answer.status, answer.headers["Location"]) == (303, path)
    assert "Being fetched" in await heard.browser.text(path)
