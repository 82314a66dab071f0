"""Sources on a page: entered, changed, rotated; and what arrives, told field by field."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from ingest import readers
from ingest.domain.deliveries import Account, Delivery, NewDelivery
from ingest.review.explain import raw_fields, read_fields
from ingest.telephony.providers import PROVIDERS
from storage.log_sqlite import SqliteLog
from storage.sources import load_sources
from tests.review.serving import Company, add_people, company, serving
from tests.review.test_site import Browser
from tests.world import NOW, sqlite_world

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEWER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
FORM = {
    "provider": "generic",
    "name": "branch",
    "zone": "Asia/Yekaterinburg",
    "region": "ru",
    "own_numbers": "+73432000001\n+73432000002",
    "unsigned_from": "",
    "more": "tolerance_s=600",
    "secret.secret": SECRET,
}


@dataclass
class Shop:
    office: Company
    browser: Browser
    log: SqliteLog
    door: dict[str, Any] = field(default_factory=dict)

    def stored(self, name: str) -> Any:
        with self.office.world.reading() as connection:
            return next(it for it in load_sources(connection) if it.name == name)

    def secrets(self, name: str) -> Any:
        stored = self.stored(name)
        office = self.browser.site.context.office
        assert office is not None
        return office.secrets.open(stored.id, stored.sealed)

    def arrives(self, provider: str, body: bytes, *, key: str, path: str = "/in") -> None:
        """Let a request be kept, read and recorded, as the service does."""
        head = {"method": "POST", "path": path, "query": "", "headers": [], "url": ""}
        new = NewDelivery(source="office", key=key, received_at=NOW, head=head, body=body)
        [kept] = self.log.append(0, [new])
        delivery = self.log.get(0, kept.position)
        assert delivery is not None
        known = {"office": (PROVIDERS[provider], Account(source="office", region="RU"))}
        self.office.world.deliver(readers.read([delivery], known, lambda raw: []))

    async def latest(self) -> str:
        since = (NOW - timedelta(seconds=1)).isoformat().replace("+", "%2B")
        path = f"/sources/office/latest?since={since}"
        url = self.browser.site.url + path
        async with self.browser.http.get(url, headers={"HX-Request": "true"}) as response:
            assert response.status == 200
            return await response.text()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    office = company(sqlite_world(tmp_path))
    add_people(office.world, office.employees["boris"])
    log = SqliteLog(tmp_path / "more.log.db", name="calls")
    jar, door = CookieJar(unsafe=True), dict[str, Any]()
    account = Account(source="office", secrets=({"vpbx_api_key": "k3y-value", "x": "s4lt-value"},))
    known = {"office": (PROVIDERS["mango"], account)}
    more = {"calls": log}
    async with (
        serving(office.world, more_logs=more, sources=known, door=door) as site,
        ClientSession(cookie_jar=jar) as http,
    ):
        yield Shop(office, Browser(site, http), log, door)
    log.close()
    office.world.close()


async def test_an_administrator_enters_a_source_and_is_told_its_address(shop: Shop) -> None:
    ada = shop.browser
    await ada.signs_in("ada")

    assert "Secret: secret" in await ada.text("/sources/new?provider=generic")
    answer = await ada.post("/sources/new", **FORM)
    page = await ada.text(answer.headers["Location"])

    assert "https://hooks.ours.example/hooks/branch" in page
    stored = shop.stored("branch")
    assert (stored.zone, stored.region) == ("Asia/Yekaterinburg", "RU")
    assert stored.config == {"own_numbers": ["+73432000001", "+73432000002"], "tolerance_s": 600}
    assert shop.secrets("branch") == [{"secret": SECRET}]
    assert SECRET not in page


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        ({"zone": "Europe/Nowhere"}, "Zone: there is no zone Europe/Nowhere"),
        ({"region": "XX"}, "Region: there is no region XX"),
        ({"name": "two words"}, "Name: use letters"),
        ({"secret.secret": ""}, "Secrets: generic needs secret"),
        ({"more": "no value"}, "More settings: write it as NAME=VALUE"),
        ({"provider": "nobody"}, "Choose a provider"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    shop: Shop, wrong: dict[str, str], because: str
) -> None:
    await shop.browser.signs_in("ada")

    answer = await shop.browser.post("/sources/new", **{**FORM, **wrong})
    page = await answer.text()

    assert answer.status == 400
    assert because in page
    assert SECRET not in page
    if "provider" not in wrong:
        assert "+73432000002" in page


async def test_settings_are_changed_and_secrets_stay(shop: Shop) -> None:
    ada = shop.browser
    await ada.signs_in("ada")
    await ada.post("/sources/new", **FORM)

    form = await ada.text("/sources/branch/edit")
    assert "tolerance_s=600" in form
    answer = await ada.post(
        "/sources/branch/edit", zone="Europe/Moscow", region="RU", own_numbers="", more=""
    )

    assert answer.status == 303
    assert (shop.stored("branch").zone, shop.stored("branch").config) == ("Europe/Moscow", {})
    assert shop.secrets("branch") == [{"secret": SECRET}]


async def test_two_sets_of_secrets_are_valid_until_the_old_is_ended(shop: Shop) -> None:
    ada = shop.browser
    await ada.signs_in("ada")
    await ada.post("/sources/new", **FORM)

    await ada.post("/sources/branch/rotate", **{"secret.secret": NEWER})
    assert [it["secret"] for it in shop.secrets("branch")] == [NEWER, SECRET]
    assert "End the old secrets" in await ada.text("/sources/branch")

    await ada.post("/sources/branch/rotate", end_old="yes")
    assert [it["secret"] for it in shop.secrets("branch")] == [NEWER]


async def test_a_supervisor_looks_and_changes_nothing(shop: Shop) -> None:
    vera = shop.browser
    await vera.signs_in("vera")

    assert (await vera.get("/sources/new")).status == 403
    assert (await vera.post("/sources/new", **FORM)).status == 403
    assert "/sources/new" not in await vera.text("/sources")


async def test_what_arrives_is_told_field_by_field(shop: Shop) -> None:
    event = {
        "entry_id": "E1", "call_id": "C1", "timestamp": 1_779_278_400, "seq": 1,
        "call_state": "Appeared", "location": "abonent",
        "from": {"number": "79035554433"}, "to": {"extension": "101", "line_number": "74951230001"},
    }  # fmt: skip
    body = f"vpbx_api_key=k3y-value&sign=abc&json={json.dumps(event)}".encode()
    await shop.browser.signs_in("vera")
    assert "Nothing has arrived yet" in await shop.latest()

    shop.arrives("mango", body, key="one", path="/events/call")
    told = await shop.latest()

    row = r"<dt>Caller</dt><dd>79035554433 <span[^>]*>← json\.from\.number</span>"
    assert re.search(row, told)
    assert "<dt>json.to.line_number</dt>" in told
    assert "k3y-value" not in told
    assert "/interactions/" in told


async def test_what_cannot_be_read_says_why_beside_its_bytes(shop: Shop) -> None:
    await shop.browser.signs_in("vera")

    shop.arrives("mango", b"json={broken", key="two", path="/events/call")
    told = await shop.latest()

    assert "parked" in told.lower()
    assert "<dt>json</dt>" in told


async def test_what_no_page_can_hold_is_shown_all_the_same(shop: Shop) -> None:
    await shop.browser.signs_in("vera")

    shop.arrives("mango", b'json={"k\\ud800": "v\\ud800<b>"}', key="one", path="/events/call")
    told = await shop.latest()

    assert "<dt>json.k?</dt>" in told
    assert "v?&lt;b&gt;" in told


async def test_a_refused_request_is_seen_too(shop: Shop) -> None:
    await shop.browser.signs_in("vera")
    shop.door["sources"] = {
        "office": {
            "rejected": 1,
            "last_rejection": "the signature does not match",
            "last_rejection_at": NOW.isoformat(),
        }
    }

    assert "the signature does not match" in await shop.latest()


async def test_a_source_page_counts_the_ends_and_their_reasons(shop: Shop) -> None:
    await shop.browser.signs_in("vera")
    for number in range(3):
        shop.arrives("mango", b"json={broken", key=f"bad-{number}", path="/events/call")

    page = await shop.browser.text("/sources/office")

    assert re.search(r'href="/parked\?source=office">\s*3\s*</a>', page)


def test_a_value_that_no_field_holds_is_told_without_an_origin() -> None:
    fields = {
        it.name: it.came_as for it in read_fields({"caller": "+7 903", "leg": "x"}, [("a", "7903")])
    }

    assert fields == {"caller": "a", "leg": None}


@pytest.mark.parametrize(
    "body",
    [
        b'json={"vpbx_api_key": "k3y-of-ours", "salt": "s4lt-of-ours"}',
        b"<event><note>s4lt-of-ours</note></event>",
        b'{"url": "https://x.example/?salt=s4lt-of-ours", "n": ["s4lt-of-ours"]}',
        b"note=see+s4lt-of-ours+and+vpbx_api_key%3Dk3y-of-ours",
        b"a line that tells s4lt-of-ours",
    ],
)
def test_a_secret_within_a_longer_value_is_hidden_too(body: bytes) -> None:
    held = {"vpbx_api_key": "k3y-of-ours", "vpbx_api_salt": "s4lt-of-ours"}
    known = (PROVIDERS["mango"], Account(source="office", secrets=(held,)))
    kept = Delivery(
        log="calls", partition=0, position=1, source="office", key="k", received_at=NOW,
        head={"query": "back=s4lt-of-ours"}, body=body,
    )  # fmt: skip

    told = json.dumps(raw_fields(kept, known))

    assert "s4lt-of-ours" not in told
    assert "k3y-of-ours" not in told


async def test_a_setting_that_is_text_and_looks_like_something_else_stays_text(shop: Shop) -> None:
    ada = shop.browser
    await ada.signs_in("ada")
    config = {"box": "101", "lines": ["a"], "rate": 2, "on": "true", "two": "a\nb", "url": "x=y"}
    lines = "\n".join(f"{name}={json.dumps(value)}" for name, value in config.items())
    await ada.post("/sources/new", **{**FORM, "own_numbers": "", "more": lines})
    assert shop.stored("branch").config == config
    form = await ada.text("/sources/branch/edit")
    found = re.search(r'<textarea[^>]*name="more"[^>]*>(.*?)</textarea>', form, re.DOTALL)
    assert found is not None
    more = html.unescape(found[1])
    assert "url=x=y" in more

    await ada.post("/sources/branch/edit", zone="UTC", region="RU", more=more)

    assert shop.stored("branch").config == config
