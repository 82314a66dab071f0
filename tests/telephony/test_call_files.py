"""Call files of mobile operators: whatever wrote them, they say the same, and say it once."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from time import process_time
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.children import Failure, Readers
from ingest.domain.calls import Direction
from ingest.domain.deliveries import Account, IgnoredDelivery, UnreadableDelivery
from ingest.telephony import call_files
from ingest.telephony.call_files import CallFile, text_rows, understood
from ingest.telephony.columns_of_calls import Column, NoHeading, Profile, guess, sheet_of
from ingest.telephony.folder import LIMITS
from ingest.telephony.rows_of_calls import call_key, read_row
from ingest.telephony.tables_of_calls import is_workbook
from ingest.telephony.workbooks import read_workbook
from tests.properties import examples

ACCOUNT = Account(source="mobile", region="RU", zone=ZoneInfo("Europe/Moscow"))
NOW = datetime(2026, 11, 19, tzinfo=UTC)
SIM, OTHER = "+79161234567", "+79035554433"
PLAIN = f"""Дата и время;Тип вызова;Номер абонента;Собеседник;Длительность
18.11.2026 10:00:05;Входящий;{SIM};{OTHER};2:05
18.11.2026 10:30:00;Исходящий;{SIM};{OTHER};0:42
"""


def read(octets: bytes, name: str = "calls.csv", **more: Any) -> CallFile:
    return understood(text_rows(octets), name, ACCOUNT, now=NOW, **more)


def keys(file: CallFile) -> set[str]:
    return {row.key for row in file.rows}


# Text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_every_encoding_and_separator_says_the_same(encoding: str, delimiter: str) -> None:
    file = read(PLAIN.replace(";", delimiter).encode(encoding))

    assert keys(file) == keys(read(PLAIN.encode()))
    assert [row.problem for row in file.rows] == [None, None]


def test_a_file_exported_with_other_columns_in_another_order_holds_the_same_calls() -> None:
    other = (
        "Cost,Duration (sec),Other party,Call type,Date,Time,Subscriber\n"
        "1.2,125,8 (903) 555-44-33,incoming,2026-11-18,10:00:05,89161234567\n"
        "0,42,903 555 44 33,outgoing,18/11/2026,10:30,79161234567\n"
    )

    assert keys(read(other.encode())) == keys(read(PLAIN.encode()))


def test_a_torn_row_names_its_line_and_costs_no_other_row() -> None:
    torn = PLAIN + f'18.11.2026 11:00:00;"Исходящий;{SIM};{OTHER};1\n'
    nul = PLAIN + f"18.11.2026 11:00:00;Исход\0ящий;{SIM};{OTHER};1\n"
    long = PLAIN + "x" * 1_000_000 + "\n" + PLAIN.splitlines()[1].replace("10:00", "12:00") + "\n"

    for text in (torn, nul, long):
        file = read(text.encode())
        assert [row.line for row in file.problems] == [4]
        assert len(file.rows) - 1 == len(PLAIN.splitlines()) - 1 + (text is long)


def test_each_of_two_rows_torn_alike_is_named_and_those_between_them_are_read() -> None:
    head, first, second = PLAIN.splitlines()
    torn = f'18.11.2026 11:00:00;"Исходящий;{SIM};{OTHER};1'
    text = "\n".join([head, torn, first, second, torn, ""])

    file = read(text.encode())

    assert [row.line for row in file.problems] == [2, 5]
    assert keys(file) > keys(read(PLAIN.encode()))
    assert keys(file) == keys(read(text.encode()))


def test_a_cell_of_several_lines_is_one_cell() -> None:
    head, first, _ = PLAIN.splitlines()
    text = f'Комментарий;{head}\n"два ""слова""\n\nи ещё";{first}\n'

    [row] = read(text.encode()).rows

    assert (row.line, row.problem, row.key in keys(read(PLAIN.encode()))) == (2, None, True)


def test_two_calls_of_one_minute_are_two_where_only_minutes_are_written() -> None:
    head, *_ = PLAIN.splitlines()
    rows = [f"18.11.2026 10:00;Входящий;{SIM};{OTHER};{talk}" for talk in ("0:00", "2:05", "0:00")]

    file = read("\n".join([head, *rows]).encode())

    calls = [call_key(it.call, ACCOUNT) for it in file.rows if it.call]
    assert len(set(calls)) == len(calls) == 2
    assert file.left_out == {"the row says the same as another": 1}


def test_a_call_whose_length_was_corrected_is_the_same_call_where_seconds_are_written() -> None:
    one, other = (read(PLAIN.replace("2:05", talk).encode()).rows[0] for talk in ("2:05", "2:06"))

    assert one.key != other.key
    assert one.call is not None
    assert other.call is not None
    assert call_key(one.call, ACCOUNT) == call_key(other.call, ACCOUNT)


def test_a_file_imported_again_with_our_number_tells_more_of_the_same_calls() -> None:
    plain = f"Start time,From,To,Duration\n2026-11-18 10:00:05,{OTHER},{SIM},125\n".encode()

    [before], [after] = read(plain).rows, read(plain, sim=SIM).rows

    assert before.call is not None
    assert after.call is not None
    assert (before.call.direction, after.call.direction) == (None, Direction.INBOUND)
    assert call_key(before.call, ACCOUNT) == call_key(after.call, ACCOUNT)
    assert before.key != after.key


def test_what_is_no_file_of_calls_is_refused_with_what_was_looked_for() -> None:
    for octets in (
        b"a,b,c\n1,2,3\n",
        b"\xff\xfe",
        b"\0" * 50,
        b"<html></html>",
        PLAIN[60:].encode(),
    ):
        with pytest.raises(NoHeading):
            read(octets)


@examples(60)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda it: (PLAIN + it).encode()))
)
def test_no_octets_raise_anything_but_the_named_refusal(octets: bytes) -> None:
    try:
        file = read(octets)
    except NoHeading:
        return
    assert all(row.call or row.problem for row in file.rows)


# Columns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headings", "columns"),
    [
        (
            "Дата|Время|Номер А|Номер Б|Длительность, сек",
            {"date": 0, "time": 1, "caller": 2, "callee": 3, "duration": 4},
        ),
        (
            "№|Дата начала|Вид услуги|Номер договора|Телефон|Объем услуг|Сумма",
            {"when": 1, "direction": 2, "other": 4, "duration": 5},
        ),
        (
            "Start time|From|To|Talk time|Status",
            {"when": 0, "caller": 1, "callee": 2, "duration": 3, "result": 4},
        ),
        (
            "Date|Direction|MSISDN|Phone number|Duration (mm:ss)",
            {"when": 0, "direction": 1, "sim": 2, "other": 3, "duration": 4},
        ),
        (
            "Дата и время|Тип вызова|Собеседник|Время разговора",
            {"when": 0, "direction": 1, "other": 2, "duration": 3},
        ),
    ],
)
def test_columns_are_found_by_their_headings(headings: str, columns: dict[str, int]) -> None:
    names = headings.split("|")

    found = guess(names).columns

    assert {column.value: names.index(text) for column, text in found.items()} == columns


def test_a_row_of_hundreds_of_equal_cells_costs_no_time() -> None:
    wide = ";".join(["x"] * 500) + "\n"
    began = process_time()

    file = read((wide * 20 + PLAIN).encode())

    assert keys(file) == keys(read(PLAIN.encode()))
    assert process_time() - began < 4


def test_of_equal_headings_each_has_a_name_of_its_own() -> None:
    rows = text_rows((PLAIN.replace("Дата", "x;x (2);x;x;Дата") + "\n").encode())

    assert sheet_of(rows).headings[:4] == ("x", "x (2)", "x (3)", "x (4)")


def test_a_profile_is_read_back_as_it_was_saved() -> None:
    profile = read(PLAIN.encode()).profile

    assert Profile.from_plain(profile.to_plain()) == profile
    assert call_files.profile_for(text_rows(PLAIN.encode()), {"op": profile}) == "op"
    assert call_files.profile_for(text_rows(b"Date,Phone\n"), {"op": profile}) is None


def test_days_and_months_are_told_apart_by_the_file_itself() -> None:
    rows = "Date,Time,Direction,MSISDN,Phone,Seconds\n{},10:00,in,+79161234567,+79035554433,5\n"

    assert read(rows.format("11/18/2026").encode()).profile.day_first is False
    assert read(rows.format("18/11/2026").encode()).profile.day_first is True
    assert read(rows.format("05/06/2026").encode()).profile.day_first is True


# The SIM ---------------------------------------------------------------------------------------

WITHOUT_SIM = "Дата и время;Тип вызова;Собеседник;Длительность\n18.11.2026 10:00;Исходящий;{};5\n"


@pytest.mark.parametrize(
    ("name", "above", "asked", "sim"),
    [
        ("calls.csv", "", "+79161234567", "+79161234567"),
        ("79161234567_2026-11.csv", "", None, "79161234567"),
        (
            "20261118123000_report.csv",
            "Абонент: +7 (916) 123-45-67;;;\n",
            None,
            "+7 (916) 123-45-67",
        ),
        ("20261118123000.csv", "Договор 20261118123000;;;\n", None, None),
    ],
)
def test_our_number_comes_from_the_asker_the_top_of_the_file_or_its_name(
    name: str, above: str, asked: str | None, sim: str | None
) -> None:
    file = read((above + WITHOUT_SIM.format(OTHER)).encode(), name, sim=asked)

    assert file.sim == sim
    assert len(file.problems) == (0 if sim else 1)


# Rows ------------------------------------------------------------------------------------------


def row(**cells: str) -> Any:
    profile = Profile(columns={Column(name): name for name in cells})
    return read_row(cells, profile, ACCOUNT, sim=SIM, near=NOW)


@pytest.mark.parametrize(
    ("written", "heading", "seconds"),
    [
        ("125", "Длительность", 125),
        ("2:05", "Длительность", 125),
        ("00:02:05", "Длительность", 125),
        ("2", "Длительность, мин", 120),
        ("125 сек", "Длительность", 125),
        ("2 мин 5 сек", "Длительность", 125),
        ("1 ч 2 мин.", "Длительность", 3720),
        ("0,5", "Минут, мин", 30),
        ("01:02", "Длительность (чч:мм)", 3720),
        ("1:02", "Duration (mm:ss)", 62),
    ],
)
def test_durations_are_read_in_the_ways_operators_write_them(
    written: str, heading: str, seconds: float
) -> None:
    cells = {"w": "18.11.2026 10:00", "d": "in", "o": OTHER, heading: written}
    columns = {
        Column.WHEN: "w", Column.DIRECTION: "d", Column.OTHER: "o", Column.DURATION: heading,
    }  # fmt: skip

    found = read_row(cells, Profile(columns=columns), ACCOUNT, sim=SIM, near=NOW)

    assert found.talk_s == seconds


@pytest.mark.parametrize(
    "written",
    [
        "18.11.2026 10:00:05",
        "2026-11-18 10:00:05",
        "18/11/26 10:00:05",
        "2026-11-18T10:00:05+03:00",
        "2026-11-18T07:00:05Z",
        "2026-11-18T10:00:05",
        "2026-11-18T10:00:05.120",
        "18.11.2026T10:00:05",
        "18.11.2026 12:00:05 +05:00",
        "18.11.2026 07:00:05Z",
        "18.11.2026 09:00:05+0200",
        "18.11.2026 10:00:05 AM",
        "46344.4167245370",
    ],
)
def test_moments_are_read_in_the_ways_operators_write_them(written: str) -> None:
    found = row(when=written, direction="in", other=OTHER, duration="5")

    assert found.at == datetime(2026, 11, 18, 7, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("date", ["18.11.2026 0:00:00", "2026-11-18 00:00:00", "18.11.2026 00:00"])
def test_midnight_beside_a_column_of_times_is_only_how_a_date_is_written(date: str) -> None:
    found = row(date=date, time="10:00:05", direction="in", other=OTHER, duration="5")

    assert found.at == datetime(2026, 11, 18, 7, 0, 5, tzinfo=UTC)


def test_a_row_of_calls_between_two_outsiders_is_ours_by_its_direction() -> None:
    came = row(when="18.11.2026 10:00", direction="Входящий", other=OTHER, duration="5")
    went = row(when="18.11.2026 10:00", direction="Исх.", other=OTHER, duration="5")

    assert (came.direction, came.caller, came.callee) == (Direction.INBOUND, OTHER, SIM)
    assert (went.direction, went.caller, went.callee) == (Direction.OUTBOUND, SIM, OTHER)
    assert came.sim == went.sim == SIM


@pytest.mark.parametrize(
    "word", ["SMS исходящее", "GPRS", "Мобильный интернет", "Абонентская плата"]
)
def test_what_is_no_call_is_left_out(word: str) -> None:
    with pytest.raises(IgnoredDelivery):
        row(when="18.11.2026 10:00", direction=word, other=OTHER, duration="1")


@pytest.mark.parametrize(
    "cells",
    [
        {"when": "вчера", "direction": "in", "other": OTHER, "duration": "5"},
        {"when": "31.02.2026 10:00", "direction": "in", "other": OTHER, "duration": "5"},
        {"when": "01.01.0001 00:00+05:00", "direction": "in", "other": OTHER, "duration": "5"},
        {"when": "18.11.2026 10:00", "direction": "Москва", "other": OTHER, "duration": "5"},
        {"when": "18.11.2026 10:00", "direction": "out", "other": "", "duration": "5"},
        {"when": "18.11.2026 10:00", "direction": "in", "other": OTHER, "duration": "долго"},
        {"when": "18.11.2026 10:00", "direction": "in", "other": OTHER, "duration": "9" * 12},
    ],
)
def test_a_row_that_makes_no_sense_is_refused_and_not_guessed(cells: dict[str, str]) -> None:
    with pytest.raises(UnreadableDelivery):
        row(**cells)


# Workbooks -------------------------------------------------------------------------------------


def workbook(
    cells: str, *, dimension: str = "A1:E3", more: dict[str, bytes] | None = None
) -> bytes:
    """Return an XLSX with one sheet of these cells, given as XML of its rows."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'{head}<Types xmlns="{packages}/content-types"/>',
        "_rels/.rels": f'{head}<Relationships xmlns="{packages}/relationships"><Relationship'
        f' Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{head}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Calls" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{packages}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{main}"><dimension'
        f' ref="{dimension}"/><sheetData>{cells}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in {**parts, **(more or {})}.items():
            made.writestr(name, text)
    return packed.getvalue()


def cell(where: str, text: str) -> str:
    return f'<c r="{where}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def sheet_of_plain() -> str:
    rows = [line.split(";") for line in PLAIN.splitlines()]
    return "".join(
        f'<row r="{n}">'
        + "".join(cell(f"{'ABCDE'[at]}{n}", it) for at, it in enumerate(row))
        + "</row>"
        for n, row in enumerate(rows, start=1)
    )


@pytest.fixture(scope="module")
def readers() -> Any:
    with Readers(read_workbook, limits=LIMITS) as found:
        yield found


def test_a_workbook_says_the_same_as_the_text(readers: Readers[list[list[str]]]) -> None:
    octets = workbook(sheet_of_plain())
    assert is_workbook(octets)

    sheet = readers.read(octets)

    assert not isinstance(sheet, Failure)
    file = understood(call_files.workbook_rows(sheet), "calls.xlsx", ACCOUNT, now=NOW)
    assert keys(file) == keys(read(PLAIN.encode()))


def test_of_a_formula_only_the_value_is_read(readers: Readers[list[list[str]]]) -> None:
    formula = '<row r="1"><c r="A1"><f>SUM([other.xlsx]Sheet1!A1)</f><v>7</v></c></row>'

    assert readers.read(workbook(formula)) == [["7"]]


@pytest.mark.parametrize(
    "octets",
    [
        workbook("", more={"xl/media/big": b"\0" * 300 * 1024 * 1024}),
        workbook(
            f'<row r="1">{cell("A1", "x")}</row>'
            f'<row r="1048576">{cell("XFD1048576", "y")}</row>',
            dimension="A1:XFD1048576",
        ),
        workbook(f'<row r="1">{"<c/>" * 3_000_000}</row>'),
        b"PK\x03\x04 and nothing more",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and nothing more",
    ],
    ids=["unpacks_large", "declares_everything", "endless_row", "no_zip", "no_xls"],
)  # fmt: skip
def test_a_hostile_workbook_costs_itself_alone(
    octets: bytes, readers: Readers[list[list[str]]]
) -> None:
    found = readers.read(octets)

    assert isinstance(found, Failure)
    assert found.reason
    assert readers.read(workbook(f'<row r="1">{cell("A1", "still here")}</row>')) == [
        ["still here"]
    ]


def test_a_sheet_that_only_declares_everything_is_read(readers: Readers[list[list[str]]]) -> None:
    octets = workbook(f'<row r="1">{cell("A1", "x")}</row>', dimension="A1:XFD1048576")

    assert readers.read(octets) == [["x"]]
