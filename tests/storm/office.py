"""A company that hears of the calls: a real log, the real worker, a real database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from ingest.domain.deliveries import End, HookRequest, NewDelivery, Receipt
from ingest.domain.directory import BEGINNING, LineKind
from ingest.matching.numbers import to_point
from ingest.readers import Sources
from ingest.telephony.history import Puller
from ingest.telephony.request import delivery_key
from ingest.telephony.server import short_event_id
from ingest.worker import Worker
from storage import directory
from storage.log_sqlite import SqliteLog, open_log
from storage.tables import deliveries
from tests.desk import no_mails
from tests.storm.calls import REMOTES, Tale
from tests.storm.houses import HOUSES, PUBLIC_URL, House
from tests.storm.weather import Arrival, Weather
from tests.telephony.quick_desk import House as Desks
from tests.telephony.quick_desk import a_desk
from tests.telephony.simulators.serving import Simulated, served
from tests.world import NOW, World, sqlite_world

BATCH = 500
LOOKS = 10_000  #: questions that a history may need


@dataclass(kw_only=True)
class Office:
    """One run: what is kept in the log, and what is recorded of it."""

    world: World
    log: SqliteLog
    path: Path
    now: datetime = NOW

    async def hear(self, weather: Weather, calls: Sequence[Tale], *, ask: bool) -> None:
        """Take everything that comes; in between ask the histories for what was missed."""
        self.now = weather.over_at + timedelta(hours=2)
        new = self.keep([delivered(arrival) for arrival in weather.arrivals])
        reports = {(arrival.call.name, arrival.told.what) for arrival in weather.arrivals}
        assert new == len(reports), "each report is kept once, however often it comes"
        if ask:
            for house in HOUSES.values():
                self.keep(await pulled(house, calls, weather.over_at))
        self.keep([delivered(arrival) for arrival in weather.withheld])
        self.worker().drain()

    def keep(self, new: Sequence[NewDelivery]) -> int:
        """Keep deliveries; return how many were new."""
        kept = [
            one
            for begin in range(0, len(new), BATCH)
            for one in self.log.append(0, new[begin : begin + BATCH])
        ]
        return sum(one.receipt is not Receipt.REPEATED for one in kept)

    def parked(self) -> list[str]:
        """Return why deliveries could not be read; in no weather there is one."""
        with self.world.reading() as connection:
            rows = connection.execute(
                select(deliveries.c.source, deliveries.c.reason).where(
                    deliveries.c.end == End.PARKED.value
                )
            )
            return [f"{row.source}: {row.reason}" for row in rows]

    def worker(self) -> Worker:
        return Worker(
            database=self.world.database,
            logs={"calls": self.log},
            sources=_sources,
            read_mails=no_mails,
            clock=lambda: self.now,
            attempts=self.path / "attempts",
        )


@contextmanager
def an_office(path: Path) -> Iterator[Office]:
    """Open a company in an empty directory: lines, who holds them, clients."""
    path.mkdir(parents=True, exist_ok=True)
    world = sqlite_world(path)
    _people(world)
    log = open_log(path / "calls.log.db", name="calls")
    try:
        yield Office(world=world, log=log, path=path)
    finally:
        log.close()
        world.close()


def delivered(arrival: Arrival) -> NewDelivery:
    """Return what the public door keeps of a report: signed, proved, with its key."""
    house = HOUSES[arrival.call.house]
    account, address = house.account, f"{PUBLIC_URL}/hooks/{house.name}"
    signed = house.sign(arrival.told.report, house.secrets, address, arrival.received_at)
    request = HookRequest(
        method="POST",
        path=signed.url.removeprefix(address),
        headers=tuple((name.lower(), value) for name, value in signed.headers.items()),
        body=signed.body,
        url=signed.url,
        received_at=arrival.received_at,
    )
    house.provider.verify(request, account)
    event_id = short_event_id(house.provider.key(request, account))
    return NewDelivery(
        source=house.name,
        key=delivery_key(request, event_id),
        event_id=event_id,
        received_at=request.received_at,
        head={
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "url": request.url,
        },
        body=request.body,
    )


async def pulled(house: House, calls: Sequence[Tale], now: datetime) -> list[NewDelivery]:
    """Return the answers that the house's history gives to the real puller over real HTTP."""
    history = house.provider.history
    if history is None or house.routes is None:
        return []
    desks = Desks(now=now, ends=now + timedelta(days=1))
    own = [call for call in calls if call.house == house.name]
    knows = Simulated(calls=own, secrets=house.secrets)
    async with served(house.routes, knows, house.hosts) as server:
        desk = a_desk(house.provider, house.account, desks)
        puller = Puller(desk, history, server.ask)
        for _ in range(LOOKS):
            await desk.wait(await puller.step())
            if puller.state.asked_at is not None:
                break
    assert puller.state.because is None, f"{house.name}: {puller.state.because}"
    assert puller.state.asked_at is not None, f"{house.name}: its history was not read to the end"
    return desks.kept


def _sources() -> Sources:
    return {house.name: (house.provider, house.account) for house in HOUSES.values()}


def _people(world: World) -> None:
    """Every telephone has its holder, every line a receptionist, some numbers a client."""
    with world.database.write() as connection:

        def held(text: str, kind: LineKind, house: str, name: str) -> None:
            employee = directory.add_employee(connection, name=name, at=NOW, by="test")
            line = directory.add_line(
                connection,
                kind=kind,
                point=to_point(text, "RU", house),
                at=NOW,
                by="test",
                region="RU",
            )
            directory.assign_line(connection, line, employee, from_at=BEGINNING, at=NOW, by="test")

        for house in HOUSES.values():
            held(house.line, LineKind.DID, house.name, f"reception of {house.name}")
            for phone in house.phones:
                kind = LineKind.SIM if phone.startswith("+") else LineKind.EXTENSION
                held(phone, kind, house.name, f"{phone} of {house.name}")
        for number in range(0, REMOTES, 8):
            client = directory.add_client(connection, name=f"client {number}", at=NOW, by="test")
            remote = to_point(f"+7903{2_000_000 + number:07}", "RU", "mango")
            directory.hold(connection, remote, client, at=NOW, by="test")
