"""What a process owns and what it only reads: the main database, and logs of another process."""

from __future__ import annotations

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
