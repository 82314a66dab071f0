"""A mailbox entered on a page: with a password, or with its owner's consent at the provider."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar

from ingest.custody import mailboxes
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.mail.oauth import OAuthApp
from storage.sources import StoredMailbox, load_mailboxes
from tests.review.serving import Company, add_people, company, serving
from tests.review.test_site import Browser
from tests.world import NOW, sqlite_world

ADDRESS = "manager7@ours.example"


def quiet(done: int, total: int) -> None:
    return


@dataclass
class Desk:
    office: Company
    browser: Browser
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)

    def register(self, provider: str = "google", **more: str) -> None:
        office = self.browser.site.context.office
        assert office is not None
        mailboxes.set_oauth_app(
            office, tell=quiet, provider=provider, client_id="an app", client_secret="s3", **more
        )

    def mailbox(self) -> StoredMailbox | None:
        with self.office.world.reading() as connection:
            found = load_mailboxes(connection)
        return next((it for it in found if it.address == ADDRESS), None)

    def secret(self) -> Any:
        found, office = self.mailbox(), self.browser.site.context.office
        assert found is not None
        assert office is not None
        return office.secrets.open(found.id, found.sealed)

    async def question(self, how: str = "google") -> dict[str, str]:
        """Ask for consent; return what the provider's page is asked."""
        answer = await self.browser.post("/mailboxes/new", address=ADDRESS, how=how)
        found = re.search(r'<a class="btn primary" href="([^"]+)"', await answer.text())
        assert found is not None
        return dict(parse_qsl(urlsplit(unescape(found[1])).query))

    async def comes_back(self, **said: str) -> tuple[int, str]:
        browser = self.browser
        url = f"{browser.site.url}/mailboxes/consent?{urlencode(said)}"
        async with browser.http.get(url, allow_redirects=False) as response:
            return response.status, await response.text()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    office = company(sqlite_world(tmp_path))
    add_people(office.world, office.employees["boris"])
    said: dict[str, Any] = {"access_token": "a", "refresh_token": "r-1", "expires_in": 3600}
    asked: list[dict[str, list[str]]] = []

    async def ask(app: OAuthApp, request: ApiRequest) -> ApiResponse:
        asked.append(parse_qs(request.body.decode()))
        return ApiResponse(
            status=200 if "error" not in said else 400, body=json.dumps(said).encode()
        )

    jar = CookieJar(unsafe=True)
    async with (
        serving(office.world, ask_app=ask) as site,
        ClientSession(cookie_jar=jar) as http,
    ):
        yield Desk(office, Browser(site, http), asked, said)
    office.world.close()


async def test_a_mailbox_is_followed_with_its_owners_consent(desk: Desk) -> None:
    await desk.browser.signs_in("ada")
    desk.register()

    asked = await desk.question()
    status, _ = await desk.comes_back(state=asked["state"], code="c0de")

    assert status == 303
    assert asked["login_hint"] == ADDRESS
    assert asked["redirect_uri"].endswith("/mailboxes/consent")
    assert desk.asked[0]["code"] == ["c0de"]
    found = desk.mailbox()
    assert found is not None
    assert (found.host, found.port, found.config["auth"]) == ("imap.gmail.com", 993, "xoauth2")
    assert desk.secret()["refresh_token"] == "r-1"
    office = desk.browser.site.context.office
    assert office is not None
    office.book.refresh()
    followed = office.book.mailboxes()[found.id]
    assert followed.grant is not None
    assert (followed.grant.refresh_token, followed.secret) == ("r-1", "")
    assert "r-1" not in repr(followed)


async def test_a_new_consent_keeps_the_mailbox_and_ends_its_pause(desk: Desk) -> None:
    await desk.browser.signs_in("ada")
    desk.register()
    await desk.comes_back(state=(await desk.question())["state"], code="one")
    before = desk.mailbox()
    desk.said["refresh_token"] = "r-2"

    await desk.comes_back(state=(await desk.question())["state"], code="two")

    after = desk.mailbox()
    assert before is not None
    assert after is not None
    assert after.id == before.id
    assert desk.secret()["refresh_token"] == "r-2"
    assert after.config["renewed_at"] == NOW.isoformat()


async def test_a_token_is_not_given_to_a_server_of_somebody_else(desk: Desk) -> None:
    await desk.browser.signs_in("ada")
    desk.register()
    await desk.browser.post(
        "/mailboxes/new", address=ADDRESS, how="password", host="mail.elsewhere.example",
        password="pw",
    )  # fmt: skip
    before = desk.mailbox()
    assert before is not None

    status, page = await desk.comes_back(state=(await desk.question())["state"], code="c0de")

    assert status == 400
    assert "is followed at mail.elsewhere.example" in unescape(page)
    assert desk.mailbox() == before
    assert desk.secret() == "pw"


async def test_a_mailbox_that_had_a_password_signs_in_as_itself_with_its_token(desk: Desk) -> None:
    await desk.browser.signs_in("ada")
    desk.register()
    await desk.browser.post(
        "/mailboxes/new", address=ADDRESS, how="password", host="imap.gmail.com",
        login="an alias", password="pw",
    )  # fmt: skip

    status, _ = await desk.comes_back(state=(await desk.question())["state"], code="c0de")

    found = desk.mailbox()
    assert status == 303
    assert found is not None
    assert (found.login, found.config["auth"]) == (ADDRESS, "xoauth2")


async def test_an_answer_counts_once_and_only_in_the_session_that_asked(desk: Desk) -> None:
    ada = desk.browser
    await ada.signs_in("ada")
    desk.register()
    asked = await desk.question()
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        other = Browser(ada.site, http)
        await other.signs_in("ada")
        stolen = await other.get(f"/mailboxes/consent?state={asked['state']}&code=evil")
        assert stolen.status == 400

    first, _ = await desk.comes_back(state=asked["state"], code="c0de")
    again, _ = await desk.comes_back(state=asked["state"], code="c0de")

    assert (first, again) == (303, 400)
    assert len(desk.asked) == 1


@pytest.mark.parametrize(
    ("came", "said", "words"),
    [
        ({"error": "access_denied"}, {}, "Google gave no consent: access_denied"),
        ({"code": "c"}, {"error": "invalid_grant"}, "no longer accepts the consent"),
        ({"code": "c"}, {"refresh_token": None}, "lasts an hour only"),
    ],
)
async def test_what_went_wrong_is_said_and_nothing_is_followed(
    desk: Desk, came: dict[str, str], said: dict[str, Any], words: str
) -> None:
    await desk.browser.signs_in("ada")
    desk.register()
    desk.said.update(said)

    asked = await desk.question()
    status, page = await desk.comes_back(state=asked["state"], **came)

    assert status == 400
    assert words in unescape(page)
    assert ADDRESS in page
    assert desk.mailbox() is None


async def test_a_mailbox_with_a_password_and_what_is_wrong_with_it(desk: Desk) -> None:
    ada = desk.browser
    await ada.signs_in("ada")
    given = {"address": ADDRESS, "how": "password", "password": "p4ss"}

    wrong = await ada.post("/mailboxes/new", **given)
    assert "Mail server: name it" in await wrong.text()
    right = await ada.post("/mailboxes/new", **given, host="imap.ours.example")

    assert right.status == 303
    assert desk.secret() == "p4ss"


async def test_the_companys_application_needs_nobodys_consent(desk: Desk) -> None:
    await desk.browser.signs_in("ada")
    desk.register("microsoft-app", tenant="contoso.example")

    answer = await desk.browser.post("/mailboxes/new", address=ADDRESS, how="microsoft-app")

    assert answer.status == 303
    found = desk.mailbox()
    assert found is not None
    assert found.host == "outlook.office365.com"
    assert desk.secret()["tenant"] == "contoso.example"
    assert desk.asked == []


async def test_a_supervisor_enters_no_mailboxes(desk: Desk) -> None:
    await desk.browser.signs_in("vera")

    assert (await desk.browser.get("/mailboxes/new")).status == 403
    assert (await desk.browser.get("/mailboxes/consent?state=x&code=y")).status == 403


async def test_without_an_app_the_page_says_how_to_get_one(desk: Desk) -> None:
    await desk.browser.signs_in("ada")

    assert "keepline oauth set" in await desk.browser.text("/mailboxes/new")
