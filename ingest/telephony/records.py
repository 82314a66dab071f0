"""Files of call details: from their octets to single records, and from a record to its cells.

A record is one row, of several lines where a quoted cell holds line ends. One that is torn (a
writer that died, a full disk) is a record by itself, so that it is parked alone and the rows
behind it are read. Octets are not changed: what is kept is what the file held.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from ingest.domain.deliveries import UnreadableDelivery
from ingest.domain.records import Record

MAX_RECORD = 65_536  #: octets of one record
MAX_CELLS = 512
QUOTE = b'"'

IsRecord = Callable[[bytes], bool]


def split(
    octets: bytes, *, final: bool = False, is_record: IsRecord | None = None
) -> tuple[list[Record], int]:
    """Return the whole records, and how many octets they take: the next look begins behind them.

    What has no line end yet waits, unless `final`. `is_record` tells whether a line by itself is a
    record: then what was open before it was torn. Without it a torn record ends where its quotes
    close, or at the end of its first line once it has grown beyond MAX_RECORD.
    """
    records: list[Record] = []
    begin = 0
    while begin < len(octets):
        end = _end_of_record(octets, begin, is_record, final=final)
        if end is None:
            break
        body = octets[begin:end].rstrip(b"\r\n").lstrip(b"\0")
        if body:
            records.append(Record(body=body[:MAX_RECORD], begin=begin, end=end))
        begin = end
    return records, begin


def columns_are(*counts: int, delimiter: str = ",") -> IsRecord:
    """Return what tells of a line whether it is a whole record of so many columns."""

    def is_record(line: bytes) -> bool:
        try:
            return len(cells(line, delimiter=delimiter)) in counts
        except UnreadableDelivery:
            return False

    return is_record


def cells(body: bytes, *, delimiter: str = ",", encoding: str = "utf-8") -> list[str]:
    """Return the cells of one record. Raises UnreadableDelivery if it is torn.

    Octets that the encoding does not know are replaced: they stand in names, never in numbers.
    """
    if len(body) >= MAX_RECORD:
        raise UnreadableDelivery(f"a record of {MAX_RECORD} octets or more")
    if b"\0" in body:
        raise UnreadableDelivery("the record holds NUL octets: it was torn")
    text = body.decode(encoding, "replace").removeprefix("\ufeff")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableDelivery(f"the record is torn: {error}") from error
    if len(rows) != 1:
        raise UnreadableDelivery("the record is torn: it holds several rows")
    if len(rows[0]) > MAX_CELLS:
        raise UnreadableDelivery(f"a record of more than {MAX_CELLS} cells")
    return rows[0]


def _end_of_record(
    octets: bytes, begin: int, is_record: IsRecord | None, *, final: bool
) -> int | None:
    """Return the octet behind the record that begins here; None: it goes on."""
    first = at = _end_of_line(octets, begin, final=final)
    if at is None:
        return None if len(octets) - begin <= MAX_RECORD else len(octets)
    quotes = octets.count(QUOTE, begin, at)
    while quotes % 2:
        following = _end_of_line(octets, at, final=final)
        if following is None:
            return first if final or len(octets) - begin > MAX_RECORD else None
        if following - begin > MAX_RECORD:
            return first
        line = octets[at:following]
        if is_record is not None and is_record(line.rstrip(b"\r\n")):
            return at
        quotes += line.count(QUOTE)
        at = following
    return at


def _end_of_line(octets: bytes, begin: int, *, final: bool) -> int | None:
    at = octets.find(b"\n", begin)
    if at >= 0:
        return at + 1
    return len(octets) if final and begin < len(octets) else None
