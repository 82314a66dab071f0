"""The event socket of a FreeSWITCH: the conversation, its framing, and what single events say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    NewDelivery,
    UnreadableDelivery,
)
from ingest.domain.streams import Message, Said
from ingest.telephony.protocols import esl
from ingest.telephony.providers.freeswitch import FREESWITCH
from ingest.telephony.streams import listen
from storage.log import Kept
from tests.properties import examples
from tests.telephony.quick_desk import House, a_desk
from tests.telephony.recorded import cases

NOW = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
CASES = (
    "freeswitch/09-esl-inbound-answered.json",
    "freeswitch/recorded-43-esl-inbound-missed.json",
    "freeswitch/recorded-44-esl-ring-group.json",
)
GREETING = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"


def a_source(*, config: dict[str, Any] | None = None, **secrets: str) -> Account:
    held = secrets or {"esl_password": "ClueCon"}
    return Account(source="s", secrets=(held,), config=config or {})


def sent_by_switch(name: str) -> bytes:
    return b"".join(
        each["data"].encode() for each in cases()[name]["transcript"] if each["dir"] == "S"
    )


def heard(account: Account, reads: Sequence[bytes]) -> tuple[bytes, list[Message], list[Said]]:
    """Return what was sent, what was kept, and each step, of a conversation in these reads."""
    conversation = esl.talk(account)
    steps = [conversation.opened(), *(conversation.received(each, NOW) for each in reads)]
    return (
        b"".join(step.send for step in steps),
        [message for step in steps for message in step.keep],
        steps,
    )


def test_it_logs_in_subscribes_and_keeps_what_comes():
    sent, kept, steps = heard(a_source(), [sent_by_switch(CASES[0])])

    assert sent == f"auth ClueCon\n\nevent plain {' '.join(esl.EVENTS)}\n\n".encode()
    assert len(kept) == 7
    assert kept[0].body.startswith(b"Event-Name: CHANNEL_CREATE\n")
    assert [step.ready for step in steps] == [False, True]


def test_a_user_of_a_domain_logs_in_and_filters_come_before_the_subscription():
    account = a_source(
        config={"filters": ["variable_domain_name acme.example.org"]},
        esl_user="crm@acme.example.org",
        esl_password="pw",
    )

    sent, _, steps = heard(account, [GREETING, ACCEPTED, ACCEPTED, ACCEPTED])

    assert sent.split(b"\n\n")[:2] == [
        b"userauth crm@acme.example.org:pw",
        b"filter variable_domain_name acme.example.org",
    ]
    assert [step.ready for step in steps] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("told", "because", "refused"),
    [
        (GREETING + ACCEPTED.replace(b"+OK accepted", b"-ERR invalid"), "esl_password", True),
        (
            GREETING + ACCEPTED + ACCEPTED.replace(b"+OK accepted", b"-ERR permission denied"),
            "command event",
            True,
        ),
        (b"Content-Type: text/rude-rejection\nContent-Length: 24\n\n" + b"x" * 24, "access", True),
        (b"Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye", "ended", False),
        (b"Content-Length: 99999999\n\n", "protocol", False),
        (b"Content-Length: -1\n\n", "protocol", False),
        (b"Content-Length: 1e3\n\n", "protocol", False),
        (b"x" * 70_000, "protocol", False),
    ],
)
def test_what_ends_a_conversation_is_said(told: bytes, because: str, refused: bool):
    _, kept, steps = heard(a_source(), [told])

    assert because in (steps[-1].failed or "")
    assert (steps[-1].refused, kept) == (refused, [])


def test_a_switch_that_lingers_is_listened_to():
    notice = (
        b"Content-Type: text/disconnect-notice\nContent-Disposition: linger\n"
        b"Content-Length: 3\n\nbye"
    )
    event = b"Content-Length: 4\nContent-Type: text/event-plain\n\na: b"

    _, kept, steps = heard(a_source(), [GREETING + ACCEPTED + ACCEPTED + notice + event])

    assert steps[-1].failed is None
    assert kept == [Message(body=b"a: b")]


@pytest.mark.parametrize(
    "account",
    [
        Account(source="s"),
        a_source(esl_password=""),
        a_source(esl_password="a\n\nexit"),
        a_source(esl_password="a", esl_user="b\rc"),
        a_source(config={"filters": ["Event-Name X\n\nexit"]}),
        a_source(config={"filters": "Event-Name X"}),
        a_source(config={"filters": ["a b"] * 21}),
        a_source(config={"filters": ["a"]}),
        a_source(config={"filters": [7]}),
    ],
)
def test_settings_that_cannot_be_said_open_no_conversation(account: Account):
    opened = esl.talk(account).opened()

    assert (opened.send, opened.refused) == (b"", True)
    assert opened.failed


def test_after_silence_it_subscribes_again_and_the_reply_is_no_second_login():
    conversation = esl.talk(a_source())
    assert conversation.quiet() == Said()
    for each in (GREETING, ACCEPTED, ACCEPTED):
        conversation.received(each, NOW)

    assert conversation.quiet().send.startswith(b"event plain CHANNEL_CREATE ")
    assert conversation.received(ACCEPTED, NOW) == Said()


@examples(40)
@given(data=st.data())
def test_however_the_reads_are_cut_the_same_is_said_and_kept(data: st.DataObject):
    name = data.draw(st.sampled_from(CASES[:2]))
    stream = sent_by_switch(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    sent, kept, steps = heard(a_source(), reads)

    whole_sent, whole_kept, _ = heard(a_source(), [stream])
    assert (sent, kept) == (whole_sent, whole_kept)
    assert sum(step.ready for step in steps) == 1


def test_octet_by_octet_it_is_the_same():
    stream = sent_by_switch(CASES[0])

    sent, kept, _ = heard(a_source(), [stream[n : n + 1] for n in range(len(stream))])

    assert (sent, kept) == heard(a_source(), [stream])[:2]


@examples(60)
@given(octets=st.lists(st.binary(max_size=40), max_size=8))
def test_whatever_a_switch_says_nothing_is_raised(octets: list[bytes]):
    heard(a_source(), [GREETING, *octets, b"\n\n", ACCEPTED])


@dataclass
class FullHouse(House):
    """A house that says when it has kept as much as it waits for."""

    enough: int = 7
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(
        self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
    ) -> list[Kept]:
        done = await super().keep(deliveries, memory)
        if len(self.kept) >= self.enough:
            self.full.set()
        return done


async def test_over_a_real_connection_what_the_switch_tells_is_kept_in_order():
    said: list[bytes] = []

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for told in cases()[CASES[0]]["transcript"]:
            if told["dir"] == "S":
                writer.write(told["data"].encode())
            else:
                said.append(await reader.readuntil(b"\n\n"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(switch, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    house = FullHouse()
    desk = a_desk(FREESWITCH, a_source(config={"host": "127.0.0.1", "port": port}), house)
    listening = asyncio.create_task(listen(desk))
    try:
        await asyncio.wait_for(house.full.wait(), 10)
    finally:
        desk.stop.set()
        await asyncio.wait_for(listening, 10)
        server.close()
        await server.wait_closed()

    assert said[0] == b"auth ClueCon\n\n"
    assert [each.head["kind"] for each in house.kept] == ["stream"] * 7
    assert [each.body for each in house.kept] == [
        message.body for message in heard(a_source(), [sent_by_switch(CASES[0])])[1]
    ]


def an_event(name: str, **told: str) -> bytes:
    """Return an event of a leg a that came in, with these lines added."""
    lines = {
        "Event-Name": name,
        "Event-Date-Timestamp": "1795285750000000",
        "Unique-ID": "a",
        "Call-Direction": "inbound",
        "Caller-Profile-Index": "1",
        "Caller-Caller-ID-Number": "12025550143",
        "Caller-Destination-Number": "12025550100",
        "Caller-Channel-Created-Time": "1795285743000000",
        "Caller-Channel-Answered-Time": "0",
        "Caller-Channel-Bridged-Time": "0",
        "variable_uuid": "a",
        **{key.replace("__", "-"): value for key, value in told.items()},
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items()).encode() + b"\n"


def read(body: bytes, account: Account | None = None) -> Sequence[CallEvent]:
    delivery = Delivery(
        log="calls",
        partition=0,
        position=1,
        source="s",
        key="k",
        received_at=NOW,
        head={"kind": "stream"},
        body=body,
    )
    return FREESWITCH.reads[Kind.STREAM](delivery, account or a_source())


TALKING = {
    "Caller-Channel-Answered-Time": "1795285745000000",
    "Caller-Channel-Bridged-Time": "1795285746000000",
}


def test_a_call_is_told_while_it_rings():
    [event] = read(an_event("CHANNEL_CREATE"))

    assert (event.stage, event.direction) == (CallStage.RINGING, Direction.INBOUND)
    assert (event.caller, event.callee, event.call_keys) == ("12025550143", "12025550100", ("a",))


def test_a_call_of_an_employee_is_outgoing_from_its_first_event():
    [event] = read(
        an_event("CHANNEL_CREATE", variable_user_name="101", **{"Caller-Caller-ID-Number": "101"})
    )

    assert (event.direction, event.agent) == (Direction.OUTBOUND, "101")
    assert event.callee == "12025550100"


def test_a_bridge_before_the_answer_is_no_talk_and_the_answer_after_it_is():
    early = {"Other-Leg-Unique-ID": "b", "Other-Leg-Destination-Number": "101"}
    bridged = {"Caller-Channel-Bridged-Time": "1795285744000000", **early}

    [tied] = read(an_event("CHANNEL_BRIDGE", **bridged))
    [answered] = read(
        an_event(
            "CHANNEL_ANSWER",
            variable_bridge_uuid="b",
            **{**bridged, "Caller-Channel-Answered-Time": "1795285747000000"},
        )
    )

    assert (tied.stage, tied.call_keys) == (CallStage.TIED, ("a", "b"))
    assert (answered.stage, answered.agent) == (CallStage.ANSWERED, "101")
    assert answered.occurred_at == datetime.fromtimestamp(1795285747, UTC)


def test_what_a_menu_answers_is_no_talk():
    with pytest.raises(IgnoredDelivery):
        read(an_event("CHANNEL_ANSWER", **{"Caller-Channel-Answered-Time": "1795285744000000"}))


def test_the_client_waits_and_talks_again():
    [held] = read(an_event("CHANNEL_HOLD", **TALKING))
    [again] = read(an_event("CHANNEL_UNHOLD", **TALKING))

    assert (held.stage, again.stage) == (CallStage.HELD, CallStage.ANSWERED)
    with pytest.raises(IgnoredDelivery):
        read(an_event("CHANNEL_HOLD"))


def test_the_file_of_a_talk_is_told_when_it_is_closed():
    path = {"Record-File-Path": "/rec/2026/a%20b.wav"}

    [event] = read(an_event("RECORD_STOP", **path, **TALKING))

    assert (event.recording_id, event.recording_ready) == ("/rec/2026/a b.wav", True)
    with pytest.raises(IgnoredDelivery):
        read(an_event("RECORD_STOP", **path))


@pytest.mark.parametrize(
    ("index", "callee"), [("1", "101"), ("2", "12025550100"), ("3", None), ("x", None)]
)
def test_after_transfers_the_number_first_dialled_is_told_only_where_it_is_known(
    index: str, callee: str | None
):
    told = {
        "Caller-Profile-Index": index,
        "Caller-Destination-Number": "101",
        "Caller-RDNIS": "12025550100",
        "Hangup-Cause": "ORIGINATOR_CANCEL",
    }

    [end] = read(an_event("CHANNEL_HANGUP_COMPLETE", **told))

    assert (end.callee, end.outcome) == (callee, Outcome.CANCELLED)


def test_the_two_halves_of_a_loopback_only_tie():
    told = {"variable_is_loopback": "true", "variable_other_loopback_leg_uuid": "c"}

    [event] = read(an_event("CHANNEL_HANGUP_COMPLETE", **told))

    assert (event.stage, event.call_keys) == (CallStage.TIED, ("a", "c"))


def test_a_legs_own_agent_of_a_queue_is_told_by_the_bridge():
    told = {
        "Unique-ID": "b",
        "variable_uuid": "b",
        "Call-Direction": "outbound",
        "Caller-Destination-Number": "103",
        "variable_dialed_user": "103",
        "variable_cc_side": "agent",
        "variable_cc_agent": "103@acme.example.test",
        "variable_cc_member_session_uuid": "a",
        "Other-Leg-Unique-ID": "a",
        **TALKING,
    }

    [answered] = read(an_event("CHANNEL_BRIDGE", **told))

    assert (answered.stage, answered.agent) == (CallStage.ANSWERED, "103")
    assert answered.call_keys == ("a", "b")


@pytest.mark.parametrize("name", ["HEARTBEAT", "CHANNEL_UNBRIDGE", "X" * 400])
def test_other_events_are_ignored(name: str):
    with pytest.raises(IgnoredDelivery):
        read(an_event(name))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"Event-Name: CHANNEL_CREATE\n\n",
        an_event("CHANNEL_CREATE", **{"Caller-Channel-Created-Time": "soon"}),
        an_event("CHANNEL_CREATE", **{"Caller-Channel-Created-Time": "9" * 18}),
        an_event("CHANNEL_CREATE", **{"Caller-Destination-Number": "1" * 600}),
        an_event("CHANNEL_CREATE") + b"x" * 70_000,
    ],
)
def test_an_event_that_cannot_be_read_is_parked(body: bytes):
    with pytest.raises((UnreadableDelivery, IgnoredDelivery)):
        read(body)


def test_text_that_no_database_takes_is_replaced():
    [event] = read(an_event("CHANNEL_CREATE", **{"Caller-Destination-Number": "1%00%ED%A0%80"}))

    assert "\0" not in repr(event)
    repr(event).encode("utf-8")


@pytest.mark.parametrize(
    "filler", [b"Unique-ID: %", b"a: b\n", b"\n", b":\n", b"%41", b"Hangup-Cause: %25%25%25\n"]
)
def test_64_kib_of_an_event_take_at_most_50_ms_of_processor_time(filler: bytes):
    name = b"Event-Name: CHANNEL_HANGUP_COMPLETE\n"
    body = name + (filler * (65_536 // len(filler)))[: 65_536 - len(name)]
    took = []
    for _ in range(3):
        begun = time.process_time()
        with pytest.raises((UnreadableDelivery, IgnoredDelivery)):
            read(body)
        took.append(time.process_time() - begun)

    assert min(took) < 0.05


@pytest.mark.parametrize("name", ["Unique-ID", "variable_hangup_cause", "variable_bridge_uuid"])
def test_one_long_value_of_percent_signs_is_no_work(name: str):
    took = []
    for _ in range(3):  # a collection of garbage, or a busy machine, is no work of ours
        begun = time.process_time()
        with pytest.raises(UnreadableDelivery):
            read(an_event("CHANNEL_HANGUP_COMPLETE", **{name: "%" * 60_000}))
        took.append(time.process_time() - begun)

    assert min(took) < 0.05


@examples(100)
@given(data=st.data())
def test_recorded_events_with_octets_changed_are_parked_ignored_or_read(data: st.DataObject):
    name = data.draw(st.sampled_from(CASES))
    _, kept, _ = heard(a_source(), [sent_by_switch(name)])
    body = bytearray(data.draw(st.sampled_from(kept)).body)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(body)))
        body[where : where + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))

    try:
        events = read(bytes(body))
    except (UnreadableDelivery, IgnoredDelivery):
        return
    for event in events:
        assert event.call_keys
        assert "\0" not in repr(event)
