"""Brings a database to the schema of this version, by its migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from storage.database import Database
from storage.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"  #: the newest migration; a test asks that it is


def migrate(database: Database) -> None:
    """Apply every migration that the database has not seen yet, in one transaction."""
    with database.write() as connection:
        if revision(connection) == HEAD:
            return  # nothing to do, and half a second of imports spared
        from alembic import command

        command.upgrade(config_of(connection), "head")


def revision(connection: Connection) -> str | None:
    """Return the migration that the database has come to, or None if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def newest() -> str | None:
    """Return the newest migration there is."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head()


def differences(connection: Connection) -> list[object]:
    """Return what the tables here and the migrated database disagree about."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return list(compare_metadata(context, metadata))


def config_of(connection: Connection) -> Config:
    """Return what alembic needs to work on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


_MIGRATIONS = Path(__file__).parent / "migrations"
