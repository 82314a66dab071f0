"""The index of who is calling: loaded from main, and as new as main is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Text, create_engine, delete, insert
from structlog.testing import capture_logs

from ingest.domain.answers import Asked
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import Account, Provider
from ingest.domain.directory import BEGINNING, LineKind, PointVerdict
from ingest.telephony.live import asks_usually
from ingest.telephony.lookups import LookupLimits, Lookups
from ingest.telephony.providers import PROVIDERS
from storage import decisions, directory, facts
from storage import lookups as stored
from storage.database import Database, sqlite_url
from storage.schema import migrate
from storage.tables import directory_changes, holdings
from tests.world import day

ACCOUNT = Account(source="office", region="RU")
CALLER = "+79161230001"
NOW = day(20)


async def until(condition: Callable[[], bool]) -> None:
    """Let the follower work until the condition holds."""
    while not condition():  # noqa: ASYNC110 - it is read, so nobody can tell
        await asyncio.sleep(0.005)


class Office:
    """A main database that facts are written to, and the index of an edge that only reads it."""

    def __init__(self, url: str, *, reader: Database | None = None, **limits: Any) -> None:
        self.database = Database(url)
        migrate(self.database)
        self.reader = reader or Database(url, writable=False)
        self.index = Lookups(self.reader, limits=LookupLimits(pause_s=0.0, **limits))

    def close(self) -> None:
        self.reader.close()
        self.database.close()

    def do(self, function: Any, *args: Any, **more: Any) -> Any:
        with self.database.write() as connection:
            return function(connection, *args, at=NOW, by="test", **more)

    def employee(self, name: str, extension: str) -> str:
        employee = self.do(directory.add_employee, name=name, login=name)
        point = ContactPoint(PointKind.EXTENSION, f"{extension}@office")
        line = self.do(directory.add_line, kind=LineKind.EXTENSION, point=point)
        self.do(directory.assign_line, line, employee, from_at=BEGINNING)
        return str(employee)

    def client(self, name: str, *numbers: str, primary: str | None = None) -> str:
        client = self.do(directory.add_client, name=name)
        for number in numbers:
            self.hold(client, number)
        if primary:
            self.do(directory.name_primary, client, primary, from_at=BEGINNING)
        return str(client)

    def hold(self, client: str, number: str, **more: Any) -> str:
        point = ContactPoint(PointKind.PHONE, number)
        return str(self.do(directory.hold, point, client, **more))

    def told(self, caller: str = CALLER, at: Any = NOW) -> tuple[str | None, str | None]:
        """Return the name and the extension of the answer."""
        found = self.index.answer(Asked(number=caller), ACCOUNT, at)
        assert found is not None
        return found.client_name, found.answerer.extension if found.answerer else None

    def asked(self, caller: str = CALLER, at: Any = NOW) -> tuple[str | None, str | None]:
        """Look whether anything changed, and ask."""
        self.index.refresh()
        return self.told(caller, at)


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = sqlite_url(tmp_path / "main.db")
    found = Office(url)
    yield found
    found.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Office]:
    found = Office(sqlite_url(tmp_path / "main.db"))
    yield found
    found.close()


def test_before_it_is_loaded_there_is_no_answer(embedded: Office):
    assert embedded.index.answer(Asked(number=CALLER), ACCOUNT, NOW) is None
    assert not embedded.index.loaded


def test_every_change_of_the_directory_is_in_the_next_answer(office: Office):
    anna, boris = office.employee("anna", "101"), office.employee("boris", "102")
    assert office.asked() == (None, None)

    acme = office.client("Acme", CALLER, primary=anna)
    assert office.asked() == ("Acme", "101")

    office.do(directory.name_primary, acme, boris, from_at=day(19))
    assert office.asked() == ("Acme", "102")

    office.do(directory.leave, boris, left_at=day(19, 18))
    office.do(directory.set_policy, "duty", anna, from_at=day(1))
    assert office.asked() == ("Acme", "101")

    office.do(directory.undo_leave, boris, why="a mistake")
    assert office.asked() == ("Acme", "102")

    other = office.client("Other", CALLER)
    assert office.asked() == (None, "101")

    point = ContactPoint(PointKind.PHONE, CALLER)
    linked = office.do(decisions.decide_point, point, PointVerdict.LINK, client=other)
    assert office.asked() == ("Other", "101")

    office.do(decisions.undo, linked)
    assert office.asked() == (None, "101")

    made = office.do(
        decisions.decide_point, ContactPoint(PointKind.PHONE, "+79160000002"), PointVerdict.LINK,
        new_client="New",
    )  # fmt: skip
    assert office.asked("+79160000002") == ("New", "101")
    office.do(decisions.undo, made)
    assert office.asked("+79160000002") == (None, None)


def test_what_is_loaded_whole_and_what_was_followed_say_the_same(office: Office):
    office.index.refresh()
    anna, boris = office.employee("anna", "101"), office.employee("boris", "102")
    for n in range(30):
        client = office.client(f"C{n}", f"+7916000{n:04}", primary=anna if n % 2 else boris)
        if n % 5 == 0:
            office.do(directory.name_primary, client, boris, from_at=day(10))
        if n % 7 == 0:
            office.hold(client, "+79169999999", until=day(12))
    point = ContactPoint(PointKind.PHONE, "+79160000003")
    office.do(decisions.decide_point, point, PointVerdict.NEVER_LOG)
    office.index.refresh()
    whole = Lookups(office.reader)
    whole.refresh()

    assert office.index.report()["clients"] == 0
    assert whole.report()["clients"] == 30
    for number in [*(f"+7916000{n:04}" for n in range(30)), "+79169999999"]:
        for at in (day(9), day(10), day(12), day(20)):
            asked = Asked(number=number)
            assert office.index.answer(asked, ACCOUNT, at) == whole.answer(asked, ACCOUNT, at)


def test_a_transfer_entered_before_acts_at_its_moment_with_nothing_run_in_between(embedded: Office):
    anna, boris = embedded.employee("anna", "101"), embedded.employee("boris", "102")
    acme = embedded.client("Acme", CALLER, primary=anna)
    embedded.do(directory.name_primary, acme, boris, from_at=day(20, 18))
    embedded.index.refresh()

    assert embedded.told(at=day(20, 18) - timedelta(microseconds=1)) == ("Acme", "101")
    assert embedded.told(at=day(20, 18)) == ("Acme", "102")


def test_an_edge_of_another_process_follows_a_decision_within_a_second(embedded: Office):
    """The edge has a connection of its own, and only reads: nothing else joins it to the core."""
    anna = embedded.employee("anna", "101")

    async def decide_and_wait() -> float:
        following = asyncio.create_task(embedded.index.follow(lambda: True))
        await until(lambda: embedded.index.loaded)
        await asyncio.to_thread(embedded.client, "Acme", CALLER, primary=anna)
        began = time.monotonic()
        await until(lambda: embedded.told() == ("Acme", "101"))
        following.cancel()
        return time.monotonic() - began

    assert asyncio.run(asyncio.wait_for(decide_and_wait(), 10)) < 1.0


def test_the_index_of_the_core_itself_follows_as_well(tmp_path: Path):
    database = Database(sqlite_url(tmp_path / "main.db"))
    office = Office(sqlite_url(tmp_path / "main.db"), reader=database)
    office.index.refresh()

    office.client("Acme", CALLER)

    assert office.asked() == ("Acme", None)
    office.close()


class Away(Database):
    """A main database that cannot be read at times."""

    away = False

    def read(self) -> Any:
        if self.away:
            raise OSError("main is away")
        return super().read()


async def test_it_goes_on_with_what_is_known_last_when_main_is_away(tmp_path: Path):
    reader = Away(sqlite_url(tmp_path / "main.db"), writable=False)
    url = sqlite_url(tmp_path / "main.db")
    office = Office(url, reader=reader, look_s=0.0, away_s=0.0)
    office.client("Acme", CALLER)
    following = asyncio.create_task(office.index.follow(lambda: True))
    await until(lambda: office.index.loaded)

    reader.away = True
    await until(lambda: office.index.report()["away"])
    office.client("Other", "+79160000002")
    assert office.told() == ("Acme", None)

    reader.away = False
    await until(lambda: office.told("+79160000002") == ("Other", None))
    following.cancel()
    assert office.index.report()["away"] is False
    office.close()


async def test_when_nobody_asks_any_more_its_memory_is_given_back(embedded: Office):
    asked = [True]
    following = asyncio.create_task(embedded.index.follow(lambda: asked[0]))
    await until(lambda: embedded.index.loaded)
    asked[0] = False
    await until(lambda: not embedded.index.loaded)
    following.cancel()


def test_who_is_too_far_behind_reads_everything(embedded: Office):
    embedded.client("Acme", CALLER)
    embedded.index.refresh()
    embedded.client("Other", "+79160000002")
    with embedded.database.write() as connection:
        connection.execute(delete(directory_changes))
        facts.record(
            connection, holdings, at=NOW, by="test", point="tel:+79160000003", raw=None,
            client_id="none", contact_id=None, from_at=BEGINNING, until=None,
        )  # fmt: skip

    assert embedded.asked("+79160000002") == ("Other", None)
    assert embedded.index.report()["clients"] == 2


def test_what_changed_is_packed_when_it_is_much(tmp_path: Path):
    embedded = Office(sqlite_url(tmp_path / "main.db"), most_recent=3)
    embedded.index.refresh()
    embedded.client("Acme", CALLER)
    embedded.client("Other", "+79160000002")
    embedded.index.refresh()
    assert embedded.index.report()["recent"] == 4

    embedded.index.refresh()

    assert embedded.index.report()["recent"] == 0
    assert embedded.told() == ("Acme", None)
    embedded.close()


def test_what_people_decided_is_never_packed_and_never_loaded_for_that_alone(tmp_path: Path):
    embedded = Office(sqlite_url(tmp_path / "main.db"), most_recent=3)
    client = embedded.client("Acme")
    for n in range(5):
        point = ContactPoint(PointKind.PHONE, f"+7916000000{n}")
        embedded.do(decisions.decide_point, point, PointVerdict.LINK, client=client)

    with capture_logs() as said:
        for _ in range(3):
            assert embedded.asked("+79160000001") == ("Acme", None)

    assert [it["event"] for it in said] == ["lookup.loaded"]
    embedded.close()


def test_slices_lose_nothing_at_their_ends(tmp_path: Path):
    embedded = Office(sqlite_url(tmp_path / "main.db"), slice_rows=2)
    anna, boris = embedded.employee("anna", "101"), embedded.employee("boris", "102")
    both = [embedded.client(f"C{n}", CALLER, f"+7916000000{n}", primary=anna) for n in range(5)]
    for client in both:
        embedded.do(directory.name_primary, client, boris, from_at=day(10))

    assert embedded.asked() == (None, None)  # five clients hold it
    for n in range(5):
        assert embedded.told(f"+7916000000{n}") == (f"C{n}", "102")
        assert embedded.told(f"+7916000000{n}", at=day(9)) == (f"C{n}", "101")
    embedded.close()


def test_numbers_are_found_whatever_the_databases_order_of_letters():
    """Servers made with a language sort ";" before ":", and PostgreSQL's image is one of them."""
    order = {sign: chr(place) for place, sign in enumerate("_-,;:!?/.+@")}

    def compare(one: str, other: str) -> int:
        keys = ["".join(order.get(letter, letter) for letter in text) for text in (one, other)]
        return (keys[0] > keys[1]) - (keys[0] < keys[1])

    table = holdings.to_metadata(MetaData())
    table.c.point.type = Text(collation="en_US")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.connection.dbapi_connection.create_collation("en_US", compare)
        table.create(connection)
        points = [f"{kind}{CALLER}" for kind in ("mail:", "tel:", "xmpp:")]
        common = {"client_id": "c", "from_at": NOW, "recorded_at": NOW, "recorded_by": "test"}
        rows = [{**common, "id": point, "point": point} for point in points]
        connection.execute(insert(table), rows)

        found, last = stored.holdings_after(connection, ("", ""), 10)

        assert [row[0] for row in found] == [f"tel:{CALLER}"]
        assert stored.holdings_after(connection, last, 10)[0] == []


def test_a_national_number_is_read_in_the_region_of_the_line_that_was_called(embedded: Office):
    """As the touch reads it: the name of another country's client would be told otherwise."""
    embedded.client("Berlin", "+49301234567")
    embedded.client("Utrecht", "+31301234567")
    line = ContactPoint(PointKind.PHONE, "+493099900000")
    embedded.do(directory.add_line, kind=LineKind.DID, point=line, region="DE")
    embedded.index.refresh()

    def name(called: str | None) -> str | None:
        account = Account(source="office", region="NL")
        found = embedded.index.answer(Asked(number="0301234567", line=called), account, NOW)
        return found.client_name if found else None

    assert name("+493099900000") == "Berlin"
    assert name(None) == "Utrecht"


def test_a_source_may_ask_for_the_extensions_of_another(embedded: Office):
    anna = embedded.employee("anna", "101")
    embedded.client("Acme", CALLER, primary=anna)
    embedded.index.refresh()
    asked = Asked(number="8 916 123-00-01")

    def told(**config: str) -> str | None:
        account = Account(source="dialplan", region="RU", config=config)
        found = embedded.index.answer(asked, account, NOW)
        assert found is not None
        assert found.answerer is not None
        return found.answerer.extension

    assert told() is None
    assert told(extensions_of="office") == "101"


@pytest.mark.parametrize(
    ("provider", "config", "wanted"),
    [
        ("megafon", {}, True),
        ("megafon", {"live_answer": False}, False),
        ("generic", {}, False),
        ("generic", {"live_answer": True}, True),
        ("mango", {"live_answer": True}, False),
    ],
)
def test_the_index_is_worth_its_memory_only_where_somebody_asks(
    provider: str, config: dict[str, bool], wanted: bool
):
    found: Provider = PROVIDERS[provider]

    assert asks_usually(found, Account(source="s", config=config)) is wanted
