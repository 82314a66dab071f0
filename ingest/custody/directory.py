"""Lines, employees and policy, as commands."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from ingest.custody.accounts import check_region, check_zone
from ingest.custody.departures import find_employee
from ingest.custody.imports import line_point
from ingest.custody.office import Office, local_time, moment
from ingest.domain.directory import LineKind
from ingest.local import Refused, Tell
from ingest.matching.numbers import to_point
from storage import directory, facts


def assign_line(
    office: Office,
    *,
    tell: Tell,
    address: str,
    to: str | None,
    since: str | None,
    source: str = "",
    kind: str | None = None,
) -> dict[str, Any]:
    """Record who holds a line from a moment on; `to` nothing: nobody. A new line is made."""
    now = office.clock()
    with office.database.write() as connection:
        zone, region = office.zone(connection), office.region(connection)
        known = directory.load_directory(connection)
        guessed = LineKind(kind) if kind else _guess(address, source)
        point = line_point(guessed, address, region, source)
        line = known.line_of(point)
        line_id = line.id if line else None
        if line_id is None:
            line_id = directory.add_line(
                connection,
                kind=guessed,
                point=point,
                region=region,
                source=source or None,
                at=now,
                by=office.by,
            )
        employee = find_employee(connection, to) if to else None
        try:
            from_at = moment(since, zone) if since else now
            directory.assign_line(
                connection,
                line_id,
                employee.id if employee else None,
                from_at=from_at,
                at=now,
                by=office.by,
            )
        except ValueError as error:
            raise Refused("--since: write it like 2026-05-31 or 2026-05-31T18:00") from error
        except facts.Conflict as error:
            raise Refused(f"{point.value}: {error}") from error
    return {
        "line": line_id,
        "address": point.value,
        "holder": employee.name if employee else None,
        "since": from_at.isoformat(),
        "local": local_time(from_at, zone),
    }


def _guess(address: str, source: str) -> LineKind:
    if "@" in address:
        return LineKind.MAILBOX
    return LineKind.EXTENSION if source and len(address) <= 6 else LineKind.SIM


def list_employees(office: Office, *, tell: Tell) -> list[dict[str, Any]]:
    """Return every employee, whether they are here, and when they left or will leave."""
    now = office.clock()
    with office.database.read() as connection:
        known = directory.load_directory(connection)
        zone = office.zone(connection)
    return [
        {
            "id": person.id,
            "login": person.login,
            "name": person.name,
            "employed": person.employed_at(now),
            "left_at": local_time(left, zone) if (left := person.left_at(now)) else None,
            "leaves_at": local_time(leaves, zone) if (leaves := person.leaves_at(now)) else None,
        }
        for person in sorted(known.employees.values(), key=lambda person: person.name)
    ]


def set_policy(
    office: Office, *, tell: Tell, name: str, value: str, since: str | None = None
) -> dict[str, Any]:
    """Record a rule of the company that acts from a moment on."""
    if name not in POLICIES:
        raise Refused(f"NAME: {', '.join(POLICIES[:-1])} or {POLICIES[-1]}")
    now = office.clock()
    with office.database.write() as connection:
        said = _policy_value(connection, name, value)
        zone = office.zone(connection)
        try:
            from_at = moment(since, zone) if since else now
        except ValueError as error:
            raise Refused("--since: write it like 2026-05-31 or 2026-05-31T18:00") from error
        try:
            directory.set_policy(connection, name, said, from_at=from_at, at=now, by=office.by)
        except facts.Conflict as error:
            raise Refused(_POLICY_VALUES) from error
    return {
        "name": name,
        "value": said,
        "since": from_at.isoformat(),
        "local": local_time(from_at, zone),
    }


POLICIES = (
    "zone",
    "region",
    "duty",
    "duty_line",
    "history_after",
    "short_call",
    "reply_within",
    "working_hours",
    "web_forms",
    "recordings_days",
    "status",
)
_NOBODY = "nobody"
_POLICY_VALUES = (
    "VALUE: for history_after, short_call and reply_within seconds, for recordings_days days, for"
    ' working_hours JSON such as \'{"mon": "09:00-18:00", "off": ["2026-05-09"]}\', for web_forms'
    ' JSON such as \'{"sales@ours.example": [{"from": "form@ours.example", "field": "E-mail:"}]}\','
    " for status JSON"
    ' such as \'{"call/in/missed": "callback_due"}\''
)


def _policy_value(connection: Connection, name: str, value: str) -> Any:
    """Return a rule's value as it is stored. Raises Refused."""
    if name == "zone":
        return check_zone(value)
    if name == "region":
        return check_region(value)
    if name == "duty":
        return None if value == _NOBODY else find_employee(connection, value).id
    if name == "duty_line":
        return [] if value == _NOBODY else _lines(connection, value)
    try:
        return json.loads(value)
    except ValueError as error:
        raise Refused(_POLICY_VALUES) from error


def _lines(connection: Connection, addresses: str) -> list[str]:
    """Return the ids of our lines at these addresses, extensions as 300@SOURCE. Raises Refused."""
    known, found = directory.load_directory(connection), []
    for address in filter(None, (each.strip() for each in addresses.split(","))):
        digits, _, source = address.partition("@")
        line = known.line_of(to_point(digits, "ZZ", source))
        if line is None:
            raise Refused(
                f"VALUE: {address} is none of our lines; write +74951230300, or 300@SOURCE"
            )
        found.append(line.id)
    return found
