"""A folder into which a telephone system puts files of call details, each of them whole.

`cdr_folder` of a source names it. A file is taken when it is complete: found twice with the same
size and time. Its records are kept, and it is moved to `done/` beneath the folder, or to `failed/`
with the reason beside it; nothing is deleted. A file that is found again adds nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog

from ingest.domain.deliveries import Account, Kind, Provider, Receipt, UnreadableDelivery
from ingest.domain.records import Record
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, new_delivery, part_state_name
from ingest.telephony.endpoints import CDR_FOLDER, folder_of
from ingest.telephony.folder import AT_ONCE, SLICE, Watched, move_aside

log = structlog.get_logger()

PART = "record-folder"
LOOK_S = 5.0  #: between two looks into the folder
MIB = 1024 * 1024
MAX_FILE = 64 * MIB  #: a larger one is put aside
OURS = "callfile"  #: the provider whose files need more than cutting; `folder` is about it


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source has such a folder, and its provider reads records."""
    reads = Kind.RECORD in provider.reads and provider.name != OURS
    return reads and account.config.get(CDR_FOLDER) is not None


async def watch(desk: SourceDesk, *, look_s: float = LOOK_S) -> None:
    """Keep what is put into the source's folder until its desk says stop."""
    watched = Watched()
    said: str | None = ""
    while True:
        trouble = await _look(desk, watched)
        if trouble != said:
            with contextlib.suppress(KeepFailed):  # else it is said after the next look
                await _remember(desk, trouble)
                said = trouble
        if await desk.wait(look_s):
            return


async def _look(desk: SourceDesk, watched: Watched) -> str | None:
    """Take what is complete; return what hinders, if anything does."""
    try:
        complete = await asyncio.to_thread(watched.complete, folder_of(desk.account))
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"{CDR_FOLDER}: {desk.account.config.get(CDR_FOLDER)}: {error.strerror or error}"
    trouble = None
    for path in complete[:AT_ONCE]:
        if desk.stop.is_set() or desk.full() is not None:
            break
        try:
            await take(desk, path)
        except (KeepFailed, OSError) as error:
            trouble = f"{path.name}: {error}"  # it lies where it lay and is tried again
    return trouble


async def take(desk: SourceDesk, path: Path) -> None:
    """Keep the records of one file and move it aside. Raises KeepFailed or OSError."""
    size = (await asyncio.to_thread(path.stat)).st_size
    if size > MAX_FILE:
        told = f"the file has {size // MIB} MiB; at most {MAX_FILE // MIB} are read at once\n"
        await asyncio.to_thread(move_aside, path, "failed", told)
        log.warning("record_file.failed", source=desk.source, octets=size)
        return
    octets = await asyncio.to_thread(path.read_bytes)
    cut = desk.provider.files
    try:
        records, _ = await asyncio.to_thread(cut, path.name, octets, True, desk.account)
    except OSError:
        raise
    except UnreadableDelivery as error:
        await asyncio.to_thread(move_aside, path, "failed", f"{error}\n")
        log.warning("record_file.failed", source=desk.source, because=str(error)[:300])
        return
    except Exception as error:  # a fault of ours: the file waits for a reader that can
        log.exception("record_file.failed", source=desk.source)
        told = f"cutting it failed: {type(error).__name__}\n"
        await asyncio.to_thread(move_aside, path, "failed", told)
        return
    new = await _keep(desk, list(records))
    told = f"{len(records)} records, {new} of them new.\n"
    await asyncio.to_thread(move_aside, path, "done", told)
    log.info("record_file.kept", source=desk.source, records=len(records), new=new)


async def _keep(desk: SourceDesk, records: list[Record]) -> int:
    """Make records durable; return how many were new."""
    new = 0
    for start in range(0, len(records), SLICE):
        deliveries = [
            new_delivery(desk, Kind.RECORD, record.body, head=record.head)
            for record in records[start : start + SLICE]
        ]
        kept = await desk.keep(deliveries, {})
        new += sum(1 for one in kept if one.receipt is not Receipt.REPEATED)
    return new


async def _remember(desk: SourceDesk, trouble: str | None) -> None:
    state = "waiting" if trouble else "watching"
    told = {"state": state, "since": desk.clock().isoformat(), "because": trouble}
    await desk.remember({part_state_name(desk.source, PART): told})
