"""A watched folder of call files: what is put there is imported and moved aside, never deleted.

A file is taken when it is complete: found twice with the same size and time. Then it lies in
`done/` or `failed/` beneath the folder, with a text beside it that says what came of it.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ingest.children import ChildLimits, Failure, ReaderNotStarted, Readers
from ingest.domain.deliveries import Account, NewDelivery, Provider, Receipt
from ingest.keeper import KeepFailed
from ingest.telephony import call_files
from ingest.telephony.call_files import CallFile
from ingest.telephony.columns_of_calls import NoHeading
from ingest.telephony.desk import SourceDesk, part_state_name
from ingest.telephony.tables_of_calls import MAX_FILE, Row, is_workbook
from ingest.telephony.workbooks import MAX_ROWS, read_workbook

log = structlog.get_logger()

PART = "folder"
LOOK_S = 5.0  #: between two looks into the folder
SLICE = 200  #: rows kept in one transaction
AT_ONCE = 200  #: files noticed in one look
PROBLEMS = 20  #: told in the text beside a file
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", ".txt")  #: the last are our own words
MIB = 1024 * 1024
LIMITS = ChildLimits(memory=448 * MIB, cpu_s=2.0, wall_s=5.0)


class BadFile(Exception):
    """The file cannot be imported; the text says why, for whoever put it there."""


@dataclass(slots=True)
class Watched:
    """What was seen of the folder at the last look."""

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)  #: name -> size, time

    def complete(self, folder: Path) -> list[Path]:
        """Return the files that did not change since the last look, by name."""
        seen: dict[str, tuple[int, int]] = {}
        for entry in sorted(os.listdir(folder)):
            if entry.startswith(".") or entry.lower().endswith(UNFINISHED):
                continue
            try:
                found = os.lstat(folder / entry)
            except OSError:
                continue  # gone between two looks
            if stat.S_ISREG(found.st_mode) and len(seen) < AT_ONCE:
                seen[entry] = (found.st_size, found.st_mtime_ns)
        same = [name for name, told in seen.items() if self.sizes.get(name) == told]
        self.sizes = seen
        return [folder / name for name in same]


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source has a folder to watch."""
    return provider.name == "callfile" and bool(account.config.get("folder"))


async def watch(desk: SourceDesk) -> None:
    """Import what is put into the source's folder until it shall stop."""
    folder, watched = Path(str(desk.account.config["folder"])), Watched()
    said: str | None = ""
    with Readers(read_workbook, limits=LIMITS) as readers:
        while True:
            try:
                complete = await asyncio.to_thread(watched.complete, folder)
                trouble = None
            except OSError as error:
                complete, trouble = [], f"{folder}: {error.strerror}"
            for path in complete:
                if desk.stop.is_set() or desk.full() is not None:
                    break
                try:
                    await take(desk, path, readers)
                except (KeepFailed, ReaderNotStarted, OSError) as error:
                    trouble = f"{path.name}: {error}"  # it lies where it lay and is tried again
            if trouble != said:
                said = trouble
                await _remember(desk, trouble)
            if await desk.wait(LOOK_S):
                return


async def take(desk: SourceDesk, path: Path, readers: Readers[list[list[str]]]) -> None:
    """Import one file and move it aside. Raises KeepFailed, ReaderNotStarted or OSError."""
    try:
        understood = await asyncio.to_thread(understand, path, desk, readers)
    except BadFile as error:
        await asyncio.to_thread(move_aside, path, "failed", f"{error}\n")
        log.warning("callfile.failed", source=desk.source, because=str(error)[:300])
        return
    new = 0
    deliveries = deliveries_of(understood, desk)
    for start in range(0, len(deliveries), SLICE):
        kept = await desk.keep(deliveries[start : start + SLICE], {})
        new += sum(1 for one in kept if one.receipt is Receipt.NEW)
    await asyncio.to_thread(move_aside, path, "done", summary(understood, new))
    log.info("callfile.imported", source=desk.source, rows=len(deliveries), new=new)


def understand(path: Path, desk: SourceDesk, readers: Readers[list[list[str]]]) -> CallFile:
    """Return what a file says by a saved profile. Raises BadFile or OSError."""
    rows = rows_of_file(path, readers)
    profiles = call_files.profiles_of(desk.account)
    name = call_files.profile_for(rows, profiles)
    if name is None:
        known = ", ".join(sorted(profiles)) or "none is saved"
        raise BadFile(
            f"no saved profile knows the columns of this file (profiles: {known}). Save one by"
            f" importing it once: keepline import calls FILE --source {desk.source} --profile NAME"
        )
    try:
        return call_files.understood(
            rows, path.name, desk.account, now=desk.clock(), profile=profiles[name]
        )
    except NoHeading as error:
        raise BadFile(str(error)) from error


def rows_of_file(path: Path, readers: Readers[list[list[str]]]) -> list[Row]:
    """Return the rows of a file, a workbook read in a child process. Raises BadFile or OSError."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise BadFile(f"the file has {size // MIB} MiB; at most {MAX_FILE // MIB} are read at once")
    octets = path.read_bytes()
    if not octets.strip():
        raise BadFile("the file is empty")
    if not is_workbook(octets):
        if max(octets.count(b"\n"), octets.count(b"\r")) > MAX_ROWS:
            raise BadFile(f"the file has more than {MAX_ROWS} rows; divide it")
        return call_files.text_rows(octets)
    found = readers.read(octets)
    if isinstance(found, Failure):
        raise BadFile(f"the workbook cannot be read: {found.reason}")
    return call_files.workbook_rows(found)


def deliveries_of(understood: CallFile, desk: SourceDesk) -> list[NewDelivery]:
    """Return what is kept of a file."""
    now = desk.clock()
    return [
        NewDelivery(source=desk.source, key=row.key, received_at=now, head=row.head, body=row.body)
        for row in understood.rows
    ]


def summary(understood: CallFile, new: int) -> str:
    """Return what came of a file, line by line, for people."""
    lines = [f"{len(understood.rows)} rows, {new} of them new."]
    lines += [f"{count} left out: {why}." for why, count in sorted(understood.left_out.items())]
    problems = understood.problems
    if problems:
        lines.append(f"{len(problems)} could not be read and are parked:")
        lines += [f"line {row.line}: {row.problem}" for row in problems[:PROBLEMS]]
    return "\n".join(lines) + "\n"


def move_aside(path: Path, where: str, told: str) -> Path:
    """Move a file into a folder beneath its own, with a text beside it; nothing is overwritten."""
    aside = path.parent / where
    aside.mkdir(exist_ok=True)
    for name in _free_names(path.name):
        target = aside / name
        text = aside / f"{name}.txt"
        if not target.exists() and not text.exists():
            break
    text.write_text(told, encoding="utf-8")
    path.rename(target)
    return target


def _free_names(name: str) -> Sequence[str]:
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    return [name, *(f"{stem} ({number}){dot}{ending}" for number in range(2, 100_000))]


async def _remember(desk: SourceDesk, trouble: str | None) -> None:
    since = desk.clock().isoformat()
    state = {"state": "waiting" if trouble else "watching", "since": since, "because": trouble}
    await desk.remember({part_state_name(desk.source, PART): state})
