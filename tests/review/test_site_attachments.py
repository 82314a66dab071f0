"""Attachments on the page of a mail: given out as files to be saved, and as nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from ingest import readers
from ingest.domain.deliveries import Delivery, NewDelivery, UnreadableDelivery
from ingest.domain.mails import Mail, MailAddress
from ingest.mail.attached import extract, question
from ingest.mail.message import parse
from ingest.review.pages.attachments import safe_name
from storage.log_sqlite import SqliteLog
from tests.review.serving import SALES, Company, add_people, company, serving
from tests.review.test_site import Browser
from tests.world import NOW, sqlite_world

PAGE = b"<html><script>alert(1)</script>"
DIGEST = hashlib.sha256(PAGE).hexdigest()


def taken_out(raw: bytes, number: int) -> bytes | str:
    try:
        return extract(question(raw, number)).content
    except UnreadableDelivery as error:
        return str(error)


@dataclass
class Mailed:
    office: Company
    browser: Browser
    log: SqliteLog
    touch: str = ""


@pytest.fixture
async def mailed(tmp_path: Path) -> AsyncIterator[Mailed]:
    office = company(sqlite_world(tmp_path))
    add_people(office.world, office.employees["boris"])
    log = SqliteLog(tmp_path / "mail.log.db", name="mail")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "olga@lumber.example", SALES, "an offer"
    mail["Message-ID"] = "<offer-1@lumber.example>"
    mail.set_content("see attached\n")
    name = 'offer\u202efdp.exe"; x="'
    mail.add_attachment(PAGE, maintype="text", subtype="html", filename=name)
    head = {"folder": "INBOX", "uid": 1, "uidvalidity": 1, "internal_date": NOW.isoformat()}
    new = NewDelivery(
        source=f"box-{SALES}", key="INBOX:1:1", received_at=NOW, head=head, body=mail.as_bytes()
    )
    [kept] = log.append(0, [new])
    delivery = log.get(0, kept.position)
    assert delivery is not None
    [reading] = readers.read([delivery], {}, lambda raw: [parse(one) for one in raw])
    office.world.deliver([reading])
    assert reading.mail is not None
    jar = CookieJar(unsafe=True)
    async with (
        serving(office.world, more_logs={"mail": log}, extract=taken_out) as site,
        ClientSession(cookie_jar=jar) as http,
    ):
        yield Mailed(office, Browser(site, http), log, reading.mail.identity)
    log.close()
    office.world.close()


async def test_an_attachment_is_saved_and_never_opened(mailed: Mailed) -> None:
    await mailed.browser.signs_in("vera")
    page = await mailed.browser.text(f"/interactions/{mailed.touch}")
    path = f"/interactions/{mailed.touch}/attachments/{DIGEST}"

    answer = await mailed.browser.http.get(mailed.browser.site.url + path)

    assert path in page
    assert await answer.read() == PAGE
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    named = answer.headers["Content-Disposition"]
    assert named.startswith("attachment; ")
    assert "\u202e" not in named
    assert named.count('"') == 2


async def test_only_what_the_mail_lists_is_given_out(mailed: Mailed) -> None:
    vera = mailed.browser
    await vera.signs_in("vera")
    other = hashlib.sha256(b"something else").hexdigest()

    assert (await vera.get(f"/interactions/{mailed.touch}/attachments/{other}")).status == 404
    assert (await vera.get(f"/interactions/none/attachments/{DIGEST}")).status == 404


async def test_a_manager_who_does_not_see_the_mail_gets_no_file(mailed: Mailed) -> None:
    await mailed.browser.signs_in("boris")

    answer = await mailed.browser.get(f"/interactions/{mailed.touch}/attachments/{DIGEST}")

    assert answer.status in (403, 404)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\boot.ini", "C__boot.ini"),
        (None, "attachment.bin"),
        (" . ", "attachment.bin"),
        (".bashrc", "bashrc"),
        ("прайс.pdf", "прайс.pdf"),
        ("a" * 300 + ".pdf", "a" * 80 + "_" + "a" * 35 + ".pdf"),
    ],
)
def test_a_name_is_only_a_name(name: str | None, safe: str) -> None:
    assert safe_name(name) == safe


async def test_what_could_not_be_read_of_a_mail_is_said(mailed: Mailed) -> None:
    mail = Mail(
        identity="6f9b0c3e-0000-5000-8000-000000000001",
        from_=MailAddress(address="olga@lumber.example"),
        subject="sealed",
        opaque="encrypted with PGP",
        warnings=("text in windows-1251 that was declared as utf-8",),
    )
    delivery = Delivery(
        log="mail",
        partition=0,
        position=99,
        source=f"box-{SALES}",
        key="INBOX:1:99",
        received_at=NOW,
        head={"folder": "INBOX", "uid": 99, "uidvalidity": 1},
        body=b"x",
    )
    [reading] = readers.read([delivery], {}, lambda raw: [mail])
    mailed.office.world.deliver([reading])
    await mailed.browser.signs_in("vera")

    page = await mailed.browser.text(f"/interactions/{mail.identity}")

    assert "encrypted with PGP" in page
    assert "declared as utf-8" in page
