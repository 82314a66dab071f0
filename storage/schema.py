"""Brings a database to the schema of this version, by its migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from storage.database import Database
from storage.tables import metadata


def migrate(database: Database) -> None:
    """Apply every migration that the database has not seen yet, in one transaction."""
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes long
        command.upgrade(_config(connection), "head")


def differences(connection: Connection) -> list[object]:
    """Return what the tables here and the migrated database disagree about."""
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return list(compare_metadata(context, metadata))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
