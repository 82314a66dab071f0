"""How a command reaches the facts: through the running core, or as their owner for a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

if TYPE_CHECKING:
    from ingest.custody.office import Office
    from ingest.settings import Settings

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Tell = Callable[[int, int], None]


def fail(message: str, status: int = 1) -> NoReturn:
    """Print one error and end the process."""
    errors.print(f"keepline: {message}", markup=False)
    sys.exit(status)


def settings() -> Settings:
    """Return the settings, or end with the sentence that says which one is wrong."""
    from ingest.settings import BadSettings, load_settings

    try:
        return load_settings()
    except BadSettings as error:
        fail(str(error), 2)


def call(do: str, *, title: str | None = None, **arguments: Any) -> Any:
    """Run a command in the running core, or here if nothing runs; ends the process if refused."""
    from ingest import local
    from ingest.secrets import BadKey
    from storage.owner import AlreadyOwned

    chosen = settings()
    with told(title) as tell:
        try:
            try:
                return local.ask(chosen.core_socket, do, arguments, tell)
            except local.NotRunning:
                return _call_here(chosen, do, tell, arguments)
        except (local.Refused, local.Lost) as error:
            fail(str(error))
        except AlreadyOwned as error:
            fail(f"{error}, which does not answer at {chosen.core_socket}")
        except BadKey as error:
            fail(str(error))


def _call_here(chosen: Settings, do: str, tell: Tell, arguments: Mapping[str, Any]) -> Any:
    from ingest.custody.commands import COMMANDS

    with office(chosen) as here:
        return COMMANDS[do](here, tell=tell, **arguments)


@contextmanager
def office(chosen: Settings) -> Iterator[Office]:
    """Own the main database for one command."""
    from datetime import UTC, datetime

    from ingest.accounts import Book
    from ingest.children import Failure, Readers
    from ingest.custody.office import Office
    from ingest.domain.mails import Mail
    from ingest.mail.message import parse
    from ingest.opening import log_readers, open_secrets, own_main
    from storage.database import Database
    from storage.schema import migrate

    secrets = open_secrets(chosen)
    with own_main(chosen):
        database = Database(chosen.main_url)
        migrate(database)
        book = Book(database, secrets, chosen.public_url)
        book.refresh()
        readers: Readers[Mail] = Readers(parse)

        def read_mails(raw: Any) -> list[Mail | str]:
            return [it.reason if isinstance(it, Failure) else it for it in readers.read_many(raw)]

        try:
            yield Office(
                database=database,
                secrets=secrets,
                book=book,
                clock=lambda: datetime.now(UTC),
                logs=log_readers(chosen),
                read_mails=read_mails,
                public_url=chosen.public_url,
            )
        finally:
            readers.close()
            database.close()


@contextmanager
def told(title: str | None) -> Iterator[Tell]:
    """Show progress of a long command: a bar on a terminal, nothing where there is none."""
    if title is None or not errors.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def say(text: str) -> None:
    """Print a line for a person."""
    console.print(text, markup=False)


def table(rows: list[Mapping[str, Any]], columns: tuple[str, ...], empty: str) -> None:
    """Print rows as aligned columns, or what to do when there are none."""
    if not rows:
        say(empty)
        return
    texts = [[str(row.get(name) or "") for name in columns] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in texts)) for i, name in enumerate(columns)]
    for row in [list(columns), *texts]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
