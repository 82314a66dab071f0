"""The site in a real browser: live, by keyboard, after a restart, within its own policy.

The site runs over a company whose calls the test writes itself, so that a call can ring as long as
it takes to look.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from ingest.domain.interactions import Status
from tests.browsers import ARGUMENTS, CHROMIUM, needs_chromium
from tests.review.rich import rich
from tests.review.serving import (
    AMBIGUOUS,
    ANNA_BOX,
    ANNA_SIM,
    DUTCH,
    PASSWORD,
    UNKNOWN,
    Company,
    Site,
    add_people,
    company,
    kept_bytes,
    office_of,
    serving,
    story,
)
from tests.world import day, sqlite_world

SEEN_MS = 20_000  # a deadline: nothing waits once it is there, and a machine may be busy
AXE = Path(__file__).parent / "vendor" / "axe.min.js"

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=SEEN_MS)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield running
        await running.close()


@pytest.fixture
def office(tmp_path: Path) -> Company:
    found = company(sqlite_world(tmp_path))
    add_people(found.world, found.employees["boris"])
    return found


async def signed_in(browser: Browser, site: Site, who: str = "vera", **look: object) -> Page:
    """A page of somebody who just signed in; whatever the page complains of fails the test."""
    context = await browser.new_context(**look)  # type: ignore[arg-type]
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", _no_violation)
    await page.goto(site.url)
    await page.get_by_label("Name").fill(who)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def _no_violation(message: object) -> None:
    text = getattr(message, "text", "")
    assert "Content Security Policy" not in text, text


async def test_from_a_ringing_call_to_undo_after_a_restart(
    browser: Browser, office: Company, tmp_path: Path
) -> None:
    world = office.world
    for number in range(3):
        world.call(UNKNOWN, ANNA_SIM, day(8 + number), talk=60)
    world.leaves(office.employees["anna"], day(14, 0))
    async with serving(world) as site:
        page = await signed_in(browser, site)
        await expect(page.locator(".ring")).to_have_count(0)

        # It rings: no end is reported, and the page was not touched.
        world.call(DUTCH, ANNA_SIM, day(20, 11, 59), ended=False)
        _tell(site)
        loud = page.locator(".ring.loud")
        await expect(loud).to_contain_text("Van Dijk Bloemen B.V.")
        await expect(loud).to_contain_text("Ringing now")
        await expect(loud).to_contain_text("Anna Ivanova, whose client this is, has left.")
        await expect(page.locator(".count.hot")).to_have_text("1")

        # An unmatched number is linked, by keyboard alone.
        await page.locator("#nav a[href='/unmatched']").click()
        await page.wait_for_url("**/unmatched")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.keyboard.press("j")
        await page.keyboard.press("/")
        await page.keyboard.type("northern")
        await expect(page.locator(".result")).to_have_count(1)
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Links 3 calls since 8 May")
        await page.keyboard.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("Linked 3 calls")
        await expect(page.get_by_text("Nothing waits")).to_be_visible()

        client = f"{site.url}/clients/{office.clients['north']}"
        await page.goto(client)
        await expect(page.locator("main")).to_contain_text("+7 903 555-44-33")
        await expect(page.locator(".timeline a[data-row]")).to_have_count(3)
        cookies = await page.context.cookies()

    async with serving(world) as site:  # restarted: the session and the decision are still there
        await page.context.add_cookies([{**cookie, "url": site.url} for cookie in _bare(cookies)])
        await page.goto(f"{site.url}/decisions")
        await page.keyboard.press("u")
        await expect(page.get_by_role("dialog")).to_contain_text("Takes 3 touches")
        await page.get_by_role("button", name="Confirm").click()
        await expect(page.locator(".toast")).to_contain_text("3 touches unlinked")
        await page.goto(f"{site.url}/unmatched")
        await expect(page.locator("main")).to_contain_text("+7 903 555-44-33")
        await page.goto(f"{site.url}/clients/{office.clients['north']}")
        await expect(page.locator(".timeline a[data-row]")).to_have_count(0)
    world.close()


async def test_a_page_that_lost_the_connection_looks_again_when_it_is_back(
    browser: Browser, office: Company, unused_port: int
) -> None:
    world = office.world
    async with serving(world, port=unused_port) as site:
        page = await signed_in(browser, site)
    await expect(page.get_by_text("Reconnecting…")).to_be_visible()
    world.leaves(office.employees["anna"], day(14, 0))
    world.call(DUTCH, ANNA_SIM, day(20, 11, 59), ended=False)

    async with serving(world, port=unused_port):
        await expect(page.locator(".ring.loud")).to_be_visible()
    world.close()


async def test_a_mails_markup_makes_no_request(browser: Browser, office: Company) -> None:
    story(office)
    async with serving(office.world) as site:
        page = await signed_in(browser, site)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{site.url}/interactions/{office.touches['letter']}")
        await page.get_by_text("As its writer formatted it").click()
        frame = page.frame_locator("iframe.mail")
        await expect(frame.get_by_text("planed boards")).to_be_visible()

        assert [url for url in asked if not url.startswith(site.url)] == []
        assert await page.title() == "Order 2026-114 · Keepline"
    office.world.close()


def pages_of(office: Company, flag: str, who: str, what: str) -> list[tuple[str, str | None]]:
    """Every page for whom it is made, and the key or button that opens a dialog on it."""
    touch = {name: f"/interactions/{id_}" for name, id_ in office.touches.items()}
    unknown = f"/points/{quote('tel:' + UNKNOWN, safe='')}"
    piet = f"/points/{quote('mail:piet@private.example', safe='')}"
    if who == "ada":
        return [
            ("/sources/new", None),
            ("/sources/new?provider=mango", None),
            ("/sources/branch/edit", None),
            ("/sources/branch/secrets", None),
            ("/mailboxes/new", None),
            ("/sources/office", None),
        ]
    if who == "boris":
        return [("/", "?"), ("/interactions", None), ("/clients", None)]
    if what == "sources":
        return [
            ("/decisions", "Undo"),
            ("/parked", None),
            ("/parked/calls-0-1", None),
            ("/sources", None),
            ("/sources/branch", None),
            ("/sources/hall", None),
            ("/sources/branch/coverage", None),
            ("/sources/branch/coverage/differs", None),
            ("/nothing", None),
        ]
    return [
        ("/", "?"),
        ("/unmatched", None),
        (unknown, "Link to a client"),
        (f"{unknown}/link", None),
        (f"{unknown}/new-client", None),
        (piet, None),
        ("/ties", "One call"),
        ("/interactions", None),
        ("/interactions?overdue=yes", None),
        (touch["before"], "Spam"),
        (touch["letter"], None),
        (touch["quoting"], None),
        (touch["bounce"], None),
        (touch["tied"], "They are two calls"),
        (touch["doubtful"], None),
        (f"{touch['quoting']}/attachments/{'a' * 64}", None),
        ("/clients", None),
        (f"/clients/{office.clients['chamomile']}", None),
        (f"/clients/{office.clients['dutch']}", "Link it"),
        ("/flags", None),
        (f"/flags/{flag}", None),
    ]


#: The whole of axe-core once a page; of the other look what a look can change.
LOOKS: tuple[tuple[int, Literal["light", "dark"], str], ...] = (
    (360, "light", "{resultTypes: ['violations'], preload: false}"),
    (1280, "dark", "{resultTypes: ['violations'], preload: false, runOnly: ['color-contrast']}"),
)


async def wrong_with(page: Page, part: str = "html") -> list[str]:
    """What axe-core finds in any look of what is shown, and what does not fit its width."""
    if part == "html":
        await page.evaluate(AXE.read_text())
    found = []
    for width, scheme, options in LOOKS:
        await page.set_viewport_size({"width": width, "height": 740})
        await page.emulate_media(color_scheme=scheme)
        result = await page.evaluate(f"axe.run('{part}', {options})")
        found += [
            f"{width} {scheme}: {it['id']}: {it['nodes'][0]['html'][:160]}"
            for it in result["violations"]
        ]
        beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            found.append(f"{beyond} px wider than {width}")
    return found


async def opened(page: Page, opener: str) -> None:
    """Open a dialog by a key or a button."""
    if len(opener) == 1:
        await page.keyboard.press(opener)
    else:
        await page.get_by_role("button", name=opener).first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize(
    ("who", "what"), [("vera", "touches"), ("vera", "sources"), ("ada", "forms"), ("boris", "own")]
)
async def test_every_page_is_accessible_and_fits_a_telephone(
    browser: Browser, office: Company, tmp_path: Path, who: str, what: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not vendored")
    story(office)
    office.world.links(AMBIGUOUS, office.clients["north"])
    kept_bytes(tmp_path).close()
    more = rich(office, tmp_path, office_of(office.world))
    async with serving(office.world, **more) as site:
        page = await signed_in(browser, site, who)
        flag = office.world.flag_rows()[0]["id"]
        found = []
        for path, opener in pages_of(office, flag, who, what):
            await page.goto(site.url + path, wait_until="domcontentloaded")
            if path == "/sources/branch":
                await expect(page.locator(".arrival")).to_have_count(2)
            found += [f"{path}: {it}" for it in await wrong_with(page)]
            if opener:
                await opened(page, opener)
                found += [f"{path}: {opener}: {it}" for it in await wrong_with(page, "#dialog")]
        if who == "ada":
            await page.goto(f"{site.url}/mailboxes/new")
            await page.get_by_role("textbox", name="Address", exact=True).fill(ANNA_BOX)
            await page.get_by_role("button", name="Go on").click()
            await expect(page.get_by_role("link", name="Go on to Google")).to_be_focused()
            found += [f"consent: {it}" for it in await wrong_with(page)]

        assert found == []
    office.world.close()


async def test_p_plays_the_recording_and_no_change_elsewhere_stops_it(
    browser: Browser, office: Company, tmp_path: Path
) -> None:
    story(office)
    more = rich(office, tmp_path, office_of(office.world))
    async with serving(office.world, **more) as site:
        page = await signed_in(browser, site)
        await page.goto(f"{site.url}/interactions/{office.touches['before']}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        playing = "const it = document.querySelector('audio'); return !it.paused && it.currentTime"

        await page.keyboard.press("p")
        await page.wait_for_function(f"() => {{ {playing} > 0.2 }}")
        office.world.call(UNKNOWN, ANNA_SIM, day(20, 11, 58), talk=1)
        _tell(site)
        await expect(page.locator("#nav .count").first).to_be_visible()
        before = await page.evaluate(f"() => {{ {playing} }}")
        await page.wait_for_function(f"before => {{ {playing} > before + 0.3 }}", arg=before)

        await page.keyboard.press("p")
        assert await page.evaluate("document.querySelector('audio').paused")
    office.world.close()


async def test_what_is_unfolded_stays_so_when_something_else_changes(
    browser: Browser, office: Company, tmp_path: Path
) -> None:
    story(office)
    more = rich(office, tmp_path, office_of(office.world))
    async with serving(office.world, **more) as site:
        page = await signed_in(browser, site)
        await page.goto(f"{site.url}/interactions/{office.touches['quoting']}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        quote_ = page.get_by_text("how many boards will it be")
        await page.get_by_text("Quoted from earlier mails").click()
        await expect(quote_).to_be_visible()

        # Of another page: only the menu's numbers change. Then of this very page.
        await page.evaluate("document.querySelector('#live').dataset.mark = 'same'")
        office.world.call("+79031112233", ANNA_SIM, day(20, 11, 58))
        async with page.expect_response(lambda it: "/interactions/" in it.url):
            _tell(site)
        await expect(page.locator("#nav a[href='/unmatched'] .count")).to_have_text("7")
        await expect(page.locator("#live[data-mark]")).to_have_count(1)
        await expect(quote_).to_be_visible()

        office.world.sets_status(office.touches["quoting"], Status.SPAM)
        _tell(site)
        await expect(page.locator(".page-head .chip", has_text="Spam")).to_be_visible()
        await expect(quote_).to_be_visible()
    office.world.close()


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on right now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _tell(site: Site) -> None:
    """Do what the worker does after each batch: tell open pages to look again."""
    from ingest.steps import Changed
    from ingest.worker import note_change

    with site.world.database.write() as connection:
        note_change(connection, Changed(interactions=frozenset({"a call"})), site.now)


def _bare(cookies: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"name": it["name"], "value": it["value"]} for it in cookies]


def test_no_template_has_a_style_or_script_of_its_own() -> None:
    templates = Path(__file__).parents[2] / "ingest" / "review" / "templates"

    for path in templates.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"\sstyle=|<style|\son\w+=|hx-on|javascript:", text), path.name
