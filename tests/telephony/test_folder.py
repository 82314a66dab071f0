"""The watched folder: complete files are imported and moved aside, with what came of them."""

from __future__ import annotations

import asyncio
import os
import resource
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from ingest.children import Readers
from ingest.domain.deliveries import Account, NewDelivery, Receipt
from ingest.keeper import KeepFailed
from ingest.telephony import call_files
from ingest.telephony.call_file_rows import deliveries_in, job_of, understand_into
from ingest.telephony.call_files import text_rows, understood
from ingest.telephony.desk import part_state_name
from ingest.telephony.folder import MIB, PART, BadFile, Watched, rows_of_file, wanted, watch
from ingest.telephony.providers.callfile import CALLFILE
from ingest.telephony.workbooks import MAX_ROWS, read_workbook
from storage.log import Kept
from tests.telephony.quick_desk import NOON, House, QuickDesk, a_desk
from tests.telephony.test_call_files import ACCOUNT, PLAIN, SIM


@dataclass
class Keeping(House):
    """A house whose log knows what it has, and can be away."""

    away: bool = False

    async def keep(
        self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
    ) -> list[Kept]:
        if self.away and deliveries:
            raise KeepFailed("the disk is full")
        known = {it.key for it in self.kept}
        kept = await super().keep([it for it in deliveries if it.key not in known], memory)
        repeated = Kept(receipt=Receipt.REPEATED, partition=0, position=1)
        return [*kept, *[repeated] * (len(deliveries) - len(kept))]


def an_account(folder: Path, *, profiles: bool = True) -> Account:
    known = understood(text_rows(PLAIN.encode()), "x.csv", ACCOUNT, now=NOON).profile.to_plain()
    config = {"folder": str(folder), "profiles": {"op": known} if profiles else {}}
    return replace(ACCOUNT, config=config)


def drafts(folder: Path) -> list[Path]:
    """Return what a child has begun to write down."""
    return list(folder.glob(".keepline-*"))


async def watched(folder: Path, house: House, seconds: float = 3600, **more: Any) -> QuickDesk:
    """Watch for an hour of the house's time, or so many seconds."""
    house.ends = house.after(seconds=seconds)
    house.now = NOON
    desk = a_desk(CALLFILE, an_account(folder, **more), house)
    await watch(desk)
    return desk


async def test_a_file_is_imported_once_and_moved_aside_with_what_came_of_it(
    tmp_path: Path,
) -> None:
    house = Keeping()
    (tmp_path / "may.csv").write_text(PLAIN + "вчера;Исходящий;x;y;z\n", encoding="cp1251")
    await watched(tmp_path, house)
    (tmp_path / "may.csv").write_text(PLAIN, encoding="utf-8")
    await watched(tmp_path, house)

    assert len(house.kept) == 3
    assert sorted(it.name for it in (tmp_path / "done").iterdir()) == [
        "may (2).csv", "may (2).csv.txt", "may.csv", "may.csv.txt",
    ]  # fmt: skip
    first = (tmp_path / "done" / "may.csv.txt").read_text()
    assert "3 rows, 3 of them new." in first
    assert "line 4: the date is none: 'вчера'" in first
    assert "2 rows, 0 of them new." in (tmp_path / "done" / "may (2).csv.txt").read_text()


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_text_has_no_more_rows_than_a_workbook(tmp_path: Path, end: bytes) -> None:
    """A row of two octets takes hundreds in memory, and whoever reads it answers calls."""
    path = tmp_path / "calls.csv"
    path.write_bytes((b"1;" + end) * (MAX_ROWS + 1))

    with Readers(read_workbook) as readers, pytest.raises(BadFile, match="more than 300000 rows"):
        rows_of_file(path, readers)


def test_a_line_of_100_mib_is_refused_at_once_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    with path.open("wb") as file:
        file.write(PLAIN.encode())
        file.truncate(100 * MIB)
    begun = process_time()
    tracemalloc.start()
    try:
        with Readers(read_workbook) as readers, pytest.raises(BadFile, match="100 MiB; at most 64"):
            rows_of_file(path, readers)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < MIB
    assert process_time() - begun < 1.0


async def test_a_large_file_costs_whoever_answers_calls_a_few_milliseconds_at_a_time(
    tmp_path: Path,
) -> None:
    """A child understands it; what is left for this process are slices of rows."""
    rows = 2_000
    told = "".join(
        f"18.11.2026 10:{number // 60:02}:{number % 60:02};Входящий;{SIM};+7903{number:07};2:05\n"
        for number in range(rows)
    )
    (tmp_path / "may.csv").write_text(PLAIN.splitlines()[0] + "\n" + told, encoding="cp1251")
    slices: list[float] = []

    class Timed(House):
        async def keep(
            self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
        ) -> list[Kept]:
            slices.append(process_time())
            return await super().keep(deliveries, memory)

    house = Timed()
    await watched(tmp_path, house)

    assert len(house.kept) == rows
    between = sorted(one - other for other, one in pairwise(slices))
    assert between[len(between) // 2] < 0.01  # of 200 rows; understanding them takes 40 ms
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_what_a_child_says_is_what_understanding_it_here_says(tmp_path: Path) -> None:
    path, into = tmp_path / "may.csv", tmp_path / "rows"
    path.write_text(PLAIN + PLAIN.splitlines()[1] + "\nвчера;Исходящий;x;y;z\n")
    account = an_account(tmp_path)

    told = understand_into(job_of(path, into, account, NOON))
    with into.open("rb") as file:
        found = deliveries_in(file, "mobile", NOON)

    profile = next(iter(call_files.profiles_of(account).values()))
    rows = text_rows(path.read_bytes())
    wanted_ = understood(rows, path.name, account, now=NOON, profile=profile)
    assert [(it.key, it.head, it.body) for it in found] == [
        (it.key, dict(it.head), it.body) for it in wanted_.rows
    ]
    assert told["left_out"] == {"the row says the same as another": 1}
    assert (told["rows"], told["wrong"]) == (3, 1)


async def test_what_a_process_that_died_had_written_down_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / ".keepline-0123").write_text("{}")

    await watched(tmp_path, Keeping())

    assert not (tmp_path / ".keepline-0123").exists()


async def test_what_no_profile_knows_is_moved_to_failed_and_says_how_to_mend_it(
    tmp_path: Path,
) -> None:
    house = Keeping()
    (tmp_path / "may.csv").write_text(PLAIN)
    (tmp_path / "empty.csv").write_text("")

    await watched(tmp_path, house, profiles=False)

    assert house.kept == []
    assert "keepline import calls" in (tmp_path / "failed" / "may.csv.txt").read_text()
    assert "empty" in (tmp_path / "failed" / "empty.csv.txt").read_text()
    assert (tmp_path / "failed" / "may.csv").read_text() == PLAIN


async def test_a_file_that_could_not_be_kept_lies_where_it_lay_and_is_tried_again(
    tmp_path: Path,
) -> None:
    house = Keeping(away=True)
    (tmp_path / "may.csv").write_text(PLAIN)

    await watched(tmp_path, house)
    assert (tmp_path / "may.csv").exists()
    assert "the disk is full" in house.memory[part_state_name("mobile", PART)]["because"]

    house.away = False
    await watched(tmp_path, house)
    assert len(house.kept) == 2


async def test_a_disk_that_is_full_while_a_file_is_understood_costs_the_file_nothing(
    tmp_path: Path,
) -> None:
    house = Keeping()
    row = f"18.11.2026 10:00:00;Входящий;{SIM};+7903%07d;2:05\n"
    told = PLAIN.splitlines()[0] + "\n" + "".join(row % number for number in range(500))
    (tmp_path / "may.csv").write_text(told)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # as where nothing more fits
    try:
        await watched(tmp_path, house, seconds=20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert (tmp_path / "may.csv").exists()
    assert "OSError" in house.memory[part_state_name("mobile", PART)]["because"]
    await watched(tmp_path, house)
    assert len(house.kept) == 500


async def test_a_stop_does_not_wait_for_a_file_that_is_being_understood(tmp_path: Path) -> None:
    house = Keeping()
    row = f"18.11.2026 10:00:00;Входящий;{SIM};+7903%07d;2:05\n"
    told = PLAIN.splitlines()[0] + "\n" + "".join(row % number for number in range(100_000))
    (tmp_path / "may.csv").write_text(told)
    house.ends, house.now = house.after(hours=1), NOON
    desk = a_desk(CALLFILE, an_account(tmp_path), house)
    watching = asyncio.ensure_future(watch(desk))
    async with asyncio.timeout(20):
        while not drafts(tmp_path) and not watching.done():  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.01)
        desk.stop.set()
        await watching

    assert (tmp_path / "may.csv").exists()
    assert house.kept == []


async def test_a_folder_that_is_not_there_is_said_and_waited_for(tmp_path: Path) -> None:
    house = Keeping()

    await watched(tmp_path / "none", house)

    state = house.memory[part_state_name("mobile", PART)]
    assert state["state"] == "waiting"
    assert "No such file" in state["because"]


def test_only_whole_files_are_taken(tmp_path: Path) -> None:
    seen = Watched()
    (tmp_path / "a.csv").write_text("one")
    (tmp_path / "b.csv.part").write_text("one")
    (tmp_path / ".hidden").write_text("one")
    (tmp_path / "done").mkdir()
    os.symlink(tmp_path / "a.csv", tmp_path / "link.csv")
    assert seen.complete(tmp_path) == []

    (tmp_path / "a.csv").write_text("one and more")
    assert seen.complete(tmp_path) == []
    assert seen.complete(tmp_path) == [tmp_path / "a.csv"]


def test_only_a_source_of_call_files_with_a_folder_is_watched(tmp_path: Path) -> None:
    assert wanted(CALLFILE, an_account(tmp_path))
    assert not wanted(CALLFILE, ACCOUNT)
    assert not wanted(replace(CALLFILE, name="other"), an_account(tmp_path))
