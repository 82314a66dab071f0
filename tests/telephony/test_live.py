"""Live answers at the door: given at once, kept afterwards, and never the call's undoing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ingest.domain.answers import Answerer, Asked, Found, Lookup
from ingest.domain.deliveries import Account, HookRequest, HookResponse, Provider
from ingest.keeper import Keeper, KeeperLimits
from ingest.telephony import live
from ingest.telephony.connections import DoorRunner
from ingest.telephony.door import DoorCounters, DoorLimits
from ingest.telephony.server import public_door
from tests.telephony.test_server import ACCOUNT, ACME, NOON, Door, GatedLog

ANNA = Found(client_name="Acme", answerer=Answerer(employee="anna", extension="101"))
KNOWN = b"Acme 101"
NEUTRAL = b"neutral"


def asks(request: HookRequest, account: Account) -> Asked | None:
    if request.body == b"asks crash":
        raise RuntimeError("a fault in asks")
    return Asked(number="+79161230001") if request.body.startswith(b"who") else None


def answer(request: HookRequest, account: Account, found: Found) -> HookResponse:
    if found == Found():
        if request.body == b"who neutral crash":
            raise RuntimeError("a fault in the neutral answer")
        return HookResponse(body=NEUTRAL)
    if b"crash" in request.body:
        raise RuntimeError("a fault in answer")
    assert found.answerer is not None
    return HookResponse(body=f"{found.client_name} {found.answerer.extension}".encode())


ASKING = replace(ACME, lookup=Lookup(asks, answer))


def found_anna(asked: Asked, account: Account, at: datetime) -> Found | None:
    assert (asked.number, account.source, at) == ("+79161230001", "acme", NOON)
    return ANNA


def broken(asked: Asked, account: Account, at: datetime) -> Found | None:
    raise RuntimeError("a fault in the index")


@asynccontextmanager
async def a_door(
    directory: Path,
    find_who: Callable[..., Any] | None = found_anna,
    *,
    keeping: KeeperLimits | None = None,
    limits: DoorLimits | None = None,
    disk_free: float = 1.0,
    others: Mapping[str, tuple[Provider, Account]] | None = None,
) -> AsyncIterator[Door]:
    log = GatedLog(directory / "calls.log.db")
    keeper = Keeper(log, limits=keeping, disk_free=lambda: disk_free)
    counters = DoorCounters()
    app = public_door(
        sources=lambda: {"acme": (ASKING, ACCOUNT), **(others or {})},
        keeper=keeper,
        clock=lambda: NOON,
        limits=limits,
        counters=counters,
        monotonic=lambda: 0.0,
        find_who=find_who,
    )
    runner = DoorRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Door(runner.addresses[0][1], log, keeper, counters)
    finally:
        log.gate.set()
        await runner.cleanup()
        await keeper.close()
        log.close()


async def test_the_answer_does_not_wait_for_the_log_and_is_kept_afterwards(tmp_path: Path):
    async with a_door(tmp_path) as door:
        door.log.gate.clear()

        said = await asyncio.wait_for(door.send(b"who"), 5)

        assert (said.status, said.body) == (200, KNOWN)
        assert door.kept == []
        assert await asyncio.to_thread(door.log.entered.wait, 5)  # it is being written
        door.log.gate.set()
    counters = door.counters.of("acme")
    assert (counters.asked, counters.named, counters.unkept, counters.accepted) == (1, 1, 0, 1)


async def test_closing_waits_until_what_was_answered_is_kept(tmp_path: Path):
    async with a_door(tmp_path) as door:
        door.log.gate.clear()
        await door.send(b"who")
        asyncio.get_running_loop().call_later(0.05, door.log.gate.set)

    log = GatedLog(tmp_path / "calls.log.db")
    assert [delivery.body for delivery in log.read(0, 0, 10)] == [b"who"]
    log.close()


async def test_other_requests_of_that_provider_are_answered_after_the_commit(tmp_path: Path):
    async with a_door(tmp_path) as door:
        said = await door.send(b"event")

        assert (said.status, said.body) == (202, b"new")
        assert len(door.kept) == 1
        assert door.counters.of("acme").asked == 0


async def test_who_is_not_proved_is_told_nothing(tmp_path: Path):
    async with a_door(tmp_path) as door:
        said = await door.send(b"who", proof="wrong")

        assert (said.status, said.body) == (401, b"refused\n")
        assert door.counters.of("acme").asked == 0


@pytest.mark.parametrize(
    ("find_who", "body"),
    [
        (None, b"who"),
        (lambda asked, account, at: None, b"who"),
        (broken, b"who"),
        (found_anna, b"who crash"),
    ],
    ids=["no index", "not loaded", "the index breaks", "the answer breaks"],
)
async def test_on_any_trouble_the_neutral_answer_goes_out(
    tmp_path: Path, find_who: Callable[..., Any] | None, body: bytes
):
    async with a_door(tmp_path, find_who) as door:
        said = await door.send(body)

        assert (said.status, said.body) == (200, NEUTRAL)
        assert door.counters.of("acme").named == 0


async def test_if_even_that_breaks_the_call_still_goes_on(tmp_path: Path):
    async with a_door(tmp_path) as door:
        said = await door.send(b"who neutral crash")

        assert said.status == 202  # as the provider answers events


async def test_a_question_that_cannot_be_read_is_kept_as_an_event(tmp_path: Path):
    async with a_door(tmp_path) as door:
        assert (await door.send(b"asks crash")).status == 202
        assert len(door.kept) == 1


@pytest.mark.parametrize("trouble", ["the disk is full", "the quota is spent"])
async def test_a_full_log_refuses_events_and_answers_questions(tmp_path: Path, trouble: str):
    full = trouble == "the disk is full"
    limits = None if full else DoorLimits(quota_per_s=0, quota_burst=0)
    async with a_door(tmp_path, disk_free=0.01 if full else 1.0, limits=limits) as door:
        said, event = await door.send(b"who"), await door.send(b"event")

        assert (said.status, said.body) == (200, KNOWN)
        assert event.status == (503 if full else 429)
        assert door.counters.of("acme").unkept == 1
        assert door.kept == []


async def test_what_could_not_be_kept_is_counted(tmp_path: Path):
    async with a_door(tmp_path, keeping=KeeperLimits(deadline_s=0.05)) as door:
        door.log.gate.clear()
        assert (await door.send(b"who")).body == KNOWN
        counters = door.counters.of("acme")
        while not counters.unkept:  # noqa: ASYNC110 - nobody tells when it is given up
            await asyncio.sleep(0.01)

        assert (counters.unkept, counters.failed) == (1, 0)


async def test_questions_that_wait_to_be_kept_have_a_bound(tmp_path: Path):
    async with a_door(tmp_path) as door:
        door.log.gate.clear()
        waiting = live.LiveAnswers(found_anna, door.counters)
        never = asyncio.Event()
        for _ in range(live.MOST_WAITING + 3):
            waiting.keep_after("acme", never.wait())

        assert door.counters.of("acme").unkept == 3
        never.set()
        await waiting.close()


async def test_a_question_is_answered_before_a_burst_of_reports_that_came_earlier(tmp_path: Path):
    proved: list[str] = []

    def plain_verify(hook: HookRequest, account: Account) -> None:
        proved.append("report")

    def found(*given: Any) -> Any:
        proved.append("question")
        return found_anna(*given)

    plain = replace(ASKING, verify=plain_verify, lookup=None)
    others = {"plain": (plain, replace(ACCOUNT, source="plain"))}
    async with a_door(tmp_path, found, others=others) as door:
        senders = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(200)]
        for number, (_, writer) in enumerate(senders[1:]):
            body = b"event %d" % number
            writer.write(
                b"POST /hooks/plain HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            if number % 2:
                writer.close()  # it says its piece and leaves: kept all the same
        senders[0][1].write(
            b"POST /hooks/acme HTTP/1.1\r\nHost: h\r\nX-Proof: s3cret\r\n"
            b"Content-Length: 3\r\n\r\nwho"
        )
        answer = await asyncio.wait_for(senders[0][0].readuntil(KNOWN), 10)
        await door.until_kept(200)
        for _, writer in senders:
            writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert proved.count("report") == 199
    assert proved.index("question") < 50
