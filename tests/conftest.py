"""Engines shared by all tests; each test that asks for one gets an empty database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import properties
from tests.engines import PostgresEngine, running_postgres

settings.load_profile(properties.ORDINARY)  # before test modules are read


@pytest.fixture(scope="session")
def postgres_engine() -> Iterator[PostgresEngine]:
    """PostgreSQL, started once; a test that needs it is skipped where the wheel cannot run."""
    with running_postgres() as engine:
        yield engine


@pytest.fixture
def postgres_url(postgres_engine: PostgresEngine) -> Iterator[str]:
    """The `postgresql+psycopg://` address of an empty database."""
    name = postgres_engine.new_database()
    yield postgres_engine.url(name)
    postgres_engine.drop(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that may use PostgreSQL, so that `-m "not postgres"` leaves it out."""
    for item in items:
        if "postgres" in item.name or "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
