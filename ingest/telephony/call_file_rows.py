"""A whole call file understood in a child process, and its rows read back in small slices.

A file of 300,000 rows is half a minute of Python. Whoever does that in the process that answers
calls makes every answer wait its turn, so a child does it and writes down what is to be kept, one
row of JSON a line; a slice of it is a few milliseconds of work.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from ingest.domain.deliveries import Account, NewDelivery, UnreadableDelivery
from ingest.telephony import call_files
from ingest.telephony.columns_of_calls import NoHeading
from ingest.telephony.tables_of_calls import MAX_FILE, Row, is_workbook
from ingest.telephony.workbooks import MAX_ROWS, read_workbook

SLICE = 100  #: rows read back at once, and kept in one transaction
PROBLEMS = 20  #: told to people
NICE = 10  #: the child gives way to whoever answers calls
MIB = 1024 * 1024


def job_of(path: Path, into: Path, account: Account, now: datetime) -> bytes:
    """Return what `understand_into` needs to know: no secret is in it."""
    told = {
        "path": str(path),
        "into": str(into),
        "source": account.source,
        "zone": account.zone.key,
        "region": account.region,
        "own_numbers": list(account.own_numbers),
        "config": dict(account.config),
        "now": now.isoformat(),
    }
    return json.dumps(told).encode()


def in_child(job: bytes) -> dict[str, Any]:
    """Do what `understand_into` does, as a process that gives way to all others."""
    if os.nice(0) < NICE:
        os.nice(NICE - os.nice(0))
    return understand_into(job)


def understand_into(job: bytes) -> dict[str, Any]:
    """Write the rows of a file down; return how many, what was left out and what is wrong.

    Raises UnreadableDelivery with the sentence for whoever put the file there.
    """
    told = json.loads(job)
    path, now = Path(told["path"]), datetime.fromisoformat(told["now"])
    account = Account(
        source=told["source"],
        zone=ZoneInfo(told["zone"]),
        region=told["region"],
        own_numbers=tuple(told["own_numbers"]),
        config=told["config"],
    )
    reading = _reading(_rows(path), path.name, account, now)
    count, wrong = 0, 0
    problems: list[str] = []
    left_out: Counter[str] = Counter()
    handle = os.open(told["into"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for row in reading.rows(left_out):
            kept = {"key": row.key, "head": row.head, "body": row.body.decode()}
            file.write(json.dumps(kept) + "\n")
            count += 1
            if row.call is None:
                wrong += 1
                if len(problems) < PROBLEMS:
                    problems.append(f"line {row.line}: {row.problem}")
    return {"rows": count, "left_out": dict(left_out), "wrong": wrong, "problems": problems}


def deliveries_in(file: BinaryIO, source: str, now: datetime) -> list[NewDelivery]:
    """Return the next slice of what was written down; nothing at its end."""
    lines = itertools.islice(file, SLICE)
    return [
        NewDelivery(
            source=source,
            key=row["key"],
            received_at=now,
            head=row["head"],
            body=row["body"].encode(),
        )
        for row in map(json.loads, lines)
    ]


def summary(told: dict[str, Any], new: int) -> str:
    """Return what came of a file, line by line, for people."""
    return "".join(f"{line}\n" for line in _summary(told, new))


def _summary(told: dict[str, Any], new: int) -> Iterator[str]:
    yield f"{told['rows']} rows, {new} of them new."
    for why, count in sorted(told["left_out"].items()):
        yield f"{count} left out: {why}."
    if told["wrong"]:
        yield f"{told['wrong']} could not be read and are parked:"
        yield from told["problems"]


def _rows(path: Path) -> list[Row]:
    size = path.stat().st_size
    if size > MAX_FILE:
        raise UnreadableDelivery(too_large(size))
    octets = path.read_bytes()
    if is_workbook(octets):
        try:
            return call_files.workbook_rows(read_workbook(octets))
        except UnreadableDelivery as error:
            raise UnreadableDelivery(f"the workbook cannot be read: {error}") from error
    return text_rows(octets)


def text_rows(octets: bytes) -> list[Row]:
    """Return the rows of a text file. Raises UnreadableDelivery for none and for too many."""
    if not octets.strip():
        raise UnreadableDelivery("the file is empty")
    if max(octets.count(b"\n"), octets.count(b"\r")) > MAX_ROWS:
        raise UnreadableDelivery(f"the file has more than {MAX_ROWS} rows; divide it")
    return call_files.text_rows(octets)


def too_large(size: int) -> str:
    """Return why a file of so many octets is not read."""
    return f"the file has {size // MIB} MiB; at most {MAX_FILE // MIB} are read at once"


def _reading(rows: list[Row], name: str, account: Account, now: datetime) -> call_files.Reading:
    profiles = call_files.profiles_of(account)
    found = call_files.profile_for(rows, profiles)
    if found is None:
        known = ", ".join(sorted(profiles)) or "none is saved"
        raise UnreadableDelivery(
            f"no saved profile knows the columns of this file (profiles: {known}). Save one by"
            " importing it once: keepline import calls FILE --source"
            f" {account.source} --profile NAME"
        )
    try:
        return call_files.begun(rows, name, account, now=now, profile=profiles[found])
    except NoHeading as error:
        raise UnreadableDelivery(str(error)) from error
