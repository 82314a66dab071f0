"""Coverage on a page: asked for, shown, exported; and a source that has fallen silent."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from cryptography.fernet import Fernet

from ingest import outages
from ingest.accounts import Book
from ingest.custody.office import Office
from ingest.domain.coverage import Certificate, Compared, Difference
from ingest.domain.deliveries import Account
from ingest.domain.rhythm import Silence
from ingest.outages import Outage
from ingest.secrets import Secrets
from ingest.telephony.providers import PROVIDERS
from storage.coverage import put_certificate
from storage.log_sqlite import SqliteLog
from tests.review.serving import add_people, company, serving
from tests.review.test_site import Browser
from tests.world import NOW, World, day, sqlite_world

PAGE = "/sources/office/coverage"
SILENT = Silence(since=day(19), expected=41.4, patience=9.0)


@pytest.fixture
async def vera(tmp_path: Path) -> AsyncIterator[Browser]:
    office = company(sqlite_world(tmp_path))
    add_people(office.world, office.employees["boris"])
    log = SqliteLog(tmp_path / "more.log.db", name="calls")
    down = Outage(begin=day(19, 10), end=day(19, 16), why=outages.DOWN)
    log.remember({outages.MEMORY: outages.plain([down])})
    async with (
        serving(
            office.world, office=desk(office.world, log), silences=lambda: {"office": SILENT}
        ) as site,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(site, http)
        await person.signs_in("vera")
        yield person
    log.close()
    office.world.close()


async def test_a_provider_without_history_is_said_to_have_none(vera: Browser) -> None:
    assert "no history that can be asked" in await vera.text(PAGE)


async def test_certifying_names_the_outage_that_nobody_can_fill(vera: Browser) -> None:
    await vera.text(PAGE)

    sent = await vera.post(PAGE, **{"from": "2026-05-19", "to": "2026-05-19"})
    assert sent.status == 303
    shown = await vera.text(sent.headers["Location"])

    assert "Times in which nothing was heard" in shown
    assert "not recovered" in shown
    assert "not compared" in await vera.text(PAGE)


async def test_a_period_that_makes_no_sense_is_told_on_the_form(vera: Browser) -> None:
    await vera.text(PAGE)

    sent = await vera.post(PAGE, **{"from": "2026-05-19", "to": "2026-05-01"})

    assert sent.status == 400
    text = await sent.text()
    assert "ends before it begins" in text
    assert 'value="2026-05-19"' in text


async def test_each_missing_call_stands_with_its_time_and_reason(vera: Browser) -> None:
    certified(vera.site.world, "c1", missing=("call-<7>", "not settled yet"))

    shown = await vera.text(f"{PAGE}/c1")

    assert "call-&lt;7&gt;" in shown
    assert "not settled yet" in shown
    assert "The sets differ: 1 missing here" in shown


async def test_a_certificate_is_exported_as_text_and_as_json(vera: Browser) -> None:
    certified(vera.site.world, "c1")

    text = await vera.get(f"{PAGE}/c1/txt")
    plain = await vera.get(f"{PAGE}/c1/json")

    assert text.content_type == "text/plain"
    assert "the same set of calls" in await text.text()
    assert 'filename="coverage-office-2026-05-18.json"' in plain.headers["Content-Disposition"]
    body = json.loads(await plain.text())
    assert (body["same"], body["theirs"]) == (True, body["ours"])
    assert (await vera.get(f"{PAGE}/c1/exe")).status == 404
    assert (await vera.get("/sources/other/coverage/c1")).status == 404


async def test_a_manager_sees_nothing_of_it(vera: Browser) -> None:
    certified(vera.site.world, "c1")
    await vera.signs_in("boris")

    assert (await vera.get(PAGE)).status in (403, 404)
    assert (await vera.get(f"{PAGE}/c1/json")).status in (403, 404)


async def test_a_silent_source_is_an_alarm_on_the_page_of_sources(vera: Browser) -> None:
    shown = await vera.text("/sources")

    assert re.search(r'role="alert".*office is silent beyond its own rhythm', shown, re.S)
    assert "usually 41 events would have come since" in shown


class OneSource(Book):
    """A book whose one source can be opened."""

    def sources(self) -> Any:
        return {"office": (PROVIDERS["generic"], Account(source="office"))}


def desk(world: World, log: SqliteLog) -> Office:
    secrets = Secrets([Fernet.generate_key()])
    return Office(
        database=world.database,
        secrets=secrets,
        book=OneSource(world.database, secrets, "https://h.example"),
        clock=lambda: NOW,
        logs={"calls": log},
        read_mails=lambda raw: [],
        public_url="https://h.example",
    )


def certified(world: World, id: str, *, missing: tuple[str, str] | None = None) -> None:
    ids = ("call-1", "call-2")
    rows = [Difference(id=missing[0], at=day(18, 12), why=missing[1])] if missing else []
    theirs = (*ids, *(row.id for row in rows))
    made = Certificate(
        source="office",
        provider="generic",
        api="calls",
        since=day(18, 0),
        until=day(19, 0),
        made_at=NOW - timedelta(hours=1),
        made_with="0.1.0",
        compared=Compared(theirs=theirs, ours=ids, missing=tuple(rows), extra=()),
    )
    with world.database.write() as connection:
        put_certificate(
            connection,
            made.plain(),
            id=id,
            since=made.since,
            until=made.until,
            at=made.made_at,
            by="vera",
        )
