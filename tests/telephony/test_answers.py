"""What the sender gets back: what each provider expects to read."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ingest.domain.deliveries import Receipt
from ingest.telephony.providers import PROVIDERS
from tests.telephony.recorded import changed, deliveries, recorded


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_a_repetition_is_answered_like_the_first(name: str):
    for provider, account, request in deliveries():
        if provider.name == name:
            answers = {provider.answer(request, account, receipt) for receipt in Receipt}
            assert len(answers) == 1
            assert answers.pop().status in (200, 204)


def test_zadarma_gets_its_check_value_back_and_else_nothing():
    provider, account, echo = recorded("zadarma/01-echo.json")
    _, _, start = recorded("zadarma/02-inbound-start.json")

    assert provider.answer(echo, account, Receipt.NEW).body == b"3b9f0c1d7e"
    assert provider.answer(start, account, Receipt.NEW).body == b""


def test_megafon_gets_an_empty_object_while_nobody_is_looked_up():
    provider, account, contact = recorded("megafon/01-contact-lookup-known.json")

    answer = provider.answer(contact, account, Receipt.NEW)

    assert (answer.body, answer.content_type) == (b"{}", "application/json")


def test_twilio_gets_an_empty_document_when_it_asks_for_instructions():
    provider, account, voice = recorded("twilio/01-inbound-answered-parent-child.json")

    answer = provider.answer(voice, account, Receipt.NEW)

    root = ElementTree.fromstring(answer.body)
    assert (root.tag, len(root), answer.content_type) == ("Response", 0, "application/xml")


def test_twilio_gets_a_bare_200_for_a_status_callback():
    provider, account, status = recorded("twilio/03-outbound-api-answered.json")

    answer = provider.answer(status, account, Receipt.NEW)

    assert (answer.status, answer.body) == (200, b"")


def test_a_broken_body_gets_the_usual_answer():
    for provider, account, request in deliveries():
        broken = changed(request, body=b"\xff\x00&&&=%%%")
        assert provider.answer(broken, account, Receipt.NEW).status in (200, 204)
