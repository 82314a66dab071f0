"""A telephone system that dials us: who is heard, what is kept, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ingest.domain.deliveries import Account, Kind
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, part_state_name
from ingest.telephony.endpoints import place_of, settings_problem
from ingest.telephony.listening import Listening, ListeningLimits, wanted
from ingest.telephony.providers import PROVIDERS
from tests.telephony.quick_desk import NOON, House

THREECX = PROVIDERS["3cx"]
ACCOUNT = Account(
    source="pbx", config={"listen": "127.0.0.1:0"}, unsigned_from=("127.0.0.0/8", "192.0.2.0/24")
)
STATE = part_state_name("pbx", "listening")
LIMITS = ListeningLimits(connections=2, look_s=0.01)


@dataclass
class Ear:
    """A listening source and those who dial it."""

    house: House
    listening: Listening
    desk: SourceDesk

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listening.port)

    async def until(self, so: str) -> None:
        await self.house.until(lambda: self.house.memory.get(STATE, {}).get("state") == so)

    async def heard(self, lines: int) -> list[bytes]:
        await self.house.until(lambda: len(self.house.kept) >= lines)
        return [delivery.body for delivery in self.house.kept]


@asynccontextmanager
async def an_ear(account: Account = ACCOUNT, house: House | None = None) -> AsyncIterator[Ear]:
    house = house or House()
    desk = SourceDesk(
        provider=THREECX,
        account=account,
        clock=lambda: house.now,
        stop=asyncio.Event(),
        keep=house.keep,
        recall=house.recall,
    )
    listening = Listening(desk, LIMITS)
    running = asyncio.create_task(listening.run())
    await house.until(lambda: STATE in house.memory)
    ear = Ear(house, listening, desk)
    try:
        yield ear
    finally:
        desk.stop.set()
        await asyncio.wait_for(running, 5)


async def test_each_line_is_kept_as_it_came_however_it_was_cut() -> None:
    async with an_ear() as ear:
        _, writer = await ear.dial()
        for part in (b"Call 1,A", b",00:00\r", b"\nCall 2,B\r\nCa", b"ll 3,C\r\n\r\n"):
            writer.write(part)
            await writer.drain()

        assert await ear.heard(3) == [b"Call 1,A,00:00", b"Call 2,B", b"Call 3,C"]
        assert {delivery.head["kind"] for delivery in ear.house.kept} == {str(Kind.STREAM)}
        assert ear.house.memory[STATE]["state"] == "connected"
        writer.close()
        await ear.until("away")


async def test_an_address_that_is_not_listed_is_not_heard() -> None:
    async with an_ear(replace(ACCOUNT, unsigned_from=("192.0.2.1",))) as ear:
        reader, writer = await ear.dial()
        with suppress(ConnectionError):
            writer.write(b"Call 1,A\r\n")
            await asyncio.wait_for(reader.read(), 5)

        assert ear.house.kept == []
        assert ear.house.memory[STATE]["state"] == "away"
        writer.close()


async def test_a_new_connection_takes_the_place_of_the_oldest() -> None:
    async with an_ear() as ear:
        first, *others = [await ear.dial() for _ in range(3)]

        with suppress(ConnectionError):
            assert await asyncio.wait_for(first[0].read(), 5) == b""
        for _, writer in others:
            writer.write(b"Call 1,A\r\n")
        assert len(await ear.heard(2)) == 2
        for _, writer in (first, *others):
            writer.close()


async def test_a_line_without_end_ends_the_connection_and_nothing_else() -> None:
    async with an_ear() as ear:
        reader, writer = await ear.dial()
        with suppress(ConnectionError):
            for _ in range(8):
                writer.write(b"x" * 16_384)
                await writer.drain()
            await asyncio.wait_for(reader.read(), 5)
        await ear.until("away")
        _, again = await ear.dial()
        again.write(b"Call 1,A\r\n")

        assert await ear.heard(1) == [b"Call 1,A"]
        writer.close()
        again.close()


async def test_what_is_not_durable_yet_is_tried_again() -> None:
    class Away(House):
        fails = 2

        async def keep(self, deliveries, memory):  # type: ignore[no-untyped-def]
            if deliveries and self.fails:
                self.fails -= 1
                raise KeepFailed("the log is away")
            return await super().keep(deliveries, memory)

    async with an_ear(house=Away()) as ear:
        _, writer = await ear.dial()
        writer.write(b"Call 1,A\r\n")

        assert await ear.heard(1) == [b"Call 1,A"]
        writer.close()


async def test_a_time_in_which_nobody_was_connected_is_remembered_as_a_gap() -> None:
    house = House()
    async with an_ear(house=house) as ear:
        _, writer = await ear.dial()
        await ear.until("connected")
        writer.close()
        await ear.until("away")
        house.now += timedelta(minutes=5)
        _, writer = await ear.dial()
        await ear.until("connected")
        writer.close()

    [gap] = house.memory[STATE]["gaps"]
    assert gap == {
        "from": NOON.isoformat(),
        "to": (NOON + timedelta(minutes=5)).isoformat(),
    }


@pytest.mark.parametrize(
    ("config", "unsigned_from", "named"),
    [
        ({"listen": "5015"}, ("192.0.2.1",), "listen:"),
        ({"listen": "0.0.0.0:x"}, ("192.0.2.1",), "listen:"),
        ({"listen": "0.0.0.0:70000"}, ("192.0.2.1",), "listen:"),
        ({"listen": 5015}, ("192.0.2.1",), "listen:"),
        ({"listen": "0.0.0.0:5015"}, (), "unsigned_from:"),
    ],
)
async def test_a_setting_that_cannot_be_listened_by_is_named_and_nothing_is_opened(
    config: dict[str, object], unsigned_from: tuple[str, ...], named: str
) -> None:
    account = replace(ACCOUNT, config=config, unsigned_from=unsigned_from)
    async with an_ear(account) as ear:
        state = ear.house.memory[STATE]

        assert state["state"] == "refused"
        assert state["because"].startswith(named)
        assert ear.listening.port == 0
    assert (settings_problem(THREECX, account) or "").startswith(named)


async def test_a_place_that_is_taken_is_told() -> None:
    async with an_ear() as first:
        place = f"127.0.0.1:{first.listening.port}"
        async with an_ear(replace(ACCOUNT, config={"listen": place})) as second:
            assert second.house.memory[STATE]["state"] == "refused"
            assert place in second.house.memory[STATE]["because"]


async def test_a_place_whose_name_cannot_be_one_is_told() -> None:
    async with an_ear(replace(ACCOUNT, config={"listen": "pbx..example.org:5015"})) as ear:
        assert ear.house.memory[STATE]["state"] == "refused"
        assert ear.house.memory[STATE]["because"].startswith("listen: pbx..example.org:5015: ")


def test_only_a_provider_that_dials_is_listened_for() -> None:
    assert wanted(THREECX, ACCOUNT)
    assert not wanted(THREECX, replace(ACCOUNT, config={}))
    assert not wanted(PROVIDERS["generic"], ACCOUNT)
    assert place_of(replace(ACCOUNT, config={"listen": "[::1]:5015"})).host == "::1"
