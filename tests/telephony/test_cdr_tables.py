"""Call details in a database's table: asked read-only, read as the rows of a file are."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ingest.domain.calls import Outcome, Report
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, Kind
from ingest.domain.histories import ApiRequest
from ingest.telephony import cdr_tables
from ingest.telephony.api_client import ApiNotAllowed, ApiUnreachable
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of
from ingest.telephony.history import Puller
from ingest.telephony.protocols.asterisk_cdr import COLUMNS
from ingest.telephony.providers import PROVIDERS
from tests.telephony.quick_desk import House, a_desk
from tests.telephony.recorded import cases
from tests.telephony.test_history import walk

ASTERISK = PROVIDERS["asterisk"]
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROW = (
    '"","+4917139200001","493023125000","from-trunk","""Client"" <+4917139200001>",'
    '"PJSIP/trunk-00000000","PJSIP/101-00000001","Dial","PJSIP/101,20,tT",'
    '"2026-03-02 10:00:00","2026-03-02 10:00:04","2026-03-02 10:00:10",10,6,"ANSWERED",'
    '"DOCUMENTATION","1772442000.0",""'
)
CONFIG = {"trunk_channel_prefixes": ["PJSIP/trunk-"], "internal_ext_pattern": "^1[0-9]{2}$"}


@cache
def recorded_files() -> dict[str, str]:
    """Return the CDR files of the recorded cases, by the case's name."""
    return {
        name: each["body"]
        for name, case in cases().items()
        if name.startswith("asterisk")
        for each in case.get("files", ())
        if "master" in each["name"].lower()
        and "torn" not in name
        and not case["config"].get("csv", {}).get("usegmtime")
    }


def account(url: str, **config: Any) -> Account:
    secrets = ({"ami_username": "u", "ami_secret": "s", "cdr_url": url},)
    return Account(
        source="pbx", secrets=secrets, zone=BERLIN, region="DE", config={**CONFIG, **config}
    )


@pytest.fixture
def sqlite_table(tmp_path: Path) -> str:
    file = tmp_path / "master.db"
    with closing(sqlite3.connect(file)) as connection:
        make(connection, "?")
        connection.commit()
    return f"sqlite:///{file}"


async def test_a_row_of_the_table_is_the_call_that_the_same_row_of_a_file_is(
    sqlite_table: str,
) -> None:
    [call] = await pulled(account(sqlite_table))
    [same] = calls_of(ROW, account(sqlite_table))

    assert call == same
    assert (call.outcome, call.talked, call.talk_s) == (Outcome.ANSWERED, ("101",), 6.0)
    assert call.started_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_a_table_without_answer_and_end_tells_them_by_its_lengths(tmp_path: Path) -> None:
    file = tmp_path / "freepbx.db"
    with closing(sqlite3.connect(file)) as connection:
        make(connection, "?", lacking=("start", "answer", "end"))
        connection.commit()

    [call] = await pulled(account(f"sqlite:///{file}"))

    assert (call.outcome, call.talk_s, call.duration_s) == (Outcome.ANSWERED, 6.0, 10.0)


async def test_postgres_is_asked_in_the_zone_of_the_account_and_cannot_be_written(
    postgres_url: str,
) -> None:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        make(connection, "%s", kind="timestamptz", zone="Europe/Berlin")
        connection.commit()

    [call] = await pulled(account(url))

    assert call.started_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert call.talk_s == 6.0


async def test_more_rows_than_one_answer_holds_come_in_pages(tmp_path: Path) -> None:
    file = tmp_path / "long.db"
    with closing(sqlite3.connect(file)) as connection:
        make(connection, "?", copies=1_100)
        connection.commit()

    assert len(await pulled(account(f"sqlite:///{file}"))) == 1_100


async def test_no_setting_becomes_sql(sqlite_table: str) -> None:
    hostile = account(sqlite_table, cdr_table='cdr"; DROP TABLE cdr; --')

    with pytest.raises(ApiUnreachable):
        await asks(hostile)
    assert len(await pulled(account(sqlite_table))) == 1


async def test_a_wrong_address_is_said_without_the_password_in_it() -> None:
    with pytest.raises(ApiNotAllowed) as refused:
        await asks(account("oracle://user:hidden@pbx.example/cdr"))
    assert "hidden" not in str(refused.value)

    with pytest.raises(ApiUnreachable) as away:
        await asks(account("postgresql://user:hidden@127.0.0.1:1/cdr"))
    assert "hidden" not in str(away.value)


def test_every_database_that_may_be_named_has_its_driver() -> None:
    from sqlalchemy import create_engine

    for name, driver in cdr_tables.DRIVERS.items():
        assert create_engine(f"{driver}://").dialect.name in cdr_tables.READ_ONLY, name


def test_one_torn_row_hides_no_other() -> None:
    names = COLUMNS[18]
    good = dict(zip(names, next(csv.reader(io.StringIO(ROW))), strict=True))
    body = json.dumps([{"calldate": "yesterday", "channel": "x"}, good]).encode()

    assert len(ASTERISK.reads[Kind.PULL](a_delivery(body), account("sqlite://"))) > 0


@pytest.mark.parametrize("name", sorted(recorded_files()))
def test_what_a_real_asterisk_wrote_is_the_same_from_a_table(name: str) -> None:
    case = cases()[name]
    lines = list(csv.reader(io.StringIO(recorded_files()[name])))
    rows = [dict(zip(COLUMNS[len(line)], line, strict=True)) for line in lines]
    table_ = json.dumps([{**row, "calldate": row["start"]} for row in rows]).encode()
    asked = replace(account_of(case), zone=ZoneInfo(case["config"].get("pbx_tz", "UTC")))

    from_table = ASTERISK.reads[Kind.PULL](a_delivery(table_), asked)

    assert list(from_table) == events_of_file(recorded_files()[name], asked)


# Helpers ---------------------------------------------------------------------------------------


def make(
    connection: Any,
    mark: str,
    *,
    lacking: tuple[str, ...] = (),
    kind: str = "text",
    zone: str | None = None,
    copies: int = 1,
    begins_at: datetime | None = None,
) -> None:
    """Make the table `cdr` with the row in it; `calldate` is the start where it is asked for."""
    names = [name for name in COLUMNS[18] if name not in lacking]
    values = dict(zip(COLUMNS[18], next(csv.reader(io.StringIO(ROW))), strict=True))
    if zone:
        connection.execute(f"SET TIME ZONE '{zone}'")
    if begins_at is not None:  # in the table's zone
        moments = {"start": 0, "answer": 4, "end": 10}
        for name, after_s in moments.items():
            values[name] = f"{begins_at + timedelta(seconds=after_s):%Y-%m-%d %H:%M:%S}"
    values["calldate"] = values["start"]
    columns = ["calldate", *names]
    kinds = {"calldate": kind, "duration": "integer", "billsec": "integer"}
    typed = ", ".join(f'"{name}" {kinds.get(name, "text")}' for name in columns)
    connection.execute(f"CREATE TABLE cdr ({typed})")
    marks = ", ".join([mark] * len(columns))
    for number in range(copies):
        values["uniqueid"] = f"1772442000.{number}"
        connection.execute(
            f"INSERT INTO cdr VALUES ({marks})",
            [values[name] or None for name in columns],
        )


async def asks(asked: Account) -> Any:
    assert ASTERISK.history is not None
    since = NOON - timedelta(hours=12)
    request: ApiRequest = ASTERISK.history.request(asked, since, NOON, None)
    return await cdr_tables.ask(request)


async def pulled(asked: Account) -> list[Any]:
    """Return the calls that the puller's first look finds."""
    house = House(now=NOON)
    desk = a_desk(ASTERISK, asked, house)
    assert ASTERISK.history is not None
    puller = Puller(desk, ASTERISK.history, cdr_tables.ask)
    while puller.state.asked_at is None:
        await walk(puller, desk, until=house.now + timedelta(seconds=1))
        assert puller.state.because is None, puller.state.because
    reports = []
    for new in house.kept:
        delivery = a_delivery(new.body)
        if json.loads(new.body):
            events = ASTERISK.reads[Kind.PULL](delivery, asked)
            reports += [Report(event=event, received_at=NOON) for event in events]
    return [fold(group) for group in tie(reports)]


def calls_of(row: str, asked: Account) -> list[Any]:
    delivery = a_delivery(row.encode(), head={"profile": "cdr"})
    events = ASTERISK.reads[Kind.RECORD](delivery, asked)
    return [fold(group) for group in tie(Report(event=it, received_at=NOON) for it in events)]


def events_of_file(written: str, asked: Account) -> list[Any]:
    """Return what the rows of a file say, each by itself."""
    found: list[Any] = []
    for line in io.StringIO(written):
        delivery = a_delivery(line.rstrip("\r\n").encode(), head={"profile": "cdr"})
        with suppress(IgnoredDelivery):
            found += ASTERISK.reads[Kind.RECORD](delivery, asked)
    return found


def a_delivery(body: bytes, head: Any = None) -> Delivery:
    return Delivery(
        log="calls",
        partition=0,
        position=1,
        source="pbx",
        key="k",
        received_at=NOON,
        head=head or {},
        body=body,
    )
