"""Rows in numbers: asked for together, walked by index, written by the driver; both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select

from storage import decided, decisions, derived, directory, timelines, wire
from storage.database import insert_rows, update_rows
from storage.rows import among, as_stored
from storage.tables import review_items, to_micros
from tests.world import World, day, postgres_world, sqlite_world


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        found = sqlite_world(tmp_path)
    else:
        found = postgres_world(request.getfixturevalue("postgres_url"))
    yield found
    found.close()


def an_item(point: str, **more: Any) -> dict[str, Any]:
    first = {"point": point, "cause": "unknown", "first_at": day(1), "last_at": day(2)}
    return {**first, "calls": 1, "mails": 0, "missed": 0, **more}


def test_rows_are_found_by_any_number_of_texts(world: World):
    asked = select(review_items.c.point).where(among(review_items.c.point))
    with world.database.write() as connection:
        insert_rows(connection, review_items, [an_item(f"tel:+{n}") for n in range(3000)])

        def found(wanted: Any) -> int:
            return len(connection.execute(asked, {"wanted": wanted}).all())

        assert found([f"tel:+{n}" for n in range(1, 6000)]) == 2999
        assert found({"tel:+1", 'a "quote"', "ü"}) == 1
        assert found(()) == 0


def test_a_row_is_read_as_it_was_written(world: World):
    with world.database.write() as connection:
        insert_rows(connection, review_items, [an_item("tel:+1", first_at=to_micros(day(1)))])
        row = connection.execute(select(*as_stored(review_items))).one()

    assert dict(row._mapping) == an_item(
        "tel:+1", first_at=to_micros(day(1)), last_at=to_micros(day(2))
    )


def test_what_is_there_already_is_left_or_renewed_or_updated(world: World):
    with world.database.write() as connection:
        insert_rows(connection, review_items, [an_item("tel:+1"), an_item("tel:+2")])
        insert_rows(connection, review_items, [an_item("tel:+1", calls=5)], ignore=True)
        insert_rows(
            connection, review_items, [an_item("tel:+2", calls=6, mails=6)], renew=("calls",)
        )
        update_rows(connection, review_items, [{"point": "tel:+1", "last_at": day(3)}], by="point")
        rows = connection.execute(select(review_items).order_by(review_items.c.point)).all()

    assert [(row.calls, row.mails, row.last_at) for row in rows] == [(1, 0, day(3)), (6, 0, day(2))]


@pytest.mark.parametrize(
    "statement",
    [
        wire._KNOWN_DELIVERIES,
        wire._REPORTS_OF,
        derived._INTERACTIONS,
        derived._PARTICIPANTS,
        derived._INTERACTIONS_OF_KEYS,
        derived._KEYS_OF_INTERACTIONS,
        decided._STATUSES,
        decided._FLAGS_OF,
        decided._REVIEW_OF,
        decisions._LIVE,
        directory._HOLDINGS_OF,
        directory._DECISIONS_OF,
        directory._PRIMARIES_OF,
        timelines._FLAGGED,
        timelines._MAY_CHANGE,
        timelines._TOLD,
        timelines._TOLD_SINCE,
    ],
)
def test_no_table_is_read_from_end_to_end_for_a_batch(statement: Select[Any], tmp_path: Path):
    world = sqlite_world(tmp_path)
    with world.database.write() as connection:
        compiled = statement.compile(connection)
        values = ['["a"]' if name in ("wanted", "closable") else 1 for name in compiled.positiontup]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(values)).all()
    world.close()

    looked = [row[3] for row in plan if "json_each" not in row[3]]
    assert any(step.startswith("SEARCH") for step in looked)
    assert [step for step in looked if step.startswith("SCAN")] == []
