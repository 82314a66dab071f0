"""Interactions: touches with clients, what each needs, and why someone else must look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha1
from typing import Any
from uuid import UUID

from ingest.domain.calls import Direction, Outcome
from ingest.domain.contacts import ContactPoint
from ingest.domain.mailboxes import WebForm
from ingest.domain.working_hours import WorkingHours

NAMESPACE = UUID("6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11")  #: of all ids derived from keys


_NAMESPACE_OCTETS = NAMESPACE.bytes
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

REMEMBERED_KEYS = 16_384  #: a call is heard of several times within minutes


def fixed_id(name: str) -> str:
    """Return the UUIDv5 of a name: like `uuid.uuid5`, without its objects."""
    text = sha1(_NAMESPACE_OCTETS + name.encode(), usedforsecurity=False).hexdigest()
    return (
        f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANTS[text[16]]}{text[17:20]}-{text[20:32]}"
    )


@lru_cache(maxsize=REMEMBERED_KEYS)
def call_key_id(source: str, provider_key: str) -> str:
    """Return the fixed id of a provider's call id."""
    return fixed_id(f"call\0{source}\0{provider_key}")


class Kind(StrEnum):
    """What a touch is."""

    CALL = "call"
    MAIL = "mail"


class Status(StrEnum):
    """What a touch needs."""

    IN_PROGRESS = "in_progress"
    NEEDS_COMMENT = "needs_comment"
    SHORT_CALL = "short_call"
    CALLBACK_DUE = "callback_due"
    NOT_REACHED = "not_reached"
    AWAITING_REPLY = "awaiting_reply"
    DONE = "done"
    AUTO = "auto"
    INTERNAL = "internal"
    WRONG_NUMBER = "wrong_number"
    SPAM = "spam"
    HISTORY = "history"


class FlagKind(StrEnum):
    """Why someone else must look."""

    MANAGER_LEFT = "manager_left"
    LINE_UNHELD = "line_unheld"


class Role(StrEnum):
    """How a point took part."""

    REMOTE = "remote"  #: the other side of a call
    LINE = "line"  #: our line that was called or called out
    LEG = "leg"  #: a telephone of ours that rang or talked
    FROM = "from"
    TO = "to"
    CC = "cc"
    VIA = "via"  #: the web form that wrote in somebody's name
    FORWARDED = "forwarded"  #: who wrote the mail that this one forwards


class Side(StrEnum):
    """Whose side a participant is on."""

    OWN = "own"
    CLIENT = "client"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One point that took part in a touch, and the client it was linked to."""

    point: ContactPoint
    role: Role
    side: Side
    name: str | None = None  #: as the wire said, written by a stranger
    client: str | None = None
    contact: str | None = None
    method: str | None = None  #: why linked: "person", "exact" or "forwarded"
    cause: str | None = None  #: why not linked: "unknown" or "ambiguous"
    subject: str | None = None  #: whose timeline the touch belongs to: `client:ID` or a point
    principal: bool = False  #: its subject's timeline gives the touch its status
    quiet: bool = False  #: raises no flag there: a client linked elsewhere in the touch does


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One call or mail with its two sides known, before its neighbours in time are looked at."""

    id: str
    kind: Kind
    keys: tuple[str, ...]  #: ids of the call keys, or the mail's identity; sorted
    occurred_at: datetime
    learned_at: datetime  #: when its first report reached us
    direction: Direction
    ended: bool  #: False: still going on
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    talk_s: float | None = None
    dialled: tuple[str, ...] = ()  #: our lines that the client called or wrote to
    own_line: str | None = None  #: the one shown
    employee: str | None = None  #: effective holder of that line at that moment
    participants: tuple[Participant, ...] = ()
    machine: bool = False  #: a robot or a short code, not a person
    suppressed: bool = False  #: a person decided: never log
    status: Status  #: the machine's opinion, before later touches close it
    decided: Status | None = None  #: a person's status; outranks the opinion
    message_id: str | None = None
    answers: tuple[str, ...] = ()  #: message ids this mail answers
    details: Mapping[str, Any] = field(default_factory=dict)  #: for pages: legs, recording, subject

    @property
    def shown(self) -> Status:
        """Return the person's status if there is one, else the opinion."""
        return self.decided or self.status

    @property
    def subjects(self) -> frozenset[str]:
        """Return the subjects in whose timelines the touch lies."""
        return frozenset(part.subject for part in self.participants if part.subject)

    @property
    def principal(self) -> str | None:
        """Return the subject whose timeline gives this touch its status."""
        return next((part.subject for part in self.participants if part.principal), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A touch as its neighbours see it: what deciding one subject's timeline needs."""

    id: str
    kind: Kind
    direction: Direction
    occurred_at: datetime
    ended: bool
    outcome: Outcome | None
    talk_s: float | None
    dialled: tuple[str, ...]
    employee: str | None
    status: Status  #: shown status before later touches
    machine: bool
    suppressed: bool
    principal: bool  #: this subject's timeline gives it its status
    quiet: bool  #: raises no flag in this subject's timeline
    point: str | None  #: the subject's point in this touch
    contact: str | None
    cause: str | None = None  #: why its point is not linked
    message_id: str | None = None
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """That a later touch made an earlier one need nothing more."""

    touch: str
    closed_at: datetime
    closed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Why someone else must look at a subject, from its first touch to its closing."""

    subject: str
    kind: FlagKind
    number: int  #: 1 and one more for each earlier closing
    opened_at: datetime
    opened_by: str  #: touch
    touches: tuple[str, ...]
    last_at: datetime  #: of its latest touch
    departed: str | None  #: employee who left
    line: str | None  #: dialled line of the latest touch
    closed_at: datetime | None = None
    closed_why: str | None = None  #: dismissed, handed_over, reached
    acknowledged_at: datetime | None = None

    @property
    def key(self) -> str:
        """Return kind and subject as one text: what decisions about it hang on."""
        return flag_key(self.kind, self.subject)

    @property
    def id(self) -> str:
        """Return the id shown outside, fixed by key and number."""
        return fixed_id(f"flag\0{self.key}\0{self.number}")


def flag_key(kind: FlagKind, subject: str) -> str:
    """Return the key that a flag's decisions hang on."""
    return f"{kind.value}|{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A contact point that no client is known for, with what waits there."""

    point: str
    cause: str  #: unknown or ambiguous
    first_at: datetime
    last_at: datetime
    calls: int
    mails: int
    missed: int

    @property
    def count(self) -> int:
        """Return how many touches wait."""
        return self.calls + self.mails


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """All that follows for one subject from its touches, in order."""

    subject: str
    closings: tuple[Closing, ...] = ()
    flags: tuple[Flag, ...] = ()
    review: ReviewItem | None = None


# What a touch needs, by kind, direction and how it went. The office owns this table.
StatusKey = tuple[Kind, Direction, str]
DEFAULT_STATUS: Mapping[StatusKey, Status] = {
    (Kind.CALL, Direction.INBOUND, "answered"): Status.NEEDS_COMMENT,
    (Kind.CALL, Direction.INBOUND, "short"): Status.SHORT_CALL,
    (Kind.CALL, Direction.INBOUND, "forwarded"): Status.NEEDS_COMMENT,
    (Kind.CALL, Direction.INBOUND, "missed"): Status.CALLBACK_DUE,
    (Kind.CALL, Direction.OUTBOUND, "answered"): Status.NEEDS_COMMENT,
    (Kind.CALL, Direction.OUTBOUND, "missed"): Status.NOT_REACHED,
    (Kind.MAIL, Direction.INBOUND, "person"): Status.AWAITING_REPLY,
    (Kind.MAIL, Direction.OUTBOUND, "person"): Status.DONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The company's rules as valid at one moment."""

    statuses: Mapping[StatusKey, Status] = field(default_factory=lambda: DEFAULT_STATUS)
    short_call: timedelta = timedelta(seconds=10)
    history_after: timedelta = timedelta(days=14)
    duty: str | None = None  #: employee
    working_hours: WorkingHours = field(default_factory=WorkingHours)
    web_forms: Mapping[str, Sequence[WebForm]] = field(default_factory=dict)  #: by mailbox address
    reply_within: timedelta = timedelta(hours=9)  #: of working time, for a mail


AS_DELIVERED = Policy()  #: before anybody wrote a rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The company's rules, each valid from its own moment on, in order of time."""

    changes: Sequence[tuple[datetime, Policy]] = ()

    def at(self, moment: datetime) -> Policy:
        """Return the rules valid at that moment."""
        valid = AS_DELIVERED
        for from_at, policy in self.changes:
            if from_at > moment:
                break
            valid = policy
        return valid
