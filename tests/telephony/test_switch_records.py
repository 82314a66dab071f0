"""Records of a FreeSWITCH: in every wrapping, in files, in rows, and beside live events."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.calls import Call, CallEvent, Direction, Outcome, Report
from ingest.domain.deliveries import Account, Delivery, HookRequest, Kind, UnreadableDelivery
from ingest.telephony import record_folder
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of, requests_of
from ingest.telephony.providers.freeswitch import FREESWITCH, config_problem, secret_problem
from tests.properties import examples
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.recorded import cases, changed, recorded

TEXT_XML = "freeswitch/recorded-46-xml-text-inbound-answered.json"
FORM_XML = "freeswitch/recorded-45-xml-form-inbound-answered.json"
LIVE = "freeswitch/recorded-42-esl-inbound-answered.json"  #: the very call of FORM_XML
FILES = "freeswitch/recorded-48-error-files-back-fill.json"
NOW = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)
#: A template of somebody's own, and below rows that it made.
COLUMNS = [
    "caller_id_number", "sip_req_user", "destination_number", "start_uepoch", "answer_uepoch",
    "bridge_uepoch", "end_uepoch", "hangup_cause", "originate_disposition", "uuid", "bridge_uuid",
    "originator", "direction", "user_name", "dialed_user", "last_app", "last_arg",
]  # fmt: skip


def a_delivery(kind: Kind, body: bytes) -> Delivery:
    return Delivery(
        log="calls",
        partition=0,
        position=1,
        source="s",
        key="k",
        received_at=NOW,
        head={"kind": kind},
        body=body,
    )


def read(kind: Kind, account: Account, bodies: Iterable[bytes]) -> list[CallEvent]:
    reader = FREESWITCH.reads[kind]
    return [event for body in bodies for event in reader(a_delivery(kind, body), account)]


def one_call(events: Iterable[CallEvent]) -> Call:
    [group] = tie(Report(event=event, received_at=NOW) for event in events)
    return fold(group)


def last_request(name: str) -> tuple[Account, HookRequest]:
    case = cases()[name]
    return account_of(case), requests_of(case)[-1]


def wrapped(request: HookRequest, content_type: str, body: bytes) -> HookRequest:
    return changed(request, headers=(("content-type", content_type),), body=body)


def test_xml_is_read_in_every_wrapping():
    account, request = last_request(TEXT_XML)
    bare = request.body
    bodies = [
        ("application/x-www-form-urlencoded", b"cdr=" + quote(bare).encode()),
        ("application/x-www-form-plaintext", b"cdr=" + bare),
        ("application/x-www-form-base64-encoded", b"cdr=" + b64encode(bare)),
        ("application/x-www-form-urlencoded", bare),
        ("text/xml", b"\n" + bare + b"\n"),
    ]

    expected = FREESWITCH.parse(request, account)

    assert expected
    assert [FREESWITCH.parse(wrapped(request, *each), account) for each in bodies] == [expected] * 5


def test_variables_whose_names_are_no_xml_do_not_spoil_the_others():
    account, request = last_request(TEXT_XML)
    odd = b"<variables><0>101</0><sip_h_X-a b>1</sip_h_X-a b><sip_full_x></sip_full_y>"
    broken = changed(request, body=request.body.replace(b"<variables>", odd))

    assert FREESWITCH.parse(broken, account) == FREESWITCH.parse(request, account)


def test_what_is_broken_outside_of_the_variables_is_parked():
    account, request = last_request(TEXT_XML)
    for old, new in ((b"<times>", b"<times"), (b"</cdr>", b""), (b"<callflow ", b"<0 ")):
        with pytest.raises(UnreadableDelivery):
            FREESWITCH.parse(changed(request, body=request.body.replace(old, new)), account)


def test_a_document_type_is_not_let_in_by_ill_formed_variables():
    account, request = last_request(TEXT_XML)
    body = request.body.replace(b"<variables>", b"<variables><0>1</0>")
    body = body.replace(b"<cdr ", b"<!DOCTYPE cdr SYSTEM 'file:///etc/passwd'><cdr ", 1)

    with pytest.raises(UnreadableDelivery, match="document type"):
        FREESWITCH.parse(changed(request, body=body), account)


def test_a_name_with_markup_in_it_comes_out_as_it_was():
    account, request = last_request(TEXT_XML)
    body = request.body.replace(
        b"<caller_id_number>+12025550143<", b"<caller_id_number>&lt;&#x42f;&amp;&gt;<"
    )

    [end, *_] = FREESWITCH.parse(changed(request, body=body), account)

    assert end.caller == "<Я&>"


def test_the_log_of_applications_names_the_recording_in_xml_too():
    account, request = last_request(TEXT_XML)
    ran = b'<app_log><application app_name="record_session" app_data="/rec/a &amp; b.wav"/>'

    events = FREESWITCH.parse(
        changed(request, body=request.body.replace(b"<app_log>", ran)), account
    )

    assert (events[0].recording_id, events[0].recording_ready) == ("/rec/a & b.wav", True)


def live_bodies() -> list[bytes]:
    sent = [each["data"] for each in cases()[LIVE]["transcript"] if each["dir"] == "S"]
    return [each.partition("\n\n")[2].encode() for each in sent if "\nEvent-Name: " in each]


def told_live(account: Account) -> list[CallEvent]:
    told = [body for body in live_bodies() if not _tells_nothing(body)]
    return read(Kind.STREAM, account, told)


def _tells_nothing(body: bytes) -> bool:
    quiet = (b"CHANNEL_ANSWER", b"CHANNEL_UNBRIDGE")
    a_leg_rings = b"CHANNEL_PROGRESS\n" in body and b"Call-Direction: inbound" in body
    return body.split(b"\n")[0].endswith(quiet) or a_leg_rings


def told_by_records(name: str) -> list[CallEvent]:
    case = cases()[name]
    found = [FREESWITCH.parse(each, account_of(case)) for each in requests_of(case)]
    return [event for events in found for event in events]


def test_live_events_and_records_make_the_same_call_alone_and_together():
    live = one_call(told_live(account_of(cases()[LIVE])))
    recorded_call = one_call(told_by_records(FORM_XML))
    both = one_call([*told_live(account_of(cases()[LIVE])), *told_by_records(FORM_XML)])

    assert live == recorded_call == both
    assert (live.talked, live.outcome) == (("101",), Outcome.ANSWERED)


@examples(20)
@given(data=st.data())
def test_in_whatever_order_live_events_and_records_come_the_call_is_the_same(data: st.DataObject):
    account = account_of(cases()[LIVE])
    told = [*told_live(account), *told_by_records(FORM_XML)]
    some = data.draw(st.lists(st.sampled_from(told), max_size=5))

    assert one_call(data.draw(st.permutations([*told, *some]))) == one_call(told)


def test_files_of_refused_records_are_read_whatever_their_language():
    case = cases()[FILES]
    account = account_of(case)
    as_xml = [request.body for request in requests_of(cases()[TEXT_XML])]

    by_json = one_call(read(Kind.RECORD, account, [it["body"].encode() for it in case["files"]]))
    by_xml = one_call(read(Kind.RECORD, account, as_xml))

    assert case["expect"]["call_id"] in by_json.keys
    assert (by_json.talked, by_xml.talked) == (("101",), ("101",))


def test_files_of_refused_records_are_read_as_they_would_have_been_posted():
    name = "freeswitch/recorded-37-form-encoded-invalid-json-inside.json"
    posted = [it.body.removeprefix(b"cdr=") for it in requests_of(cases()[name])]
    encoded = [b64encode(body["body"].encode()) for body in cases()[FILES]["files"]]

    by_form = one_call(read(Kind.RECORD, account_of(cases()[name]), posted))
    by_base64 = one_call(read(Kind.RECORD, account_of(cases()[FILES]), encoded))

    assert by_form == one_call(told_by_records(name))
    assert cases()[FILES]["expect"]["call_id"] in by_base64.keys
    assert by_base64.talked == ("101",)


def endings(folder: Path, ending: str) -> list[Path]:
    return list(folder.rglob(f"*{ending}"))


async def test_the_folder_of_refused_records_is_watched_and_emptied(tmp_path: Path):
    case = cases()[FILES]
    for each in case["files"]:
        (tmp_path / Path(each["name"]).name).write_text(each["body"])
    source = replace(account_of(case), config={**case["config"], "cdr_folder": str(tmp_path)})
    house = House(ends=NOON + timedelta(seconds=3 * record_folder.LOOK_S))

    await record_folder.watch(a_desk(FREESWITCH, source, house))

    assert record_folder.wanted(FREESWITCH, source)
    left = {path.parent.name for path in endings(tmp_path, ".cdr.json")}
    assert left == {"done"}
    call = one_call(read(Kind.RECORD, source, [it.body for it in house.kept]))
    assert (call.talked, call.outcome) == (("101",), Outcome.ANSWERED)


def a_source(**config: Any) -> Account:
    return Account(
        source="s",
        zone=ZoneInfo("America/New_York"),
        region="US",
        own_numbers=("+12025550100",),
        config={"internal_ext_pattern": "^1[0-9]{2}$", **config},
    )


def a_row(**told: str) -> bytes:
    return ",".join(f'"{told.get(name, "")}"' for name in COLUMNS).encode()


def test_a_row_tells_who_answered_where_the_template_says_so():
    row = a_row(
        caller_id_number="+12025550143",
        sip_req_user="12025550100",
        destination_number="101",
        start_uepoch="1795285743869120",
        answer_uepoch="1795285745889196",
        bridge_uepoch="1795285745889196",
        end_uepoch="1795285749909152",
        hangup_cause="NORMAL_CLEARING",
        uuid="a1",
        bridge_uuid="b1",
        direction="inbound",
        dialed_user="101",
        last_app="bridge",
        last_arg="user/101@acme.example.test",
    )

    call = one_call(read(Kind.RECORD, a_source(columns=COLUMNS), [row]))

    assert (call.keys, call.direction) == (("a1", "b1"), Direction.INBOUND)
    assert (call.caller, call.callee, call.talked) == ("+12025550143", "12025550100", ("101",))
    assert (call.outcome, round(call.talk_s or 0)) == (Outcome.ANSWERED, 4)


def test_a_menu_that_answered_is_no_person_in_a_row():
    row = a_row(
        caller_id_number="+12025550143",
        destination_number="5000",
        start_uepoch="1795285743869120",
        answer_uepoch="1795285745889196",
        bridge_uepoch="0",
        end_uepoch="1795285749909152",
        uuid="a2",
        direction="inbound",
        last_app="ivr",
    )

    assert one_call(read(Kind.RECORD, a_source(columns=COLUMNS), [row])).missed


SAMPLE = (
    b'"Jane ""J"" Roe","+12025550143","101","default","2026-11-01 01:29:03",'
    b'"%s","2026-11-01 01:29:09","6","0","ORIGINATOR_CANCEL","u1","","acme"%s'
)


@pytest.mark.parametrize("more", [b"", b',"PCMU","PCMU"'])
def test_of_the_samples_template_an_unanswered_row_is_read_in_the_switchs_own_time(more: bytes):
    source = a_source()
    receipt = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # the second 01:29 of that night
    delivery = replace(a_delivery(Kind.RECORD, SAMPLE % (b"", more)), received_at=receipt)

    call = one_call(FREESWITCH.reads[Kind.RECORD](delivery, source))

    assert (call.missed, call.caller, call.callee) == (True, "+12025550143", None)
    assert call.started_at == datetime(2026, 11, 1, 6, 29, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (SAMPLE % (b"2026-11-01 01:29:05", b""), "bridge_uepoch"),
        (b'"Jane","+12025550143"', "columns"),
        (b'"Jane "J" Roe","+12025550143"', "torn"),
        (SAMPLE.replace(b"01:29:09", b"01:29:99") % (b"", b""), "end_stamp"),
        (b"\0" * 40, "NUL"),
    ],
)
def test_a_row_that_does_not_tell_enough_is_parked_and_says_why(row: bytes, why: str):
    with pytest.raises(UnreadableDelivery, match=why):
        read(Kind.RECORD, a_source(), [row])


def test_a_refused_record_is_one_file_and_rows_are_cut_at_their_ends():
    split = FREESWITCH.files
    rows = SAMPLE % (b"", b"") + b"\n" + SAMPLE % (b"", b"")

    whole, taken = split("/var/a_1.cdr.xml", b"<cdr>\n</cdr>\n", True, a_source())
    begun, _ = split("/var/a_1.cdr.json", b'{"a":', False, a_source())
    first, behind = split("Master.csv", rows, False, a_source())

    assert ([record.body for record in whole], taken) == ([b"<cdr>\n</cdr>\n"], 13)
    assert begun == []
    assert ([record.body for record in first], behind) == (
        [SAMPLE % (b"", b"")],
        len(rows) // 2 + 1,
    )


def test_json_that_is_cut_is_parked_as_a_file_too():
    body = json.dumps({"variables": {"uuid": "1"}}).encode()
    for each in (body, body[:-3], b"<cdr>", b"<cdr/>"):
        with pytest.raises(UnreadableDelivery):
            read(Kind.RECORD, a_source(), [each])


def test_the_key_of_a_record_is_its_leg_with_or_without_the_prefix():
    _, account, request = recorded(TEXT_XML)

    assert FREESWITCH.key(changed(request, query="uuid=a_1-2"), account) == "1-2"
    assert FREESWITCH.key(changed(request, query="uuid=1-2"), account) == "1-2"
    assert FREESWITCH.key(changed(request, query=""), account) is None


def test_a_name_without_its_password_is_refused_when_it_is_entered():
    assert "basic_password" in (secret_problem({"basic_user": "fs"}) or "")
    assert "esl_password" in (secret_problem({"esl_user": "crm@acme"}) or "")
    assert secret_problem({"basic_user": "fs", "basic_password": "pw"}) is None
    assert "line end" in (secret_problem({"esl_password": "pw\nexit"}) or "")
    assert secret_problem({"esl_password": "pw"}) is None


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, None),
        ({"columns": COLUMNS, "filters": ["variable_domain_name acme.example.org"]}, None),
        ({"columns": "uuid,billsec"}, "columns"),
        ({"columns": []}, "columns"),
        ({"columns": [1, 2, 3]}, "columns"),
        ({"columns": ["a"] * 600}, "columns"),
        ({"filters": "a b"}, "filters"),
    ],
)
def test_a_setting_that_could_not_be_used_is_named_when_it_is_entered(
    config: dict[str, Any], named: str | None
):
    problem = config_problem(a_source(**config))

    assert problem is None if named is None else named in (problem or "")
