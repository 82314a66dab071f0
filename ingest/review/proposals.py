"""What a person is about to decide: read from a form, tried out, then done.

Trying out and doing are the same function (`redecide.try_out`), so that what is shown first and
what happens differ only by what came meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ingest import redecide
from ingest.domain.contacts import ContactPoint
from ingest.domain.directory import PointVerdict
from ingest.domain.interactions import FlagKind, Status
from ingest.domain.ties import TieVerdict
from ingest.redecide import Consequences
from ingest.review.context import Context
from ingest.steps import Changed
from ingest.worker import note_change
from storage import decisions
from storage.decisions import Undone
from storage.facts import Conflict

LONGEST_NAME = 200

#: Verdicts about a contact point as forms name them.
POINT_VERDICTS = {
    "link": PointVerdict.LINK,
    "new_client": PointVerdict.LINK,
    "employee": PointVerdict.EMPLOYEE,
    "never_log": PointVerdict.NEVER_LOG,
    "wrong_number": PointVerdict.WRONG_NUMBER,
}
FLAG_VERDICTS = frozenset({"ack", "dismiss"})
TIE_VERDICTS = frozenset(verdict.value for verdict in TieVerdict)
#: What a person may say that a touch needs.
STATUSES = (Status.DONE, Status.CALLBACK_DUE, Status.WRONG_NUMBER, Status.SPAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A decision not yet taken."""

    verdict: str
    target: str  #: a contact point, a flag's key, a touch's key or two keys of calls
    client: str | None = None
    new_client: str | None = None
    status: Status | None = None
    seen: str = ""  #: the latest decision about the target when the person looked; "": none

    @property
    def point(self) -> str | None:
        """Return the contact point it is about, if it is about one."""
        return self.target if self.verdict in POINT_VERDICTS else None

    def apply(self, connection: Connection, *, at: datetime, by: str) -> str:
        """Record the decision; returns its id. Raises facts.Conflict."""
        if self.verdict in POINT_VERDICTS:
            return decisions.decide_point(
                connection,
                ContactPoint.parse(self.target),
                POINT_VERDICTS[self.verdict],
                at=at,
                by=by,
                client=self.client,
                new_client=self.new_client,
            )
        if self.verdict in FLAG_VERDICTS:
            kind, _, subject = self.target.partition("|")
            return decisions.decide_flag(
                connection, FlagKind(kind), subject, self.verdict, at=at, by=by
            )
        if self.verdict in TIE_VERDICTS:
            key, _, other = self.target.partition("|")
            return decisions.decide_tie(
                connection, key, other, TieVerdict(self.verdict), at=at, by=by
            )
        assert self.status is not None
        return decisions.decide_status(connection, self.target, self.status, at=at, by=by)


def proposal(field: Callable[[str], str]) -> Proposal:
    """Return the decision that a form describes. Raises facts.Conflict for what is none."""
    verdict, target = field("verdict"), field("target")
    client, name = field("client") or None, " ".join(field("new_client").split()) or None
    status = None
    try:
        if verdict in POINT_VERDICTS:
            ContactPoint.parse(target)
        elif verdict in FLAG_VERDICTS:
            FlagKind(target.partition("|")[0])
        elif verdict in TIE_VERDICTS:
            key, _, other = target.partition("|")
            target = decisions.tie_target(key, other)
        elif verdict == "status":
            status = Status(field("status"))
        else:
            raise ValueError(verdict)
    except ValueError as error:
        raise Conflict("this is no decision that can be taken here") from error
    if verdict == "status" and status not in STATUSES:
        raise Conflict("this status is not for people to set")
    if verdict == "link" and client is None:
        raise Conflict("choose a client first")
    if verdict == "new_client" and (name is None or len(name) > LONGEST_NAME):
        raise Conflict("a client needs a name of at most 200 characters")
    return Proposal(
        verdict=verdict,
        target=target,
        client=client if verdict == "link" else None,
        new_client=name if verdict == "new_client" else None,
        status=status,
        seen=field("seen"),
    )


def latest(connection: Connection, target: str) -> str:
    """Return the latest decision about a target, undone or not; "" if there is none."""
    made = decisions.of_target(connection, target)
    return made[0].id if made else ""


def preview(
    context: Context, change: Callable[[Connection], object], *, now: datetime
) -> Consequences:
    """Return what a change would do; nothing of it stays."""
    return redecide.consequences(context.database, change, context.known, context.regions, now=now)


def carry_out(
    context: Context, change: Callable[[Connection], object], *, now: datetime
) -> Consequences:
    """Make a change with all that follows, in one transaction; returns what really happened."""
    try:
        with context.database.write() as connection:
            done = redecide.try_out(connection, change, context.known, context.regions, now=now)
            note_change(connection, Changed(decided=frozenset({"decision"})), now)
    except BaseException:
        context.known.forget()  # what was loaded in the transaction never was
        raise
    context.wake()
    return done


def decide(
    context: Context, wanted: Proposal, *, by: str, now: datetime
) -> tuple[str, Consequences]:
    """Take a decision; returns its id and what really happened.

    Raises facts.Conflict if somebody decided about the same target since the person looked.
    """
    made: list[str] = []

    def change(connection: Connection) -> None:
        if latest(connection, wanted.target) != wanted.seen:
            raise Conflict("somebody decided about this meanwhile; look again")
        made.append(wanted.apply(connection, at=now, by=by))

    done = carry_out(context, change, now=now)
    return made[0], done


def undo(context: Context, decision: str, *, by: str, now: datetime) -> tuple[Undone, Consequences]:
    """Undo a decision of any age; returns what stays and what really happened."""
    undone: list[Undone] = []

    def change(connection: Connection) -> None:
        undone.append(decisions.undo(connection, decision, at=now, by=by))

    done = carry_out(context, change, now=now)
    return undone[0], done


def preview_undo(
    context: Context, decision: str, *, by: str, now: datetime
) -> tuple[Undone, Consequences]:
    """Return what undoing a decision would leave and do; nothing of it stays."""
    undone: list[Undone] = []

    def change(connection: Connection) -> None:
        undone.append(decisions.undo(connection, decision, at=now, by=by))

    told = preview(context, change, now=now)
    return undone[0], told
