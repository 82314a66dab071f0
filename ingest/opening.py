"""What a process owns and what it only reads: the main database, and logs of another process."""

from __future__ import annotations

from ingest.secrets import BadKey, Secrets, load_secrets
from ingest.settings import Settings
from storage.log import LogReader
from storage.log_sqlite import open_reader
from storage.owner import DatabaseOwnership, FileOwnership, own_database, own_file


def own_service(settings: Settings) -> FileOwnership:
    """Own the data directory for a whole service. Raises AlreadyOwned, naming who has it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return own_file(settings.data_dir / "service")


def own_main(settings: Settings) -> FileOwnership | DatabaseOwnership:
    """Own the main database. Raises AlreadyOwned, naming who has it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.database_url:
        return own_database(settings.database_url, "core")
    return own_file(settings.main_file)


def open_secrets(settings: Settings) -> Secrets:
    """Return the key file's secrets; a key is made only where nothing is sealed yet.

    Raises BadKey: a fresh key would not open what is sealed, and soon seal beside it.
    """
    path = settings.key_path
    if path.exists():
        return load_secrets(path)
    sealed = _anything_sealed(settings)
    if sealed is None:
        raise BadKey(
            f"key_file: there is no {path}, and the main database cannot be asked whether it needs"
            " one; start the database, or restore the file from your backup"
        )
    if sealed:
        raise BadKey(
            f"key_file: there is no {path}, but sources or mailboxes in the main database are"
            " sealed with it; restore it from your backup, or set key_file to where it lies"
        )
    return load_secrets(path, create=True)


def _anything_sealed(settings: Settings) -> bool | None:
    """Tell whether main holds secrets; None: it cannot be asked."""
    if not settings.database_url and not settings.main_file.exists():
        return False
    from sqlalchemy.exc import SQLAlchemyError

    from storage.database import Database
    from storage.sources import anything_sealed

    database = Database(settings.main_url, writable=False)
    try:
        with database.read() as connection:
            return anything_sealed(connection)
    except SQLAlchemyError:
        return None
    finally:
        database.close()


def log_readers(settings: Settings) -> dict[str, LogReader]:
    """Return readers of the delivery logs that another process owns."""
    if settings.database_url:
        from storage.log_postgres import open_postgres_log

        return {
            name: open_postgres_log(
                settings.database_url,
                name=name,
                blobs=settings.data_dir / "blobs",
                partitions=settings.log_partitions,
            )
            for name in ("calls", "mail")
        }
    return {name: open_reader(settings.log_file(name), name=name) for name in ("calls", "mail")}
