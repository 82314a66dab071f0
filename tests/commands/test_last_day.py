"""The last day of work ends at midnight of the company's zone, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.commands.calling import office
from storage import directory
from tests.commands.conftest import Keepline


def left_at(keepline: Keepline, login: str) -> datetime:
    with office(keepline.settings) as here, here.database.read() as connection:
        [person] = directory.find_employees(connection, login)
    [moment] = [it.from_at for it in person.employment if not it.employed]
    return moment.astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "last_day", "gone"),
    [
        ("Europe/Moscow", "2026-03-29", "2026-03-29T21:00"),
        ("Europe/Amsterdam", "2026-03-28", "2026-03-28T23:00"),
        ("Europe/Amsterdam", "2026-03-29", "2026-03-29T22:00"),  # a day of 23 hours
        ("Europe/Amsterdam", "2026-10-24", "2026-10-24T22:00"),
        ("Europe/Amsterdam", "2026-10-25", "2026-10-25T23:00"),  # a day of 25 hours
        ("America/Santiago", "2026-09-05", "2026-09-06T04:00"),  # the next has no 00:00
    ],
)
def test_gone_from_the_first_moment_of_the_day_after_the_last(
    keepline: Keepline, zone: str, last_day: str, gone: str
) -> None:
    keepline.fine("init", "--zone", zone, "--region", "RU")
    keepline.fine("import", "employees", keepline.file("e.csv", "name,login\nAnna,anna\n"))

    keepline.fine("employee", "leave", "anna", "--on", last_day)

    assert left_at(keepline, "anna") == datetime.fromisoformat(gone).replace(tzinfo=UTC)


def test_the_same_day_in_a_file_of_employees_is_the_same_moment(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "Europe/Amsterdam", "--region", "NL")
    rows = "name,login,left_on\nAnna,anna,2026-10-25\n"

    keepline.fine("import", "employees", keepline.file("e.csv", rows))

    assert left_at(keepline, "anna") == datetime(2026, 10, 25, 23, tzinfo=UTC)
