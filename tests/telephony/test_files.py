"""Files of call details: cut into records, followed while they grow, over rotation and restart."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.deliveries import Account, Kind, UnreadableDelivery
from ingest.domain.records import whole_file
from ingest.keeper import KeepFailed
from ingest.telephony.desk import part_state_name
from ingest.telephony.file_look import CHUNK, HEAD
from ingest.telephony.files import follow_files, wanted
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.records import MAX_RECORD, cells, columns_are, split
from tests.properties import examples
from tests.telephony.quick_desk import NOON, House, QuickDesk, a_desk

ASTERISK = PROVIDERS["asterisk"]
STATE = part_state_name("pbx", "file:cdr")
Step = Callable[[], None]


def row(number: int, *, name: str = "") -> bytes:
    """Return a row of cdr_csv that no other has."""
    times = '"2026-11-21 19:00:00",,"2026-11-21 19:00:09"'
    parties = f'"+4917139200001","493023125000","from-trunk","""{name}"" <+4917139200001>"'
    end = f'"Hangup","",{times},9,0,"NO ANSWER","3","1795285713.{number}"'
    return f'"",{parties},"PJSIP/trunk-{number:08x}","",{end}'.encode()


def rows(*numbers: int) -> bytes:
    return b"".join(row(number) + b"\n" for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedDesk(QuickDesk):
    """A desk at which each wait does the next step, and the last one says stop."""

    steps: list[Step] = field(default_factory=list)

    async def wait(self, seconds: float) -> bool:
        await asyncio.sleep(0)
        if self.steps:
            self.steps.pop(0)()
            return False
        self.stop.set()
        return True


async def follow(house: House, path: Path, *steps: Step, **changes: Any) -> None:
    """Follow the file of a source, doing these steps between looks, then stop."""
    account = Account(source="pbx", config={"cdr_file": str(path)})
    desk = a_desk(ASTERISK, account, house)
    stepped = SteppedDesk(
        provider=desk.provider, account=account, clock=desk.clock, stop=desk.stop,
        keep=changes.pop("keep", desk.keep), recall=desk.recall, house=house, steps=list(steps),
        **changes,
    )  # fmt: skip
    async with asyncio.timeout(10):
        await follow_files(stepped)


def bodies(house: House) -> list[bytes]:
    return [delivery.body for delivery in house.kept]


def appends(path: Path, data: bytes) -> Step:
    def step() -> None:
        with path.open("ab") as file:
            file.write(data)

    return step


# Following ----------------------------------------------------------------------------------------


async def test_what_is_there_and_what_is_appended_is_kept_once_and_in_order(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1, 2))

    await follow(house, path, appends(path, rows(3)), lambda: None, appends(path, rows(4)))

    assert bodies(house) == [row(1), row(2), row(3), row(4)]
    assert {delivery.head["kind"] for delivery in house.kept} == {Kind.RECORD}
    assert {delivery.head["profile"] for delivery in house.kept} == {"cdr"}


async def test_a_row_half_written_waits_for_its_other_half(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1) + row(2)[:60])

    await follow(house, path, lambda: None, appends(path, row(2)[60:] + b"\n"))

    assert bodies(house) == [row(1), row(2)]


async def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1, 2))
    await follow(house, path)
    with path.open("ab") as file:
        file.write(rows(3))

    await follow(house, path)

    assert bodies(house) == [row(1), row(2), row(3)]


@pytest.mark.parametrize("put_away", ["Master.csv.1", "Master.csv-20261121", "Master-1.csv"])
async def test_rows_that_were_put_away_unread_are_read_first(tmp_path: Path, put_away: str):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))

    def rotate() -> None:
        appends(path, rows(2) + row(3))()  # the writer died before the line end
        path.rename(tmp_path / put_away)
        path.write_bytes(rows(4))

    await follow(house, path, rotate)

    assert bodies(house) == [row(1), row(2), row(3), row(4)]
    assert "begun_anew_at" not in house.memory[STATE]


async def test_files_that_came_and_went_while_we_were_down_are_read_too(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))
    await follow(house, path)
    names = ("Master.csv.3", "Master.csv.2", "Master.csv.1")
    for age, (name, content) in enumerate(zip(names, (rows(1, 2), rows(3), rows(4)), strict=True)):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1_000 + age, 1_000 + age))
    path.write_bytes(rows(5))

    await follow(house, path)

    assert bodies(house) == [row(1), row(2), row(3), row(4), row(5)]
    assert "begun_anew_at" not in house.memory[STATE]


@pytest.mark.parametrize("between", ["Master.csv.1.gz", "Master.csv.1"])
async def test_a_file_between_that_cannot_be_read_is_said(tmp_path: Path, between: str):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))
    await follow(house, path)
    (tmp_path / "Master.csv.2").write_bytes(rows(1, 2))
    os.utime(tmp_path / "Master.csv.2", (1_000, 1_000))
    (tmp_path / between).write_bytes(b"\x1f\x8b\x08 squeezed")
    os.utime(tmp_path / between, (1_001, 1_001))
    (tmp_path / "Master.csv.bak").write_bytes(rows(9))  # nothing that a rotation leaves
    path.write_bytes(rows(3))

    await follow(house, path)

    assert bodies(house) == [row(1), row(2), row(3)]
    assert house.memory[STATE]["begun_anew_at"] == NOON.isoformat()


async def test_a_file_copied_and_cut_off_is_followed_from_its_beginning(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))

    def copy_and_truncate() -> None:
        appends(path, rows(2))()
        (tmp_path / "Master.csv.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)

    await follow(house, path, copy_and_truncate, appends(path, rows(3)))

    assert bodies(house) == [row(1), row(2), row(3)]


async def test_a_file_that_was_replaced_and_is_nowhere_is_said(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))

    def replaced() -> None:
        path.unlink()
        path.write_bytes(rows(2))

    await follow(house, path, replaced)

    assert bodies(house) == [row(1), row(2)]
    assert house.memory[STATE]["begun_anew_at"] == NOON.isoformat()


async def test_a_new_file_that_is_longer_than_the_old_one_is_noticed(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))

    await follow(house, path, lambda: path.write_bytes(rows(*range(10, 30))))

    assert bodies(house) == [row(1), *(row(number) for number in range(10, 30))]


async def test_a_file_that_was_empty_at_first_is_the_same_when_it_grows(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(b"")

    await follow(house, path, appends(path, rows(1)), appends(path, rows(2)))

    assert bodies(house) == [row(1), row(2)]
    assert "begun_anew_at" not in house.memory[STATE]


async def test_a_missing_file_is_said_and_read_once_it_is_there(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    seen: list[str] = []

    await follow(
        house,
        path,
        lambda: seen.append(house.memory[STATE]["because"]),
        lambda: path.write_bytes(rows(1)) and None,
    )

    assert seen == [f"there is no file {path}"]
    assert bodies(house) == [row(1)]
    assert house.memory[STATE]["state"] == "following"


async def test_a_file_that_its_provider_cannot_cut_is_said_and_others_are_read(tmp_path: Path):
    house, path, other = House(), tmp_path / "cdr.csv", tmp_path / "cel.csv"
    for each in (path, other):
        each.write_bytes(rows(1))

    def cut(holds: str, octets: bytes, final: bool, account: Account) -> Any:
        if holds == "cdr":
            raise UnreadableDelivery("its heading is torn")
        return ASTERISK.files(holds, octets, final, account)

    account = Account(source="pbx", config={"cdr_file": str(path), "cel_file": str(other)})
    house.ends = house.now + timedelta(seconds=5)
    async with asyncio.timeout(10):
        await follow_files(a_desk(replace(ASTERISK, files=cut), account, house))

    assert bodies(house) == [row(1)]
    assert house.memory[STATE]["because"].endswith("its heading is torn")


async def test_a_pipe_is_refused_and_does_not_hold_the_service_up(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    os.mkfifo(path)

    await follow(house, path)

    assert house.memory[STATE]["because"].endswith("is no plain file")


async def test_a_large_file_is_taken_in_pieces_each_with_its_own_cursor(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    numbers = range(3 * CHUNK // len(rows(1)))
    path.write_bytes(rows(*numbers))
    cursors: list[int] = []

    async def keep(deliveries: Sequence[Any], memory: Any) -> Any:
        cursors.append(memory[STATE]["cursor"]["offset"])
        return await house.keep(deliveries, memory)

    await follow(house, path, keep=keep)

    assert bodies(house) == [row(number) for number in numbers]
    assert cursors == sorted(set(cursors))
    assert len(cursors) >= 3


async def test_what_could_not_be_kept_is_read_again(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1, 2))
    failures = iter([KeepFailed("the disk")])

    async def keep(deliveries: Sequence[Any], memory: Any) -> Any:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await house.keep(deliveries, memory)

    await follow(house, path, lambda: None, keep=keep)

    assert bodies(house) == [row(1), row(2)]


async def test_nothing_is_read_while_the_log_is_full(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))

    await follow(house, path, full=lambda: "the disk is nearly full")

    assert bodies(house) == []


async def test_another_path_is_another_file(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))
    await follow(house, path)
    other = tmp_path / "Other.csv"
    other.write_bytes(rows(2, 3))

    await follow(house, other)

    assert bodies(house) == [row(1), row(2), row(3)]


async def test_the_same_row_of_two_files_is_one_delivery(tmp_path: Path):
    house, path = House(), tmp_path / "Master.csv"
    path.write_bytes(rows(1))
    await follow(house, path)
    other = tmp_path / "Other.csv"
    other.write_bytes(rows(1))

    await follow(house, other)

    assert len({delivery.key for delivery in house.kept}) == 1


def test_only_what_names_a_file_and_can_be_cut_is_followed():
    named = Account(source="s", config={"cdr_file": "/var/log/asterisk/cdr-csv/Master.csv"})

    assert wanted(ASTERISK, named)
    assert not wanted(ASTERISK, Account(source="s"))
    assert not wanted(PROVIDERS["mango"], named)


def test_a_file_that_is_one_record_is_taken_when_it_is_complete():
    account = Account(source="s")

    assert whole_file("a", b"{}", False, account) == ([], 0)
    [record], taken = whole_file("a", b"{}", True, account)
    assert (record.body, taken) == (b"{}", 2)


# Cutting ------------------------------------------------------------------------------------------


@examples(60)
@given(st.data())
def test_however_a_file_grows_the_same_records_come_of_it(data: st.DataObject):
    names = data.draw(st.lists(st.text('a",\r\nж', max_size=6), max_size=5))
    lines = [row(n, name=name.replace('"', '""')) for n, name in enumerate(names)]
    whole = b"".join(line + b"\n" for line in lines)
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    found: list[bytes] = []
    offset = 0

    for end in [*at, len(whole)]:
        records, taken = split(whole[offset:end], is_record=columns_are(17))
        found += [record.body for record in records]
        offset += taken

    assert found == [record.body for record in split(whole, final=True)[0]]
    assert [cells(body)[16] for body in found] == [f"1795285713.{n}" for n in range(len(names))]


@examples(60)
@given(st.binary(max_size=300), st.booleans())
def test_every_octet_of_garbage_is_taken_and_none_twice(garbage: bytes, final: bool):
    records, taken = split(garbage, final=final, is_record=columns_are(17))

    assert taken <= len(garbage)
    assert not final or taken == len(garbage)
    assert [record.begin for record in records] == sorted({record.begin for record in records})
    for record in records:
        try:
            cells(record.body)
        except UnreadableDelivery:
            continue


@pytest.mark.parametrize(
    "torn",
    [
        row(2)[:40],  # in the midst of a quoted cell
        row(2)[:-9],
        b"\0" * 600,  # what a power cut leaves
        b'"',
        b"not,a,row",
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_a_torn_row_stands_alone_and_its_neighbours_are_read(torn: bytes, final: bool):
    octets = rows(1) + torn + b"\n" + rows(3, 4)

    records, taken = ASTERISK.files("cdr", octets, final, Account(source="s"))

    assert [record.body for record in records if record.body != torn.strip(b"\0")] == [
        row(1), row(3), row(4)
    ]  # fmt: skip
    assert taken == len(octets)


def test_a_cell_with_line_ends_is_part_of_its_row():
    body = row(1, name="Two\nlines")

    [record, other], _ = split(body + b"\r\n" + rows(2), is_record=columns_are(17))

    assert record.body == body
    assert cells(record.body)[4] == '"Two\nlines" <+4917139200001>'
    assert other.body == row(2)


def test_octets_that_are_no_utf_8_stand_in_names_only():
    body = row(1, name="X").replace(b"X", "Иванов".encode("cp1251"))

    assert cells(body)[1] == "+4917139200001"
    assert "Иванов" in cells(body, encoding="cp1251")[4]


@pytest.mark.parametrize(
    "body", [b'"open', b'"a"b,c', b"a\0b", b"a\nb", b"x" * MAX_RECORD, b"," * 600]
)
def test_what_is_no_row_is_parked(body: bytes):
    with pytest.raises(UnreadableDelivery):
        cells(body)


def test_a_row_without_end_is_cut_and_the_next_one_is_read():
    octets = b"x" * (MAX_RECORD + 10) + b"\n" + rows(1)

    records, taken = split(octets)

    assert [len(records[0].body), records[1].body] == [MAX_RECORD, row(1)]
    assert taken == len(octets)


@pytest.mark.parametrize("piece", [b'"\n', b'a,"b\n', b'"\n"\n\n', b"\n", b'"",', b"\0", b'"a""\n'])
def test_nasty_files_are_cut_in_linear_time(piece: bytes):
    octets = (piece * MAX_RECORD)[:MAX_RECORD]
    began = time.process_time()

    split(octets, is_record=columns_are(17), final=True)

    assert time.process_time() - began < 0.5


def test_the_head_by_which_a_file_is_known_is_shorter_than_one_look():
    assert HEAD < CHUNK
    assert MAX_RECORD * 2 < CHUNK  # so that a look always brings a whole record, or cuts one
