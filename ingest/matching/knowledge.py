"""What is known when a touch is made, and what it needs by the company's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

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
    Mistaken,
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
    other = partial(Participant, point=point, role=role, name=name)
    match known.match(point, at):
        case Ours():
            return other(side=Side.OWN)
        case Linked(client, contact, method):
            return other(
                side=Side.CLIENT,
                client=client,
                contact=contact,
                method=method,
                subject=f"client:{client}",
                principal=principal,
            )
        case Unlinked(cause):
            return other(side=Side.OTHER, cause=cause, subject=str(point), principal=principal)
        case Nobody() if point.kind is PointKind.SHORT or str(point) == "withheld:":
            return other(side=Side.OTHER, principal=principal)
        case Nobody() | Mistaken():
            return other(side=Side.OTHER, subject=str(point), principal=principal)


def opinion(touch: Touch, policy: Policy) -> Status:
    """Return what the touch needs by the company's table, before later touches are looked at."""
    if touch.direction is Direction.INTERNAL:
        return Status.INTERNAL
    if touch.kind is Kind.MAIL and touch.machine:
        return Status.AUTO
    if touch.learned_at - touch.occurred_at > policy.history_after:
        return Status.HISTORY
    if not touch.ended:
        return Status.IN_PROGRESS
    return policy.statuses.get(
        (touch.kind, touch.direction, _how_it_went(touch, policy)), Status.NEEDS_COMMENT
    )


def _how_it_went(touch: Touch, policy: Policy) -> str:
    if touch.kind is Kind.MAIL:
        return "person"
    if touch.outcome is Outcome.FORWARDED:
        return "forwarded" if touch.direction is Direction.INBOUND else "answered"
    if touch.outcome is not Outcome.ANSWERED:
        return "missed"
    short = touch.talk_s is not None and touch.talk_s < policy.short_call.total_seconds()
    return "short" if short and touch.direction is Direction.INBOUND else "answered"
