"""Calls: what a provider reports, and the one call that its reports make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """Who began, as seen from our company."""

    INBOUND = "in"
    OUTBOUND = "out"
    INTERNAL = "internal"


class CallState(StrEnum):
    """How far a call is, by all that was reported."""

    RINGING = "ringing"
    ANSWERED = "answered"
    HELD = "held"
    ENDED = "ended"
    STALE = "stale"  #: closed by the clock source; the end is unknown


class Outcome(StrEnum):
    """How a call ended for the client."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    VOICEMAIL = "voicemail"
    FORWARDED = "forwarded"


class CallStage(StrEnum):
    """What one report says happened."""

    RINGING = "ringing"
    ANSWERED = "answered"
    HELD = "held"
    LEG_ENDED = "leg_ended"
    ENDED = "ended"
    RECORDING = "recording"
    TIED = "tied"  #: only says that several keys are one call
    STALE = "stale"  #: the clock source gave up waiting for the end


class Side(StrEnum):
    """Whose telephone a report is about, of a system that tells of each of them alike."""

    OURS = "ours"  #: an employee's
    THEIRS = "theirs"  #: a number outside, over a trunk


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One report from a provider about one call, with numbers as sent."""

    call_keys: tuple[str, ...]  #: the provider's ids, unique within one source; several: one call
    stage: CallStage
    occurred_at: datetime | None = None  #: aware; the provider's clock; None: it sends none
    direction: Direction | None = None  #: None: this report does not say
    caller: str | None = None
    callee: str | None = None
    line: str | None = None  #: our public line, where the report names it
    withheld: bool = False  #: the caller hid the number
    agent: str | None = None  #: extension, or what the provider calls the employee
    leg: str | None = None  #: the provider's id of one leg, where it has legs
    outcome: Outcome | None = None
    started_at: datetime | None = None  #: stated by a summary, as are the four below
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float | None = None
    talk_s: float | None = None
    recording_url: str | None = None
    recording_id: str | None = None
    recording_ready: bool = False  #: True: this report says that the file exists
    forwarded_to: str | None = None
    queue: str | None = None
    transfer: str | None = None
    side: Side | None = None  #: whose telephone did it; None: the stage is the call's own
    leg_counts: bool = False  #: the call lasts until every leg that counts has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A call event with the moment we received it: what fold works on."""

    event: CallEvent
    received_at: datetime


MISSED = frozenset(
    {Outcome.NO_ANSWER, Outcome.BUSY, Outcome.REJECTED, Outcome.FAILED, Outcome.VOICEMAIL}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One telephone that took part on our side."""

    agent: str  #: extension, or what the provider calls the employee
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, folded from all its reports; numbers are as sent, not yet normalised."""

    keys: tuple[str, ...]  #: the provider's ids, sorted; the first names the call
    direction: Direction | None  #: None: no report says; the lines valid then decide
    caller: str | None  #: None: not said, or withheld
    callee: str | None
    line: str | None  #: our public line, where a report names it
    withheld: bool = False  #: the other side hid its number
    state: CallState
    outcome: Outcome | None = None
    started_at: datetime
    start_known: bool = True  #: False: no report tells the start; it is the earliest known moment
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float | None = None
    talk_s: float | None = None
    rang: tuple[str, ...] = ()  #: agents whose telephones rang
    talked: tuple[str, ...] = ()  #: agents who talked, in order
    legs: tuple[Leg, ...] = ()
    recording_url: str | None = None
    recording_id: str | None = None
    recording_ready: bool = False
    forwarded_to: str | None = None
    queue: str | None = None
    transfer: str | None = None  #: "blind" or "attended"
    first_received_at: datetime
    doubted: bool = False  #: a stated time lay beyond its receipt and was not believed

    @property
    def missed(self) -> bool:
        """Tell whether a client rang and nobody took it."""
        return (
            self.direction is Direction.INBOUND
            and self.state is CallState.ENDED
            and self.outcome in MISSED
        )
