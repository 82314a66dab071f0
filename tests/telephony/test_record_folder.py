"""Whole files of call details in a folder: kept once, moved aside, never lost."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.domain.deliveries import Account, Kind, NewDelivery
from ingest.keeper import KeepFailed
from ingest.telephony import record_folder
from ingest.telephony.desk import part_state_name
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.record_folder import wanted, watch
from storage.log import Kept
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.recorded import cases

CUCM = PROVIDERS["cisco_cucm"]
STATE = part_state_name("cucm", "record-folder")
[FILE] = cases()["cisco_cucm/01-cdr-file-inbound-answered.json"]["files"]
NAME, BODY = str(FILE["name"]), str(FILE["body"]).encode()


def an_account(folder: Path | str) -> Account:
    return Account(source="cucm", config={"cdr_folder": str(folder)})


async def look(folder: Path | str, house: House, looks: int = 3) -> None:
    """Watch for so many looks."""
    house.ends = house.now + timedelta(seconds=record_folder.LOOK_S * looks)
    await watch(a_desk(CUCM, an_account(folder), house))


async def test_a_file_is_kept_row_by_row_and_moved_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    house = House()

    await look(tmp_path, house)

    rows = BODY.splitlines()
    assert [delivery.body for delivery in house.kept] == rows[1:3]
    assert {delivery.head["kind"] for delivery in house.kept} == {str(Kind.RECORD)}
    assert house.kept[0].head["places"]["dateTimeConnect"] > 0
    assert (tmp_path / "done" / NAME).read_bytes() == BODY
    assert "2 records, 2 of them new." in (tmp_path / "done" / f"{NAME}.txt").read_text()
    assert not (tmp_path / NAME).exists()
    assert house.memory[STATE]["state"] == "watching"


async def test_a_file_that_still_grows_is_left_until_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY[:500])
    house = House()
    await look(tmp_path, house, looks=1)
    assert house.kept == []

    class Growing(House):
        async def recall(self, name: str) -> Any:
            return None

    growing = Growing()
    desk = a_desk(CUCM, an_account(tmp_path), growing)
    watched = record_folder.Watched()
    for size in (600, 700, len(BODY)):
        (tmp_path / NAME).write_bytes(BODY[:size])
        assert await record_folder._look(desk, watched) is None
        assert growing.kept == []
    await record_folder._look(desk, watched)
    assert len(growing.kept) == 2


async def test_what_could_not_be_kept_lies_where_it_lay_and_is_tried_again(tmp_path: Path) -> None:
    class Away(House):
        fails = 1

        async def keep(
            self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
        ) -> list[Kept]:
            if deliveries and self.fails:
                self.fails -= 1
                raise KeepFailed("the log is away")
            return await super().keep(deliveries, memory)

    (tmp_path / NAME).write_bytes(BODY)
    house = Away()

    await look(tmp_path, house, looks=4)

    assert len(house.kept) == 2
    assert (tmp_path / "done" / NAME).exists()


async def test_a_file_that_cannot_be_read_does_not_hold_up_those_behind_it(tmp_path: Path) -> None:
    for name in (NAME, "a-first", "b-second"):
        (tmp_path / name).write_bytes(BODY)

    def cut(name: str, octets: bytes, final: bool, account: Account) -> Any:
        if name == "a-first":
            raise PermissionError(13, "Permission denied")
        if name == "b-second":
            raise IndexError("a fault of ours")
        return CUCM.files(name, octets, final, account)

    house = House(ends=NOON + timedelta(seconds=record_folder.LOOK_S * 3))
    await watch(a_desk(replace(CUCM, files=cut), an_account(tmp_path), house))

    assert len(house.kept) == 2
    assert (tmp_path / "done" / NAME).exists()
    assert (tmp_path / "a-first").exists()
    assert "IndexError" in (tmp_path / "failed" / "b-second.txt").read_text()
    assert house.memory[STATE]["because"] == "a-first: [Errno 13] Permission denied"


async def test_a_file_whose_heading_is_torn_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a-first").write_bytes(b'"cdrRecordType","x\n')
    (tmp_path / NAME).write_bytes(BODY)
    house = House()

    await look(tmp_path, house)

    assert len(house.kept) == 2
    assert "torn" in (tmp_path / "failed" / "a-first.txt").read_text()
    assert house.memory[STATE]["state"] == "watching"


async def test_the_events_of_others_go_on_while_a_large_file_is_cut(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    seen: list[str] = []

    def cut(name: str, octets: bytes, final: bool, account: Account) -> Any:
        seen.append(threading.current_thread().name)
        return CUCM.files(name, octets, final, account)

    house = House(ends=NOON + timedelta(seconds=record_folder.LOOK_S * 3))
    await watch(a_desk(replace(CUCM, files=cut), an_account(tmp_path), house))

    assert len(seen) == 1
    assert seen != [threading.main_thread().name]


async def test_a_file_that_is_too_large_is_put_aside_with_the_reason(
    tmp_path: Path,
) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(record_folder.MAX_FILE + 1)
    house = House()

    await look(tmp_path, house)

    assert house.kept == []
    assert "at most 64" in (tmp_path / "failed" / f"{NAME}.txt").read_text()


@pytest.mark.parametrize(
    ("folder", "because"), [("not/whole", "no whole path"), ("/nowhere/at/all", "No such file")]
)
async def test_a_folder_that_cannot_be_read_is_told(folder: str, because: str) -> None:
    house = House()

    await look(folder, house, looks=1)

    assert house.memory[STATE]["state"] == "waiting"
    assert house.memory[STATE]["because"].startswith("cdr_folder:")
    assert because in house.memory[STATE]["because"]


def test_only_a_source_with_a_folder_and_a_reader_of_records_is_watched() -> None:
    assert wanted(CUCM, an_account("/srv/cdr"))
    assert not wanted(CUCM, Account(source="cucm"))
    assert not wanted(PROVIDERS["mango"], an_account("/srv/cdr"))
    assert not wanted(PROVIDERS["callfile"], an_account("/srv/cdr"))
