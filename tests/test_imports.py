"""What importing costs: a row is looked up, however many there are already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import event, func, select

from ingest.accounts import Book
from ingest.custody.imports import import_rows
from ingest.custody.office import Office
from ingest.secrets import Secrets
from storage.tables import clients
from tests.world import NOW, World, sqlite_world

EVERYTHING = ("SCAN clients", "SCAN holdings", "SCAN lines", "SCAN line_holders", "SCAN primaries")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = sqlite_world(tmp_path)
    found.employee("Xenia")
    yield found
    found.close()


def imports(world: World, kind: str, *rows: dict[str, str]) -> dict[str, Any]:
    secrets = Secrets([Fernet.generate_key()])
    office = Office(
        database=world.database,
        secrets=secrets,
        book=Book(world.database, secrets, "https://h.example"),
        clock=lambda: NOW,
        logs={},
        read_mails=lambda raw: [],
        public_url="https://h.example",
    )
    numbered = list(enumerate(rows, 2))
    return import_rows(office, tell=lambda a, b: None, kind=kind, rows=numbered, file="f.csv")


def client(number: int) -> dict[str, str]:
    return {"name": f"Client {number}", "emails": f"{number}@c.example", "manager": "Xenia"}


def line(number: int) -> dict[str, str]:
    return {"kind": "extension", "address": f"{number}", "source": "office", "holder": "Xenia"}


@pytest.mark.parametrize(("kind", "a_row"), [("clients", client), ("lines", line)])
def test_more_rows_of_a_file_do_not_read_the_directory_more_often(
    world: World, kind: str, a_row: Callable[[int], dict[str, str]]
):
    scans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        if statement.startswith("SELECT"):
            asked = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            scans.extend(row[3] for row in asked if row[3].startswith(EVERYTHING))

    event.listen(world.database.writer, "before_cursor_execute", explain)
    imports(world, kind, a_row(101))
    for_one = len(scans)
    imports(world, kind, *[a_row(number) for number in range(102, 110)])

    assert len(scans) - for_one == for_one  # who holds or manages them is looked up once


def test_clients_without_an_id_are_known_again_by_their_name_as_it_is_written(world: World):
    imports(world, "clients", {"name": "Ромашка"}, {"name": "РОМАШКА"}, {"name": "Ландыш"})

    again = imports(world, "clients", {"name": "РОМАШКА"}, {"name": "Ромашка"})

    with world.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(clients)) == 3
    assert again["changed"] == 0
