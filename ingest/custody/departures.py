"""An employee leaves: one fact, dated; its undo is one retraction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ingest.custody.office import Office, end_of_day, local_time, moment
from ingest.domain.directory import Employee
from ingest.local import Refused, Tell
from storage import directory, facts


def find_employee(connection: Connection, who: str) -> Employee:
    """Return the one employee meant by an id, a login or a unique part of the name.

    Raises Refused, with the list, if none or several are meant.
    """
    found = directory.find_employees(connection, who)
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused(f"WHO: nobody is called {who}; `keepline employee list` shows everyone")
    names = "\n".join(f"  {person.login or person.id}  {person.name}" for person in found)
    raise Refused(f"WHO: {who} can mean {len(found)} people; use the login:\n{names}")


def leave(
    office: Office,
    *,
    tell: Tell,
    who: str,
    on: str | None = None,
    at: str | None = None,
    undo: bool = False,
) -> dict[str, Any]:
    """Record that an employee leaves: `on` the last day of work, or `at` a moment; or undo it."""
    if not undo and (on is None) == (at is None):
        raise Refused("say --on DATE (the last day of work) or --at MOMENT, one of them")
    now = office.clock()
    with office.database.write() as connection:
        person = find_employee(connection, who)
        zone = office.zone(connection)
        try:
            if undo:
                left_at = directory.undo_leave(
                    connection, person.id, at=now, by=office.by, why="undone"
                )
            else:
                left_at = _when(on, at, zone)
                directory.leave(connection, person.id, left_at=left_at, at=now, by=office.by)
        except facts.Conflict as error:
            raise Refused(f"{person.name}: {error}") from error
    return {
        "employee": person.id,
        "name": person.name,
        "left_at": left_at.isoformat(),
        "local": local_time(left_at, zone),
        "future": left_at > now,
        "undone": undo,
    }


def _when(on: str | None, at: str | None, zone: Any) -> Any:
    try:
        return end_of_day(on, zone) if on is not None else moment(at or "", zone)
    except ValueError as error:
        option, example = ("--on", "2026-05-31") if on is not None else ("--at", "2026-05-31T18:00")
        raise Refused(f"{option}: write it like {example}") from error
