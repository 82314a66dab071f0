"""What the site refuses: strangers, forged requests, hostile text, guesses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, CookieJar, web
from sqlalchemy import func, select, update

from ingest.custody import masking
from ingest.review import csrf, mailview
from ingest.review.context import Context
from ingest.review.passwords import (
    AT_ONCE,
    FREE_TRIES,
    LONGEST_WAIT,
    Hashing,
    SlowDown,
    hash_password,
    is_password,
)
from ingest.review.site import build_site
from ingest.review.web import Right, right_of
from storage.tables import metadata, sessions
from tests.review.serving import (
    HASH,
    PASSWORD,
    UNKNOWN,
    Company,
    Site,
    add_people,
    serving,
    told_company,
)
from tests.review.test_site import Browser
from tests.world import NOW, World, region, sqlite_world

OPEN = {"/sign-in", "/static/{path}"}
CANARY = "<img src=x onerror=alert(1)>\"'{{7*7}}"


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
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


def routes(site: Site) -> list[tuple[str, str, Right | None]]:
    """Every address that the site answers: method, path, declared right."""
    router = site.server.app.router  # type: ignore[attr-defined]
    return [
        (route.method, route.resource.canonical, right_of(route))
        for route in router.routes()
        if route.resource is not None
    ]


def addresses(office: Company) -> dict[str, str]:
    """What stands for the variable parts of paths."""
    return {
        "/interactions/{id}": f"/interactions/{office.touches['letter']}",
        "/interactions/{id}/mail": f"/interactions/{office.touches['letter']}/mail",
        "/clients/{id}": f"/clients/{office.clients['chamomile']}",
        "/flags/{id}": "/flags/none",
        "/points/{point}": f"/points/{quote('tel:' + UNKNOWN, safe='')}",
        "/points/{point}/link": f"/points/{quote('tel:' + UNKNOWN, safe='')}/link",
        "/points/{point}/clients": f"/points/{quote('tel:' + UNKNOWN, safe='')}/clients",
        "/points/{point}/new-client": f"/points/{quote('tel:' + UNKNOWN, safe='')}/new-client",
        "/parked/{id}": "/parked/calls-0-1",
    }


def path_of(canonical: str, office: Company) -> str:
    known = addresses(office).get(canonical)
    return known or re.sub(r"\{\w+\}", "none", canonical)


def row_counts(world: World) -> dict[str, int]:
    with world.reading() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


# Rights ----------------------------------------------------------------------------------------


async def test_every_route_declares_the_right_it_needs(site: Site) -> None:
    undeclared = [(method, path) for method, path, right in routes(site) if right is None]
    without_sign_in = {path for _, path, right in routes(site) if right is Right.ANYONE}

    assert undeclared == []
    assert without_sign_in == OPEN


async def test_a_route_without_a_right_would_be_noticed(site: Site) -> None:
    async def careless(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    route = app.router.add_get("/careless", careless)

    assert right_of(route) is None


async def test_strangers_are_sent_to_sign_in(
    site: Site, office: Company, http: ClientSession
) -> None:
    for method, path, right in routes(site):
        if method == "GET" and right is not Right.ANYONE:
            response = await http.get(site.url + path_of(path, office), allow_redirects=False)
            assert response.status == 303, path
            assert response.headers["Location"].startswith("/sign-in"), path


async def test_managers_get_exactly_the_routes_that_are_theirs(
    site: Site, office: Company, http: ClientSession
) -> None:
    boris = Browser(site, http)
    await boris.signs_in("boris")
    for method, path, right in routes(site):
        if path == "/events" or path == "/sign-out":
            continue
        if method == "GET":
            response = await boris.get(path_of(path, office))
            allowed = right not in (Right.SUPERVISOR, Right.ADMINISTRATOR)
            assert (response.status != 403) is allowed, path
        elif method == "POST" and right in (Right.SUPERVISOR, Right.ADMINISTRATOR):
            assert (await boris.post(path_of(path, office))).status == 403, path


# Forgery ---------------------------------------------------------------------------------------


async def test_nothing_changes_without_the_sessions_own_token(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    before, rows = row_counts(office.world), office.world.rows()
    changing = [(m, p) for m, p, _ in routes(site) if m not in ("GET", "HEAD")]
    assert len(changing) >= 8
    for method, path in changing:
        for token in ("", "0" * 64, csrf.token_of("another session")):
            fields = {"csrf": token, "verdict": "never_log", "target": f"tel:{UNKNOWN}", "seen": ""}
            response = await http.request(method, site.url + path_of(path, office), data=fields)
            assert response.status == 403, path
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            response = await http.request(
                method,
                site.url + path_of(path, office),
                data={"csrf": vera.csrf, "verdict": "never_log", "target": f"tel:{UNKNOWN}"},
                headers=headers,
            )
            assert response.status == 403, path

    assert row_counts(office.world) == before
    assert office.world.rows() == rows
    assert (await vera.get("/")).url.path == "/", "still signed in"


async def test_get_changes_nothing(site: Site, office: Company, http: ClientSession) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    before, rows = row_counts(office.world), office.world.rows()
    for method, path, _ in routes(site):
        if method == "GET" and path != "/events":
            assert (await vera.get(path_of(path, office))).status < 500, path

    assert row_counts(office.world) == before
    assert office.world.rows() == rows


# Sessions --------------------------------------------------------------------------------------


async def test_signing_in_makes_a_new_session_that_the_database_does_not_reveal(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.get("/sign-in")
    [before] = [cookie.value for cookie in http.cookie_jar]
    answer = await vera.post("/sign-in", login="Vera", password=PASSWORD, next="//evil.example")

    [after] = [cookie.value for cookie in http.cookie_jar]
    assert answer.headers["Location"] == "/"
    assert before != after
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    with office.world.reading() as connection:
        [stored] = connection.scalars(select(sessions.c.hash)).all()
    assert after not in stored


@pytest.mark.parametrize(
    ("column", "age"), [("seen_at", timedelta(hours=8)), ("created_at", timedelta(days=7))]
)
async def test_a_session_ends_when_idle_or_old(
    site: Site, office: Company, http: ClientSession, column: str, age: timedelta
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    with office.world.database.write() as connection:
        connection.execute(update(sessions).values({column: NOW - age}))

    assert (await vera.get("/")).url.path == "/sign-in"


async def test_signing_out_ends_the_session_everywhere(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    [kept] = [f"{cookie.key}={cookie.value}" for cookie in http.cookie_jar]
    await vera.post("/sign-out")

    async with ClientSession() as thief:
        answer = await thief.get(
            site.url + "/clients", headers={"Cookie": kept}, allow_redirects=False
        )
    assert answer.status == 303


async def test_over_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    from zoneinfo import ZoneInfo

    context = Context(
        database=world.database,
        regions=region,
        clock=lambda: NOW,
        zone=lambda: ZoneInfo("UTC"),
        sources=dict,
        replay=len,
        inner_url="https://keepline.example",
    )
    app = web.Application()
    guard = build_site(app, context)

    assert guard.cookie == "__Host-keepline"
    assert context.secure
    world.close()


# Passwords -------------------------------------------------------------------------------------


async def test_wrong_passwords_slow_an_account_down_and_its_owner_is_told(
    site: Site, http: ClientSession
) -> None:
    vera = Browser(site, http)
    for _ in range(FREE_TRIES):
        assert (await vera.signs_in("vera", "wrong")).status == 401

    refused = await vera.signs_in("VERA")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await vera.signs_in("boris")).status == 303


def test_an_account_is_slowed_and_never_locked_for_long() -> None:
    slow = SlowDown()
    for _ in range(500):
        slow.failed("vera", NOW)

    assert slow.wait("vera", NOW) == LONGEST_WAIT
    assert slow.wait("vera", NOW + LONGEST_WAIT) == timedelta(0)
    assert slow.succeeded("vera") == 500
    assert slow.wait("vera", NOW) == timedelta(0)


async def test_no_more_than_four_passwords_are_hashed_at_once() -> None:
    hashing = Hashing()

    found = await asyncio.gather(*(hashing.check(HASH, PASSWORD) for _ in range(12)))

    assert all(found)
    assert hashing.most == AT_ONCE


def test_an_unknown_name_is_refused_by_the_same_work() -> None:
    assert hash_password("x").startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert is_password(HASH, PASSWORD)
    assert not is_password(HASH, "wrong")
    assert not is_password(None, "no account has this password")


# Output ----------------------------------------------------------------------------------------


async def test_every_answer_carries_the_headers_that_guard_it(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    for path in ("/", "/nothing", "/clients/none", "/sign-in", "/static/0/nothing.css"):
        headers = (await vera.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Referrer-Policy" in headers
        assert "X-Request-Id" in headers


async def test_what_strangers_write_is_shown_as_text_on_every_page(
    site: Site, office: Company, http: ClientSession
) -> None:
    from tests.review.serving import SALES, letter
    from tests.world import day

    vera = Browser(site, http)
    await vera.signs_in("vera")
    touch = letter(office.world, "canary@evil.example", CANARY, CANARY, day(20, 11), SALES)
    office.world.links("canary@evil.example", new_client=CANARY)
    seen = 0
    for path in (
        "/",
        "/interactions",
        f"/interactions/{touch}",
        "/clients",
        "/decisions",
        "/points/mail%3Acanary%40evil.example",
        "/points/mail%3Acanary%40evil.example/clients?q=img",
        f"/interactions?number={quote(CANARY)}",
        f"/clients?q={quote(CANARY)}",
        "/sign-in?next=" + quote(f"/{CANARY}"),
    ):
        text = await vera.text(path)
        assert "<img src=x" not in text, path
        assert 'onerror=alert(1)>"' not in text, path
        assert "49" not in re.findall(r"img src=x[^<]*", text), path
        seen += "&lt;img src=x onerror=alert(1)&gt;" in text
        assert "<script>" not in text, path
        assert not _active_attributes(text), path
    assert seen >= 6


def _active_attributes(text: str) -> list[str]:
    """Attributes that a browser would run or style by."""
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(name for name, _ in attrs if name.startswith("on") or name == "style")

    Parser().feed(text)
    return found


async def test_a_mails_html_can_do_nothing_and_fetch_nothing(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    answer = await vera.get(f"/interactions/{office.touches['letter']}/mail")
    text = await answer.text()

    assert "<b>40 m³</b>" in text
    for forbidden in ("script", "tracker", "javascript", "onclick", "form", "evil", "<img", "href"):
        assert forbidden not in text.split("</style>")[1], forbidden
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy


@pytest.mark.parametrize(
    "html",
    [
        "<svg><script>x</script></svg>",
        "<style>*{position:fixed}</style>",
        "<meta http-equiv=refresh content='0;url=http://evil.example'>",
        "<a href='data:text/html,x'>x</a>",
        "<p style='background:url(http://evil.example)'>x</p>",
        "<iframe src='http://evil.example'></iframe>",
        "<base href='http://evil.example'><link rel=stylesheet href='http://evil.example'>",
        "<table background='http://evil.example'><td background='http://evil.example'>x",
        "<math><mtext><img src=http://evil.example>",
    ],
)
def test_hostile_mail_markup_is_taken_out(html: str) -> None:
    body = mailview.document(html).split("</style>", 1)[1]

    assert "evil" not in body
    assert not re.search(r"<(script|style|svg|meta|iframe|base|link|img|form)", body)
    assert "data:" not in body


def test_secret_fields_are_masked_in_whatever_form_the_bytes_have() -> None:
    for body in (
        b'{"vpbx_api_key": "abc", "n": 1}',
        b'{"vpbx_api_key":"abc',
        b"vpbx_api_key=abc&json=1",
        b"json=1&vpbx_api_key=abc",
        b'{"vpbx_api_key": 12abc3, "n": 1}',
    ):
        shown = masking.masked_body(body, ("vpbx_api_key",))
        assert "abc" not in shown, body
        assert masking.MASK in shown


def test_secret_values_are_masked_wherever_they_stand() -> None:
    assert "hunter22" not in masking.masked_body(b"x hunter22 y", (), ("hunter22",))
    assert masking.masked_body(b"a=1", (), ("1",)) == "a=1"


async def test_an_error_page_tells_a_request_id_and_nothing_else(
    site: Site, office: Company, http: ClientSession
) -> None:
    vera = Browser(site, http)
    await vera.signs_in("vera")
    office.world.database.read = None  # type: ignore[method-assign, assignment]

    answer = await http.get(site.url + "/")
    text = await answer.text()

    assert answer.status == 500
    assert answer.headers["X-Request-Id"] in text
    for leak in ("Traceback", "TypeError", ".py", "sqlalchemy", "NoneType"):
        assert leak not in text
