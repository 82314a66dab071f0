"""Files of mobile operators: from their octets to rows of text, whatever wrote them.

Text files are found out here: encoding, separator, where each row begins. Workbooks are read by
`workbooks` in a child process; what comes of either is a `Table`. A row that cannot be read keeps
its line and its reason, and takes no other row with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.records import cells, split

MAX_FILE = 64 * 1024 * 1024  #: octets of one file
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  #: XLSX and its like; XLS
DELIMITERS = (";", ",", "\t", "|")
LOOKED_AT = 60  #: rows in which the heading must stand
_UTF_16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a file."""

    line: int  #: counted from 1; of a row over several lines the first
    cells: tuple[str, ...] = ()
    problem: str | None = None  #: why it has no cells


def is_workbook(octets: bytes) -> bool:
    """Tell whether the file is a workbook, by its first octets and not by its name."""
    return octets.startswith(WORKBOOKS)


def decoded(octets: bytes) -> str:
    """Return a text file's text: UTF-8, UTF-16 or windows-1251, with or without a mark."""
    if octets[:2] in _UTF_16:
        return octets.decode("utf-16", "replace").removeprefix("\ufeff")
    if order := _unmarked_utf_16(octets[:2000]):
        return octets.decode(order, "replace")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("windows-1251", "replace")


def _unmarked_utf_16(head: bytes) -> str | None:
    """Return the order of octets of UTF-16 without a mark: each other octet is 0, or Cyrillic."""
    for order, high in (("utf-16-be", head[0::2]), ("utf-16-le", head[1::2])):
        common = high.count(0) + high.count(4)
        if high.count(0) > 3 and common * 10 > len(high) * 9:
            return order
    return None


def rows_of(text: str, delimiter: str, most: int | None = None) -> list[Row]:
    """Return the rows of a text; a torn one says so and costs no other."""
    octets = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    records, _ = split(octets, final=True)
    found: list[Row] = []
    line, counted = 1, 0
    for record in records[:most]:
        line += octets.count(b"\n", counted, record.begin)
        counted = record.begin
        row = _row(record.body, line, delimiter)
        lines = octets[record.begin : record.end].rstrip(b"\n").split(b"\n")
        if row.problem is None or len(lines) == 1:
            found.append(row)
        else:  # two quotes that nobody closed, with whole rows between them
            several = (_row(text, at, delimiter) for at, text in enumerate(lines, line) if text)
            found.extend(several)
    return found


def _row(record: bytes, line: int, delimiter: str) -> Row:
    try:
        taken = tuple(cell.strip() for cell in cells(record, delimiter=delimiter))
    except UnreadableDelivery as error:
        return Row(line=line, problem=str(error))
    return Row(line=line, cells=taken)


def sheet_rows(sheet: Sequence[Sequence[str]]) -> list[Row]:
    """Return the rows of a workbook's sheet that hold anything."""
    return [
        Row(line=number, cells=tuple(cell.strip() for cell in row))
        for number, row in enumerate(sheet, start=1)
        if any(cell.strip() for cell in row)
    ]
