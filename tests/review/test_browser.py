"""The site in a real browser: live, by keyboard, after a restart, within its own policy.

The site runs over a company whose calls the test writes itself, so that a call can ring as long as
it takes to look.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browsers import ARGUMENTS, CHROMIUM, needs_chromium
from tests.review.serving import (
    ANNA_SIM,
    DUTCH,
    PASSWORD,
    UNKNOWN,
    Company,
    Site,
    add_people,
    company,
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


async def signed_in(browser: Browser, site: Site, **look: object) -> Page:
    """A page of somebody who just signed in; whatever the page complains of fails the test."""
    context = await browser.new_context(**look)  # type: ignore[arg-type]
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", _no_violation)
    await page.goto(site.url)
    await page.get_by_label("Name").fill("vera")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_telephone(
    browser: Browser, office: Company, tmp_path: Path, scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not vendored")
    story(office)
    axe, point = AXE.read_text(), f"/points/{quote('tel:' + UNKNOWN, safe='')}"
    async with serving(office.world, logs=tmp_path) as site:
        page = await signed_in(
            browser, site, color_scheme=scheme, viewport={"width": 360, "height": 740}
        )
        await page.goto(f"{site.url}/flags")
        flag = await page.locator("a[data-row]").first.get_attribute("href")
        found = []
        for path in (
            "/",
            "/unmatched",
            point,
            f"{point}/link",
            f"{point}/new-client",
            "/interactions",
            f"/interactions/{office.touches['before']}",
            f"/interactions/{office.touches['letter']}",
            "/clients",
            f"/clients/{office.clients['chamomile']}",
            "/flags",
            flag or "",
            "/decisions",
            "/parked",
            "/parked/calls-0-1",
            "/sources",
            "/nothing",
        ):
            await page.goto(site.url + path)
            await page.evaluate(axe)
            result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found += [
                f"{path}: {it['id']}: {it['nodes'][0]['html'][:160]}" for it in result["violations"]
            ]
            beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if beyond > 0:
                found.append(f"{path}: {beyond} px wider than 360")

        assert found == []
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
