"""Who is calling at this very moment, and who shall take the call. Pure, and exact or not at all.

Everything that is known is dated, so what was entered yesterday for this evening acts this evening
with nothing run in between, and somebody who has left is in no answer from that moment on. A
successor is who is named primary from the departure on; if that begins later than the departure, he
already answers for whoever has left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ingest.domain.answers import Answerer, Found
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Change, Directory, Line, LineKind, PointFacts, named_at
from ingest.matching.match import Linked, Unlinked, match

#: Which of several numbers of a person is dialled: a number of the office before a SIM.
_NUMBERS = (LineKind.DID, LineKind.SIM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFacts:
    """What a live answer needs of one client."""

    name: str
    primary: tuple[Change, ...] = ()


class Clientele(Protocol):
    """Who knows the clients and their numbers."""

    def holders(self, point: ContactPoint) -> PointFacts:
        """Return all that is known about a point."""

    def client(self, client: str) -> ClientFacts | None:
        """Return a client, or None if there is none of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChange:
    """From this moment on this employee, or what rings at these lines, is on duty."""

    from_at: datetime
    employee: str | None = None
    lines: tuple[str, ...] = ()  #: ids, the preferred first


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Our own side: employees and lines, and who is on duty."""

    directory: Directory = field(default_factory=Directory)
    duty: Sequence[DutyChange] = ()  #: in order of time
    held: Mapping[str, Sequence[Line]] = field(default_factory=dict)
    #: employee -> lines on which a change point names him

    def answerer(
        self, employee: str, *, at: datetime, source: str, called: ContactPoint | None
    ) -> Answerer:
        """Return how an employee can be reached at that moment; `source` owns the extensions."""
        person = self.directory.employees[employee]
        lines = [
            line
            for line in self.held.get(employee, ())
            if not line.shared and self.directory.holder_at(line.id, at) == employee
        ]
        lines.sort(key=lambda line: str(line.point))
        lines.sort(key=lambda line: _since(line, at), reverse=True)
        return Answerer(
            employee=employee,
            login=person.login,
            extension=_extension(lines, source),
            direct_number=_number(lines, called),
        )

    def on_duty(
        self, *, at: datetime, source: str, called: ContactPoint | None = None
    ) -> Answerer | None:
        """Return who is on duty: the employee, else the duty line; what he lacks is the line's."""
        valid = next((change for change in reversed(self.duty) if change.from_at <= at), None)
        if valid is None:
            return None
        known = [self.directory.lines[it] for it in valid.lines if it in self.directory.lines]
        extension, number = _extension(known, source), _number(known, called)
        if valid.employee and self.directory.employed(valid.employee, at):
            own = self.answerer(valid.employee, at=at, source=source, called=called)
            return Answerer(
                employee=own.employee,
                login=own.login,
                extension=own.extension or extension,
                direct_number=own.direct_number or number,
            )
        if extension or number:
            return Answerer(employee=None, extension=extension, direct_number=number)
        return None


def company_of(directory: Directory, duty: Iterable[DutyChange] = ()) -> Company:
    """Return our own side, with each employee's lines found beforehand."""
    held: dict[str, dict[str, Line]] = defaultdict(dict)
    for line in directory.lines.values():
        for change in line.holders:
            if change.employee:
                held[change.employee][line.id] = line
    return Company(
        directory=directory,
        duty=tuple(sorted(duty, key=lambda change: change.from_at)),
        held={employee: tuple(lines.values()) for employee, lines in held.items()},
    )


def who(
    caller: ContactPoint | None,
    *,
    called: ContactPoint | None = None,
    at: datetime,
    source: str,
    company: Company,
    clientele: Clientele,
) -> Found:
    """Return who is calling and who takes the call; of nobody known only who is on duty."""
    duty = company.on_duty(at=at, source=source, called=called)
    if caller is None or caller.kind is not PointKind.PHONE:
        return Found(duty=duty)
    match match(caller, at, company.directory, clientele.holders(caller)):
        case Linked(client=id_):
            client = clientele.client(id_)
        case Unlinked(cause="ambiguous"):
            return Found(answerer=duty, duty=duty)
        case _:
            return Found(duty=duty)
    if client is None:
        return Found(duty=duty)
    employee = answers_for(client.primary, company.directory, at)
    taker = company.answerer(employee, at=at, source=source, called=called) if employee else duty
    return Found(client_name=client.name, answerer=taker, duty=duty)


def answers_for(primary: Sequence[Change], directory: Directory, at: datetime) -> str | None:
    """Return the effective primary, or the successor of one who has left; None: neither is here."""
    named = named_at(primary, at)
    if named is None or directory.employed(named, at):
        return named
    later = (change.employee for change in primary if change.from_at > at)
    return next((employee for employee in later if directory.employed(employee, at)), None)


def _since(line: Line, at: datetime) -> datetime:
    return max(change.from_at for change in line.holders if change.from_at <= at)


def _extension(lines: Iterable[Line], source: str) -> str | None:
    for line in lines:
        digits, _, owner = line.point.value.rpartition("@")
        if line.kind is LineKind.EXTENSION and owner == source:
            return digits
    return None


def _number(lines: Sequence[Line], called: ContactPoint | None) -> str | None:
    """Return a whole number; not the one called, which would send the call in a circle."""
    for kind in _NUMBERS:
        for line in lines:
            whole = line.point.kind is PointKind.PHONE
            if line.kind is kind and whole and line.point != called:
                return line.point.value
    return None
