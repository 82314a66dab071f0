"""Commands that look at things: normalise, parse-mail, conformance, mail-quality, export, check."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ingest.commands.calling import errors, fail, say, settings

#: `-` is standard input, and a number may begin with a dash of its own.
MayBeDash = Annotated[str, Parameter(allow_leading_hyphen=True)]

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "FAIL"

if TYPE_CHECKING:
    from ingest.secrets import Secrets
    from ingest.settings import Settings


def normalise_(text: MayBeDash, /, *, region: str = "ZZ") -> None:
    """Print what a telephone number is, as one line of JSON.

    Examples:
      keepline normalise "8 (495) 123-45-67" --region RU
      printf '8 495 1234567\\tRU\\n' | keepline normalise -

    Parameters
    ----------
    text
        The number as written; - reads lines TEXT<TAB>REGION from standard input.
    region
        Region of national numbers, such as RU.
    """
    from ingest.matching.numbers import as_json, normalise

    if text != "-":
        print(json.dumps(as_json(normalise(text, region)), ensure_ascii=False))
        return
    for line in sys.stdin:
        written, _, where = line.rstrip("\r\n").rpartition("\t")
        if not written and "\t" not in line:
            written, where = where, region
        print(json.dumps(as_json(normalise(written, where.strip() or region)), ensure_ascii=False))


def parse_mail(file: Annotated[Path, Parameter(allow_leading_hyphen=True)], /) -> None:
    """Print what a mail says, as JSON. The file is read in a child process with limits.

    Example: keepline parse-mail message.eml

    Parameters
    ----------
    file
        The mail as it lies on a server; - reads standard input.
    """
    from ingest.children import Failure, Readers
    from ingest.mail.message import parse
    from ingest.mail.report import as_json

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        fail(f"FILE: {error.strerror}: {file}")
    with Readers(parse) as readers:
        mail = readers.read(raw)
    if isinstance(mail, Failure):
        fail(f"{file}: {mail.reason}")
    print(json.dumps(as_json(mail), ensure_ascii=False, indent=2))


def conformance(directory: Path, /) -> None:
    """Take recorded cases through verify, parse and fold, and say which differ.

    Example: keepline conformance tests/telephony/providers

    Parameters
    ----------
    directory
        Holds the cases, directly or in directories of their own.
    """
    from ingest.telephony.conformance import main as run_conformance

    if not directory.is_dir():
        fail(f"DIR: there is no directory {directory}")
    sys.exit(run_conformance(str(directory)))


def mail_quality(directory: Path, /, *, least: float = 0.0) -> None:
    """Print precision and recall of labelled sets of mails: how well they are understood.

    Example: keepline mail-quality tests/mail/sets

    Parameters
    ----------
    directory
        Holds the sets, such as quotes.ru.txt, forwarded.txt, numbers.txt.
    least
        Exit with 1 if a figure is below it, such as 0.97.
    """
    from ingest.mail.quality import scores

    try:
        found = scores(directory)
    except (OSError, ValueError, KeyError) as error:
        fail(f"DIR: {error}")
    print(f"{'set':<22}{'examples':>9}{'said':>7}{'labelled':>10}{'precision':>11}{'recall':>8}")
    for it in found:
        print(
            f"{it.name:<22}{it.examples:>9}{it.said:>7}{it.labelled:>10}"
            f"{it.precision:>11.3f}{it.recall:>8.3f}"
        )
        for wrong in it.wrong:
            print(f"  {wrong}"[:300])
    sys.exit(1 if any(min(it.precision, it.recall) < least for it in found) else 0)


def export(delivery: str, /, *, raw: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Print a kept delivery: what came, when, and what became of it. Secrets are masked.

    Examples:
      keepline export 6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11
      keepline export calls-0-17 --raw > body

    Parameters
    ----------
    delivery
        Its id, or LOG-PARTITION-POSITION.
    raw
        Write the body's octets alone, unmasked.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from ingest.accounts import Book
    from ingest.custody.export import find, shown, source_of
    from ingest.opening import log_readers
    from ingest.secrets import BadKey, load_secrets
    from storage.database import Database
    from storage.log import LogUnavailable

    chosen = settings()
    files = [chosen.log_file(name) for name in ("calls", "mail")]
    if not chosen.database_url and not any(file.exists() for file in files):
        fail("DELIVERY: nothing was kept yet; deliveries come once `keepline serve` runs")
    database = Database(chosen.main_url, writable=False)
    logs = log_readers(chosen)
    try:
        found = find(database, logs, delivery)
        if found is None:
            fail(f"DELIVERY: there is no delivery {delivery}")
        kept, end = found
        if not raw:
            book = None
            with contextlib.suppress(BadKey):
                book = Book(database, load_secrets(chosen.key_path), chosen.public_url)
                book.refresh()
            known = source_of(database, book, kept.source)
            print(json.dumps(shown(known, kept, end), ensure_ascii=False, indent=2))
            return
        if kept.body is None:
            fail("its bytes have expired by policy")
        sys.stdout.buffer.write(kept.body)
    except (SQLAlchemyError, LogUnavailable) as error:
        fail(f"the databases cannot be read: {type(error).__name__}; see `keepline check`")
    finally:
        database.close()
        for reader in logs.values():
            reader.close()


def check(*, health: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Check settings, key, databases and versions, and say how to mend what is wrong.

    Example: keepline check

    Parameters
    ----------
    health
        Ask the running service instead: exit status 0 if it is ready.
    """
    chosen = settings()
    if health:
        sys.exit(_health(chosen))
    problems = 0
    for mark, text in [*_checks(chosen), *_notes(chosen), *_silent_sources(chosen)]:
        problems += mark == FAIL
        say(f"{mark:4}  {text}")
    sys.exit(1 if problems else 0)


def _health(chosen: Settings) -> int:
    import urllib.error
    import urllib.request

    from ingest.settings import split_listen

    host, port = split_listen(chosen.inner_listen)
    if host in ("0.0.0.0", "::"):  # noqa: S104
        host = "127.0.0.1"
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=5) as answer:
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read().decode())
        return 1
    except OSError as error:
        errors.print(f"keepline: nothing answers at {host}:{port}: {error}", markup=False)
        return 1


def _checks(chosen: Settings) -> list[tuple[str, str]]:
    from ingest.secrets import BadKey, load_secrets

    found = [(OK, "settings: every value can be used")]
    data = chosen.data_dir
    writable = os.access(data if data.exists() else data.absolute().parent, os.W_OK)
    mend = "" if writable else "; make it, or set data_dir"
    found.append((OK if writable else FAIL, f"data_dir: {data} can be written{mend}"))
    try:
        secrets = load_secrets(chosen.key_path)
        found.append((OK, f"key_file: key {secrets.key_id} in {chosen.key_path}"))
    except BadKey as error:
        found.append((FAIL, str(error)))
        return found
    found.append(_database_check(chosen, secrets))
    return found


def _notes(chosen: Settings) -> list[tuple[str, str]]:
    """Return what an operator should know although the service would run with it."""
    import sqlite3

    from ingest.settings import unknown_variables

    found = []
    for name, nearest in unknown_variables(os.environ):
        meant = f"; did you mean {nearest}?" if nearest else ""
        found.append((WARN, f"{name}: there is no such setting, so it is ignored{meant}"))
    if not chosen.database_url and sqlite3.sqlite_version_info < (3, 51, 3):
        found.append(
            (
                NOTE,
                f"SQLite {sqlite3.sqlite_version} is older than 3.51.3, which mended a fault"
                " with two writing connections; Keepline keeps to one",
            )
        )
    return found


def _silent_sources(chosen: Settings) -> list[tuple[str, str]]:
    """Return the sources of which nothing has come for longer than their own rhythm explains."""
    from datetime import UTC, datetime

    from ingest.custody.silence import silences
    from ingest.opening import log_readers
    from storage.database import Database

    if not chosen.database_url and not chosen.main_file.exists():
        return []
    database = Database(chosen.main_url, writable=False)
    logs = log_readers(chosen)
    try:
        with database.read() as connection:
            found = silences(connection, logs, datetime.now(UTC))
    except Exception:  # what is wrong with the database is said by its own check
        return []
    finally:
        database.close()
        for reader in logs.values():
            reader.close()
    return [
        (
            WARN,
            f"source {name}: silent since {it.since:%Y-%m-%d %H:%M} UTC, beyond its own rhythm"
            f" (usually {it.expected:.0f} events would have come); see docs/operations.md",
        )
        for name, it in sorted(found.items())
        if it.strange
    ]


def _database_check(chosen: Settings, secrets: Secrets) -> tuple[str, str]:
    from ingest.accounts import Book
    from storage.database import Database
    from storage.sources import load_mailboxes, load_sources

    if not chosen.database_url and not chosen.main_file.exists():
        return FAIL, "main database: not there yet; run `keepline init --zone ... --region ...`"
    database = Database(chosen.main_url, writable=False)
    try:
        with database.read() as connection:
            sources, boxes = load_sources(connection), load_mailboxes(connection)
        book = Book(database, secrets, chosen.public_url)
        book.refresh()
    except Exception as error:
        return FAIL, f"main database: {type(error).__name__}; check database_url or data_dir"
    finally:
        database.close()
    unusable = len(sources) + len(boxes) - len(book.sources()) - len(book.mailboxes())
    if unusable:
        return FAIL, (
            f"main database: {unusable} source(s) or mailbox(es) cannot be opened with this key;"
            " restore the key file they were entered with, or enter them again"
        )
    return OK, f"main database: {len(sources)} source(s), {len(boxes)} mailbox(es)"
