"""Ties: what two sources' reports of one call are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint, PointKind

#: Two sources' reports are of one call if their answer times differ by no more.
ANSWERED_WITHIN = timedelta(seconds=3)

#: Where an answer time is missing, calls that began no further apart are suggested, never tied.
STARTED_WITHIN = timedelta(seconds=30)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TieVerdict(StrEnum):
    """What a person may decide about two sources' reports."""

    TIE = "tie"  #: they are of one call
    PART = "part"  #: they are not


class TieWhy(StrEnum):
    """Why two sources' reports are one touch."""

    AGREED = "agreed"  #: number, direction and answer time agree, and nothing else fits
    PERSON = "person"  #: a person said so


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One call as one source reports it, by what it is compared with those of neighbours."""

    id: str  #: of its first key
    keys: tuple[str, ...]  #: ids of all its keys
    source: str
    remote: ContactPoint
    direction: Direction
    started_at: datetime
    answered_at: datetime | None

    @property
    def comparable(self) -> bool:
        """Tell whether it can be compared at all: a whole number, and a side that began."""
        return self.remote.kind is PointKind.PHONE and self.direction is not Direction.INTERNAL

    @property
    def spot(self) -> str | None:
        """Return the text by which calls answered at about that time are found; None: none is."""
        return None if self._slot is None else self._at(self._slot)

    @property
    def spots(self) -> tuple[str, ...]:
        """Return the spots at which a report of the same call may lie."""
        slot = self._slot
        return () if slot is None else tuple(self._at(slot + step) for step in (-1, 0, 1))

    @property
    def _slot(self) -> int | None:
        if self.answered_at is None or not self.comparable:
            return None
        return (self.answered_at - _EPOCH) // ANSWERED_WITHIN

    def _at(self, slot: int) -> str:
        return f"{self.remote.value}|{self.direction.value}|{slot}"


def agree(one: Sight, other: Sight) -> bool:
    """Tell whether remote number, direction and answer time of two calls agree."""
    return (
        _alike(one, other)
        and one.answered_at is not None
        and other.answered_at is not None
        and abs(one.answered_at - other.answered_at) <= ANSWERED_WITHIN
    )


def resemble(one: Sight, other: Sight) -> bool:
    """Tell whether two calls are worth a person's look: they agree, or nearly and unanswered."""
    if agree(one, other):
        return True
    unanswered = one.answered_at is None or other.answered_at is None
    return (
        unanswered
        and _alike(one, other)
        and abs(one.started_at - other.started_at) <= STARTED_WITHIN
    )


def _alike(one: Sight, other: Sight) -> bool:
    return (
        one.source != other.source
        and one.comparable
        and (one.remote, one.direction) == (other.remote, other.direction)
    )
