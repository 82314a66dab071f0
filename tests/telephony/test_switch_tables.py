"""A FreeSWITCH's own tables: asked read-only, read as the records of the same legs are."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ingest.domain.calls import Call, CallEvent, Outcome, Report
from ingest.domain.deliveries import Account, Delivery, Kind, UnreadableDelivery
from ingest.domain.histories import ApiResponse
from ingest.telephony import cdr_tables
from ingest.telephony.api_client import ApiUnreachable
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of, requests_of
from ingest.telephony.history import Puller
from ingest.telephony.protocols import json_cdr
from ingest.telephony.protocols.cdr_files import OURS
from ingest.telephony.providers.freeswitch import FREESWITCH
from ingest.telephony.request import json_object
from tests.telephony.quick_desk import House, a_desk
from tests.telephony.recorded import cases
from tests.telephony.test_history import walk

DOCS = Path(__file__).parents[2] / "docs" / "providers.md"
FUSIONPBX = Path(__file__).parent / "fusionpbx"  #: records that PHP 8.2 turned into JSON
NEW_YORK = ZoneInfo("America/New_York")
EVENING = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
#: What a row cannot tell that the record tells, by the case.
UNTOLD = {
    "freeswitch/recorded-20-blind-transfer-refer.json": {"transfer"},
    "freeswitch/recorded-22-attended-transfer-replaces.json": {"transfer"},
    "freeswitch/recorded-28-recording-path-only-in-app_log.json": {
        "recording_id",
        "recording_ready",
    },
}
CONFIG = {"internal_ext_pattern": "^1[0-9]{2}$"}


@cache
def bare_cases() -> tuple[str, ...]:
    """Return the recorded cases whose bodies are JSON as it is."""
    return tuple(
        name
        for name, case in cases().items()
        if name.startswith("freeswitch/recorded") and "requests" in case and all(is_bare(case))
    )


def is_bare(case: Mapping[str, Any]) -> Iterator[bool]:
    return (request.body.startswith(b"{") for request in requests_of(case))


@pytest.mark.parametrize("name", bare_cases())
def test_a_row_of_our_columns_is_the_call_that_the_record_of_the_same_leg_is(name: str) -> None:
    case = cases()[name]
    account = account_of(case)
    events = [event for it in requests_of(case) for event in FREESWITCH.parse(it, account)]

    found = one_call(read(Kind.PULL, account, as_json(rows_of(name))))

    assert_same(found, one_call(events), besides=UNTOLD.get(name, set()))


@pytest.mark.parametrize("name", bare_cases())
def test_a_row_of_our_template_says_in_a_file_what_it_says_in_a_table(name: str) -> None:
    account = account_of(cases()[name])

    told = [read(Kind.RECORD, account, in_csv(row)) for row in rows_of(name)]

    assert [event for each in told for event in each] == read(
        Kind.PULL, account, as_json(rows_of(name))
    )


def test_rows_of_our_template_tell_answered_missed_and_voicemail_apart() -> None:
    names = {
        "recorded-02-inbound-answered-raw-values": (Outcome.ANSWERED, False),
        "recorded-30-queue-abandoned": (Outcome.NO_ANSWER, True),
        "recorded-10-no-answer-then-mod-voicemail": (Outcome.VOICEMAIL, True),
        "recorded-34-forwarded-to-outside-number": (Outcome.FORWARDED, False),
    }
    for name, wanted in names.items():
        case = f"freeswitch/{name}.json"
        told = [read(Kind.RECORD, account_of(cases()[case]), in_csv(it)) for it in rows_of(case)]
        call = one_call([event for each in told for event in each])
        assert (call.outcome, call.missed) == wanted, name


def test_the_templates_and_tables_of_the_docs_are_those_that_are_read() -> None:
    section = DOCS.read_text("utf-8").partition("## FreeSWITCH, FusionPBX")[2]

    [template] = re.findall(r'<template name="keepline">(.*?)</template>', section)
    [schema] = re.findall(r"```xml\n(<field .*?)```", section, re.DOTALL)
    [table] = re.findall(r"CREATE TABLE keepline \((.*?)\)", section, re.DOTALL)

    assert tuple(re.findall(r'"\$\{([a-z_]+)\}"', template)) == OURS
    assert tuple(re.findall(r'var="([a-z_]+)"', schema)) == OURS
    assert tuple(column.split()[0] for column in table.split(",")) == OURS


async def test_a_table_that_mod_cdr_sqlite_wrote_by_our_template_is_a_history(
    tmp_path: Path,
) -> None:
    file = tmp_path / "cdr.db"
    name = "freeswitch/recorded-05-ring-group-102-answers.json"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE keepline ({', '.join(f'{it} TEXT' for it in OURS)})")
        for row in rows_of(name):
            connection.execute(f"INSERT INTO keepline VALUES ({in_csv(row).decode()})")
        connection.commit()

    [call] = await pulled(a_source(f"sqlite:///{file}", cdr_table="keepline"))

    assert (call.outcome, call.talked) == (Outcome.ANSWERED, ("102",))
    assert_same(call, recorded_call(name))


async def test_a_table_that_mod_cdr_pg_csv_wrote_is_asked_in_the_zone_of_the_source(
    postgres_url: str,
) -> None:
    name = "freeswitch/recorded-02-inbound-answered-raw-values.json"
    url = postgres_url.replace("+psycopg", "")
    kinds = {"uuid": "uuid", "bridge_uuid": "uuid", "start_stamp": "timestamptz"}
    typed = ", ".join(f"{it} {kinds.get(it, 'text')}" for it in OURS)
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE cdr ({typed})")
        connection.execute("SET TIME ZONE 'America/New_York'")
        for row in rows_of(name):
            marks = ", ".join(["%s"] * len(OURS))
            values = [row[it] or None for it in OURS]
            connection.execute(f"INSERT INTO cdr VALUES ({marks})", values)
        connection.commit()

    [call] = await pulled(a_source(url))

    assert_same(call, recorded_call(name))


@pytest.mark.parametrize("call", ["inbound-answered", "transferred-in-dialplan"])
async def test_of_fusionpbx_the_switchs_own_record_is_read_and_of_one_company_alone(
    postgres_url: str, call: str
) -> None:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE view_xml_cdr (xml_cdr_uuid uuid, domain_name text, leg char(1),"
            " start_stamp timestamptz, start_epoch numeric, missed_call boolean, json jsonb)"
        )
        for leg in ("a", "b"):
            written = (FUSIONPBX / f"{call}.{leg}-leg.json").read_text("utf-8")
            variables = json.loads(written)["variables"]
            for number, domain in enumerate(("acme.example.test", "other.example.test")):
                key = UUID(int=UUID(variables["uuid"]).int ^ number)
                told = written.replace(variables["uuid"], str(key)) if number else written
                values = [key, domain, leg, int(variables["start_epoch"])]
                connection.execute(
                    "INSERT INTO view_xml_cdr VALUES (%s, %s, %s, to_timestamp(%s), 1, false, %s)",
                    [*values, told],
                )
        connection.commit()
    source = a_source(url, cdr_table="view_xml_cdr", cdr_domain="acme.example.test")

    [found] = await pulled(source)

    form = {"inbound-answered": "45-xml-form", "transferred-in-dialplan": "46-xml-text"}[call]
    name = f"freeswitch/recorded-{form}-inbound-answered.json"
    assert found == recorded_call(name, received_at=EVENING)


def test_a_column_of_xml_is_read_too() -> None:
    name = "freeswitch/recorded-46-xml-text-inbound-answered.json"
    case = cases()[name]
    rows = [{"json": None, "xml": it.body.decode()} for it in requests_of(case)]

    assert one_call(read(Kind.PULL, account_of(case), as_json(rows))) == recorded_call(name)


async def test_many_legs_come_in_pages_and_none_is_left_out_or_told_twice(tmp_path: Path) -> None:
    file = tmp_path / "cdr.db"
    [row] = rows_of("freeswitch/recorded-36-a-leg-only.json")
    marks = ", ".join("?" * len(OURS))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE cdr ({', '.join(f'{it} TEXT' for it in OURS)})")
        for number in range(450):
            told = {**row, "uuid": f"leg-{number:04}", "bridge_uuid": ""}
            connection.execute(f"INSERT INTO cdr VALUES ({marks})", [told[it] for it in OURS])
        connection.commit()
    house = House(now=EVENING)

    calls = await pulled(a_source(f"sqlite:///{file}"), house)

    assert len({call.keys for call in calls}) == len(calls) == 450
    assert [len(json.loads(each.body)) for each in house.kept] == [200, 200, 50]


@pytest.mark.parametrize("pad", ["x" * 1_500_000, "録" * 500_000])
async def test_a_page_of_large_records_is_cut_and_gone_on_with(tmp_path: Path, pad: str) -> None:
    file = tmp_path / "cdr.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE cdr (uuid TEXT, start_stamp TEXT, json TEXT)")
        large = json.dumps({"variables": {}, "pad": pad}, ensure_ascii=False)
        for number in range(6):
            values = [f"leg-{number}", "2026-11-21 13:00:00", large]
            connection.execute("INSERT INTO cdr VALUES (?, ?, ?)", values)
        connection.commit()
    source = a_source(f"sqlite:///{file}")

    first = json.loads((await asks(source)).body)
    second = json.loads((await asks(source, page=str(len(first)))).body)

    assert [row["uuid"] for row in first] == ["leg-0", "leg-1"]
    assert [row["uuid"] for row in second] == ["leg-2", "leg-3"]


def test_a_table_that_does_not_tell_who_answered_is_refused_with_what_to_set() -> None:
    assert FREESWITCH.history is not None
    sample = {"uuid": "1", "answer_stamp": "2026-11-21 13:00:00", "bridge_uuid": "2", "billsec": 3}
    answer = ApiResponse(status=200, body=as_json([sample]))

    with pytest.raises(UnreadableDelivery, match="bridge_uepoch"):
        FREESWITCH.history.turn(a_source("sqlite://"), answer, None)
    with pytest.raises(UnreadableDelivery, match="bridge_uepoch"):
        read(Kind.PULL, a_source("sqlite://"), as_json([sample]))


@pytest.mark.parametrize(
    "whole", ["{", "[]", "<cdr>", {"@attributes": {}, "variables": {}}, {"variables": {"uuid": 1}}]
)
def test_a_column_that_holds_no_record_hides_no_other_row(whole: Any) -> None:
    name = "freeswitch/recorded-02-inbound-answered-raw-values.json"
    rows = [{"json": whole}, *rows_of(name)]

    found = one_call(read(Kind.PULL, account_of(cases()[name]), as_json(rows)))

    assert_same(found, recorded_call(name))
    with pytest.raises(UnreadableDelivery):
        read(Kind.PULL, a_source("sqlite://"), as_json(rows[:1]))


def test_a_record_nested_beyond_reason_is_refused_and_costs_nothing() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    odds: tuple[dict[str, Any], ...] = (deep, {"a": [{}] * 20_000})
    for odd in odds:
        rows = [{"json": {"@attributes": {}, "variables": {"uuid": "1"}, "callflow": odd}}]
        with pytest.raises(UnreadableDelivery, match="deeper or longer"):
            read(Kind.PULL, a_source("sqlite://"), as_json(rows))


async def test_a_file_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "missing.db"

    with pytest.raises(ApiUnreachable):
        await asks(a_source(f"sqlite:///{file}"))

    assert not file.exists()


# Helpers ---------------------------------------------------------------------------------------


@cache
def rows_of(name: str) -> tuple[Mapping[str, str], ...]:
    """Return what the switch writes of each leg by our template: its variables, or nothing."""
    return tuple(row_of(json_object(it.body)) for it in requests_of(cases()[name]))


def row_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return a leg's variables as they are expanded, those of its caller's profile among them."""
    told = {name: str(value) for name, value in record["variables"].items()}
    decoded = json_cdr.record_of(record).variables
    newest = record["callflow"][0]
    profile = {
        it: newest["caller_profile"][it] for it in ("caller_id_number", "destination_number")
    }
    return {name: str({**told, **decoded, **profile}.get(name, "")) for name in OURS}


def in_csv(row: Mapping[str, str]) -> bytes:
    return ",".join(f'"{row[name]}"' for name in OURS).encode()


def as_json(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(list(rows)).encode()


def a_source(url: str, **config: Any) -> Account:
    return Account(
        source="switch",
        secrets=({"cdr_url": url},),
        zone=NEW_YORK,
        region="US",
        config={**CONFIG, **config},
    )


def read(kind: Kind, account: Account, body: bytes) -> list[CallEvent]:
    delivery = Delivery(
        log="calls",
        partition=0,
        position=1,
        source="switch",
        key="k",
        received_at=EVENING,
        head={},
        body=body,
    )
    return list(FREESWITCH.reads[kind](delivery, account))


def one_call(events: Sequence[CallEvent]) -> Call:
    [group] = tie(Report(event=event, received_at=EVENING) for event in events)
    return fold(group)


def recorded_call(name: str, received_at: datetime = EVENING) -> Call:
    """Return the call that the posted records of a case are."""
    case = cases()[name]
    events = [event for it in requests_of(case) for event in FREESWITCH.parse(it, account_of(case))]
    [group] = tie(Report(event=event, received_at=received_at) for event in events)
    return fold(group)


def assert_same(found: Call, wanted: Call, besides: Sequence[str] | set[str] = ()) -> None:
    """Two calls are the same; moments may differ by a tenth of a second."""
    for name in (field.name for field in fields(Call)):
        one, other = getattr(found, name), getattr(wanted, name)
        if name in besides:
            assert one != other, f"{name}: it can be told by now"
        elif isinstance(one, datetime) and isinstance(other, datetime):
            assert abs(one - other) < timedelta(seconds=0.1), name
        elif isinstance(one, float) and isinstance(other, float):
            assert one == pytest.approx(other, abs=0.1), name
        else:
            assert one == other, name


async def asks(source: Account, page: str | None = None) -> Any:
    assert FREESWITCH.history is not None
    since = EVENING - timedelta(hours=12)
    return await cdr_tables.ask(FREESWITCH.history.request(source, since, EVENING, page))


async def pulled(source: Account, house: House | None = None) -> list[Call]:
    """Return the calls that the puller's first look finds."""
    house = house or House(now=EVENING)
    desk = a_desk(FREESWITCH, source, house)
    assert FREESWITCH.history is not None
    puller = Puller(desk, FREESWITCH.history, cdr_tables.ask)
    while puller.state.asked_at is None:
        await walk(puller, desk, until=house.now + timedelta(seconds=1))
        assert puller.state.because is None, puller.state.because
    events = [event for each in house.kept for event in read(Kind.PULL, source, each.body)]
    reports = [Report(event=event, received_at=EVENING) for event in events]
    return [fold(group) for group in tie(reports)]
