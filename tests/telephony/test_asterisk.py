"""Asterisk: the conversation, and what single messages and rows say where no recorded case asks."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.calls import Call, CallEvent, CallStage, CallState, Direction, Outcome, Report
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    UnreadableDelivery,
)
from ingest.domain.streams import Message, Said
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of, provider_of
from ingest.telephony.conformance_records import records_of
from ingest.telephony.conformance_streams import replay
from ingest.telephony.kept import Reader
from ingest.telephony.protocols.ami import AmiTalk, lines_of
from ingest.telephony.protocols.asterisk_channels import Kind as Whose
from ingest.telephony.protocols.asterisk_channels import channel_of, keys_by_name
from ingest.telephony.providers import PROVIDERS
from tests.properties import examples
from tests.telephony.recorded import cases

ASTERISK = PROVIDERS["asterisk"]
NOW = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
ACCOUNT = Account(
    source="pbx",
    secrets=({"ami_username": "crm", "ami_secret": "s3cr3t"},),
    region="DE",
    config={"trunk_channel_prefixes": ["PJSIP/trunk-"], "internal_ext_pattern": "^1[0-9]{2}$"},
)
CAPTURED = sorted(name for name in cases() if name.startswith(("asterisk/captured", "freepbx/")))
STREAMS = [name for name in CAPTURED if "transcript" in cases()[name]]
LET_IN = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nMessage: accepted\r\n\r\n"
CALLER, LINE = "+4917139200001", "493023125000"


def wire(name: str) -> bytes:
    """Return all that one connection of a case sent."""
    items = cases()[name]["transcript"]
    return b"".join(
        item["data"].encode() for item in items if item["dir"] == "S" and item.get("conn", 1) == 1
    )


def heard(reads: Iterable[bytes], account: Account = ACCOUNT) -> tuple[list[Message], list[Said]]:
    talk = AmiTalk(account)
    steps = [talk.opened(), *(talk.received(data, NOW) for data in reads)]
    return [message for step in steps for message in step.keep], steps


def reports_of(name: str) -> list[Report]:
    case = cases()[name]
    provider = provider_of(case)
    assert provider is not None
    reader = Reader(provider=provider, account=account_of(case))
    replay(case, provider, reader)
    return reader.reports


def folded(reports: Sequence[Report]) -> list[Call]:
    return [fold(group) for group in tie(reports)]


def a_delivery(body: bytes, kind: Kind = Kind.STREAM, **head: Any) -> Delivery:
    return Delivery(
        log="calls", partition=0, position=1, source="pbx", key="k", received_at=NOW,
        head={**head, "kind": str(kind)}, body=body,
    )  # fmt: skip


def said(event: str, account: Account = ACCOUNT, **lines: str) -> list[CallEvent]:
    """Return what an event of the manager says."""
    rows = [f"Event: {event}", *(f"{name}: {value}" for name, value in lines.items())]
    return list(ASTERISK.reads[Kind.STREAM](a_delivery("\r\n".join(rows).encode()), account))


def channel(name: str, number: int, call: int = 1, **lines: str) -> dict[str, str]:
    at = 1795285713 + number
    return {
        "Timestamp": f"{at}.5",
        "Channel": name,
        "Uniqueid": f"1795285713.{number}",
        "Linkedid": f"1795285713.{call}",
        **lines,
    }


def call_of(*events: Sequence[CallEvent]) -> Call:
    """Return the one call that these events make."""
    reports = [
        Report(event=event, received_at=NOW + timedelta(seconds=at))
        for at, each in enumerate(events)
        for event in each
    ]
    [call] = folded(reports)
    return call


# The conversation ---------------------------------------------------------------------------------


@examples(15)
@given(st.sampled_from(STREAMS[:6]), st.data())
def test_any_split_into_reads_gives_the_same_messages(name: str, data: st.DataObject):
    whole = wire(name)
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=40)))
    reads = [whole[begin:end] for begin, end in zip([0, *at], [*at, len(whole)], strict=True)]

    kept, steps = heard(reads)

    assert kept == heard([whole])[0]
    assert kept
    assert sum(step.ready for step in steps) == 1


def test_the_secret_itself_is_not_sent_unless_the_source_says_so():
    _, steps = heard(
        [b"Asterisk Call Manager/9.0.0\r\n", b"Response: Success\r\nChallenge: 1\r\n\r\n"]
    )
    plain = Account(source="pbx", secrets=ACCOUNT.secrets, config={"login": "plain"})
    _, open_steps = heard([b"Asterisk Call Manager/9.0.0\r\n"], plain)

    assert not any(b"s3cr3t" in step.send for step in steps)
    assert b"Key: 63bfe4d3b7f0ea3ed2ebb8b40c3f4a57" not in steps[2].send  # of another secret
    assert b"AuthType: MD5" in steps[2].send
    assert b"Secret: s3cr3t\r\n" in open_steps[1].send


def test_a_secret_cannot_smuggle_another_action_in():
    account = Account(source="p", secrets=({"ami_username": "a\r\nAction: Command"},))

    _, steps = heard([LET_IN[:30], b"Response: Success\r\nChallenge: 1\r\n\r\n"], account)

    assert b"\r\nAction: Command" not in b"".join(step.send for step in steps)
    assert ASTERISK.secret_problem({"ami_secret": "a\nb"}) == "ami_secret holds a line end"


def test_devices_media_and_variables_are_not_kept():
    noise = b"".join(
        b"Event: %s\r\nUniqueid: 1.1\r\n\r\n" % name
        for name in (
            b"DeviceStateChange",
            b"RTCPSent",
            b"VarSet",
            b"Newexten",
            b"QueueMemberStatus",
        )
    )
    hangup = b"Event: Hangup\r\nUniqueid: 1.1\r\n\r\n"

    kept, _ = heard([LET_IN, noise + hangup + noise])

    assert [message.body for message in kept] == [hangup.removesuffix(b"\r\n\r\n")]


def test_what_is_sent_before_the_login_or_after_the_end_is_not_kept():
    hangup = b"Event: Hangup\r\nUniqueid: 1.1\r\n\r\n"
    refused = b"Response: Error\r\nMessage: Authentication failed\r\n\r\n"

    kept, steps = heard([LET_IN[:30], hangup, refused, LET_IN, hangup])

    assert kept == []
    assert [step.failed for step in steps if step.failed] == [
        "the login was refused: Authentication failed"
    ]


@examples(40)
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_garbage_makes_no_trouble_to_the_conversation(reads: list[bytes]):
    heard(reads)
    heard([LET_IN, *reads])


@pytest.mark.parametrize(
    "nasty", [b"\r\n" * 32_768, b"\r\n\r\n" * 16_384, b":" * 65_536, b"x\r\n\r\n" * 13_107]
)
@pytest.mark.parametrize("size", [65_536, 64])
def test_64_kib_of_nasty_reads_take_at_most_50_ms(nasty: bytes, size: int):
    took: list[float] = []
    for _ in range(3):
        talk = AmiTalk(ACCOUNT)
        talk.received(LET_IN, NOW)
        began = time.process_time()
        for at in range(0, len(nasty), size):
            talk.received(nasty[at : at + size], NOW)
        took.append(time.process_time() - began)

    assert min(took) < 0.05


# Reading ------------------------------------------------------------------------------------------


@examples(60)
@given(st.binary(max_size=400), st.sampled_from([Kind.STREAM, Kind.RECORD]), st.booleans())
def test_garbage_is_read_ignored_or_parked(garbage: bytes, kind: Kind, cel: bool):
    for body in (garbage, b"Event: " + garbage, b"Event: Cdr\r\n" + garbage):
        look(body, kind, profile="cel" if cel else "cdr")


@examples(40)
@given(st.sampled_from(STREAMS), st.randoms())
def test_a_recorded_message_with_mutations_is_read_ignored_or_parked(
    name: str, dice: random.Random
):
    kept, _ = heard([wire(name)])
    body = bytearray(dice.choice(kept).body)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(body))
        body[at : at + dice.randrange(4)] = bytes([dice.randrange(256)]) * dice.randrange(4)

    look(bytes(body), Kind.STREAM)


def look(body: bytes, kind: Kind, **head: Any) -> None:
    """Read; any other exception than the two fails the test, as does what cannot be stored."""
    try:
        events = ASTERISK.reads[kind](a_delivery(body, kind, **head), ACCOUNT)
    except (IgnoredDelivery, UnreadableDelivery):
        return
    for event in events:
        assert event.call_keys
        assert "\x00" not in repr(event.call_keys) + (event.caller or "") + (event.callee or "")
    folded([Report(event=event, received_at=NOW) for event in events])


@pytest.mark.parametrize(
    "body",
    [
        b"Event: " + b"x" * 65_000,
        b"Event: Hangup\r\n" + b"a: b\r\n" * 10_800,
        b"Event: Hangup\r\n" + b":" * 65_000,
        b"Event: CEL\r\nEventName: HANGUP\r\nChannel: PJSIP/101-1\r\nExtra: " + b"[" * 65_000,
        b'"' * 65_000,
        b'"","' * 16_000,
        b"," * 65_000,
    ],
    ids=["name", "lines", "colons", "json", "quotes", "torn", "cells"],
)
def test_64_kib_are_read_in_at_most_50_ms(body: bytes):
    for kind, profile in ((Kind.STREAM, ""), (Kind.RECORD, "cdr"), (Kind.RECORD, "cel")):
        took: list[float] = []
        for _ in range(3):
            began = time.process_time()
            look(body, kind, profile=profile)
            took.append(time.process_time() - began)
        assert min(took) < 0.05


def test_a_message_of_too_many_lines_is_parked():
    with pytest.raises(UnreadableDelivery, match="lines"):
        lines_of(b"Event: Hangup\r\n" + b"a: b\r\n" * 1_001)


@pytest.mark.parametrize("name", STREAMS)
def test_reports_in_any_order_make_the_same_call(name: str):
    reports = reports_of(name)
    expected = folded(reports)

    for seed in range(3):
        shuffled = list(reports)
        random.Random(seed).shuffle(shuffled)
        assert folded(shuffled) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_a_call_ends_with_its_last_channel_and_not_before(name: str):
    live = [it for it in reports_of(name) if it.event.stage is not CallStage.ENDED]  # without CDR
    channels = {report.event.leg for report in live if report.event.leg_counts}
    gone: set[str | None] = set()
    for last, report in enumerate(live):  # noqa: B007
        if report.event.leg_counts and report.event.stage is CallStage.LEG_ENDED:
            gone.add(report.event.leg)
        if gone == channels:
            break

    before, after = folded(live[:last]), folded(live[: last + 1])

    assert CallState.ENDED not in [call.state for call in before]
    assert [call.state for call in after] == [CallState.ENDED]


@pytest.mark.parametrize("name", [name for name in STREAMS if "files" in cases()[name]])
def test_files_of_the_same_calls_change_nothing_but_the_ids_that_are_known(name: str):
    case = cases()[name]
    provider, account = provider_of(case), account_of(case)
    assert provider is not None
    reader = Reader(provider=provider, account=account)
    replay(case, provider, reader)
    [alone] = folded(reader.reports)

    for record in records_of(case, provider, account):
        reader.take(Kind.RECORD, record.body, record.head, NOW)
    [both] = folded(reader.reports)

    assert not reader.parked
    for word in ("direction", "caller", "callee", "outcome", "talked", "queue", "transfer"):
        assert getattr(both, word) == getattr(alone, word), word
    for word in ("started_at", "answered_at", "ended_at"):
        one, other = getattr(alone, word), getattr(both, word)
        assert (one is None) == (other is None)
        assert one is None or abs(other - one) < timedelta(seconds=1)


def test_two_calls_of_a_sip_transfer_are_one_from_the_transfer_on():
    """A telephone rings a colleague in a call of its own, then joins both: Linkedid 1 and 4."""
    events = [
        said("Newchannel", **channel("PJSIP/trunk-00000001", 1, ChannelState="4",
                                     CallerIDNum=CALLER, Exten=LINE)),
        said("Newchannel", **channel("PJSIP/101-00000002", 2)),
        said("BridgeEnter", **channel("PJSIP/101-00000002", 2)),
        said("Newchannel", **channel("PJSIP/101-00000004", 4, 4, ChannelState="4", Exten="103")),
        said("Newchannel", **channel("PJSIP/103-00000005", 5, 4)),
        said("BridgeEnter", **channel("PJSIP/103-00000005", 5, 4)),
        said("AttendedTransfer", Result="Success", Timestamp="1795285720.1",
             OrigTransfererLinkedid="1795285713.1", OrigTransfererUniqueid="1795285713.2",
             SecondTransfererLinkedid="1795285713.4", SecondTransfererUniqueid="1795285713.4",
             OrigBridgeUniqueid="d77c331b-9d78-4252-9201-fa5ae22e918e"),
        said("Hangup", **channel("PJSIP/101-00000002", 2)),
        said("Hangup", **channel("PJSIP/101-00000004", 4, 4)),
    ]  # fmt: skip
    talking = call_of(*events)
    ended = call_of(
        *events,
        said("Hangup", **channel("PJSIP/103-00000005", 5, 1)),  # its Linkedid has changed
        said("Hangup", **channel("PJSIP/trunk-00000001", 1)),
    )

    assert talking.state is CallState.ANSWERED
    assert ended.state is CallState.ENDED
    assert (ended.direction, ended.caller) == (Direction.INBOUND, CALLER)
    assert ended.talked == ("101", "103")
    assert ended.transfer == "attended"
    assert {"1795285713.1", "1795285713.4"} <= set(ended.keys)


def test_a_call_that_we_came_into_does_not_end_with_the_first_channel_that_we_see_go():
    loser = said("Hangup", **channel("PJSIP/101-00000002", 2))
    taken = said("BridgeEnter", **channel("PJSIP/102-00000003", 3))
    gone = said("Hangup", **channel("PJSIP/102-00000003", 3))
    first = said("Hangup", **channel("PJSIP/trunk-00000001", 1))

    assert call_of(loser).state is CallState.RINGING
    assert call_of(loser, taken).state is CallState.ANSWERED
    assert call_of(loser, taken, gone, first).state is CallState.ENDED


def test_an_employee_who_takes_a_click_to_call_has_not_reached_the_client_yet():
    began = said("Newchannel", **channel("PJSIP/102-00000001", 1, ChannelState="0"))
    taken = said(
        "DialEnd",
        DestChannel="PJSIP/102-00000001",
        DestUniqueid="1795285713.1",
        DestLinkedid="1795285713.1",
        DialStatus="ANSWER",
        Timestamp="1795285715.0",
    )
    dialling = said("DialBegin", **channel("PJSIP/102-00000001", 1),
                    DestChannel="PJSIP/trunk-00000002", DestUniqueid="1795285713.2",
                    DestLinkedid="1795285713.1", DestCallerIDNum="004917139200001")  # fmt: skip
    busy = said(
        "DialEnd",
        **channel("PJSIP/102-00000001", 1),
        DestChannel="PJSIP/trunk-00000002",
        DestUniqueid="1795285713.2",
        DestLinkedid="1795285713.1",
        DialStatus="BUSY",
    )
    gone = [said("Hangup", **channel("PJSIP/trunk-00000002", 2)),
            said("Hangup", **channel("PJSIP/102-00000001", 1))]  # fmt: skip

    ringing = call_of(began, taken, dialling)
    ended = call_of(began, taken, dialling, busy, *gone)

    assert (ringing.state, ringing.direction) == (CallState.RINGING, Direction.OUTBOUND)
    assert (ended.outcome, ended.talk_s, ended.talked) == (Outcome.BUSY, 0.0, ())
    assert ended.rang == ("102",)


def test_a_mobile_in_a_ring_group_that_takes_the_call_is_a_call_sent_on():
    began = said(
        "Newchannel",
        **channel("PJSIP/trunk-00000001", 1, ChannelState="4", CallerIDNum=CALLER, Exten=LINE),
    )
    leg = {"DestChannel": "PJSIP/trunk-00000002", "DestUniqueid": "1795285713.2",
           "DestLinkedid": "1795285713.1", "DestCallerIDNum": "<unknown>",
           "DialString": "PJSIP/004917139200077@trunk"}  # fmt: skip
    dialling = said("DialBegin", **channel("PJSIP/trunk-00000001", 1), **leg)
    taken = said("DialEnd", **channel("PJSIP/trunk-00000001", 1), **leg, DialStatus="ANSWER")

    call = call_of(
        began, dialling, taken,
        said("Hangup", **channel("PJSIP/trunk-00000002", 2)),
        said("Hangup", **channel("PJSIP/trunk-00000001", 1)),
    )  # fmt: skip

    assert call.direction is Direction.INBOUND
    assert (call.outcome, call.forwarded_to) == (Outcome.FORWARDED, "004917139200077")
    assert not call.missed


def test_a_queue_member_behind_a_local_channel_is_named_by_the_interface():
    [event] = said(
        "AgentConnect", **channel("PJSIP/trunk-00000001", 1), Queue="sales",
        Interface="Local/101@from-queue/n", DestChannel="Local/101@from-queue-00000003;1",
    )  # fmt: skip

    assert (event.agent, event.queue, event.stage) == ("101", "sales", CallStage.ANSWERED)


def test_waiting_in_a_holding_bridge_is_no_talk():
    with pytest.raises(IgnoredDelivery):
        said("BridgeEnter", **channel("PJSIP/101-00000002", 2, BridgeType="holding"))


def test_a_transfer_that_failed_is_none():
    with pytest.raises(IgnoredDelivery):
        said("BlindTransfer", Result="Fail", TransfererLinkedid="1795285713.1")


def test_a_dial_out_prefix_is_not_part_of_the_number():
    account = Account(source="p", config={**ACCOUNT.config, "dial_out_prefix": "9"})
    lines = channel("PJSIP/101-00000001", 1, ChannelState="4", Exten="9004917139200001")

    [_, began] = said("Newchannel", account, **lines)

    assert began.callee == "004917139200001"


def test_a_feature_code_is_a_call_within_the_house():
    lines = channel("PJSIP/101-00000001", 1, ChannelState="4", Exten="*97")

    assert said("Newchannel", **lines)[1].direction is Direction.INTERNAL


@pytest.mark.parametrize(
    ("name", "kind", "far_end"),
    [
        ("PJSIP/101-0000001f", Whose.PHONE, "101"),
        ("SIP/101-0000001f", Whose.PHONE, "101"),
        ("PJSIP/trunk-0000001f", Whose.TRUNK, "trunk"),
        ("PJSIP/anna-0000001f", Whose.TRUNK, "anna"),
        ("IAX2/office-0000001f", Whose.TRUNK, "office"),
        ("Local/101@from-internal-00000003;2", Whose.INSIDE, "101"),
        ("Message/ast_msg_queue", Whose.INSIDE, "ast_msg_queue"),
        ("", None, None),
        ("<unknown>", None, None),
    ],
)
def test_without_known_trunks_what_is_no_extension_is_a_trunk(
    name: str, kind: Whose | None, far_end: str | None
):
    found = channel_of(name, Account(source="pbx"))

    assert (found and found.kind, found and found.far_end) == (kind, far_end)


def test_a_telephone_that_is_no_number_is_one_if_the_trunks_are_known():
    found = channel_of("PJSIP/anna-0000001f", ACCOUNT)

    assert found is not None
    assert (found.kind, found.agent) == (Whose.PHONE, "anna")


# Records ------------------------------------------------------------------------------------------


def test_names_tie_records_that_are_seconds_apart_and_not_those_of_another_day():
    at = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
    name = "Local/101@ext-00000001"

    for second in range(20):
        base = at + timedelta(seconds=second)
        near = set(keys_by_name(f"{name};1", base))
        assert near & set(keys_by_name(f"{name};2", base + timedelta(seconds=4)))
        assert not near & set(keys_by_name(f"{name};2", base + timedelta(seconds=30)))


def test_rows_alone_follow_a_call_beyond_the_pair_that_was_optimised_away():
    case = cases()["asterisk/captured-25-click-to-call-local-optimized.json"]
    reader = Reader(provider=ASTERISK, account=account_of(case))

    for record in records_of(case, ASTERISK, reader.account):
        reader.take(Kind.RECORD, record.body, record.head, NOW)
    [call] = folded(reader.reports)

    assert call.ended_at == datetime(2026, 11, 21, 18, 38, 18, tzinfo=UTC)
    assert call.talked == ("101",)


def test_a_mailbox_that_an_old_asterisk_writes_into_the_telephones_row_is_no_answer():
    row = (
        b'"","+4917139200001","493023125000","from-trunk","","PJSIP/trunk-00000001",'
        b'"PJSIP/101-00000002","VoiceMail","101@default,u","2026-11-21 18:30:00",'
        b'"2026-11-21 18:30:09","2026-11-21 18:30:20",20,11,"ANSWERED","3","1795285713.1"'
    )

    call = call_of(
        ASTERISK.reads[Kind.RECORD](a_delivery(row, Kind.RECORD, profile="cdr"), ACCOUNT)
    )

    assert (call.outcome, call.rang, call.talked) == (Outcome.VOICEMAIL, ("101",), ())


def test_a_row_of_columns_that_cdr_csv_never_writes_is_parked():
    with pytest.raises(UnreadableDelivery, match="columns"):
        ASTERISK.reads[Kind.RECORD](a_delivery(b'"a","b"', Kind.RECORD, profile="cdr"), ACCOUNT)


def test_columns_of_a_table_of_ones_own_are_named_by_the_source():
    columns = ["start", "end", "channel", "dstchannel", "src", "dst", "disposition", "uniqueid"]
    account = Account(source="p", config={**ACCOUNT.config, "cdr_columns": columns})
    row = (
        b"2026-11-21 10:00:00,2026-11-21 10:00:09,PJSIP/trunk-00000001,PJSIP/101-00000002,"
        b"+4917139200001,493023125000,BUSY,1795285713.1"
    )

    events = ASTERISK.reads[Kind.RECORD](a_delivery(row, Kind.RECORD, profile="cdr"), account)
    call = call_of(events)

    assert (call.outcome, call.caller, call.callee) == (Outcome.BUSY, CALLER, LINE)


def test_in_the_hour_that_the_clocks_repeat_the_reading_nearer_to_its_receipt_is_taken():
    berlin = Account(source="p", zone=ZoneInfo("Europe/Berlin"), config=ACCOUNT.config)
    row = (
        b'"","+4917139200001","493023125000","from-trunk","","PJSIP/trunk-00000001","","Hangup","",'
        b'"2026-10-25 02:30:00",,"2026-10-25 02:30:09",9,0,"NO ANSWER","3","1793000000.1"'
    )
    for received, expected in ((0, 0), (1, 1)):
        at = datetime(2026, 10, 25, received, 31, tzinfo=UTC)
        delivery = Delivery(
            log="calls", partition=0, position=1, source="p", key="k", received_at=at,
            head={"kind": "record", "profile": "cdr"}, body=row,
        )  # fmt: skip
        events = ASTERISK.reads[Kind.RECORD](delivery, berlin)
        assert fold([Report(event=e, received_at=at) for e in events]).started_at.hour == expected
