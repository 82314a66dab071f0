"""What is known when a touch is made, and what it needs by the company's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingest.domain.calls import Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory, PointFacts
from ingest.domain.interactions import (
    Kind,
    Participant,
    Policies,
    Policy,
    Role,
    Side,
    Status,
    Touch,
)
from ingest.matching.match import (
    NOTHING_KNOWN,
    Linked,
    Match,
    Nobody,
    Ours,
    Unlinked,
    match,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known when a touch is made of a call or mail."""

    directory: Directory
    policies: Policies = field(default_factory=Policies)
    points: Mapping[str, PointFacts] = field(default_factory=dict)  #: `str(point)` -> facts
    #: key -> a person's latest status, with the number of that decision
    statuses: Mapping[str, tuple[int, Status]] = field(default_factory=dict)
    #: what was asked before: one touch asks several times about each of its points
    _matches: dict[tuple[str, datetime], Match] = field(
        default_factory=dict, repr=False, compare=False
    )

    def match(self, point: ContactPoint, at: datetime) -> Match:
        """Return whose point it was at that moment."""
        name = str(point)
        found = self._matches.get((name, at))
        if found is None:
            facts = self.points.get(name, NOTHING_KNOWN)
            found = self._matches[name, at] = match(point, at, self.directory, facts)
        return found

    def decided(self, keys: Iterable[str]) -> Status | None:
        """Return a person's status; of joined keys with different ones the latest counts."""
        found = [self.statuses[key] for key in keys if key in self.statuses]
        return max(found)[1] if found else None


def is_suppressed(known: Knowledge, point: ContactPoint, at: datetime) -> bool:
    """Tell whether policy or a person hides all touches with this point."""
    found = known.match(point, at)
    return isinstance(found, Unlinked) and found.suppressed


def correspondent(
    point: ContactPoint,
    role: Role,
    at: datetime,
    known: Knowledge,
    *,
    name: str | None = None,
    principal: bool = False,
) -> Participant:
    """Return the other side, linked if exactly one client held the point."""
    return matched(known.match(point, at), point, role, name=name, principal=principal)


def matched(
    found: Match,
    point: ContactPoint,
    role: Role,
    *,
    name: str | None = None,
    principal: bool = False,
    quiet: bool = False,
) -> Participant:
    """Return who takes part by a point, as it was matched."""
    if isinstance(found, Ours):
        return Participant(point=point, role=role, side=Side.OWN, name=name, quiet=quiet)
    if isinstance(found, Linked):
        return Participant(
            point=point,
            role=role,
            side=Side.CLIENT,
            name=name,
            client=found.client,
            contact=found.contact,
            method=found.method,
            subject=f"client:{found.client}",
            principal=principal,
            quiet=quiet,
        )
    nobody = isinstance(found, Nobody) and (
        point.kind is PointKind.SHORT or str(point) == "withheld:"
    )
    return Participant(
        point=point,
        role=role,
        side=Side.OTHER,
        name=name,
        cause=found.cause if isinstance(found, Unlinked) else None,
        subject=None if nobody else str(point),
        principal=principal,
        quiet=quiet,
    )


def bystander(
    found: Match, point: ContactPoint, role: Role, *, name: str | None = None
) -> Participant:
    """Return who takes part where the touch lies in no timeline of theirs."""
    if isinstance(found, Linked):
        return Participant(
            point=point,
            role=role,
            side=Side.CLIENT,
            name=name,
            client=found.client,
            contact=found.contact,
            method=found.method,
        )
    side = Side.OWN if isinstance(found, Ours) else Side.OTHER
    return Participant(point=point, role=role, side=side, name=name)


def opinion(touch: Touch, policy: Policy) -> Status:
    """Return what the touch needs by the company's table, before later touches are looked at."""
    return needed(
        policy,
        kind=touch.kind,
        direction=touch.direction,
        machine=touch.machine,
        age=touch.learned_at - touch.occurred_at,
        ended=touch.ended,
        outcome=touch.outcome,
        talk_s=touch.talk_s,
    )


def needed(
    policy: Policy,
    *,
    kind: Kind,
    direction: Direction,
    machine: bool,
    age: timedelta,
    ended: bool = True,
    outcome: Outcome | None = None,
    talk_s: float | None = None,
) -> Status:
    """Return what a touch needs that is told by these words; `age`: when it came to be known."""
    if direction is Direction.INTERNAL:
        return Status.INTERNAL
    if kind is Kind.MAIL and machine:
        return Status.AUTO
    if age > policy.history_after:
        return Status.HISTORY
    if not ended:
        return Status.IN_PROGRESS
    if kind is Kind.MAIL:
        how = "person"
    else:
        how = _how_it_went(direction, outcome, talk_s, policy)
    return policy.statuses.get((kind, direction, how), Status.NEEDS_COMMENT)


def _how_it_went(
    direction: Direction, outcome: Outcome | None, talk_s: float | None, policy: Policy
) -> str:
    if outcome is Outcome.FORWARDED:
        return "forwarded" if direction is Direction.INBOUND else "answered"
    if outcome is not Outcome.ANSWERED:
        return "missed"
    short = talk_s is not None and talk_s < policy.short_call.total_seconds()
    return "short" if short and direction is Direction.INBOUND else "answered"
