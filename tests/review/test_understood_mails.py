"""Pages of what was understood of a mail: quotes folded, numbers offered, marks and lateness."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from ingest.domain.mails import FailedRecipient, Forwarded, Passage, PassageKind
from storage import directory
from tests.review.serving import ANNA_BOX, DUTCH, Company, add_people, company, serving
from tests.review.test_site import Browser
from tests.world import NOW, day, sqlite_world

TEXT = "Forty boards, please.\n\nKind regards\nJan <b>van</b> Dijk\n\n> How many boards?"
SENDER = "inkoop@vandijk.example"


@pytest.fixture
def office(tmp_path: Path) -> Company:
    found = company(sqlite_world(tmp_path))
    with found.world.database.write() as connection:
        directory.set_policy(connection, "region", "RU", from_at=day(1), at=NOW, by="test")
    return found


@pytest.fixture
async def vera(office: Company) -> AsyncIterator[Browser]:
    add_people(office.world)
    async with (
        serving(office.world) as site,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        person = Browser(site, http)
        await person.signs_in("vera")
        yield person
    office.world.close()


def a_letter(office: Company) -> str:
    kinds = (PassageKind.NEW, PassageKind.SIGNATURE, PassageKind.QUOTE)
    ends = (0, TEXT.index("Kind"), TEXT.index("> How"), len(TEXT))
    passages = tuple(
        Passage(kind=kind, start=start, end=end)
        for kind, start, end in zip(kinds, ends, ends[1:], strict=False)
    )
    read = {
        "text": TEXT,
        "passages": passages,
        "signed": "Jan van Dijk",
        "phones": ("+31 10 123 4567",),
    }
    return office.world.mail(SENDER, (ANNA_BOX,), day(18, 10), read=read)


async def test_quotes_are_folded_and_strangers_words_stay_words(
    vera: Browser, office: Company
) -> None:
    page = await vera.text(f"/interactions/{a_letter(office)}")

    assert "Quoted from earlier mails" in page
    assert page.index("Forty boards") < page.index("Quoted from") < page.index("How many boards?")
    assert "Jan &lt;b&gt;van&lt;/b&gt; Dijk" in page


async def test_a_late_reply_is_shown_as_late(vera: Browser, office: Company) -> None:
    mail = a_letter(office)

    assert "overdue" in await vera.text(f"/interactions/{mail}")
    assert "reply was due" in await vera.text(f"/clients/{office.clients['dutch']}")


async def test_a_number_in_a_signature_is_offered_with_the_client_searched_for(
    vera: Browser, office: Company
) -> None:
    a_letter(office)

    card = await vera.text(f"/clients/{office.clients['dutch']}")
    offered = "/points/tel%3A%2B31101234567/link?q=Van%20Dijk%20Bloemen%20B.V."
    dialog = await vera.text(offered)

    assert offered in card
    assert 'value="Van Dijk Bloemen B.V."' in dialog
    assert "Northern Timber" not in dialog


async def test_an_address_that_does_not_exist_any_more_is_marked_on_the_card(
    vera: Browser, office: Company
) -> None:
    failed = (FailedRecipient(address=SENDER, hard=True, status="5.1.1", reason="User unknown"),)
    bounce = office.world.mail(
        "mailer-daemon@mx.example",
        (ANNA_BOX,),
        day(19),
        automatic="bounce",
        read={"failed": failed},
    )

    card = await vera.text(f"/clients/{office.clients['dutch']}")

    assert "mail comes back since" in card
    assert "User unknown" in card
    assert "5.1.1" in await vera.text(f"/interactions/{bounce}")


async def test_a_strangers_signature_with_a_clients_number_leads_to_that_client(
    vera: Browser, office: Company
) -> None:
    read = {"signed": "Piet", "phones": (DUTCH,)}
    office.world.mail("piet@private.example", (ANNA_BOX,), day(18, 10), read=read)

    page = await vera.text("/points/mail%3Apiet%40private.example")

    assert "Numbers in the signature" in page
    assert "/points/mail%3Apiet%40private.example/link?q=Van%20Dijk%20Bloemen%20B.V." in page


async def test_a_stranger_who_forwards_a_clients_mail_leads_to_that_client(
    vera: Browser, office: Company
) -> None:
    read = {"forwarded": (Forwarded(address=SENDER),)}
    mail = office.world.mail("piet@private.example", (ANNA_BOX,), day(18, 10), read=read)

    page = await vera.text("/points/mail%3Apiet%40private.example")

    assert "wrote what was forwarded from here" in page
    assert f'href="/interactions/{mail}"' in page
    assert "/points/mail%3Apiet%40private.example/link?q=Van%20Dijk%20Bloemen%20B.V." in page
