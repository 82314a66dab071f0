"""What must never happen is refused by the database itself, alike on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.database import Database, sqlite_url
from storage.schema import migrate
from storage.tables import (
    call_reports,
    client_primaries,
    deliveries,
    employees,
    employment,
    flag_touches,
    flags,
    line_holders,
    lines,
    mails,
    policies,
    sightings,
)
from tests.world import day


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = sqlite_url(tmp_path / "main.db")
    found = Database(url)
    migrate(found)
    yield found
    found.close()


def put(database: Database, table: Table, **values: Any) -> None:
    """Insert a row straight into the table, past everything that would look first."""
    facts = {"recorded_at": day(1), "recorded_by": "test"} if "recorded_at" in table.c else {}
    with database.write() as connection:
        connection.execute(insert(table), {**facts, **values})


def refused(database: Database, table: Table, **values: Any) -> None:
    with pytest.raises(IntegrityError):
        put(database, table, **values)


def retract(database: Database, table: Table, id: str) -> None:
    with database.write() as connection:
        connection.execute(update(table).where(table.c.id == id).values(retracted_at=day(2)))


CHANGES = [
    pytest.param(line_holders, {"line_id": "l", "employee_id": None}, "line_id", id="line"),
    pytest.param(
        client_primaries, {"client_id": "c", "employee_id": "x"}, "client_id", id="client"
    ),
    pytest.param(employment, {"employee_id": "x", "employed": False}, "employee_id", id="employee"),
    pytest.param(policies, {"name": "duty", "value": "1"}, "name", id="policy"),
]


@pytest.mark.parametrize(("table", "values", "owner"), CHANGES)
def test_two_change_points_at_one_moment_are_refused(
    database: Database, table: Table, values: dict[str, Any], owner: str
):
    put(database, table, id="1", from_at=day(1), **values)

    refused(database, table, id="2", from_at=day(1), **values)
    put(database, table, id="3", from_at=day(1, 13), **values)
    put(database, table, id="4", from_at=day(1), **{**values, owner: "another"})


@pytest.mark.parametrize(("table", "values", "owner"), CHANGES)
def test_a_change_point_taken_back_makes_room_for_one_other(
    database: Database, table: Table, values: dict[str, Any], owner: str
):
    put(database, table, id="1", from_at=day(1), **values)
    retract(database, table, "1")

    put(database, table, id="2", from_at=day(1), **values)
    refused(database, table, id="3", from_at=day(1), **values)
    retract(database, table, "2")
    put(database, table, id="4", from_at=day(1), **values)


def a_delivery(key: str, id: str, source: str = "office") -> dict[str, Any]:
    return {
        "id": id,
        "log": "calls",
        "partition": 0,
        "position": 1,
        "source": source,
        "key": key,
        "received_at": day(1),
        "end": "read",
    }


def test_a_repeated_delivery_key_is_refused_within_its_source(database: Database):
    put(database, deliveries, **a_delivery("k", "1"))

    refused(database, deliveries, **a_delivery("k", "2"))
    put(database, deliveries, **a_delivery("k", "3", source="other"))


def a_flag(id: str, number: int, key: str = "manager_left|client:c") -> dict[str, Any]:
    return {
        "id": id,
        "key": key,
        "number": number,
        "kind": "manager_left",
        "subject": "client:c",
        "opened_at": day(1),
        "opened_by": "t",
        "last_at": day(1),
        "touches": "[]",
    }


def test_two_flags_with_one_key_and_number_are_refused(database: Database):
    put(database, flags, **a_flag("1", 1))

    refused(database, flags, **a_flag("2", 1))
    put(database, flags, **a_flag("3", 2))
    put(database, flags, **a_flag("4", 1, key="line_unheld|client:c"))


def test_a_flag_without_a_key_is_refused(database: Database):
    refused(database, flags, **{**a_flag("1", 1), "key": None})


def test_one_touch_joins_a_flag_once(database: Database):
    put(database, flag_touches, flag_id="f", interaction_id="t")

    refused(database, flag_touches, flag_id="f", interaction_id="t")


def test_two_lines_with_one_address_are_refused(database: Database):
    line = {"kind": "sim", "point": "tel:+74951110001"}
    put(database, lines, id="1", **line)

    refused(database, lines, id="2", **line)
    retract(database, lines, "1")
    put(database, lines, id="3", **line)


def test_two_employees_with_one_login_are_refused_but_none_without(database: Database):
    put(database, employees, id="1", name="Xenia", login="x")

    refused(database, employees, id="2", name="Xavier", login="x")
    put(database, employees, id="3", name="Yuri", login=None)
    put(database, employees, id="4", name="Zoya", login=None)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (
            call_reports,
            {
                "delivery_id": "d",
                "source": "s",
                "key": "k",
                "key_ids": "[]",
                "event": "{}",
                "received_at": day(1),
                "reader": 1,
            },
        ),
        (mails, {"delivery_id": "d", "reading": "{}", "received_at": day(1), "reader": 1}),
        (
            sightings,
            {
                "mail_id": "m",
                "mailbox": "b",
                "folder": "INBOX",
                "uidvalidity": 1,
                "uid": 1,
                "sent": False,
                "received_at": day(1),
            },
        ),
    ],
    ids=["report", "mail", "sighting"],
)
def test_what_was_read_from_one_delivery_is_stored_once(
    database: Database, table: Table, values: dict[str, Any]
):
    put(database, table, id="1", **values)

    refused(database, table, id="1", **values)


def test_a_naive_moment_is_never_stored(database: Database):
    with pytest.raises(Exception, match="naive"):
        put(database, employees, id="1", name="Xenia", recorded_at=day(1).replace(tzinfo=None))


def test_moments_come_back_to_the_microsecond(database: Database):
    moment = day(1).replace(microsecond=123_457)
    put(database, employees, id="1", name="Xenia", recorded_at=moment)

    with database.read() as connection:
        assert connection.scalar(select(employees.c.recorded_at)) == moment
