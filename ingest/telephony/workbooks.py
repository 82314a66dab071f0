"""Workbooks: from octets to the text of their cells. Runs in a child process with limits.

Values only: formulas count as what they last came to, links to other files are not followed.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Any

from ingest.domain.deliveries import UnreadableDelivery

MAX_UNPACKED = 256 * 1024 * 1024  #: octets of all its parts
MAX_PARTS = 2_000
MAX_ROWS = 300_000
MAX_COLUMNS = 200


def read_workbook(octets: bytes) -> list[list[str]]:
    """Return the rows of the first sheet that holds any. Raises UnreadableDelivery."""
    import python_calamine  # only the child needs it

    _check_size(octets)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(octets))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.height > MAX_ROWS:
                raise UnreadableDelivery(f"the sheet {name} has more than {MAX_ROWS} rows")
            if sheet.width > MAX_COLUMNS:
                raise UnreadableDelivery(f"the sheet {name} has more than {MAX_COLUMNS} columns")
            rows = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
            if any(any(row) for row in rows):
                return rows
    except python_calamine.CalamineError as error:
        raise UnreadableDelivery(f"it is no workbook that can be read: {error}") from error
    raise UnreadableDelivery("the workbook is empty")


def _check_size(octets: bytes) -> None:
    if not octets.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise UnreadableDelivery(f"it is no workbook that can be read: {error}") from error
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        most = MAX_UNPACKED // (1024 * 1024)
        raise UnreadableDelivery(f"unpacked the workbook has more than {most} MiB")


def _text(cell: Any) -> str:
    match cell:
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime():
            return cell.isoformat(" ", "seconds")
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(int(cell.total_seconds()))
        case _:
            return str(cell)
