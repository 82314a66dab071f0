"""The directory: employees, lines and clients, and who held what at which moment.

Everything here is dated. A question without a moment has no answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from ingest.domain.contacts import ContactPoint

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  #: "as long as we know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From this moment on the role is this employee's, until the next change point."""

    from_at: datetime
    employee: str | None  #: None: from here on nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class EmploymentChange:
    """From this moment on the person is, or is not, employed here."""

    from_at: datetime
    employed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """A colleague, with the change points of the employment in order of time."""

    id: str
    name: str
    login: str | None = None
    supervisor: str | None = None
    employment: tuple[EmploymentChange, ...] = (EmploymentChange(from_at=BEGINNING, employed=True),)

    def employed_at(self, at: datetime) -> bool:
        """Tell whether the person was employed at that moment."""
        last = None
        for change in self.employment:
            if change.from_at > at:
                break
            last = change
        return last is not None and last.employed

    def left_at(self, at: datetime) -> datetime | None:
        """Return when the person had left, seen from that moment; None: had not left."""
        was_employed, left = False, None
        for change in self.employment:
            if change.from_at > at:
                break
            if change.employed:
                was_employed, left = True, None
            elif was_employed or left is None:
                was_employed, left = False, change.from_at
        return left

    def leaves_at(self, at: datetime) -> datetime | None:
        """Return the next departure that is still to come at that moment; None: there is none."""
        return next(
            (it.from_at for it in self.employment if it.from_at > at and not it.employed), None
        )


class LineKind(StrEnum):
    """What a line is."""

    SIM = "sim"
    EXTENSION = "extension"
    DID = "did"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number, extension or mailbox of the company, with its holders in order of time."""

    id: str
    kind: LineKind
    point: ContactPoint
    region: str = "ZZ"
    shared: bool = False  #: answered by many: never without a holder
    name: str = ""
    holders: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourChange:
    """From this moment on two sources report the same calls, or do not."""

    from_at: datetime
    together: bool


def named_at(changes: Sequence[Change], at: datetime) -> str | None:
    """Return the employee named by the last change point at or before that moment."""
    index = bisect_right(changes, at, key=lambda change: change.from_at)
    return changes[index - 1].employee if index else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Employees and lines as known now, for questions about any moment."""

    version: int = 0
    employees: Mapping[str, Employee] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)
    by_point: Mapping[str, Line] = field(default_factory=dict)  #: `str(point)` -> line
    mailboxes: Mapping[str, str] = field(default_factory=dict)  #: mailbox id -> address
    regions: Mapping[str, str] = field(default_factory=dict)  #: source -> of national numbers
    #: source -> other -> in order of time, both ways; empty: none were ever declared
    neighbours: Mapping[str, Mapping[str, Sequence[NeighbourChange]]] = field(default_factory=dict)

    def employed(self, employee: str | None, at: datetime) -> bool:
        """Tell whether that employee exists and was employed at that moment."""
        person = self.employees.get(employee) if employee else None
        return person is not None and person.employed_at(at)

    def left(self, employee: str | None, at: datetime) -> datetime | None:
        """Return when that employee had left, seen from that moment; None: had not left."""
        person = self.employees.get(employee) if employee else None
        return person.left_at(at) if person else None

    def are_neighbours(self, source: str, other: str, at: datetime) -> bool:
        """Tell whether these two sources reported the same calls at that moment."""
        changes = self.neighbours.get(source, {}).get(other, ())
        last = None
        for change in changes:
            if change.from_at > at:
                break
            last = change
        return last is not None and last.together

    def has_neighbours(self, source: str, at: datetime) -> bool:
        """Tell whether any source reported the same calls as this one at that moment."""
        return any(
            self.are_neighbours(source, other, at) for other in self.neighbours.get(source, ())
        )

    def line_of(self, point: ContactPoint | None) -> Line | None:
        """Return our line at that address, if it is one of ours."""
        return self.by_point.get(str(point)) if point else None

    def named_holder(self, line: str | None, at: datetime) -> str | None:
        """Return who is named as holder of the line at that moment, employed or not."""
        found = self.lines.get(line) if line else None
        return named_at(found.holders, at) if found else None

    def holder_at(self, line: str | None, at: datetime) -> str | None:
        """Return the effective holder: the one named, if employed at that moment."""
        named = self.named_holder(line, at)
        return named if self.employed(named, at) else None

    def primary_at(self, changes: Sequence[Change], at: datetime) -> str | None:
        """Return the effective primary of a client with these change points."""
        named = named_at(changes, at)
        return named if self.employed(named, at) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """That a contact point belongs to a client, over a half-open period."""

    client: str
    contact: str | None = None
    from_at: datetime = BEGINNING
    until: datetime | None = None  #: None: still
    recorded_at: datetime = BEGINNING  #: when we learned of it

    def valid_at(self, at: datetime) -> bool:
        """Tell whether the client held the point at that moment."""
        return self.from_at <= at and (self.until is None or at < self.until)


class PointVerdict(StrEnum):
    """What a person may decide about a contact point."""

    LINK = "link"  #: it belongs to that client
    EMPLOYEE = "employee"  #: a colleague's, so our own side
    NEVER_LOG = "never_log"  #: its touches are counted, not shown
    WRONG_NUMBER = "wrong_number"  #: its touches so far were mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class PointDecision:
    """A person's decision about a contact point."""

    id: str
    verdict: PointVerdict
    at: datetime
    client: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFacts:
    """All that is known about one contact point."""

    holdings: tuple[Holding, ...] = ()
    decision: PointDecision | None = None  #: the latest one not retracted


def who_answers_for(
    directory: Directory,
    *,
    primary: Sequence[Change],
    line: str | None,
    departed: str | None,
    duty: str | None,
    at: datetime,
) -> str | None:
    """Return who handles a flag now: primary, the line's holder, the leaver's supervisor, duty."""
    leaver = directory.employees.get(departed) if departed else None
    supervisor = leaver.supervisor if leaver else None
    candidates = (
        directory.primary_at(primary, at),
        directory.holder_at(line, at),
        supervisor if directory.employed(supervisor, at) else None,
        duty if directory.employed(duty, at) else None,
    )
    return next((found for found in candidates if found), None)
