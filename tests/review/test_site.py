"""The site as a person meets it: pages, decisions with their consequences, undo."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar

from ingest.domain.calls import CallEvent, CallStage
from ingest.review.metrics import Lag
from ingest.review.pages.sources import together
from storage import wire
from storage.log import Mark
from storage.log_sqlite import open_reader
from tests.review.serving import (
    ANNA_SIM,
    BORIS_SIM,
    OFFICE,
    PASSWORD,
    UNKNOWN,
    Company,
    Site,
    add_people,
    serving,
    told_company,
)
from tests.world import SOURCE, day, sqlite_world

POINT = f"/points/{quote('tel:' + UNKNOWN, safe='')}"


class Browser:
    """A person with a browser that has no scripts."""

    def __init__(self, site: Site, http: ClientSession) -> None:
        self.site = site
        self.http = http
        self.csrf = ""

    async def get(self, path: str, **more: str) -> ClientResponse:
        response = await self.http.get(self.site.url + path, **more)  # type: ignore[arg-type]
        self._remember(await response.text())
        return response

    async def post(self, path: str, **fields: str) -> ClientResponse:
        response = await self.http.post(
            self.site.url + path, data={"csrf": self.csrf, **fields}, allow_redirects=False
        )
        self._remember(await response.text())
        return response

    async def text(self, path: str) -> str:
        response = await self.get(path)
        assert response.status == 200, path
        return await response.text()

    async def signs_in(self, login: str, password: str = PASSWORD) -> ClientResponse:
        await self.get("/sign-in")
        response = await self.post("/sign-in", login=login, password=password, next="/")
        if response.status == 303:
            await self.get("/")
        return response

    def _remember(self, text: str) -> None:
        found = re.search(r'name="csrf" value="(\w+)"', text)
        self.csrf = found[1] if found else self.csrf


@pytest.fixture
def office(tmp_path: Path) -> Company:
    found = told_company(tmp_path)
    add_people(found.world, found.employees["boris"])
    return found


@pytest.fixture
async def site(office: Company, tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(office.world, logs=tmp_path) as running:
        yield running
    office.world.close()


@pytest.fixture
async def vera(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        person = Browser(site, http)
        await person.signs_in("vera")
        yield person


@pytest.fixture
async def boris(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        person = Browser(site, http)
        await person.signs_in("boris")
        yield person


async def test_a_ringing_call_of_an_orphaned_client_is_shown_with_who_left_and_who_takes_it(
    vera: Browser,
) -> None:
    page = await vera.text("/")

    [loud] = re.findall(r'<article class="ring loud".*?</article>', page, re.DOTALL)
    assert "Ringing now" in loud
    assert "ООО «Ромашка»" in loud
    assert "Anna Ivanova, whose client this is, has left." in loud
    assert "Vera Orlova should take it." in loud


async def test_each_counter_is_the_length_of_its_list(vera: Browser) -> None:
    page = await vera.text("/")

    counters = re.findall(
        r'<a class="counter[^"]*" href="([^"]+)"><span class="number">(\d+)</span>', page
    )
    assert len(counters) == 10
    for href, number in counters:
        listed = await vera.text(href.replace("&amp;", "&"))
        one_by_one = listed.split('id="each"')[-1]
        assert len(re.findall(r"data-row=", one_by_one)) == int(number), href


async def test_unmatched_contacts_show_lines_and_who_held_them_then(vera: Browser) -> None:
    page = await vera.text("/unmatched")

    assert "+7 903 555-44-33" in page
    assert "10 calls" in page
    assert "4 missed" in page
    assert "Anna Ivanova (had left)" in page


async def test_linking_says_its_consequences_first_then_what_really_happened(
    vera: Browser, office: Company
) -> None:
    asked = await vera.post(
        "/decisions/preview",
        verdict="link",
        target=f"tel:{UNKNOWN}",
        client=office.clients["north"],
    )
    told = await asked.text()
    assert "Links 10 calls since 8 May" in told
    assert "Closes 1 flag" in told
    assert office.world.waiting().get(f"tel:{UNKNOWN}") == "unknown", "a preview changed something"

    office.world.call(UNKNOWN, ANNA_SIM, day(20, 11, 58), key="meanwhile")
    done = await vera.post("/decisions", **_fields(told))

    assert "Linked 11 calls" in await done.text()
    assert "1 came meanwhile" in await done.text()
    assert f"tel:{UNKNOWN}" not in office.world.waiting()


async def test_undo_shows_its_consequences_and_brings_everything_back(
    vera: Browser, office: Company
) -> None:
    before = office.world.rows()
    told = await (
        await vera.post(
            "/decisions/preview",
            verdict="new_client",
            target=f"tel:{UNKNOWN}",
            new_client="  Lumber   Yard ",
        )
    ).text()
    assert "Make Lumber Yard a client with +7 903 555-44-33?" in told
    await vera.post("/decisions", **_fields(told))
    page = await vera.text("/decisions")
    [undo] = re.findall(r'action="(/decisions/[^"]+/undo)/preview"', page)

    told = await (await vera.post(f"{undo}/preview")).text()
    assert "Takes 10 touches from the client they are linked to now" in told
    done = await (await vera.post(undo, **_fields(told))).text()

    assert "10 touches unlinked" in done
    assert office.world.rows() == before
    assert "undone by vera" in await vera.text("/decisions")


async def test_what_undo_leaves_is_said(vera: Browser, office: Company) -> None:
    decision = office.world.links(UNKNOWN, new_client="Lumber Yard")
    with office.world.reading() as connection:
        from storage.directory import find_clients

        [client] = find_clients(connection, "lumber")
    office.world.names(client.id, office.employees["boris"], day(19))

    told = await (await vera.post(f"/decisions/{decision}/undo/preview")).text()

    assert "The client Lumber Yard stays: it has a manager by now." in told


async def test_who_looked_before_somebody_else_decided_is_asked_to_look_again(
    vera: Browser, office: Company
) -> None:
    told = await (
        await vera.post("/decisions/preview", verdict="never_log", target=f"tel:{UNKNOWN}")
    ).text()
    office.world.links(UNKNOWN, office.clients["north"])

    refused = await vera.post("/decisions", **_fields(told))

    assert refused.status == 409
    assert "Somebody decided about this meanwhile" in await refused.text()


@pytest.mark.parametrize("verdict", ["employee", "never_log", "wrong_number"])
async def test_every_verdict_is_previewed_taken_and_undone(
    vera: Browser, office: Company, verdict: str
) -> None:
    before = office.world.rows()
    told = await (
        await vera.post("/decisions/preview", verdict=verdict, target=f"tel:{UNKNOWN}")
    ).text()
    assert "Concerns 10 calls" in told
    await vera.post("/decisions", **_fields(told))
    assert f"tel:{UNKNOWN}" not in office.world.waiting()

    page = await vera.text("/decisions")
    [undo] = re.findall(r'action="(/decisions/[^"]+/undo)/preview"', page)
    await vera.post(undo, expected="0")

    assert office.world.rows() == before


async def test_a_flag_is_acknowledged_and_dismissed(vera: Browser, office: Company) -> None:
    key = f"manager_left|client:{office.clients['dutch']}"
    for verdict in ("ack", "dismiss"):
        told = await (await vera.post("/decisions/preview", verdict=verdict, target=key)).text()
        assert "Van Dijk Bloemen B.V." in told
        await vera.post("/decisions", **_fields(told))
        page = await vera.text("/flags" if verdict == "ack" else "/flags?state=closed")
        assert ("acknowledged" if verdict == "ack" else "dismissed") in page


async def test_a_flag_says_what_was_said_last_before_it(vera: Browser) -> None:
    page = await vera.text("/flags")

    assert "Last said 5 May: Anna Ivanova talked 6:52" in page


async def test_a_touch_shows_its_reports_and_a_persons_status(
    vera: Browser, office: Company
) -> None:
    touch = office.touches["before"]
    assert "What the provider reported" in await vera.text(f"/interactions/{touch}")

    told = await (
        await vera.post("/decisions/preview", verdict="status", target=touch, status="spam")
    ).text()
    await vera.post("/decisions", **_fields(told))

    assert office.world.touch(touch)["status"] == "spam"
    page = await vera.text(f"/interactions/{touch}")
    assert "The machine said" in page


async def test_search_finds_clients_by_name_number_and_address(vera: Browser) -> None:
    for asked in ("ромаш", "+7 495 123-45-67", "buyer@chamomile.example"):
        assert "ООО «Ромашка»" in await vera.text(f"{POINT}/clients?q={quote(asked)}")
    assert "No client found" in await vera.text(f"{POINT}/clients?q=nobody")


async def test_parked_bytes_are_shown_without_secrets_and_replayed(
    vera: Browser, site: Site
) -> None:
    page = await vera.text("/parked/calls-0-1")
    assert "call.answred" in page
    assert "s3cret-value" not in page
    assert "bm90IGZvciBhbnlib2R5" not in page

    await vera.post("/parked/calls-0-1/replay")
    answer = await vera.post(
        "/parked/replay", source=SOURCE, reason="type is not one that we know: call.answred"
    )

    assert site.replayed == ["calls-0-1", "calls-0-1", "calls-0-2", "calls-0-3"]
    assert "3 of 3 deliveries were read." in await vera.text(answer.headers["Location"])


async def test_sources_show_what_the_door_counted_and_which_mailbox_is_paused(
    vera: Browser,
) -> None:
    page = await vera.text("/sources")

    assert "12,431" in page
    assert "the timestamp is 412 s old" in page
    assert "the password was refused three times" in page


async def test_sources_show_what_is_kept_and_not_recorded_yet(vera: Browser, site: Site) -> None:
    behind = await vera.text("/sources")
    with site.world.database.write() as connection:
        epoch = site.context.logs["calls"].bounds(0).epoch
        wire.move(connection, "calls", Mark(partition=0, epoch=epoch, position=3, key="broken-2"))
    recorded = await vera.text("/sources")

    assert "3 kept, not recorded yet" in behind
    assert "33:00:00 behind" in behind  # since 19 May, 03:00
    assert "all that was kept is recorded" in recorded
    assert "not recorded yet" not in recorded


def test_the_lag_of_a_log_is_that_of_all_its_partitions() -> None:
    found = together(
        [
            Lag(log="mail", partition=0, rows=2, seconds=40.0),
            Lag(log="mail", partition=1, rows=0, seconds=0.0),
            Lag(log="mail", partition=2, rows=5, seconds=7.0),
        ]
    )

    assert (found.rows, found.seconds) == (7, 40.0)


async def test_sources_say_what_keeps_the_edges_and_a_log_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    world = sqlite_world(tmp_path)
    add_people(world)
    missing = open_reader(tmp_path / "mail.log.db", name="mail")
    async with (
        serving(
            world, trouble="calls: the disk is nearly full", more_logs={"mail": missing}
        ) as site,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(site, http)
        await person.signs_in("vera")
        page = await person.text("/sources")

    assert "calls: the disk is nearly full" in page
    assert "the log cannot be read" in page


async def test_a_call_whose_end_is_unknown_says_so_and_has_no_sign_of_a_missed_one(
    vera: Browser, site: Site
) -> None:
    touch = site.world.call("+74957000003", OFFICE, day(20, 11), key="lost", ended=False)
    given_up = CallEvent(call_keys=("lost",), stage=CallStage.STALE, occurred_at=day(20, 11, 50))
    site.world.report(given_up, day(20, 11, 50))

    before, _, row = (await vera.text("/interactions")).partition(f'data-row="{touch}"')
    page = await vera.text(f"/interactions/{touch}")

    assert "#call-in" in before.rpartition("<li")[2]
    assert "Incoming, end unknown" in row.partition("</li>")[0]
    assert "Incoming, end unknown" in page
    assert "To call back" in await vera.text("/")


@pytest.mark.parametrize(
    ("began", "out", "said"),
    [
        (day(20, 9), True, "called back"),
        (day(20, 9), False, "client reached us"),
        (day(18, 9), True, "called back late"),
    ],
)
async def test_a_missed_call_says_how_it_was_closed(
    vera: Browser, site: Site, began: datetime, out: bool, said: str
) -> None:
    missed = site.world.call("+74957000011", OFFICE, began)
    site.world.call("+74957000011", BORIS_SIM, day(20, 11), talk=60, out=out)

    page = await vera.text(f"/interactions/{missed}")
    listed = await vera.text("/interactions?number=%2B74957000011")

    assert f"<dd>{said}, <time" in page
    assert f"{said}</span>" in listed


async def test_an_empty_house_says_what_to_do(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    add_people(world)
    async with (
        serving(world) as site,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(site, http)
        await person.signs_in("vera")
        for path, said in {
            "/": "Nothing has come in yet",
            "/unmatched": "Nothing waits",
            "/flags": "No open flags",
            "/interactions": "No touches yet",
            "/clients": "keepline import clients",
            "/decisions": "No decisions yet",
            "/parked": "Nothing is parked",
        }.items():
            assert said in await person.text(path)
    world.close()


async def test_a_manager_sees_own_clients_only_and_decides_nothing(
    boris: Browser, office: Company
) -> None:
    before = office.world.rows()
    for path in ("/", "/interactions", "/clients", "/flags"):
        page = await boris.text(path)
        for foreign in ("Ромашка", "Van Dijk", "903 555", "Unmatched", "lumber"):
            assert foreign not in page, path
    for path in (
        f"/clients/{office.clients['chamomile']}",
        f"/interactions/{office.touches['before']}",
        f"/interactions/{office.touches['letter']}/mail",
    ):
        assert (await boris.get(path)).status == 404
    for path in ("/unmatched", POINT, "/decisions", "/parked", "/parked/calls-0-1", "/sources"):
        assert (await boris.get(path)).status == 403

    refused = await boris.post("/decisions", verdict="never_log", target=f"tel:{UNKNOWN}", seen="")

    assert refused.status == 403
    assert office.world.rows() == before


def _fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that confirms, without the token."""
    form = page.split('<form class="sheet"')[1].split("</form>")[0]
    found = re.findall(r'name="(\w+)" value="([^"]*)"', form)
    return {name: value.replace("&#34;", '"') for name, value in found if name != "csrf"}
