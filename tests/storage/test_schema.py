"""The migrations make what the tables say, on both databases, and can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, text

from storage.database import Database, sqlite_url
from storage.schema import HEAD, config_of, differences, migrate, newest
from storage.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = sqlite_url(tmp_path / "main.db")
    found = Database(url)
    yield found
    found.close()


def tables_of(database: Database) -> set[str]:
    with database.read() as connection:
        return set(inspect(connection).get_table_names())


def test_tables_and_migrations_agree(database: Database):
    migrate(database)

    with database.write() as connection:
        assert differences(connection) == []


def test_a_difference_would_be_seen(database: Database):
    migrate(database)
    with database.write() as connection:
        before = differences(connection)
        connection.execute(text("DROP INDEX uq_line_holders_change"))

        assert len(differences(connection)) == len(before) + 1


def test_columns_agree_in_type_and_in_what_may_be_missing(database: Database):
    """Alembic's own comparison of types is off: it takes our moments for another type."""
    migrate(database)

    with database.write() as connection:
        inspector = inspect(connection)
        for table in metadata.sorted_tables:
            found = {
                it["name"]: (str(it["type"]), it["nullable"])
                for it in inspector.get_columns(table.name)
            }
            wanted = {
                column.name: (
                    column.type.compile(connection.dialect),
                    column.nullable,
                )
                for column in table.columns
            }
            assert plain(found) == plain(wanted), table.name


def plain(columns: dict[str, tuple[str, bool | None]]) -> dict[str, tuple[str, bool | None]]:
    """PostgreSQL calls what it was told as FLOAT by its full name."""
    names = {"DOUBLE PRECISION": "FLOAT"}
    return {name: (names.get(kind, kind), empty) for name, (kind, empty) in columns.items()}


def test_the_change_points_index_looks_only_at_what_was_not_taken_back(database: Database):
    migrate(database)

    with database.write() as connection:
        [index] = [
            it
            for it in inspect(connection).get_indexes("line_holders")
            if it["name"] == "uq_line_holders_change"
        ]

    condition = index["dialect_options"][f"{connection.dialect.name}_where"]
    assert index["unique"]
    assert str(condition).strip("()") == "retracted_at IS NULL"


def test_migrating_twice_changes_nothing(database: Database):
    migrate(database)
    tables = tables_of(database)

    migrate(database)

    assert tables_of(database) == tables


def test_the_first_migration_can_be_taken_back_and_applied_again(database: Database):
    migrate(database)
    tables = tables_of(database)

    with database.write() as connection:
        command.downgrade(config_of(connection), "base")
    assert tables_of(database) == {"alembic_version"}

    migrate(database)
    assert tables_of(database) == tables
    with database.write() as connection:
        assert differences(connection) == []


def test_a_migration_that_fails_leaves_nothing_behind(database: Database):
    with database.write() as connection:
        connection.execute(text("CREATE TABLE sightings (id TEXT)"))  # in the migration's way

    with pytest.raises(Exception, match="sightings"):
        migrate(database)

    assert tables_of(database) <= {"sightings", "alembic_version"}


def test_the_newest_migration_is_the_one_that_start_up_compares_with():
    assert newest() == HEAD
