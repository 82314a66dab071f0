"""Notes of what changed in the directory: one for each fact, in its transaction, and pruned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import BEGINNING, LineKind, PointVerdict
from storage import decisions, directory, facts, noting
from storage.database import Database, sqlite_url
from storage.schema import migrate
from storage.tables import directory_changes, holdings, tokens
from tests.world import day

PHONE = ContactPoint(PointKind.PHONE, "+79161230001")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(sqlite_url(tmp_path / "main.db"))
    migrate(found)
    yield found
    found.close()


def noted(database: Database, function: Any, *args: Any, **more: Any) -> list[tuple[str, str]]:
    """Return what one change left as notes."""
    with database.write() as connection:
        before = noting.newest(connection)
        function(connection, *args, at=day(1), by="test", **more)
        found = noting.notes_after(connection, before, 100)
        assert found is not None
        return [(kind, target) for _, kind, target in found]


def test_each_kind_of_fact_says_what_to_look_at_again(database: Database):
    with database.write() as connection:
        common: dict[str, Any] = {"at": day(1), "by": "test"}
        anna = directory.add_employee(connection, name="Anna", **common)
        line = directory.add_line(connection, kind=LineKind.SIM, point=PHONE, **common)
        acme = directory.add_client(connection, name="Acme", **common)
    mail = ContactPoint(PointKind.EMAIL, "a@b.example")
    company, point = [("company", "")], [("point", str(PHONE))]

    assert noted(database, directory.hold, PHONE, acme) == point
    assert noted(database, directory.hold, mail, acme) == []  # nobody calls from an address
    assert noted(database, directory.name_primary, acme, anna, from_at=BEGINNING) == [
        ("client", acme)
    ]
    assert noted(database, directory.assign_line, line, anna, from_at=BEGINNING) == company
    assert noted(database, directory.leave, anna, left_at=day(2)) == company
    assert noted(database, directory.undo_leave, anna, why="no") == company
    assert noted(database, directory.set_policy, "duty", anna, from_at=day(1)) == company
    assert set(noted(database, decisions.decide_point, PHONE, PointVerdict.NEVER_LOG)) == set(point)
    assert noted(database, facts.record, tokens, name="t", hash="h", user_id="u") == []


def test_a_retraction_is_noted_as_its_fact_was(database: Database):
    with database.write() as connection:
        acme = directory.add_client(connection, name="Acme", at=day(1), by="test")
        held = directory.hold(connection, PHONE, acme, at=day(1), by="test")

    assert noted(database, facts.retract, holdings, [held], why="wrong") == [("point", str(PHONE))]


def test_many_facts_at_once_are_noted_each(database: Database):
    rows = [
        {"id": f"h{n}", "point": f"tel:+7916000000{n}", "client_id": "c", "from_at": BEGINNING}
        for n in range(3)
    ]

    assert noted(database, facts.record_all, holdings, rows) == [
        ("point", f"tel:+7916000000{n}") for n in range(3)
    ]


def test_what_is_rolled_back_leaves_no_note(database: Database):
    def fails() -> None:
        with database.write() as connection:
            directory.add_client(connection, name="Acme", at=day(1), by="test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.read() as connection:
        assert noting.newest(connection) == 0
        assert noting.notes_after(connection, 0, 10) == []


def test_old_notes_are_pruned_and_who_is_behind_them_is_told(database: Database):
    rows = [{"client_id": f"c{n}", "point": f"tel:+7916{n:07}"} for n in range(9_000)]
    with database.write() as connection:
        for _ in range(3):
            noting.note(connection, holdings, rows)
        numbers = connection.scalars(select(directory_changes.c.number)).all()

        assert len(numbers) == noting.KEPT
        assert noting.notes_after(connection, 0, 10) is None
        assert len(noting.notes_after(connection, min(numbers) - 1, 10) or ()) == 10


def test_another_database_in_the_same_place_is_noticed(database: Database):
    with database.read() as connection:
        assert noting.notes_after(connection, 17, 10) is None
