"""What the sender gets back: what each provider expects to read."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ingest.domain.deliveries import BadSignature, Receipt
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

    greeting = provider.handshake(echo, account)

    assert greeting is not None
    assert greeting.body == b"3b9f0c1d7e"
    assert provider.handshake(start, account) is None
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


def test_sipgate_is_told_where_to_send_what_follows_a_new_call_and_nothing_else():
    provider, account, new_call = recorded("sipgate/01-inbound-answered.json")
    asked = changed(new_call, url='https://calls.example.test/hooks/s"&/in?a=1')
    hangup = changed(asked, body=new_call.body.replace(b"newCall", b"hangup"))

    root = ElementTree.fromstring(provider.answer(asked, account, Receipt.NEW).body)

    address = 'https://calls.example.test/hooks/s"&/in'
    assert root.attrib == {"onAnswer": address, "onHangup": address}
    after = ElementTree.fromstring(provider.answer(hangup, account, Receipt.NEW).body)
    assert after.attrib == {}


def test_ringcentrals_handshake_gets_its_token_back_and_an_event_does_not():
    provider, account, handshake = recorded("ringcentral/01-subscription-challenge.json")
    event = changed(handshake, body=b"{}")

    given = provider.handshake(handshake, account)

    assert given is not None
    assert given.headers == (("Validation-Token", "setup-5e2"),)
    assert provider.handshake(event, account) is None
    with pytest.raises(BadSignature):
        provider.verify(event, account)


@pytest.mark.parametrize("token", ["a\r\nSet-Cookie: b", "ключ", "a" * 1025])
def test_what_could_be_no_header_is_not_given_back(token: str):
    provider, account, handshake = recorded("ringcentral/01-subscription-challenge.json")
    odd = changed(handshake, headers=(("validation-token", token),))

    assert provider.handshake(odd, account) is None


def test_zooms_challenge_is_met_with_the_secret_that_signed_it():
    provider, account, challenge = recorded("zoom_phone/01-url-validation-challenge.json")
    newer = replace(account, secrets=({"secret_token": "another"}, *account.secrets))

    given = provider.handshake(challenge, newer)

    assert given is not None
    assert json.loads(given.body)["encryptedToken"].startswith("3abc5b675d2c")
    with pytest.raises(BadSignature):
        provider.handshake(challenge, replace(account, secrets=()))
