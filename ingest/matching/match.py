"""Whose is this contact point, at this moment? Exact, or not at all.

Own side first, then a person's decision, then the holders valid at the moment of the touch. One
holder is a link; several are never guessed between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.domain.contacts import ContactPoint
from ingest.domain.directory import Directory, PointFacts, PointVerdict

NOTHING_KNOWN = PointFacts()


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our lines, or a colleague's point."""


@dataclass(frozen=True, slots=True)
class Linked:
    """One client held the point at that moment."""

    client: str
    contact: str | None
    method: str  #: "person" or "exact"


@dataclass(frozen=True, slots=True)
class Unlinked:
    """No client, or more than one, held it."""

    cause: str  #: "unknown" or "ambiguous"
    suppressed: bool = False  #: a person decided: never log


@dataclass(frozen=True, slots=True)
class Mistaken:
    """A person decided that touches up to a later moment were wrong numbers."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Withheld, a short code or unreadable: nothing a client could hold."""


Match = Ours | Linked | Unlinked | Mistaken | Nobody


def match(
    point: ContactPoint, at: datetime, directory: Directory, facts: PointFacts = NOTHING_KNOWN
) -> Match:
    """Return whose point it was at that moment."""
    decision = facts.decision
    if directory.line_of(point) is not None:
        return Ours()
    if decision is not None and decision.verdict is PointVerdict.EMPLOYEE:
        return Ours()
    if not point.can_belong_to_a_client:
        return Nobody()
    if decision is not None:
        if decision.verdict is PointVerdict.LINK and decision.client:
            return Linked(decision.client, decision.contact, "person")
        if decision.verdict is PointVerdict.WRONG_NUMBER and at <= decision.at:
            return Mistaken()
    if not facts.holdings:
        suppressed = decision is not None and decision.verdict is PointVerdict.NEVER_LOG
        return Unlinked("unknown", suppressed=suppressed)
    held = [holding for holding in facts.holdings if holding.valid_at(at)]
    if decision is not None and decision.verdict is PointVerdict.NEVER_LOG:
        # A person's word outranks what was known before it; a client found later surfaces.
        held = [holding for holding in held if holding.recorded_at > decision.at]
        if not held:
            return Unlinked("unknown", suppressed=True)
    holders = {holding.client for holding in held}
    if len(holders) == 1:
        contacts = {holding.contact for holding in held}
        return Linked(holders.pop(), contacts.pop() if len(contacts) == 1 else None, "exact")
    return Unlinked("ambiguous" if holders else "unknown")
