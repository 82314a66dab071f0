"""What runs for a source, and first imports, in the words of a supervisor's page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from ingest.domain.mailboxes import FolderState
from ingest.review.connections import MOST_GAPS, parts_of
from ingest.review.render import roughly, speed
from ingest.review.words import PARTS
from ingest.telephony.companions import COMPANIONS
from tests.review.rich import PARTS as RICH
from tests.review.rich import rich
from tests.review.serving import Company, add_people, office_of, serving, told_company
from tests.review.test_site import Browser
from tests.world import day


@pytest.fixture
def office(tmp_path: Path) -> Company:
    found = told_company(tmp_path)
    add_people(found.world, found.employees["boris"])
    return found


@pytest.fixture
async def vera(office: Company, tmp_path: Path) -> AsyncIterator[Browser]:
    more = rich(office, tmp_path, office_of(office.world))
    async with (
        serving(office.world, **more) as site,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(site, http)
        await person.signs_in("vera")
        yield person
    office.world.close()


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_every_companion_has_a_name_for_people() -> None:
    assert {it.part for it in COMPANIONS if it.part != "files"} <= set(PARTS)


def test_what_is_not_well_comes_first_and_its_gaps_the_newest_first() -> None:
    connection, *_, last = parts_of(RICH["hall"])

    assert (connection.title, connection.state) == (
        "Connection to the telephone system",
        "not connected",
    )
    assert [gap.seconds for gap in connection.gaps] == [75.0, 1200.0]
    assert last.well


def test_of_many_gaps_the_newest_are_shown_and_the_others_counted() -> None:
    gaps = [
        {"from": day(number, 1).isoformat(), "to": day(number, 2).isoformat()}
        for number in range(1, 9)
    ]

    [part] = parts_of({"stream": {"state": "connected", "gaps": gaps}})

    assert [gap.begin.day for gap in part.gaps] == [8, 7, 6, 5, 4]
    assert part.more_gaps == 8 - MOST_GAPS


def test_a_state_of_a_later_version_is_shown_as_it_is() -> None:
    [part] = parts_of({"telepathy": {"state": "humming", "since": "long ago"}})

    assert (part.title, part.state, part.tone, part.since) == ("telepathy", "humming", "", None)


async def test_a_source_says_what_runs_for_it_in_words(vera: Browser) -> None:
    page = words_of(await vera.text("/sources/hall"))

    assert "Connection to the telephone system 10.0.0.5:5038: Connection refused" in page
    assert "12:58 – 13:00, nothing heard for 1:15" in page
    assert "last asked 18 May, 15:00" in page
    for internal in ("stream", "record-folder", "file:cdr"):
        assert internal not in page


async def test_the_sources_say_which_connection_is_away_and_when_a_history_was_asked(
    vera: Browser,
) -> None:
    page = words_of(await vera.text("/sources"))

    assert "not connected Connection to the telephone system" in page
    assert "Call history at the provider, last asked 14:51" in page


async def test_a_first_import_says_how_far_how_fast_and_why_it_rests(vera: Browser) -> None:
    page = words_of(await vera.text("/sources"))

    assert (
        "INBOX: 2,310 of 20,000 taken in, back to 2 May; 45 mails a second, about 7 min left"
        in page
    )
    assert "Sent: 120 of 4,000 taken in, back to 11 May; resting, because other mailboxes" in page


@pytest.mark.parametrize(
    ("rate", "left", "shown"),
    [
        (45.4, 20, "45 mails a second, 1 min"),
        (1.0, 5340, "1 mail a second, 89 min"),
        (0.5, 9000, "30 mails a minute, 2 h"),
        (0.001, 200_000, "1 mail a minute, 2 days"),
    ],
)
def test_a_rate_and_what_is_left_are_told_in_words_of_their_size(
    rate: float, left: float, shown: str
) -> None:
    assert f"{speed(rate)}, {roughly(left)}" == shown


def test_what_is_left_is_told_only_while_an_import_goes_on() -> None:
    told = FolderState(folder="INBOX", kept=100, total=300, rate=4.0)

    assert told.left_s == 50
    for other in ({"rate": None}, {"rests": "the disk is nearly full"}, {"complete": True}):
        assert replace(told, **other).left_s is None
    assert replace(told, kept=301).left_s == 0


async def test_today_counts_overdue_replies_and_leads_to_them(vera: Browser) -> None:
    today = await vera.text("/")
    found = await vera.text("/interactions?overdue=yes")

    counted = re.search(r'href="/interactions\?overdue=yes"><span class="number">(\d+)<', today)
    assert counted is not None
    assert found.count('class="item"') == found.count("reply was due") == int(counted[1]) == 2


async def test_only_where_nothing_else_is_asked_for_an_empty_list_says_that_no_reply_is_overdue(
    vera: Browser,
) -> None:
    page = await vera.text("/interactions?overdue=yes&kind=call")

    assert "No reply is overdue" not in page
    assert "Nothing fits" in page


async def test_an_address_of_a_client_that_was_never_used_has_a_page(vera: Browser) -> None:
    page = await vera.text("/points/mail%3Abuyer%40chamomile.example")

    assert "No touches yet" in page
    assert (await vera.get("/points/mail%3Anobody%40chamomile.example")).status == 404


async def test_a_manager_gets_no_links_to_files_that_he_may_not_have(
    vera: Browser, office: Company
) -> None:
    path = f"/interactions/{office.touches['quoting']}"
    assert f'href="{path}/attachments/' in await vera.text(path)

    office.world.names(office.clients["dutch"], office.employees["boris"], day(19))
    await vera.signs_in("boris")
    page = await vera.text(path)

    assert "Re: Boards for July" in page
    assert "/attachments/" not in page
