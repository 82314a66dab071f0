"""A watched folder of call files: what is put there is imported and moved aside, never deleted.

A file is taken when it is complete: found twice with the same size and time. Then it lies in
`done/` or `failed/` beneath the folder, with a text beside it that says what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ingest.children import ChildLimits, Failure, FailureKind, ReaderNotStarted, Readers
from ingest.domain.deliveries import Account, Provider, Receipt, UnreadableDelivery
from ingest.keeper import KeepFailed
from ingest.telephony import call_files
from ingest.telephony.call_file_rows import (
    deliveries_in,
    in_child,
    job_of,
    summary,
    text_rows,
    too_large,
)
from ingest.telephony.desk import SourceDesk, part_state_name
from ingest.telephony.tables_of_calls import MAX_FILE, Row, is_workbook

log = structlog.get_logger()

PART = "folder"
LOOK_S = 5.0  #: between two looks into the folder
SLICE = 200  #: records kept in one transaction
DRAFT = ".keepline-"  #: how files begin in which a child writes down what is to be kept
AT_ONCE = 200  #: files noticed in one look
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", ".txt")  #: the last are our own words
MIB = 1024 * 1024
LIMITS = ChildLimits(memory=448 * MIB, cpu_s=2.0, wall_s=5.0)  #: of opening a workbook
WHOLE = ChildLimits(memory=1024 * MIB, cpu_s=300.0, wall_s=1800.0)  #: of a whole file


class BadFile(Exception):
    """The file cannot be imported; the text says why, for whoever put it there."""


#: What a child says of a disk that is full or away.
_OF_THE_DISK = ("OSError", "PermissionError", "FileNotFoundError", "TimeoutError")


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
    with contextlib.suppress(OSError):
        await asyncio.to_thread(_forget_drafts, folder)
    readers = Readers(in_child, limits=WHOLE)
    breaking_off = asyncio.ensure_future(_break_off(desk, readers))
    try:
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
    finally:
        readers.stop()
        breaking_off.cancel()
        await asyncio.shield(asyncio.to_thread(readers.close))


async def _break_off(desk: SourceDesk, readers: Readers[dict[str, Any]]) -> None:
    """Break off the file that is being understood once it shall stop: it is read again."""
    await desk.stop.wait()
    readers.stop()


async def take(desk: SourceDesk, path: Path, readers: Readers[dict[str, Any]]) -> None:
    """Import one file and move it aside. Raises KeepFailed, ReaderNotStarted or OSError."""
    into = path.with_name(f"{DRAFT}{secrets.token_hex(8)}")
    try:
        told = await asyncio.to_thread(_understood, path, into, desk, readers)
        new = await _keep(desk, into)
    except BadFile as error:
        await asyncio.to_thread(move_aside, path, "failed", f"{error}\n")
        log.warning("callfile.failed", source=desk.source, because=str(error)[:300])
        return
    finally:
        await asyncio.to_thread(functools.partial(into.unlink, missing_ok=True))
    await asyncio.to_thread(move_aside, path, "done", summary(told, new))
    log.info("callfile.imported", source=desk.source, rows=told["rows"], new=new)


def _understood(
    path: Path, into: Path, desk: SourceDesk, readers: Readers[dict[str, Any]]
) -> dict[str, Any]:
    """Have a child understand a file by a saved profile. Raises BadFile or OSError."""
    path.stat()  # one that is gone is not a bad one
    found = readers.read(job_of(path, into, desk.account, desk.clock()))
    if not isinstance(found, Failure):
        return found
    if found.kind is FailureKind.UNREADABLE:
        raise BadFile(found.reason)
    if (trouble := found.reason.partition(":")[0]) in _OF_THE_DISK:
        raise OSError(f"{trouble} while it was written down")  # no fault of the file
    raise BadFile(f"the file cannot be read: {found.reason}")


async def _keep(desk: SourceDesk, into: Path) -> int:
    """Make what was written down durable, slice by slice; return how many rows were new."""
    new, now = 0, desk.clock()
    file = await asyncio.to_thread(into.open, "rb")
    try:
        while rows := await asyncio.to_thread(deliveries_in, file, desk.source, now):
            kept = await desk.keep(rows, {})
            new += sum(1 for one in kept if one.receipt is Receipt.NEW)
    finally:
        await asyncio.to_thread(file.close)
    return new


def _forget_drafts(folder: Path) -> None:
    """Delete what a process that died left of files that it understood."""
    for left in folder.glob(f"{DRAFT}*"):
        left.unlink(missing_ok=True)


def rows_of_file(path: Path, readers: Readers[list[list[str]]]) -> list[Row]:
    """Return the rows of a file, a workbook read in a child process. Raises BadFile or OSError."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise BadFile(too_large(size))
    octets = path.read_bytes()
    if not is_workbook(octets):
        try:
            return text_rows(octets)
        except UnreadableDelivery as error:
            raise BadFile(str(error)) from error
    found = readers.read(octets)
    if isinstance(found, Failure):
        raise BadFile(f"the workbook cannot be read: {found.reason}")
    return call_files.workbook_rows(found)


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
