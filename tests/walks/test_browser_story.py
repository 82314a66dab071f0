"""The supervisor's story in a real browser, over the service as it is installed and run.

Everything goes through the doors that people and providers use: commands, signed webhooks and the
page. What the page says is what is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browsers import ARGUMENTS, CHROMIUM, needs_chromium
from tests.harness.load import Hook, post
from tests.harness.service import Service, a_service

pytestmark = [pytest.mark.walk, pytest.mark.browser, needs_chromium]

PASSWORD = "correct horse battery"
#: Deadlines, not pauses: a busy machine may take long, and nothing waits once it is there.
SEEN_MS = 20_000
RINGS_MS = 10_000

ANNA_SIM, BORIS_SIM = "+79160000011", "+79160000012"
CHAMOMILE, TIMBER, NOBODY_KNOWS = "+74950000101", "+78120000102", "+79030000103"
AS_SHOWN = "+7 903 000-01-03"

EMPLOYEES = """name,login
Anna Ivanova,anna
Boris Petrov,boris
"""
LINES = f"""kind,address,holder
sim,{ANNA_SIM},anna
sim,{BORIS_SIM},boris
"""
CLIENTS = f"""name,phones,manager
Chamomile Flowers,{CHAMOMILE},anna
Northern Timber,{TIMBER},boris
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A running service of a small company, all of it told by commands."""
    with a_service(tmp_path) as service:
        service.prepare()
        service.start()
        service.wait_for(service.settings.core_socket.exists)
        for kind, text in (("employees", EMPLOYEES), ("lines", LINES), ("clients", CLIENTS)):
            (tmp_path / f"{kind}.csv").write_text(text)
            told(service, "import", kind, str(tmp_path / f"{kind}.csv"))
        told(
            *(service, "user", "add", "vera", "--name", "Vera Orlova"),
            *("--role", "supervisor", "--password", PASSWORD),
        )
        yield service


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page()
        page.set_default_timeout(SEEN_MS)
        expect.set_options(timeout=SEEN_MS)
        yield page
        browser.close()


def test_a_supervisor_sees_a_leavers_client_ring_links_a_number_and_takes_it_back(
    service: Service, page: Page
) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    # The days before: Anna talks with her client, somebody unknown calls Boris three times.
    calls(service, "chamomile-1", CHAMOMILE, ANNA_SIM, days_ago=5, talk_s=240)
    for days in (4, 3, 2):
        calls(service, f"unknown-{days}", NOBODY_KNOWS, BORIS_SIM, days_ago=days, talk_s=75)
    # She left; her SIM is now Boris's, her clients are nobody's yet.
    told(service, "employee", "leave", "anna", "--on", yesterday())
    told(service, "line", "assign", ANNA_SIM, "--to", "boris")

    url = service.values["inner_url"]
    service.wait_for(service.inner_answers)
    sign_in(page, url)
    expect(page.locator(".ring")).to_have_count(0)
    page.evaluate("window.sameDocument = true")

    # It rings, and no end is reported yet.
    sends(service, "live", "call.ringing", CHAMOMILE, ANNA_SIM)
    loud = page.locator(".ring.loud")
    expect(loud).to_contain_text("Chamomile Flowers", timeout=RINGS_MS)
    expect(loud).to_contain_text("Ringing now")
    expect(loud).to_contain_text("Anna Ivanova, whose client this is, has left.")
    expect(loud).to_contain_text("Boris Petrov should take it.")
    sends(service, "live", "call.ended", CHAMOMILE, ANNA_SIM, outcome="no_answer")
    expect(page.locator(".ring")).to_have_count(0)
    assert page.evaluate("window.sameDocument === true"), "the page was loaded anew"
    expect(page.locator("section", has_text="Open flags").last).to_contain_text("Chamomile Flowers")

    # The unknown number is linked; what that does is shown first.
    page.locator("#nav a[href='/unmatched']").click()
    expect(page.locator("li.item")).to_have_count(1)
    expect(page.locator("li.item")).to_contain_text(AS_SHOWN)
    expect(page.locator("li.item")).to_contain_text("3 calls")
    page.get_by_role("button", name="Link").click()
    page.get_by_role("searchbox", name="Search clients").fill("timber")
    expect(page.locator(".result")).to_have_count(1)
    page.locator(".result", has_text="Northern Timber").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"Links 3 calls since \d+ \w+"))
    expect(dialog).not_to_contain_text("flag")
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.locator(".toast")).to_contain_text("Linked 3 calls")
    expect(page.get_by_text("Nothing waits")).to_be_visible()

    open_client(page, url, "Northern Timber")
    client = page.url
    expect(page.locator("main")).to_contain_text(AS_SHOWN)
    expect(page.locator(".timeline a[data-row]")).to_have_count(3)

    # Restarted, the page comes back by itself, and the decision is still there to be undone.
    status, _ = service.ask_to_stop()
    assert status == 0, service.log_tail()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    service.start()
    service.wait_for(service.inner_answers)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)
    expect(page.locator(".timeline a[data-row]")).to_have_count(3)

    page.goto(f"{url}/decisions")
    expect(page.locator("li.item")).to_contain_text(AS_SHOWN)
    expect(page.locator("li.item")).to_contain_text("Northern Timber")
    page.get_by_role("button", name="Undo").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Takes 3 touches from the client they are linked to now")
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.locator(".toast")).to_contain_text("3 touches unlinked")
    expect(page.locator("li.item")).to_contain_text("undone")

    page.goto(f"{url}/unmatched")
    expect(page.locator("li.item")).to_contain_text(AS_SHOWN)
    expect(page.locator("li.item")).to_contain_text("3 calls")
    page.goto(client)
    expect(page.get_by_text("No touches yet")).to_be_visible()
    assert faults == []


# What people do ----------------------------------------------------------------------------------


def told(service: Service, *words: str) -> None:
    done = service.keepline(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def open_client(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/clients")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def yesterday() -> str:
    """Return the day before today, where the company is."""
    return str((datetime.now(ZoneInfo("Europe/Moscow")) - timedelta(days=1)).date())


# What the provider sends -------------------------------------------------------------------------


def sends(
    service: Service,
    call: str,
    type: str,
    caller: str,
    line: str,
    *,
    at: datetime | None = None,
    **more: object,
) -> None:
    """Post one signed report of an incoming call."""
    data = {"call_id": call, "direction": "inbound", "from": caller, "to": line, **more}
    told = {"type": type, "timestamp": (at or datetime.now(UTC)).isoformat(), "data": data}
    hook = Hook(id=f"{call}/{type}", body=json.dumps(told).encode())
    assert post(service.port, hook)[0] == 204


def calls(
    service: Service, call: str, caller: str, line: str, *, days_ago: int, talk_s: int
) -> None:
    """Post both reports of an answered call of some days ago."""
    began = datetime.now(UTC) - timedelta(days=days_ago)
    sends(service, call, "call.ringing", caller, line, at=began)
    ended = began + timedelta(seconds=talk_s + 5)
    sends(service, call, "call.ended", caller, line, at=ended, talk_s=talk_s)
