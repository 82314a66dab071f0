"""Which column of an operator's file says what: guessed from its heading, kept as a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from ingest.telephony.tables_of_calls import DELIMITERS, LOOKED_AT, Row, rows_of


class Column(StrEnum):
    """What a column can say of a call."""

    WHEN = "when"  #: date and time together
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    DIRECTION = "direction"
    RESULT = "result"
    CALLER = "caller"
    CALLEE = "callee"
    SIM = "sim"  #: our number
    OTHER = "other"  #: the other side's number, whoever began


#: What operators write above a column; the words of a heading in small letters. Of several columns
#: that fit, the one whose heading is the phrase itself is taken, then the one on the left.
HEADINGS: Mapping[Column, tuple[str, ...]] = {
    Column.WHEN: (
        "дата и время", "дата время", "дата и время начала", "дата и время вызова",
        "дата и время звонка", "время и дата", "дата начала", "начало вызова",
        "начало разговора", "начало соединения", "datetime", "date time", "date and time",
        "start time", "call start", "start", "started", "timestamp",
    ),
    Column.DATE: ("дата", "дата звонка", "дата вызова", "дата соединения", "date", "call date"),
    Column.TIME: ("время", "время начала", "время звонка", "время вызова", "time", "call time"),
    Column.DURATION: (
        "длительность", "продолжительность", "длит", "длительность разговора", "время разговора",
        "объем",
        "объем услуги", "объем услуг", "duration", "call duration", "talk time", "length",
        "seconds", "billsec",
    ),
    Column.DIRECTION: (
        "тип вызова", "тип звонка", "тип соединения", "вид вызова", "вид соединения", "вх исх",
        "тип", "услуга", "вид услуги", "вид связи", "описание", "направление",
        "направление вызова", "call type", "call direction", "direction", "type", "service",
    ),
    Column.RESULT: ("результат", "статус", "статус вызова", "result", "status", "disposition"),
    Column.CALLER: (
        "номер a", "a номер", "абонент a", "звонящий", "номер звонящего", "вызывающий",
        "вызывающий номер", "номер вызывающего", "кто звонил", "откуда", "caller", "calling",
        "calling number", "caller number", "from", "a number", "number a", "a party",
    ),
    Column.CALLEE: (
        "номер b", "b номер", "абонент b", "вызываемый", "вызываемый номер",
        "номер вызываемого", "набранный номер", "кому", "куда", "callee", "called",
        "called number", "dialed number", "dialled number", "to", "b number", "number b",
        "destination", "b party",
    ),
    Column.SIM: (
        "абонентский номер", "номер абонента", "абонент", "мой номер", "наш номер", "номер sim",
        "sim", "msisdn", "subscriber", "subscriber number", "own number", "my number",
    ),
    Column.OTHER: (
        "собеседник", "номер собеседника", "номер корреспондента", "корреспондент",
        "второй абонент", "номер телефона", "телефон", "номер", "контакт", "other party",
        "other number", "other", "phone number", "phone", "number", "contact",
    ),
}  # fmt: skip

#: Columns whose headings have units: "Длительность, мин:сек". Of numbers "номер договора" is none.
_MEASURED = frozenset({Column.DURATION, Column.DATE, Column.TIME, Column.WHEN})
_LETTERS = str.maketrans({"ё": "е"})
#: Single letters that name a side, alike in both alphabets to the eye.
_SIDES = {"а": "a", "б": "b", "в": "b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one operator's files are read; kept under a name with the source."""

    columns: Mapping[Column, str]  #: to headings as they stand in the file
    day_first: bool = True  #: 05/06 is the fifth of June
    zone: str | None = None  #: of its times; None: the source's

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        columns = {column.value: heading for column, heading in self.columns.items()}
        return {"columns": columns, "day_first": self.day_first, "zone": self.zone}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Profile:
        """Read back what `to_plain` made. Raises ValueError, KeyError or TypeError."""
        columns = {Column(name): str(text) for name, text in dict(plain["columns"]).items()}
        return cls(
            columns=columns,
            day_first=bool(plain.get("day_first", True)),
            zone=plain.get("zone"),
        )

    @property
    def enough(self) -> bool:
        """Tell whether a call can be read with it: when it was, and with whom."""
        has = self.columns.keys()
        return bool(has & {Column.WHEN, Column.DATE}) and (
            Column.OTHER in has or {Column.CALLER, Column.CALLEE} <= has
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file with its heading found."""

    headings: tuple[str, ...]
    line: int  #: of the heading
    above: tuple[Row, ...]  #: what stands before it: whose account it is, often
    rows: tuple[Row, ...] = field(repr=False)

    def cells(self, row: Row) -> dict[str, str]:
        """Return a row's cells by their headings; what has no heading is left out."""
        return {name: cell for name, cell in zip(self.headings, row.cells, strict=False) if name}


class NoHeading(Exception):
    """No row of the file names columns of calls; the text says what was looked for."""


def sheet_of(rows: Sequence[Row], profile: Profile | None = None) -> Sheet:
    """Return the file with its heading: of a profile, the row that has all its columns.

    Raises NoHeading.
    """
    best, most = None, 0
    for place, row in enumerate(rows[:LOOKED_AT]):
        headings = _headings(row)
        if profile is not None:
            fits = len(profile.columns) if {*profile.columns.values()} <= {*headings} else 0
        else:
            guessed = guess(headings)
            fits = len(guessed.columns) if guessed.enough else 0
        if fits > most:
            best, most = place, fits
    if best is None:
        raise NoHeading(_missing(rows, profile))
    return Sheet(
        headings=_headings(rows[best]),
        line=rows[best].line,
        above=tuple(rows[:best]),
        rows=tuple(rows[best + 1 :]),
    )


def delimiter_of(text: str, profile: Profile | None = None) -> str:
    """Return the separator with which most columns are understood."""
    top = text[:200_000]

    def understood(delimiter: str) -> int:
        try:
            sheet = sheet_of(rows_of(top, delimiter, LOOKED_AT), profile)
        except NoHeading:
            return 0
        return len(guess(sheet.headings).columns)

    return max(DELIMITERS, key=understood)


def guess(headings: Sequence[str], *, day_first: bool = True) -> Profile:
    """Return what the columns with these headings are taken to say, each at most one thing."""
    said = {heading: _words(heading) for heading in headings if heading}
    columns: dict[Column, str] = {}
    for exact in (True, False):
        for column, phrases in HEADINGS.items():
            if column in columns:
                continue
            found = next(
                (
                    heading
                    for heading, words in said.items()
                    if heading not in columns.values()
                    and (
                        " ".join(words) in phrases
                        if exact
                        else _begins(words, phrases, at_least=1 if column in _MEASURED else 2)
                    )
                ),
                None,
            )
            if found is not None:
                columns[column] = found
    if Column.WHEN not in columns and Column.TIME not in columns and Column.DATE in columns:
        columns[Column.WHEN] = columns.pop(Column.DATE)
    return Profile(columns=columns, day_first=day_first)


def _begins(words: tuple[str, ...], phrases: Sequence[str], *, at_least: int) -> bool:
    """Tell whether a heading begins with a phrase: a unit or remark may follow it."""
    split_up = (_split(phrase) for phrase in phrases)
    return any(len(it) >= at_least and words[: len(it)] == it for it in split_up)


@cache
def _split(phrase: str) -> tuple[str, ...]:
    return tuple(phrase.split())


def _words(heading: str) -> tuple[str, ...]:
    small = heading.casefold().translate(_LETTERS)
    return tuple(_SIDES.get(word, word) for word in re.findall(r"\w+", small))


def _headings(row: Row) -> tuple[str, ...]:
    """Return a row's texts as headings; of two alike the second is told by its number."""
    found: dict[str, None] = {}
    last: dict[str, int] = {}  # the number given last: a row may have hundreds of equal cells
    names: list[str] = []
    for cell in row.cells:
        text = " ".join(cell.split())[:200]
        name, number = text, last.get(text, 1)
        while name and name in found:
            number += 1
            name = f"{text} ({number})"
        last[text] = number
        found[name] = None
        names.append(name)
    return tuple(names)


def _missing(rows: Sequence[Row], profile: Profile | None) -> str:
    torn = next((row for row in rows[:LOOKED_AT] if row.problem), None)
    if torn is not None:
        return f"line {torn.line}: {torn.problem}"
    if profile is not None:
        return f"no row has the columns {', '.join(sorted({*profile.columns.values()}))}"
    return (
        f"none of the first {LOOKED_AT} rows names columns of calls: a date, and a number or the"
        " numbers of both sides"
    )
