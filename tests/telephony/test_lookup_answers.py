"""What each provider is told who calls, and whom to ring: neutral where nobody is known."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.domain.answers import Answerer, Asked, Found
from ingest.domain.deliveries import Account, BadSignature, HookRequest, IgnoredDelivery
from ingest.telephony.conformance import run
from ingest.telephony.providers import PROVIDERS
from tests.telephony.recorded import cases, changed, recorded

SECRET = "whsec_VmFtR6lTsICZaT42nynHrwbKmmtyGcmWKWxKWDzhR90="
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
ANNA = Answerer(employee="e1", login="anna", extension="101", direct_number="+74951230101")
DORA = Answerer(employee="e2", login="dora", extension="109", direct_number="+74951230109")
KNOWN = Found(client_name='Acme "Tools" & <Co>', answerer=ANNA, duty=DORA)
UNKNOWN = Found(duty=DORA)
SHARED = Found(answerer=DORA, duty=DORA)

#: Of each provider a recorded question, and its neutral answer.
QUESTIONS = {
    "megafon/01-contact-lookup-known.json": b"{}",
    "rostelecom/06-number-info.json": b'{"result": 0, "resultMessage": ""}',
    "zadarma/22-start-answer-manager.json": b"",
    "placetel/02-call-control-manager-left-successor.json": (
        b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
    ),
}


def asked(name: str) -> Asked | None:
    provider, account, request = recorded(name)
    assert provider.lookup is not None
    return provider.lookup.asks(request, account)


def said(name: str, found: Found, **config: Any) -> str:
    provider, account, request = recorded(name)
    assert provider.lookup is not None
    account = replace(account, config={**account.config, **config})
    return provider.lookup.answer(request, account, found).body.decode()


@pytest.mark.parametrize(("name", "neutral"), QUESTIONS.items())
def test_of_nobody_known_the_neutral_answer_is_given(name: str, neutral: bytes):
    assert said(name, UNKNOWN).encode() == neutral
    assert said(name, Found()).encode() == neutral


@pytest.mark.parametrize(
    "name", [*QUESTIONS, "sipgate/08-newcall-manager-left-dial-successor.json"]
)
def test_a_number_that_two_clients_hold_is_answered_without_a_name(name: str):
    text = said(name, SHARED)

    assert "Acme" not in text
    assert any(word in text for word in ("dora", "109"))


@pytest.mark.parametrize(
    ("name", "number", "line"),
    [
        ("megafon/01-contact-lookup-known.json", "79031234567", "74951230002"),
        ("zadarma/22-start-answer-manager.json", "+79051112233", "74951230003"),
        ("twilio/10-voice-dial-manager.json", "+12025550143", "+12025550100"),
        (
            "placetel/02-call-control-manager-left-successor.json",
            "017139200001",
            "03023125000",
        ),
        (
            "sipgate/08-newcall-manager-left-dial-successor.json",
            "4917139200001",
            "493023125000",
        ),
    ],
)
def test_the_caller_and_the_called_line_are_read(name: str, number: str, line: str):
    assert asked(name) == Asked(number=number, line=line)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("megafon/01-contact-lookup-known.json", b"phone=79031234567&", b""),
        ("zadarma/22-start-answer-manager.json", b"%2B79051112233", b"0"),
        ("placetel/02-call-control-manager-left-successor.json", b"017139200001", b"anonymous"),
        ("sipgate/08-newcall-manager-left-dial-successor.json", b"4917139200001", b"anonymous"),
    ],
)
def test_who_hides_his_number_asks_as_nobody(name: str, old: bytes, new: bytes):
    provider, account, request = recorded(name)
    hidden = changed(request, body=request.body.replace(old, new))
    assert provider.lookup is not None

    question = provider.lookup.asks(hidden, account)

    assert question is not None
    assert question.number is None


def test_every_other_recorded_request_asks_nothing():
    """Only what is meant as a question gets an answer of its own; all else is kept first."""
    asking = {
        name.partition("/")[0]
        for name, case in cases().items()
        if not ("directory" in case or case.get("expect", {}).get("state") == "lookup")
        if ("request" in case or "requests" in case)
        and (found := recorded(name))[0].lookup
        and found[0].lookup.asks(found[2], found[1]) is not None
    }

    # events whose answer may steer the call, or the start of a call at a voice address
    assert asking <= {"zadarma", "novofon", "sipgate", "placetel", "twilio", "signalwire"}


def test_megafon_names_him_by_login_else_by_extension_else_by_number():
    name = "megafon/01-contact-lookup-known.json"

    def responsible(**fields: Any) -> Any:
        found = replace(KNOWN, answerer=replace(ANNA, **fields))
        return json.loads(said(name, found)).get("responsible")

    assert responsible() == "anna"
    assert responsible(login=None) == "101"
    assert responsible(login=None, extension=None) == "74951230101"
    assert responsible(login=None, extension=None, direct_number=None) is None


def test_letters_and_quotes_of_a_name_come_through_json():
    name = "zadarma/22-start-answer-manager.json"

    assert json.loads(said(name, replace(KNOWN, client_name='ООО "Вектор"')))["caller_name"] == (
        'ООО "Вектор"'
    )


TWILIO = "twilio/10-voice-dial-manager.json"


@pytest.mark.parametrize(
    ("agents", "dialled"),
    [
        ({"client:anna": "anna"}, ">anna</Client>"),
        ({"sip:a@b.example": "e1"}, ">sip:a@b.example</Sip>"),
        ({"+13125550188": "anna"}, ">+13125550188</Number>"),
        ({}, ">+74951230101</Number>"),
        ({"sip:<a>&b": "anna"}, ">sip:&lt;a&gt;&amp;b</Sip>"),
    ],
)
def test_twilio_dials_him_as_the_source_knows_him(agents: dict[str, str], dialled: str):
    assert dialled in said(TWILIO, KNOWN, agents=agents)


def test_twilio_which_routes_nothing_itself_dials_duty_then_the_fallback():
    assert ">+74951230109</Number>" in said(TWILIO, UNKNOWN, agents={})
    assert ">+12025550199</Number>" in said(TWILIO, Found(), fallback="+12025550199")
    assert said(TWILIO, Found()).endswith("<Response/>")


def test_twilio_dials_no_number_that_would_call_us_again():
    provider, account, request = recorded(TWILIO)
    own = replace(account, own_numbers=("+74951230101",), config={})
    assert provider.lookup is not None

    body = provider.lookup.answer(request, own, KNOWN).body.decode()

    assert "+74951230109" in body
    assert "+74951230101" not in body


def test_twilio_tells_us_of_the_telephone_it_rings():
    body = said(TWILIO, KNOWN)

    assert 'statusCallback="https://calls.example.test/webhooks/twilio/acme/voice"' in body
    assert 'statusCallbackEvent="initiated ringing answered completed"' in body


def test_sipgate_is_asked_for_events_and_told_no_number_where_none_is_known():
    name = "sipgate/08-newcall-manager-left-dial-successor.json"
    provider, account, request = recorded(name)
    assert provider.lookup is not None
    public = changed(request, url="https://h.example/hooks/s")

    with_number = provider.lookup.answer(public, account, KNOWN).body.decode()
    without = provider.lookup.answer(public, account, UNKNOWN).body.decode()

    assert "<Dial><Number>74951230101</Number></Dial></Response>" in with_number
    for body in (with_number, without):
        assert 'onAnswer="https://h.example/hooks/s" onHangup="https://h.example/hooks/s"' in body
    assert "Dial" not in without


# The question of a dialplan ----------------------------------------------------------------------

GENERIC = PROVIDERS["generic"]
OFFICE = Account(source="office", secrets=({"secret": SECRET},), region="RU")


def whois(query: str = "number=+79161230001", *, secret: str = SECRET, **headers: str):
    basic = base64.b64encode(f"pbx:{secret}".encode()).decode()
    given = {"authorization": f"Basic {basic}", **headers}
    return HookRequest(
        method="GET",
        path="/whois",
        query=query,
        headers=tuple(given.items()),
        received_at=NOON,
    )


def dialplan(request: HookRequest, found: Found = KNOWN) -> str:
    GENERIC.verify(request, OFFICE)
    assert GENERIC.lookup is not None
    assert GENERIC.lookup.asks(request, OFFICE) is not None
    return GENERIC.lookup.answer(request, OFFICE, found).body.decode()


def test_a_dialplan_is_told_as_text_what_it_wants_or_all_of_it():
    plain = replace(KNOWN, client_name="Acme")

    assert dialplan(whois(), plain) == "101|+74951230101|anna|Acme"
    assert dialplan(whois("number=1&want=extension"), plain) == "101"
    assert dialplan(whois("number=1&want=name"), plain) == "Acme"
    assert dialplan(whois("number=1&want=weather"), plain) == "101|+74951230101|anna|Acme"


def test_a_dialplan_is_told_nothing_of_nobody():
    assert dialplan(whois(), UNKNOWN) == "|||"
    assert dialplan(whois("want=extension"), UNKNOWN) == ""
    assert json.loads(dialplan(whois("format=json"), UNKNOWN)) == {
        "extension": None,
        "number": None,
        "login": None,
        "name": None,
    }


def test_a_dialplan_is_told_json_if_it_asks_for_it():
    for request in (whois("number=1&format=json"), whois(accept="application/json")):
        assert json.loads(dialplan(request))["name"] == 'Acme "Tools" & <Co>'


def test_a_name_can_do_nothing_in_a_dialplan():
    evil = 'A|B${system(rm)}, "x";\n\x00\\ ООО'

    assert dialplan(whois("want=name"), replace(KNOWN, client_name=evil)) == "A B system rm x ООО"


def test_a_plus_in_the_query_is_the_numbers_own():
    assert GENERIC.lookup is not None
    for query in ("number=+79161230001&line=+7495", "number=%2B79161230001&line=%2B7495"):
        question = GENERIC.lookup.asks(whois(query), OFFICE)
        assert question == Asked(number="+79161230001", line="+7495")


@pytest.mark.parametrize(
    "request_",
    [
        whois(secret="wrong"),
        whois(authorization=""),
        whois(authorization="Basic !!"),
        whois(authorization="Bearer wrong"),
    ],
    ids=["wrong", "none", "no base64", "bearer"],
)
def test_a_dialplan_that_does_not_know_the_secret_is_refused(request_: HookRequest):
    with pytest.raises(BadSignature):
        GENERIC.verify(request_, OFFICE)


def test_a_dialplan_may_send_the_secret_as_a_bearer_token_too():
    assert dialplan(whois("want=login", authorization=f"Bearer {SECRET}")) == "anna"


def test_a_dialplans_question_changes_no_call():
    with pytest.raises(IgnoredDelivery):
        GENERIC.parse(whois(), OFFICE)


def test_no_other_request_goes_without_a_signature():
    for changes in ({"method": "POST"}, {"path": "/whois/x"}, {"path": ""}):
        with pytest.raises(BadSignature):
            GENERIC.verify(changed(whois(), **changes), OFFICE)


# Conformance -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rostelecom/06-number-info.json", {"json": {"PIN": "318"}}),
        ("megafon/22-contact-manager-left-successor.json", {"body_lacks": ["kuznetsova"]}),
        ("zadarma/22-start-answer-manager.json", {"json": {}}),
    ],
)
def test_a_wrong_answer_fails_its_case(tmp_path: Path, name: str, change: dict[str, Any]):
    case = {**cases()[name], "expect_response": change}
    (tmp_path / "case.json").write_text(json.dumps(case))

    assert run(tmp_path).failed == 1


def test_a_wrong_target_fails_its_case(tmp_path: Path):
    case = json.loads(json.dumps(cases()[TWILIO]))
    case["request"]["respond"]["dial"] = ["client:anna"]
    (tmp_path / "case.json").write_text(json.dumps(case))

    assert run(tmp_path).failed == 1


def test_a_question_of_another_number_fails_its_case(tmp_path: Path):
    case = {**cases()["rostelecom/06-number-info.json"]}
    case["expect"] = {"state": "lookup", "from_e164": "+79050000000"}
    (tmp_path / "case.json").write_text(json.dumps(case))

    assert run(tmp_path).failed == 1
