"""Senders that sign nothing, and those that send by what form an administrator chose."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from ingest.domain.calls import CallStage
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    IgnoredDelivery,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.calls import fold
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.request import sent_fields
from ingest.telephony.signatures import require_basic, require_path_token
from tests.telephony.recorded import changed, recorded, scenarios

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
IN_PARTS = "multipart/form-data; boundary=an-invented-boundary"


def a_request(**told: object) -> HookRequest:
    content_type = told.pop("content_type", None)
    headers = (("content-type", content_type),) if content_type else ()
    return HookRequest(
        **{"method": "POST", "path": "", "headers": headers, "received_at": NOW, **told}
    )


def a_source(**secrets: str) -> Account:
    return Account(source="s", secrets=(secrets,))


@pytest.mark.parametrize("path", ["/tok-1", "/tok-1/", "/tok-1/more/of/it"])
def test_the_first_part_of_the_path_proves_the_sender(path: str):
    require_path_token(a_request(path=path), a_source(path_token="tok-1"))


@pytest.mark.parametrize("path", ["", "/", "/tok-", "/tok-12", "/x/tok-1", "//tok-1", "tok/-1"])
def test_any_other_path_does_not(path: str):
    with pytest.raises(BadSignature):
        require_path_token(a_request(path=path), a_source(path_token="tok-1"))


def test_an_empty_token_is_not_proved_by_an_empty_path():
    for path in ("", "/"):
        with pytest.raises(BadSignature):
            require_path_token(a_request(path=path), a_source(path_token=""))


def test_every_provider_that_signs_nothing_asks_for_a_part_of_the_path():
    unsigned = {name for name, provider in PROVIDERS.items() if not provider.signs}

    assert {"uis", "sipuni", "onlinepbx", "telphin"} <= unsigned
    assert all("path_token" in PROVIDERS[name].secrets for name in unsigned)


@pytest.mark.parametrize(
    ("pair", "believed"),
    [("crm:a:b", True), ("crm:a", False), ("crm:", False), (":a:b", False), ("CRM:a:b", False)],
)
def test_basic_is_believed_by_name_and_whole_password(pair: str, believed: bool):
    request = a_request(headers=(("authorization", f"basic {b64encode(pair.encode()).decode()}"),))
    source = a_source(basic_user="crm", basic_password="a:b")

    if believed:
        require_basic(request, source)
    else:
        with pytest.raises(BadSignature):
            require_basic(request, source)


def in_parts(*parts: bytes, end: bytes = b"--an-invented-boundary--\r\n") -> bytes:
    return b"".join(b"--an-invented-boundary\r\n" + part + b"\r\n" for part in parts) + end


def a_part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value


@pytest.mark.parametrize(
    "request_",
    [
        a_request(method="GET", query="event=x&n=%D0%B0+b"),
        a_request(body=b"event=x&n=%D0%B0+b"),
        a_request(body='{"event": "x", "n": "а b"}'.encode(), content_type="application/json"),
        a_request(body=' {"event": "x", "n": "а b"}'.encode(), content_type="text/plain"),
        a_request(
            body=in_parts(a_part("event", b"x"), a_part("n", "а b".encode())),
            content_type=IN_PARTS,
        ),
        a_request(
            body=in_parts(
                a_part("event", b"x"),
                a_part("file", b"RIFF", '; filename="a.wav"'),
                a_part("n", "а b".encode()),
            ),
            content_type=IN_PARTS.replace("boundary=", 'Boundary="') + '"',
        ),
    ],
)
def test_the_same_fields_come_by_query_form_json_and_parts(request_: HookRequest):
    assert sent_fields(request_) == {"event": "x", "n": "а b"}


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (in_parts(a_part("a", b"1")), "multipart/form-data", "boundary"),
        (in_parts(a_part("a", b"1"), end=b""), IN_PARTS, "cut short"),
        (b"", IN_PARTS, "cut short"),
        (in_parts(*[a_part("a", b"1")] * 600), IN_PARTS, "more than"),
        (in_parts(a_part("a", b"1"), a_part("a", b"2")), IN_PARTS, "twice"),
    ],
)
def test_parts_that_cannot_be_read_are_parked(body: bytes, content_type: str, why: str):
    with pytest.raises(UnreadableDelivery, match=why):
        sent_fields(a_request(body=body, content_type=content_type))


def test_64_kib_of_parts_without_end_are_refused_at_once():
    for filler in (b"\r\n--", b"\r\n--an-invented-boundary", b"\r\n\r\n", b'name="'):
        body = filler * (65_536 // len(filler))
        with pytest.raises(UnreadableDelivery):
            sent_fields(a_request(body=body, content_type=IN_PARTS))


def test_a_template_without_our_event_is_parked_and_one_of_tomorrow_ignored():
    provider, account, request = recorded("uis/34-template-of-another.json")
    with pytest.raises(UnreadableDelivery, match="template is not ours"):
        provider.parse(request, account)

    later = changed(request, body=b'{"event": "chat_started", "call_session_id": 1}')
    with pytest.raises(IgnoredDelivery, match="chat_started"):
        provider.parse(later, account)


def test_rostelecoms_clock_is_moscows_whatever_the_zone_of_the_source():
    provider, account, request = recorded("rostelecom/30-inbound-missed.json")

    [event] = provider.parse(request, account)

    assert str(account.zone) == "UTC"
    assert event.occurred_at == datetime(2026, 11, 18, 8, 0, 0, 214_000, tzinfo=UTC)


def test_rostelecom_is_told_that_it_was_understood_and_nobodys_name():
    provider, account, request = recorded("rostelecom/06-number-info.json")

    answer = provider.answer(request, account, Receipt.NEW)

    assert json.loads(answer.body) == {"result": 0, "resultMessage": ""}
    with pytest.raises(IgnoredDelivery, match="asks who is calling"):
        provider.parse(request, account)


def test_sipuni_is_told_success_also_for_what_is_parked():
    provider, account, request = recorded("sipuni/36-time-that-is-none.json")

    assert json.loads(provider.answer(request, account, Receipt.NEW).body) == {"success": True}


def test_sipunis_last_telephone_that_rang_names_nobody_who_talked():
    call = fold(scenarios()["sipuni/30-inbound-missed-group.json"])

    assert (call.talked, call.rang) == ((), ("201", "202"))


def test_mtss_accepted_is_a_ringing_telephone():
    provider, account, request = recorded("mts_vats/01-inbound-accepted.json")

    [event] = provider.parse(request, account)

    assert (event.stage, event.direction) == (CallStage.RINGING, None)
