"""The company's directory from CSV files: employees, lines, clients.

The same file twice changes nothing. Each value keeps the file and row it came from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from ingest.custody.departures import find_employee
from ingest.custody.office import Office, end_of_day, moment, start_of_day
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import BEGINNING, LineKind
from ingest.local import Refused, Tell
from ingest.matching.addresses import normalise_address
from ingest.matching.numbers import to_point
from storage import directory, facts
from storage.directory import current
from storage.tables import clients, employees, employment, holdings, lines

Row = Mapping[str, str]

#: Columns of each kind of file; those with a star must be there.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "employees": ("name*", "login", "supervisor", "from", "left_on"),
    "lines": ("kind*", "address*", "holder", "since", "source", "region", "shared", "name"),
    "clients": ("name*", "id", "segment", "phones", "emails", "manager", "since"),
}


def read_csv(raw: bytes, kind: str) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a file with their numbers. Raises Refused, naming line and fix.

    UTF-8 (with or without mark), UTF-16 with mark and windows-1251; comma or semicolon.
    """
    text = _decoded(raw)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise Refused(f"line {line}: it holds a NUL byte; save the file as CSV text again")
    first = text.splitlines()[0] if text.strip() else ""
    reader = csv.DictReader(
        io.StringIO(text),
        delimiter=";" if first.count(";") > first.count(",") else ",",
        strict=True,
    )
    try:
        found = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        begun = reader.line_num + 1  # behind the last row that could be read
        raise Refused(f"line {begun}: {error}; check the quotes there") from error
    names = {(name or "").strip().lower() for name in reader.fieldnames or ()}
    missing = [name[:-1] for name in COLUMNS[kind] if name.endswith("*") and name[:-1] not in names]
    if missing:
        known = ", ".join(COLUMNS[kind])
        raise Refused(f"line 1: the column {missing[0]} is missing; {kind} files have {known}")
    return [
        (
            number,
            {
                (name or "").strip().lower(): (value or "").strip()
                for name, value in row.items()
                if isinstance(value, str)
            },
        )
        for number, row in found
    ]


def _decoded(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("windows-1251", "replace")


def import_rows(
    office: Office,
    *,
    tell: Tell,
    kind: str,
    rows: Sequence[tuple[int, dict[str, str]]],
    file: str,
) -> dict[str, Any]:
    """Import one slice of a file in one transaction; returns how many rows were new and changed."""
    take: Callable[[_Import, Row, str], bool] = {
        "employees": _employee,
        "lines": _line,
        "clients": _client,
    }[kind]
    with office.database.write() as connection:
        work = _Import(connection, office)
        changed = 0
        for number, row in rows:
            try:
                changed += take(work, row, f"{file}:{number}")
            except (Refused, facts.Conflict, ValueError) as error:
                raise Refused(f"{file}, line {number}: {error}") from error
        work.finish()
    office.wake()
    return {"rows": len(rows), "changed": changed}


class _Import:
    """What one slice of a file needs over and over."""

    def __init__(self, connection: Connection, office: Office) -> None:
        self.connection = connection
        self.now = office.clock()
        self.by = office.by
        self.zone: ZoneInfo = office.zone(connection)
        self.region = office.region(connection)
        self.common: dict[str, Any] = {"at": self.now, "by": self.by}
        self._people: dict[str, str] = {}
        self._heard: set[str] = set()

    def employee(self, who: str) -> str:
        """Return the id of an employee that a file names."""
        if who not in self._people:
            self._people[who] = find_employee(self.connection, who).id
        return self._people[who]

    def since(self, text: str) -> datetime:
        """Return the moment a file names as a beginning; nothing: as long as we know."""
        return _dated("since", text, moment, self.zone) if text else BEGINNING

    def heard(self, point: ContactPoint) -> None:
        """Note that touches of this point are to be matched anew."""
        self._heard.add(str(point))

    def finish(self) -> None:
        """Ask once for all points of the slice."""
        facts.redecide_points(self.connection, self._heard)


def _employee(work: _Import, row: Row, where: str) -> bool:
    name, login = row.get("name", ""), row.get("login") or None
    if not name:
        raise Refused("the name is empty")
    table = employees.c
    same = table.login == login if login else table.name == name
    found = work.connection.scalar(select(table.id).where(same, current(employees)))
    created = found is None
    if found is None:
        supervisor = row.get("supervisor")
        found = directory.add_employee(
            work.connection,
            name=name,
            login=login,
            supervisor=work.employee(supervisor) if supervisor else None,
            from_at=_dated("from", row["from"], start_of_day, work.zone)
            if row.get("from")
            else BEGINNING,
            provenance=where,
            **work.common,
        )
    left_on = row.get("left_on")
    if left_on:
        left_at = _dated("left_on", left_on, end_of_day, work.zone)
        known = work.connection.scalar(
            select(employment.c.id).where(
                employment.c.employee_id == found,
                employment.c.from_at == left_at,
                employment.c.employed.is_(False),
                current(employment),
            )
        )
        if known is None:
            directory.leave(work.connection, found, left_at=left_at, **work.common)
            return True
    return created


def _line(work: _Import, row: Row, where: str) -> bool:
    kind = LineKind(_one_of(row.get("kind", ""), [it.value for it in LineKind], "kind"))
    region = (row.get("region") or work.region).upper()
    point = line_point(kind, row.get("address", ""), region, row.get("source") or "")
    table = lines.c
    line = work.connection.scalar(select(table.id).where(table.point == str(point), current(lines)))
    created = line is None
    if line is None:
        line = directory.add_line(
            work.connection,
            kind=kind,
            point=point,
            name=row.get("name", ""),
            region=region,
            source=row.get("source") or None,
            shared=_yes(row.get("shared", "")),
            provenance=where,
            **work.common,
        )
    holder = row.get("holder")
    if not holder:
        return created
    employee, since = work.employee(holder), work.since(row.get("since", ""))
    named = directory.named_holder(work.connection, line, since)
    if named == employee:
        return created
    directory.assign_line(
        work.connection, line, employee, from_at=since, replace=True, **work.common
    )
    return True


def line_point(kind: LineKind, address: str, region: str, source: str) -> ContactPoint:
    """Return the point of a line as a person wrote it. Raises Refused, saying what is wrong."""
    if kind is LineKind.MAILBOX:
        mailbox = normalise_address(address)
        if mailbox is None:
            raise Refused(f"{address} is no mail address")
        return ContactPoint(PointKind.EMAIL, mailbox)
    if kind is LineKind.EXTENSION:
        if not source:
            raise Refused("an extension needs its source: extensions of two systems may be equal")
        return to_point(address, region, source)
    point = to_point(address, region, source)
    if point.kind is not PointKind.PHONE:
        raise Refused(f"{address} is no whole telephone number in region {region}")
    return point


def _client(work: _Import, row: Row, where: str) -> bool:
    name, external = row.get("name", ""), row.get("id") or None
    if not name:
        raise Refused("the name is empty")
    table = clients.c
    by_name = (table.search == name.casefold()) & (table.name == name)
    same = table.external_id == external if external else by_name
    client = work.connection.scalar(select(table.id).where(same, current(clients)).limit(1))
    changed = client is None
    if client is None:
        client = directory.add_client(
            work.connection,
            name=name,
            segment=row.get("segment") or None,
            external_id=external,
            provenance=where,
            **work.common,
        )
    changed |= _points(work, client, row, where)
    manager = row.get("manager")
    if not manager:
        return changed
    employee, since = work.employee(manager), work.since(row.get("since", ""))
    primaries = directory.load_primaries(work.connection, [client]).get(client, ())
    before = [change for change in primaries if change.from_at <= since]
    if before and before[-1].employee == employee:
        return changed
    directory.name_primary(
        work.connection, client, employee, from_at=since, replace=True, **work.common
    )
    return True


def _points(work: _Import, client: str, row: Row, where: str) -> bool:
    wanted: dict[str, tuple[ContactPoint, str]] = {}
    for raw in _split(row.get("phones", "")):
        point = to_point(raw, work.region, "")
        if point.kind is not PointKind.PHONE:
            raise Refused(f"{raw} is no whole telephone number in region {work.region}")
        wanted[str(point)] = (point, raw)
    for raw in _split(row.get("emails", "")):
        address = normalise_address(raw)
        if address is None:
            raise Refused(f"{raw} is no mail address")
        point = ContactPoint(PointKind.EMAIL, address)
        wanted[str(point)] = (point, raw)
    held = set(
        work.connection.scalars(
            select(holdings.c.point).where(
                holdings.c.client_id == client,
                holdings.c.point.in_(list(wanted)),
                current(holdings),
            )
        )
    )
    fresh = [
        {
            "id": facts.new_id(),
            "point": str(point),
            "raw": raw,
            "client_id": client,
            "contact_id": None,
            "from_at": BEGINNING,
            "until": None,
            "provenance": where,
        }
        for key, (point, raw) in wanted.items()
        if key not in held
    ]
    facts.record_all(work.connection, holdings, fresh, **work.common)
    for row_ in fresh:
        work.heard(ContactPoint.parse(str(row_["point"])))
    return bool(fresh)


def _split(text: str) -> Iterable[str]:
    return [part.strip() for part in text.replace("|", ";").split(";") if part.strip()]


def _dated(
    column: str, text: str, read: Callable[[str, ZoneInfo], datetime], zone: ZoneInfo
) -> datetime:
    try:
        return read(text, zone)
    except ValueError as error:
        raise Refused(f"{column}: write {text} like 2026-05-31") from error


def _yes(text: str) -> bool:
    return text.strip().lower() in ("1", "yes", "true", "да", "ja", "y")


def _one_of(text: str, allowed: Sequence[str], column: str) -> str:
    if text.strip().lower() not in allowed:
        raise Refused(f"{column}: {text or 'nothing'} is not one of {', '.join(allowed)}")
    return text.strip().lower()
