"""The public door over real sockets: who is heard, what is kept, how each is answered."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ingest.domain.deliveries import (
    Account,
    BadSignature,
    Delivery,
    HookRequest,
    HookResponse,
    NewDelivery,
    Provider,
    Receipt,
    UnreadableDelivery,
    request_of,
)
from ingest.domain.histories import ApiRequest
from ingest.domain.subscriptions import Subscribed, Subscription
from ingest.keeper import Keeper, KeeperLimits
from ingest.telephony.connections import DoorRunner
from ingest.telephony.desk import part_state_name
from ingest.telephony.door import DoorCounters, DoorLimits, sender
from ingest.telephony.server import public_door, short_event_id, split_target
from storage.log import Kept
from storage.log_sqlite import SqliteLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = Account(source="acme", secrets=({"secret": "s3cret"},), public_url="https://h.example")


def verify(request: HookRequest, account: Account) -> None:
    """The proof is plain text here: these tests are about the door, not about signatures."""
    proof = request.header("x-proof") or ""
    if proof == "crash":
        raise RuntimeError("a fault in verify")
    if proof == "stale":
        raise BadSignature("stale: signed 600 s ahead of our clock", skew_s=600.0)
    if proof not in [secrets["secret"] for secrets in account.secrets]:
        raise BadSignature("the proof fits no secret")


def key(request: HookRequest, account: Account) -> str | None:
    if request.body == b"broken":
        raise UnreadableDelivery("no id in it")
    if request.body == b"key crash":
        raise RuntimeError("a fault in key")
    return request.header("x-event-id")


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    if request.body == b"answer crash":
        raise RuntimeError("a fault in answer")
    return HookResponse(status=202, body=receipt.value.encode(), headers=(("X-Seen", "yes"),))


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """A greeting needs no proof here, but for one whose answer would tell something."""
    if request.body == b"greeting crash":
        raise RuntimeError("a fault in handshake")
    if request.body == b"signed greeting":
        verify(request, account)
    return HookResponse(body=b"hello") if b"greeting" in request.body else None


ACME = Provider(
    name="acme",
    verify=verify,
    key=key,
    parse=lambda r, a: [],
    answer=answer,
    handshake=handshake,
)


class GatedLog(SqliteLog):
    """A real log that writes only while its gate is open."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, name="calls")
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def append(
        self,
        partition: int,
        deliveries: Sequence[NewDelivery],
        *,
        memory: Mapping[str, Any] | None = None,
    ) -> list[Kept]:
        self.entered.set()
        self.gate.wait(10)
        return super().append(partition, deliveries, memory=memory)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Door:
    """A running door, its log, and a client that speaks plain bytes."""

    port: int
    log: GatedLog
    keeper: Keeper
    counters: DoorCounters = field(default_factory=DoorCounters)

    @property
    def kept(self) -> list[Delivery]:
        return self.log.read(0, 0, 1000)

    async def until_kept(self, count: int) -> None:
        """Return when so many are in the log."""
        kept = asyncio.Event()
        self.keeper.on_kept.append(lambda partition, last: kept.set())
        async with asyncio.timeout(10):
            while len(self.kept) < count:
                await kept.wait()
                kept.clear()

    async def speak(self, octets: bytes) -> bytes:
        """Send these bytes; return all that comes until the door closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(octets)
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def send(
        self,
        body: bytes = b"{}",
        *,
        target: str = "/hooks/acme",
        method: str = "POST",
        proof: str = "s3cret",
        **headers: str,
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: h", f"X-Proof: {proof}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        raw = await self.speak("\r\n".join([*lines, "", ""]).encode() + body)
        head, _, content = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in rest]
        return Answer(
            int(first.split()[1]), {name.lower(): value for name, value in pairs}, content
        )


@asynccontextmanager
async def a_door(
    directory: Path,
    *,
    limits: DoorLimits | None = None,
    keeping: KeeperLimits | None = None,
    account: Account = ACCOUNT,
    provider: Provider = ACME,
    disk_free: float = 1.0,
    **connections: Any,
) -> AsyncIterator[Door]:
    log = GatedLog(directory / "calls.log.db")
    keeper = Keeper(log, limits=keeping, disk_free=lambda: disk_free)
    counters = DoorCounters()
    app = public_door(
        sources=lambda: {"acme": (provider, account)},
        unusable=lambda: {"sealed"},
        keeper=keeper,
        clock=lambda: NOON,
        limits=limits,
        counters=counters,
        monotonic=lambda: 0.0,
    )
    runner = DoorRunner(app, **connections)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Door(runner.addresses[0][1], log, keeper, counters)
    finally:
        log.gate.set()
        await runner.cleanup()
        await keeper.close()
        log.close()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(tmp_path) as door:
        yield door


async def test_a_source_that_is_known_but_cannot_be_opened_is_to_send_again(door: Door) -> None:
    said = await door.send(target="/hooks/sealed")

    assert said.status == 503
    assert int(said.headers["retry-after"]) > 0
    assert door.counters.sources["sealed"].failed == 1
    assert door.counters.unknown == 0


async def test_a_proved_request_is_kept_whole_and_answered_as_the_provider_says(
    door: Door,
) -> None:
    said = await door.send(b"a=1&a=2", target="/hooks/acme/in/%2F?q=%41", X_Thing="caf\u00e9")

    assert (said.status, said.body, said.headers["x-seen"]) == (202, b"new", "yes")
    assert said.headers["server"] == "keepline"
    [delivery] = door.kept
    request = request_of(delivery)
    assert (request.method, request.path, request.query) == ("POST", "/in/%2F", "q=%41")
    assert request.url == "https://h.example/hooks/acme/in/%2F?q=%41"
    assert request.body == b"a=1&a=2"
    assert request.header("x-thing") == "caf\u00e9"
    assert request.peer == "127.0.0.1"
    assert request.received_at == NOON


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_any_method_is_taken(door: Door, method: str) -> None:
    said = await door.send(b"", method=method, target="/hooks/acme/check?crc=1")

    assert said.status == 202
    assert door.kept[0].head["method"] == method


async def test_the_answer_comes_after_the_commit(door: Door) -> None:
    door.log.gate.clear()
    asking = asyncio.create_task(door.send(b"{}"))
    assert await asyncio.to_thread(door.log.entered.wait, 5)

    done, _ = await asyncio.wait([asking], timeout=0.1)
    assert not done
    assert door.kept == []

    door.log.gate.set()
    assert (await asking).status == 202
    assert len(door.kept) == 1


async def test_a_repeat_is_answered_and_counted_and_not_kept_again(door: Door) -> None:
    answers = [await door.send(b"{}", X_Event_Id="e1") for _ in range(3)]
    changed = await door.send(b"{ }", X_Event_Id="e1")

    assert [said.body for said in answers] == [b"new", b"repeated", b"repeated"]
    assert changed.body == b"changed"
    assert len(door.kept) == 2
    counters = door.counters.of("acme")
    assert (counters.accepted, counters.repeated, counters.changed) == (2, 2, 1)
    assert counters.last_event_at == NOON


async def test_a_check_of_the_set_up_is_answered_and_counted_and_not_kept(door: Door) -> None:
    said = await door.send(b"greeting", proof="of nobody")

    assert (said.status, said.body) == (200, b"hello")
    assert door.kept == []
    assert door.counters.of("acme").handshakes == 1
    assert door.counters.of("acme").rejected == 0


async def test_a_signed_check_that_is_not_proved_gets_401(door: Door) -> None:
    assert (await door.send(b"signed greeting", proof="wrong")).status == 401
    assert (await door.send(b"signed greeting")).body == b"hello"
    assert (await door.send(b"greeting crash")).status == 400
    assert door.counters.of("acme").rejected == 2
    assert door.kept == []


async def test_checks_without_end_meet_a_quota_and_leave_that_of_events_alone(
    tmp_path: Path,
) -> None:
    limits = DoorLimits(quota_burst=2.0, handshakes_burst=3.0)
    async with a_door(tmp_path, limits=limits) as door:
        greetings = [(await door.send(b"greeting", proof="")).status for _ in range(5)]
        events = [(await door.send(b"%d" % number)).status for number in range(2)]

    assert greetings == [200, 200, 200, 429, 429]
    assert events == [202, 202]


async def test_that_a_subscription_ended_is_remembered_with_the_request_that_says_so(
    tmp_path: Path,
) -> None:
    subscription = Subscription(
        request=lambda account, held, now: ApiRequest(url="https://acme.test/"),
        subscribed=lambda account, answer, now: Subscribed(id="s1", expires_at=now),
        ended=lambda request, account: "s1" if request.body == b"terminated" else None,
    )
    name = part_state_name("acme", "subscription-ended")
    async with a_door(tmp_path, provider=replace(ACME, subscription=subscription)) as door:
        await door.send(b"a call")
        await door.send(b"terminated", proof="of nobody")
        assert door.log.memory(name) is None

        assert (await door.send(b"terminated")).status == 202
        assert door.log.memory(name) == {"id": "s1", "at": NOON.isoformat()}
        assert len(door.kept) == 2


async def test_who_is_not_proved_gets_401_and_nothing_is_kept_but_a_counter(door: Door) -> None:
    said = await door.send(b"{}", proof="wrong")
    odd = await door.send(b"{}", proof="gru\u00df")

    assert (said.status, said.body) == (401, b"refused\n")
    assert odd.status == 401
    assert door.kept == []
    counters = door.counters.of("acme")
    assert (counters.rejected, counters.last_rejection) == (2, "the proof fits no secret")
    assert counters.last_skew_s is None


async def test_a_stale_signature_leaves_its_skew_for_the_page(door: Door) -> None:
    await door.send(b"{}", proof="stale")

    assert door.counters.of("acme").last_skew_s == 600.0


async def test_an_unknown_source_is_refused_with_the_same_words(door: Door) -> None:
    said = await door.send(b"{}", target="/hooks/nobody")
    odd = await door.send(b"{}", target="/%68ooks/acme")

    assert (said.status, said.body) == (404, b"refused\n")
    assert (odd.status, odd.body) == (404, b"refused\n")
    assert door.counters.unknown == 2
    assert "nobody" not in door.counters.sources


@pytest.mark.parametrize("target", ["/", "/livez", "/hooks", "/metrics"])
async def test_the_public_door_has_nothing_but_hooks(door: Door, target: str) -> None:
    assert (await door.send(b"{}", target=target)).status == 404


@pytest.mark.parametrize(("proof", "body"), [("crash", b"{}"), ("s3cret", b"key crash")])
async def test_a_fault_before_keeping_is_400_and_keeps_nothing(
    door: Door, proof: str, body: bytes
) -> None:
    assert (await door.send(body, proof=proof)).status == 400
    assert door.kept == []


async def test_a_proved_sender_with_a_broken_body_is_kept_for_the_reader_to_park(
    door: Door,
) -> None:
    assert (await door.send(b"broken")).status == 202
    assert [delivery.body for delivery in door.kept] == [b"broken"]


async def test_a_failing_answer_is_an_empty_200_because_it_is_kept(door: Door) -> None:
    said = await door.send(b"answer crash")

    assert (said.status, said.body) == (200, b"")
    assert len(door.kept) == 1


async def test_a_body_may_come_in_chunks(door: Door) -> None:
    said = await door.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Transfer_Encoding="chunked")

    assert said.status == 202
    assert door.kept[0].body == b"abcde"


@pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["at once", "later"])
async def test_a_broken_chunk_is_400(door: Door, pause_s: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    await writer.drain()
    await asyncio.sleep(pause_s)  # the handler reads the body already, or does not yet
    writer.write(b"zz\r\n")
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert raw.split(b" ", 2)[1] == b"400"
    assert door.kept == []


async def test_a_gigabyte_is_413_before_it_is_read(door: Door) -> None:
    said = await door.send(b"x" * 1000, Content_Length=str(2**30))

    assert (said.status, said.body) == (413, b"refused\n")
    assert door.counters.of("acme").last_rejection == "the body is too large"


async def test_chunks_beyond_the_limit_are_413(tmp_path: Path) -> None:
    async with a_door(tmp_path, limits=DoorLimits(body_bytes=1000)) as door:
        chunks = b"".join(b"190\r\n" + b"x" * 400 + b"\r\n" for _ in range(4))
        said = await door.send(chunks + b"0\r\n\r\n", Transfer_Encoding="chunked")
        exact = await door.send(b"x" * 1000)

    assert said.status == 413
    assert exact.status == 202


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_compressed_bodies_are_refused_unread(door: Door, encoding: str) -> None:
    squeeze = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)
    bomb = squeeze(bytes(10_000_000))[:40_000]

    said = await door.send(bomb, Content_Encoding=encoding)

    assert said.status == 415
    assert door.kept == []


async def test_above_the_high_mark_it_answers_503_before_the_body(tmp_path: Path) -> None:
    async with a_door(tmp_path, disk_free=0.05) as door:
        head = b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
        raw = await door.speak(head)  # the body never comes

    assert raw.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in raw
    assert door.counters.of("acme").overloaded == 1


async def test_what_is_not_durable_in_time_is_503(tmp_path: Path) -> None:
    async with a_door(tmp_path, keeping=KeeperLimits(deadline_s=0.05)) as door:
        door.log.gate.clear()
        said = await door.send(b"{}")

    assert said.status == 503
    assert said.headers["retry-after"] == "5"
    assert door.counters.of("acme").failed == 1


async def test_a_source_over_its_quota_gets_429_and_the_unproved_use_nothing_up(
    tmp_path: Path,
) -> None:
    async with a_door(tmp_path, limits=DoorLimits(quota_per_s=1, quota_burst=2)) as door:
        unproved = [(await door.send(b"{}", proof="no")).status for _ in range(5)]
        proved = [await door.send(b"%d" % n) for n in range(3)]

    assert unproved == [401] * 5
    assert [said.status for said in proved] == [202, 202, 429]
    assert proved[-1].headers["retry-after"] == "1"
    assert door.counters.of("acme").overloaded == 1


async def test_a_slow_body_is_408(tmp_path: Path) -> None:
    async with a_door(tmp_path, limits=DoorLimits(body_deadline_s=0.05)) as door:
        said = await door.send(b"half", Content_Length="8")

        assert door.kept == []
    assert said.status == 408


@pytest.mark.parametrize(
    "octets",
    [b"", b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\n"],
    ids=["nothing", "half a head"],
)
async def test_a_head_that_does_not_come_closes_the_connection(
    tmp_path: Path, octets: bytes
) -> None:
    async with a_door(tmp_path, head_deadline_s=0.05) as door:
        assert await door.speak(octets) == b""


async def test_half_a_second_head_closes_too_but_an_idle_connection_stays(tmp_path: Path) -> None:
    request = b"OPTIONS /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n\r\n"
    async with a_door(tmp_path, head_deadline_s=0.3) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(request)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202")
        await reader.readexactly(len(b"new"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.6)  # idle for longer than the deadline
        writer.write(request[:20])
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert rest == b""


async def test_slow_heads_do_not_hold_up_a_whole_request(tmp_path: Path) -> None:
    async with a_door(tmp_path, head_deadline_s=60) as door:
        slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(100)]
        for _, writer in slow:
            writer.write(b"POST /hooks/ac")
        said = await asyncio.wait_for(door.send(b"{}"), 20)  # long before theirs
        for _, writer in slow:
            writer.close()

    assert said.status == 202


async def test_connections_are_capped_per_address(tmp_path: Path) -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    async with a_door(tmp_path, per_address=1) as door:
        _, first = await asyncio.open_connection("127.0.0.1", door.port)
        assert await door.speak(request) == b""
        first.close()
        async with asyncio.timeout(5):  # until the door has noticed that the first one left
            while not (said := await door.speak(request)):
                pass

    assert said.split(b" ", 2)[1] == b"404"


async def test_a_capped_address_may_be_that_of_a_proxy(tmp_path: Path) -> None:
    async with a_door(tmp_path, per_address=1, uncapped=(ip_network("127.0.0.0/8"),)) as door:
        _, first = await asyncio.open_connection("127.0.0.1", door.port)
        assert (await door.send(b"{}")).status == 202
        first.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
        b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
        b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /hooks/acme HTTP/1.1\nHost: h\n\n",
        b"POST /hooks/topsecret \x00 HTTP/1.1\r\n\r\n",
    ],
    ids=["2000 headers", "20 KB header", "length and chunks", "bare LF", "NUL"],
)
async def test_a_malformed_request_is_400_and_one_short_line_of_log(
    door: Door, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        raw = await door.speak(octets)

    assert raw.split(b" ", 2)[1] == b"400"
    assert len(caplog.records) <= 1
    assert len(caplog.text) <= 300 + 60  # the handler's own prefix
    assert "Traceback" not in caplog.text
    assert "topsecret" not in caplog.text


async def test_paths_are_in_no_log(
    door: Door, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="aiohttp"), caplog.at_level(logging.DEBUG):
        await door.send(b"{}", target="/hooks/acme/in-the-path-s3cret")
        await door.send(b"{}", target="/hooks/acme/in-the-path-s3cret", proof="wrong")

    captured = capsys.readouterr()
    assert "in-the-path" not in caplog.text + captured.out + captured.err


async def test_behind_a_trusted_proxy_the_sender_is_its_last_foreign_hop(tmp_path: Path) -> None:
    limits = DoorLimits(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    async with a_door(tmp_path, limits=limits) as door:
        await door.send(b"1", X_Forwarded_For="6.6.6.6, 203.0.113.7, 10.0.0.5")
        peers = [delivery.head["peer"] for delivery in door.kept]

    assert peers == ["203.0.113.7"]


@pytest.mark.parametrize(
    ("direct", "forwarded", "expected"),
    [
        ("10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
    ],
)
def test_only_trusted_hops_tell_who_sends(
    direct: str, forwarded: str | None, expected: str
) -> None:
    assert sender(direct, forwarded, (ip_network("10.0.0.0/8"),)) == expected


async def test_two_secrets_may_be_valid_and_an_ended_one_is_not(tmp_path: Path) -> None:
    rotating = replace(ACCOUNT, secrets=({"secret": "new"}, {"secret": "old"}))
    async with a_door(tmp_path, account=rotating) as door:
        statuses = [(await door.send(p.encode(), proof=p)).status for p in ("new", "old", "s3cret")]

    assert statuses == [202, 202, 401]


def test_event_ids_are_shortened_and_made_storable() -> None:
    long = short_event_id("x" * 1_000_000)

    assert long is not None
    assert len(long) < 100
    assert short_event_id("a\0b\ud800") == "a\ufffdb\ufffd"
    assert short_event_id("") is None
    assert short_event_id(None) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/hooks/acme", ("acme", "", "")),
        ("/hooks/acme/", ("acme", "/", "")),
        ("/hooks/acme/a%20b?x=1?y", ("acme", "/a%20b", "x=1?y")),
        ("http://evil/hooks/acme", ("", "", "")),
        ("/hooks/", ("", "", "")),
    ],
)
def test_a_target_is_split_as_it_was_sent(target: str, expected: tuple[str, str, str]) -> None:
    assert split_target(target) == expected


def test_counters_go_on_from_their_snapshot() -> None:
    counters = DoorCounters()
    counters.kept("acme", Receipt.CHANGED, NOON)
    counters.rejected("acme", BadSignature("stale", skew_s=-400.0), NOON)
    counters.unknown = 3

    again = DoorCounters()
    again.restore(json.loads(json.dumps(counters.snapshot())))
    again.restore({"sources": {"acme": {**again.snapshot()["sources"]["acme"], "gone": 1}}})

    assert again.of("acme") == counters.of("acme")
    assert not DoorCounters().dirty


async def test_a_sender_that_waits_with_its_body_is_told_to_send_it(tmp_path: Path):
    async with a_door(tmp_path) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n"
            b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.write(b"{}")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()

        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answer.startswith(b"HTTP/1.1 202")
        assert [kept.body for kept in door.kept] == [b"{}"]


async def test_a_body_that_is_too_large_is_not_asked_for(tmp_path: Path):
    async with a_door(tmp_path, limits=DoorLimits(body_bytes=10)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n"
            b"Expect: 100-continue\r\nContent-Length: 11\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 413")


async def test_an_expectation_that_nobody_knows_is_refused(tmp_path: Path):
    async with a_door(tmp_path) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n"
            b"Expect: nonsense\r\nContent-Length: 2\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()

        assert answer.startswith(b"HTTP/1.1 417")
        assert door.kept == []
