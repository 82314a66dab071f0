"""Streams: a telephone system that we connect to, on a real socket, good and bad ones."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.deliveries import Account, Kind
from ingest.keeper import KeepFailed
from ingest.telephony.desk import part_state_name
from ingest.telephony.endpoints import Endpoint, endpoint_of, settings_problem
from ingest.telephony.protocols.framing import MAX_MESSAGE, Frames, TooLong
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.stream_state import GAPS, StreamState, recalled
from ingest.telephony.stream_wire import Lost, open_wire
from ingest.telephony.streams import StreamLimits, listen, wanted
from tests.imap_servers import make_certificate
from tests.properties import examples
from tests.telephony.quick_desk import NOON, House, QuickDesk, a_desk

ASTERISK = PROVIDERS["asterisk"]
STATE = part_state_name("pbx", "stream")
PATIENT = StreamLimits(connect_s=2.0, login_s=2.0, quiet_s=2.0, dead_s=2.0)
BANNER = b"Asterisk Call Manager/11.0.0\r\n"


@dataclass
class Caller:
    """One connection, as the telephone system sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hears(self) -> dict[str, str]:
        """Return the next action that we were sent."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        return dict(line.split(": ", 1) for line in lines if line)

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def lets_in(self, secret: str = "s3cr3t") -> None:
        """Greet, ask for the MD5 of a challenge, and let in who knows the secret."""
        await self.says(BANNER)
        assert (await self.hears())["Action"] == "Challenge"
        await self.says(b"Response: Success\r\nActionID: 1\r\nChallenge: 4711\r\n\r\n")
        login = await self.hears()
        if login["Key"] == hashlib.md5(f"4711{secret}".encode()).hexdigest():
            await self.says(b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n")
        else:
            await self.says(b"Response: Error\r\nMessage: Authentication failed\r\n\r\n")


Script = Callable[[Caller], Awaitable[None]]


@dataclass
class Pbx:
    """A telephone system: the first connection follows the first script, the last one the last."""

    house: House
    desk: QuickDesk
    connected_at: list[datetime] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        return self.house.memory[STATE]

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.house.kept]


@asynccontextmanager
async def a_pbx(
    *scripts: Script, tls: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[Pbx]:
    """Give a telephone system and the desk of a source that names it; both end with the test."""
    house = House()
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        pbx.connected_at.append(house.now)
        script = scripts[min(len(pbx.connected_at), len(scripts)) - 1]
        try:
            await script(Caller(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    account = Account(
        source="pbx",
        secrets=({"ami_username": "crm", "ami_secret": "s3cr3t"},),
        config={"host": "127.0.0.1", "port": port},
    )
    pbx = Pbx(house=house, desk=replace(a_desk(ASTERISK, account, house), **changes))
    try:
        yield pbx
    finally:
        server.close()
        for task in tasks:
            task.cancel()


async def run(pbx: Pbx, limits: StreamLimits = PATIENT) -> None:
    async with asyncio.timeout(10):
        await listen(pbx.desk, limits=limits, jitter=lambda: 1.0)


def an_event(number: int, *, padding: int = 0) -> bytes:
    fields = f"Channel: PJSIP/101-{number:08x}\r\nUniqueid: 1795285713.{number}\r\n"
    return f"Event: Hangup\r\n{fields}X: {'x' * padding}".encode()


def talks(*sent: bytes) -> Script:
    """Return the script of a connection that says this, and is closed."""

    async def script(caller: Caller) -> None:
        await caller.lets_in()
        for data in sent:
            await caller.says(data)

    return script


async def silence(caller: Caller) -> None:
    await caller.reader.read()


def stops(pbx_: list[Pbx]) -> Script:
    """Return the script of a connection at which the test is over."""

    async def script(caller: Caller) -> None:
        pbx_[0].desk.stop.set()
        await silence(caller)

    return script


async def test_what_one_read_gives_is_kept_in_order_with_the_state_in_one_go():
    over: list[Pbx] = []
    together = b"".join(an_event(number) + b"\r\n\r\n" for number in range(3))
    async with a_pbx(talks(together), stops(over)) as pbx:
        over.append(pbx)

        await run(pbx)

        assert pbx.bodies == [an_event(0), an_event(1), an_event(2)]
        assert {delivery.head["kind"] for delivery in pbx.house.kept} == {Kind.STREAM}
        assert pbx.state["message"] == NOON.isoformat()


async def test_a_connection_cut_in_mid_message_is_opened_again_and_nothing_is_doubled():
    over: list[Pbx] = []
    first, second = an_event(1) + b"\r\n\r\n", an_event(2) + b"\r\n\r\n"
    cut, again = talks(first + second[:20]), talks(first + second)
    async with a_pbx(cut, again, stops(over)) as pbx:
        over.append(pbx)

        await run(pbx)

        assert pbx.bodies == [an_event(1), an_event(1), an_event(2)]
        assert len({delivery.key for delivery in pbx.house.kept}) == 2  # the log keeps each once


async def test_after_a_gap_it_is_said_from_when_to_when_nothing_was_heard():
    over: list[Pbx] = []
    async with a_pbx(talks(), talks(), stops(over)) as pbx:
        over.append(pbx)

        await run(pbx)

        assert pbx.state["gaps"] == [
            {"from": NOON.isoformat(), "to": (NOON + timedelta(seconds=1)).isoformat()}
        ]
        assert pbx.state["state"] == "away"
        assert pbx.state["because"] == "the other side closed the connection"


async def test_a_restart_is_a_gap_too_and_the_first_start_is_none():
    async with a_pbx(talks(), silence) as pbx:
        pbx.house.ends = NOON
        await run(pbx)
        assert pbx.state["gaps"] == []

        pbx.house.now, pbx.house.ends = NOON + timedelta(hours=2), NOON
        pbx.desk.stop.clear()
        pbx.connected_at.clear()
        await run(pbx)

        [gap] = pbx.state["gaps"]
        assert gap["from"] == NOON.isoformat()


async def test_a_refused_login_is_tried_thrice_and_then_rarely_with_the_reason():
    async def refuses(caller: Caller) -> None:
        await caller.lets_in(secret="another")

    async with a_pbx(refuses) as pbx:
        await run(pbx)

        minutes = [(at - NOON).total_seconds() // 60 for at in pbx.connected_at]
        assert minutes == [0, 0, 0, 10, 20, 30, 40, 50]
        assert pbx.state["state"] == "refused"
        assert pbx.state["because"] == "the login was refused: Authentication failed"
        assert pbx.bodies == []


async def test_of_two_secrets_that_are_valid_the_other_is_tried_when_one_is_refused():
    over: list[Pbx] = []
    async with a_pbx(
        talks(an_event(1) + b"\r\n\r\n"), talks(an_event(1) + b"\r\n\r\n"), stops(over)
    ) as pbx:
        over.append(pbx)
        newer = {"ami_username": "crm", "ami_secret": "not yet"}
        account = replace(pbx.desk.account, secrets=(newer, *pbx.desk.account.secrets))
        pbx.desk = replace(pbx.desk, account=account)

        await run(pbx)

        assert pbx.bodies == [an_event(1)]


async def test_new_tries_come_ever_less_often_up_to_a_cap():
    async def closes(caller: Caller) -> None:
        pass

    async with a_pbx(closes) as pbx:
        pbx.house.ends = NOON + timedelta(minutes=5)
        await run(pbx)

        pairs = zip(pbx.connected_at, pbx.connected_at[1:], strict=False)
        assert [(b - a).seconds for a, b in pairs][:8] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("flood", [b"x" * 1_000, b"Event: Hangup\r\n" * 100, b"\x00" * 1_000])
async def test_a_flood_without_an_end_is_given_up_and_nothing_of_it_is_kept(flood: bytes):
    async def floods(caller: Caller) -> None:
        await caller.lets_in()
        for _ in range(400):
            await caller.says(flood)
        await silence(caller)

    over: list[Pbx] = []
    async with a_pbx(floods, stops(over)) as pbx:
        over.append(pbx)

        await run(pbx)

        assert pbx.bodies == []
        assert "a message of more than 65536 octets" in pbx.state["because"]


async def test_a_stranger_on_that_port_is_named():
    async def a_mail_server(caller: Caller) -> None:
        await caller.says(b"220 mail.example.org ESMTP\r\n")
        await silence(caller)

    over: list[Pbx] = []
    async with a_pbx(a_mail_server, stops(over)) as pbx:
        over.append(pbx)

        await run(pbx)

        assert "no Asterisk manager interface" in pbx.state["because"]


async def test_one_that_never_greets_is_given_up():
    over: list[Pbx] = []
    async with a_pbx(silence, stops(over)) as pbx:
        over.append(pbx)

        await run(pbx, replace(PATIENT, login_s=0.02))

        assert "did not greet" in pbx.state["because"]


async def test_a_dead_connection_is_noticed_by_the_question_whether_it_lives():
    pings: list[dict[str, str]] = []

    async def dies(caller: Caller) -> None:
        await caller.lets_in()
        for _ in range(2):
            pings.append(await caller.hears())
            if len(pings) == 1:
                await caller.says(b"Response: Success\r\nPing: Pong\r\n\r\n")
        await silence(caller)

    over: list[Pbx] = []
    async with a_pbx(dies, stops(over)) as pbx:
        over.append(pbx)

        await run(pbx, replace(PATIENT, quiet_s=0.02, dead_s=0.02))

        assert [ping["Action"] for ping in pings] == ["Ping", "Ping"]
        assert "fell silent" in pbx.state["because"]


async def test_it_ends_at_once_when_the_desk_says_stop():
    async def stays(caller: Caller) -> None:
        await caller.lets_in()
        pbx.desk.stop.set()
        await silence(caller)

    async with a_pbx(stays) as pbx:
        await run(pbx, replace(PATIENT, quiet_s=600.0))

        assert pbx.state["because"] == "it was stopped"


async def test_nothing_is_taken_while_the_log_is_full():
    seen: list[str] = []

    def full() -> str | None:
        seen.append("asked")
        return "the disk is nearly full" if len(seen) < 5 else None

    over: list[Pbx] = []
    async with a_pbx(talks(), stops(over), full=full) as pbx:
        over.append(pbx)

        await run(pbx)

        assert pbx.connected_at[0] == NOON + timedelta(seconds=4)


async def test_what_could_not_be_kept_is_kept_at_the_next_try_and_once():
    failures = iter([KeepFailed("the disk"), None])

    async def keep(deliveries: Sequence[Any], memory: Any) -> Any:
        if deliveries and (failure := next(failures, None)):
            raise failure
        return await pbx.house.keep(deliveries, memory)

    over: list[Pbx] = []
    async with a_pbx(talks(an_event(1) + b"\r\n\r\n"), stops(over)) as pbx:
        over.append(pbx)
        pbx.desk = replace(pbx.desk, keep=keep)

        await run(pbx)

        assert pbx.bodies == [an_event(1)]


async def test_what_was_never_kept_was_not_heard():
    async def keep(deliveries: Sequence[Any], memory: Any) -> Any:
        if deliveries:
            pbx.house.now += timedelta(minutes=3)
            raise KeepFailed("the disk")
        return await pbx.house.keep(deliveries, memory)

    async with a_pbx(talks(an_event(1) + b"\r\n\r\n"), silence) as pbx:
        pbx.desk = replace(pbx.desk, keep=keep)

        await run(pbx)

        assert pbx.state["heard"] == NOON.isoformat()


async def test_a_port_where_nobody_listens_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with a_pbx(silence) as pbx:
        config = {"host": "127.0.0.1", "port": port}
        pbx.desk = replace(pbx.desk, account=replace(pbx.desk.account, config=config))
        pbx.house.ends = NOON

        await run(pbx)

        assert pbx.state["because"] == f"host, port: nothing listens at 127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("made_for", "trusted", "because"),
    [
        ("localhost", True, None),
        ("localhost", False, "was not accepted"),
        ("another.example.org", True, "was not accepted"),
    ],
)
async def test_with_tls_only_a_certificate_that_proves_the_host_is_believed(
    tmp_path: Path, made_for: str, trusted: bool, because: str | None
):
    certificate, key = make_certificate(tmp_path, made_for)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    over: list[Pbx] = []
    async with a_pbx(talks(an_event(1) + b"\r\n\r\n"), stops(over), tls=context) as pbx:
        over.append(pbx)
        config = {**pbx.desk.account.config, "tls": True}
        if trusted:
            config["ca_file"] = str(certificate)
        pbx.desk = replace(pbx.desk, account=replace(pbx.desk.account, config=config))
        pbx.house.ends = NOON + timedelta(seconds=2)

        await run(pbx)

        assert bool(pbx.bodies) == (because is None)
        assert (because or "closed") in pbx.state["because"]


async def test_what_does_not_speak_tls_is_named():
    async def plain(caller: Caller) -> None:
        await caller.says(BANNER)
        await silence(caller)

    async with a_pbx(plain) as pbx:
        config = {**pbx.desk.account.config, "tls": True}
        pbx.desk = replace(pbx.desk, account=replace(pbx.desk.account, config=config))
        pbx.house.ends = NOON

        await run(pbx)

        assert "does not speak TLS" in pbx.state["because"]


def test_a_source_without_a_host_has_no_stream_and_a_provider_that_talks_with_one_has():
    assert not wanted(ASTERISK, Account(source="pbx"))
    assert wanted(ASTERISK, Account(source="pbx", config={"host": "pbx.example.org"}))
    assert not wanted(PROVIDERS["mango"], Account(source="m", config={"host": "x"}))


def test_the_usual_port_depends_on_tls():
    plain = Account(source="pbx", config={"host": "pbx.example.org"})
    protected = Account(source="pbx", config={"host": "pbx.example.org", "tls": True})

    assert endpoint_of(ASTERISK, plain) == Endpoint(host="pbx.example.org", port=5038)
    assert endpoint_of(ASTERISK, protected) == Endpoint(host="pbx.example.org", port=5039, tls=True)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"host": "http://pbx/"}, "host: "),
        ({"host": 7}, "host: "),
        ({"host": "pbx", "port": "many"}, "port: "),
        ({"host": "pbx", "port": 70_000}, "port: "),
        ({"host": "pbx", "tls": "yes"}, "tls: "),
        ({"host": "pbx", "ca_file": "/etc/ca.pem"}, "ca_file: "),
        ({"cdr_file": "Master.csv"}, "cdr_file: "),
        ({"cel_file": 7}, "cel_file: "),
        ({"login": "shouted"}, "login: "),
        ({"trunk_channel_prefixes": "PJSIP/trunk"}, "trunk_channel_prefixes: "),
        ({"internal_ext_pattern": "("}, "internal_ext_pattern: "),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(config: dict[str, Any], named: str):
    problem = settings_problem(ASTERISK, Account(source="pbx", config=config))

    assert problem is not None
    assert problem.startswith(named)


def test_settings_that_can_be_run_have_no_problem():
    config = {
        "host": "pbx.example.org", "cdr_file": "/var/log/asterisk/cdr-csv/Master.csv",
        "trunk_channel_prefixes": ["PJSIP/trunk-"], "internal_ext_pattern": "^1[0-9]{2}$",
    }  # fmt: skip

    assert settings_problem(ASTERISK, Account(source="pbx", config=config)) is None


def test_only_the_newest_gaps_are_remembered_and_the_state_survives():
    state = StreamState(since=NOON).connected(NOON)
    for hour in range(1, GAPS + 5):
        at = NOON + timedelta(hours=hour)
        state = state.become("away", "the cable", at).connected(at + timedelta(minutes=1))

    again = recalled(state.plain(), NOON)

    assert len(again.gaps) == GAPS
    assert again.gaps == state.gaps
    assert again.heard == state.heard


# Framing ------------------------------------------------------------------------------------------


@examples(60)
@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_any_split_into_reads_gives_the_same_frames(parts: list[bytes], data: st.DataObject):
    whole = b"".join(part + b"\r\n\r\n" for part in parts) + b"rest"
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    frames, found = Frames(b"\r\n\r\n"), []

    for begin, end in zip([0, *at], [*at, len(whole)], strict=True):
        frames.feed(whole[begin:end])
        found += list(frames.all())

    expected = whole.split(b"\r\n\r\n")
    assert found == expected[:-1]
    assert frames.rest == expected[-1]


def test_a_frame_may_be_as_long_as_the_bound_and_no_longer():
    exact = Frames(b"\n")
    exact.feed(b"x" * MAX_MESSAGE + b"\n")
    assert exact.cut() == b"x" * MAX_MESSAGE

    for longer in (b"x" * (MAX_MESSAGE + 1) + b"\n", b"x" * (MAX_MESSAGE + 2)):
        frames = Frames(b"\n")
        frames.feed(longer)
        with pytest.raises(TooLong):
            frames.cut()


def test_a_body_of_announced_length_comes_when_it_is_all_there():
    frames = Frames(b"\n\n")
    frames.feed(b"abc")
    assert frames.take(4) is None
    frames.feed(b"d\n\n")
    assert frames.take(4) == b"abcd"
    with pytest.raises(TooLong):
        frames.take(MAX_MESSAGE + 1)


@pytest.mark.parametrize("host", ["pbx..example.org", f"{'x' * 70}.example.org"])
async def test_a_name_that_cannot_be_one_is_said_like_any_other_trouble(host: str):
    with pytest.raises(Lost, match="is no name of a host"):
        await open_wire(Endpoint(host=host, port=5038), 2.0)
