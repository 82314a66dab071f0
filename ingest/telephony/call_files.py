"""From a whole call file to what is kept of it: one delivery for each row that tells of a call."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ingest.domain.deliveries import Account, IgnoredDelivery, Kind, UnreadableDelivery
from ingest.telephony.columns_of_calls import (
    Column,
    NoHeading,
    Profile,
    Sheet,
    delimiter_of,
    guess,
    sheet_of,
)
from ingest.telephony.rows_of_calls import CallRow, read_row, row_key
from ingest.telephony.tables_of_calls import Row, decoded, rows_of, sheet_rows

#: A number as preambles and file names write it.
_NUMBER = re.compile(r"(?<!\d)\+?\d(?:[\s()-]*\d){9,14}(?!\d)")
_STAMP = re.compile(r"20\d{2}(0[1-9]|1[0-2])\d{2,8}")  #: a date of ten digits or more is no number
_ABOUT_US = re.compile(r"абонент|номер|телефон|subscriber|msisdn|number|phone", re.IGNORECASE)
#: Regions that write the month first.
_MONTH_FIRST = frozenset({"US", "PH", "FM", "MH", "PW"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One row as it is kept."""

    line: int
    key: str  #: the same for the same call, however the row is written
    head: Mapping[str, Any]
    body: bytes
    call: CallRow | None  #: None: it could not be read
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFile:
    """A file as understood by a profile."""

    name: str
    profile: Profile
    sim: str | None  #: our number, where rows do not say it
    rows: tuple[Kept, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)  #: why -> rows that are no calls

    @property
    def problems(self) -> list[Kept]:
        """Return the rows that could not be read."""
        return [row for row in self.rows if row.call is None]


def text_rows(octets: bytes, profile: Profile | None = None) -> list[Row]:
    """Return the rows of a text file, its encoding and separator found out."""
    text = decoded(octets)
    return rows_of(text, delimiter_of(text, profile))


def workbook_rows(sheet: Sequence[Sequence[str]]) -> list[Row]:
    """Return the rows of a workbook that a child process has read."""
    return sheet_rows(sheet)


def understood(
    rows: Sequence[Row],
    name: str,
    account: Account,
    *,
    now: datetime,
    profile: Profile | None = None,
    sim: str | None = None,
) -> CallFile:
    """Return what a file says, by a profile or else as its heading is guessed.

    Raises NoHeading if it is no file of calls.
    """
    reading = begun(rows, name, account, now=now, profile=profile, sim=sim)
    left_out: Counter[str] = Counter()
    kept = tuple(reading.rows(left_out))
    return CallFile(
        name=name, profile=reading.profile, sim=reading.sim, rows=kept, left_out=dict(left_out)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file that is about to be understood, row by row."""

    name: str
    profile: Profile
    sim: str | None
    sheet: Sheet
    account: Account
    now: datetime

    def rows(self, left_out: Counter[str]) -> Iterator[Kept]:
        """Yield what is kept of each row, each call once; count why others are left out."""
        seen: set[str] = set()
        for row in self.sheet.rows:
            try:
                one = _kept(
                    row, self.sheet, self.name, self.profile, self.account, self.sim, self.now
                )
            except IgnoredDelivery as ignored:
                left_out[str(ignored)] += 1
                continue
            if one.key in seen:
                left_out["the row says the same as another"] += 1
                continue
            seen.add(one.key)
            yield one


def begun(
    rows: Sequence[Row],
    name: str,
    account: Account,
    *,
    now: datetime,
    profile: Profile | None = None,
    sim: str | None = None,
) -> Reading:
    """Return a file with its heading found, as `understood` reads it. Raises NoHeading."""
    sheet = sheet_of(rows, profile)
    chosen = profile or _guessed(sheet, account)
    ours = sim or _sim_above(sheet) or _sim_of_name(name)
    return Reading(name=name, profile=chosen, sim=ours, sheet=sheet, account=account, now=now)


def profile_for(rows: Sequence[Row], profiles: Mapping[str, Profile]) -> str | None:
    """Return the name of the profile whose columns the file has; of several the one with most."""
    fitting = []
    for name, profile in profiles.items():
        try:
            sheet_of(rows, profile)
        except NoHeading:
            continue
        fitting.append((len(profile.columns), name))
    return max(fitting)[1] if fitting else None


def profiles_of(account: Account) -> dict[str, Profile]:
    """Return the profiles saved with a source, by name."""
    found = {}
    saved = account.config.get("profiles")
    for name, plain in saved.items() if isinstance(saved, dict) else ():
        try:
            found[str(name)] = Profile.from_plain(plain)
        except (ValueError, KeyError, TypeError):
            continue  # written by hand, and wrongly: the file will say that none fits
    return found


def _kept(
    row: Row,
    sheet: Sheet,
    name: str,
    profile: Profile,
    account: Account,
    sim: str | None,
    now: datetime,
) -> Kept:
    cells: Any = sheet.cells(row) if row.problem is None else row.problem
    body = json.dumps(cells, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    call, problem = None, row.problem
    if problem is None:
        try:
            call = read_row(cells, profile, account, sim=sim, near=now)
        except UnreadableDelivery as error:
            problem = str(error)
    # Of a torn row only the reason is known, and others are torn for the same one.
    where = "" if row.problem is None else f"{name[:200]}:{row.line}:"
    said = (
        hashlib.sha256(where.encode("utf-8", "replace") + body).hexdigest()
        if call is None
        else row_key(call, account)
    )
    head = {
        "kind": str(Kind.RECORD),
        "file": name[:200],
        "line": row.line,
        "read_as": profile.to_plain(),
        "sim": sim,
    }
    key = f"{Kind.RECORD}:{'call' if call else 'row'}:{said}"
    return Kept(line=row.line, key=key, head=head, body=body, call=call, problem=problem)


def _guessed(sheet: Sheet, account: Account) -> Profile:
    """Return the guess from the heading, with the order of day and month that the dates show."""
    profile = guess(sheet.headings, day_first=account.region not in _MONTH_FIRST)
    heading = profile.columns.get(Column.WHEN) or profile.columns.get(Column.DATE)
    for row in sheet.rows:
        written = re.match(r"(\d{1,2})[-./](\d{1,2})[-./]", sheet.cells(row).get(heading or "", ""))
        if written and int(written[1]) > 12:
            return replace(profile, day_first=True)
        if written and int(written[2]) > 12:
            return replace(profile, day_first=False)
    return profile


def _sim_above(sheet: Sheet) -> str | None:
    """Return the one number that stands above the heading beside words of a subscriber."""
    found = {
        match[0]
        for row in sheet.above
        if _ABOUT_US.search(" ".join(row.cells))
        for match in _NUMBER.finditer(" ".join(row.cells))
        if not _STAMP.fullmatch(_digits(match[0]))
    }
    return found.pop() if len(found) == 1 else None


def _sim_of_name(name: str) -> str | None:
    found = {
        match[0]
        for match in re.finditer(r"(?<!\d)\+?\d{10,13}(?!\d)", name)
        if not _STAMP.fullmatch(_digits(match[0]))
    }
    return found.pop() if len(found) == 1 else None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
