"""What follows from the touches of one subject, taken in order of time.

A subject is a client (`client:ID`), or, where no client is known, the contact point itself;
for a withheld number our own line. Everything here is a pure function of facts: which touch
closes which, which flags were raised and when each closed, and what waits for review.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingest.domain.calls import Direction, Outcome
from ingest.domain.directory import Change, Directory, named_at
from ingest.domain.interactions import (
    Closing,
    Decided,
    Flag,
    FlagKind,
    Kind,
    Moment,
    ReviewItem,
    Status,
)
from ingest.mail.threads import SUBJECT, is_by_subject, named_subject

#: How long a subject alone ties an answer to a letter, where neither names any message.
SAME_SUBJECT_WITHIN = timedelta(days=30)

REACHED_AFTER = timedelta(seconds=10)  #: a shorter talk reaches nobody

#: Statuses of touches that never raise a flag.
QUIET = frozenset({Status.HISTORY, Status.AUTO, Status.INTERNAL, Status.SPAM, Status.WRONG_NUMBER})
CALL_BACK = frozenset({Status.CALLBACK_DUE, Status.NOT_REACHED})
CLOSABLE = CALL_BACK | {Status.AWAITING_REPLY}


OfPoint = tuple[FlagKind, str, datetime]  #: what was decided of a point without a client


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One subject with everything that deciding about it needs."""

    subject: str
    moments: Sequence[Moment]
    primary: Sequence[Change] = ()  #: change points of the client's primary
    dismissed: Sequence[tuple[FlagKind, datetime]] = ()  #: flags a person dismissed, and when
    acknowledged: Sequence[tuple[FlagKind, datetime]] = ()
    covered: Sequence[OfPoint] = ()  #: flags of its points that were dismissed, and when
    seen: Sequence[OfPoint] = ()  #: flags of its points that were acknowledged, and when

    @property
    def is_client(self) -> bool:
        """Tell whether the subject is a client, not a bare contact point."""
        return self.subject.startswith("client:")


def decide(timeline: Timeline, directory: Directory) -> Decided:
    """Return closings, flags and what waits for review, for one subject."""
    moments = list(timeline.moments)
    if len(moments) > 1:
        moments.sort(key=lambda moment: (moment.occurred_at, moment.id))
    return Decided(
        subject=timeline.subject,
        closings=tuple(_closings(moments)) if len(moments) > 1 else (),
        flags=tuple(_flags(timeline, moments, directory)),
        review=None if timeline.is_client else _review(timeline.subject, moments),
    )


# Closing ---------------------------------------------------------------------------------------


def _closings(moments: Sequence[Moment]) -> Iterable[Closing]:
    """Yield which later touch makes an earlier one need nothing more."""
    waiting = _Waiting()
    for moment in moments:
        if _can_close(moment):
            for earlier in waiting.for_(moment):
                if _closes(moment, earlier):
                    waiting.remove(earlier)
                    yield Closing(
                        touch=earlier.id, closed_at=moment.occurred_at, closed_by=moment.id
                    )
        if moment.principal and moment.status in CLOSABLE:
            waiting.add(moment)


class _Waiting:
    """Touches that still need something; mails are found by their thread, not by looking at all."""

    def __init__(self) -> None:
        self._all: dict[str, Moment] = {}
        self._by_thread: dict[str, dict[str, Moment]] = {}

    def add(self, moment: Moment) -> None:
        self._all[moment.id] = moment
        for name in _thread(moment):
            self._by_thread.setdefault(name, {})[moment.id] = moment

    def remove(self, moment: Moment) -> None:
        del self._all[moment.id]
        for name in _thread(moment):
            self._by_thread[name].pop(moment.id, None)

    def for_(self, later: Moment) -> list[Moment]:
        """Return what a later touch may close, in order."""
        if later.kind is Kind.CALL:
            return list(self._all.values())
        found: dict[str, Moment] = {}
        for name in later.answers:
            if name.startswith(SUBJECT):
                continue  # a letter that answers nothing, whatever its subject
            known = self._by_thread.get(named_subject(name), {})
            if is_by_subject(name):
                known = {it.id: it for it in known.values() if _is_soon_after(later, it)}
            found.update(known)
        return list(found.values())


def _is_soon_after(later: Moment, earlier: Moment) -> bool:
    return later.occurred_at - earlier.occurred_at <= SAME_SUBJECT_WITHIN


def _thread(moment: Moment) -> set[str]:
    """Return the message ids, or the subjects, by which an answer may name this mail."""
    return {named_subject(name) for name in (moment.message_id, *moment.answers) if name}


def is_answered(moment: Moment) -> bool:
    """Tell whether two people talked in this call."""
    return moment.kind is Kind.CALL and moment.outcome is Outcome.ANSWERED


def _can_close(moment: Moment) -> bool:
    if moment.employee is None or moment.machine:
        return False
    return is_answered(moment) or (
        moment.kind is Kind.MAIL and moment.direction is Direction.OUTBOUND
    )


def _closes(later: Moment, earlier: Moment) -> bool:
    if later.contact and earlier.contact and later.contact != earlier.contact:
        return False
    if later.kind is Kind.CALL:
        return True
    return earlier.status is Status.AWAITING_REPLY  # found by its thread


# Flags -----------------------------------------------------------------------------------------

_DIRECTORY, _TOUCH, _DISMISSAL = range(3)  #: what comes first at one and the same moment


@dataclass(slots=True)
class _Open:
    """A flag being told: opened, joined, perhaps closed."""

    kind: FlagKind
    number: int
    opened_at: datetime
    opened_by: str
    departed: str | None
    line: str | None
    orphan: bool  #: a touch of an orphaned client raised or joined it
    touches: list[Moment] = field(default_factory=list)
    closed_at: datetime | None = None
    closed_why: str | None = None


@dataclass(slots=True)
class _Story:
    """What is true of the subject while its moments are told in order."""

    orphan_since: datetime | None = None
    departed: str | None = None
    named: str | None = None
    had_primary: bool = False
    reached: set[str] = field(default_factory=set)  #: who reached the client since the leaving
    open: dict[FlagKind, _Open] = field(default_factory=dict)
    told: list[_Open] = field(default_factory=list)

    def close(self, kind: FlagKind, at: datetime, why: str) -> None:
        flag = self.open.pop(kind, None)
        if flag is not None:
            flag.closed_at, flag.closed_why = at, why


def _flags(timeline: Timeline, moments: Sequence[Moment], directory: Directory) -> Iterable[Flag]:
    raising = [moment for moment in moments if _may_raise(moment)]
    if not raising or _all_is_well(timeline, raising, directory):
        return
    events: list[tuple[datetime, int, Moment | FlagKind | None]] = [
        (at, _DIRECTORY, None) for at in _turning_points(timeline, directory)
    ]
    events += [(moment.occurred_at, _TOUCH, moment) for moment in moments]
    events += [(at, _DISMISSAL, kind) for kind, at in timeline.dismissed]
    events.sort(key=lambda event: event[:2])

    story = _Story()
    for at, _, what in events:
        if isinstance(what, Moment):
            _raise_flag(story, timeline, what, directory)
            _reach(story, what)
            _hand_over(story, at, directory)
        elif isinstance(what, FlagKind):
            story.close(what, at, "dismissed")
        else:
            _turn(story, timeline, at, directory)
            _hand_over(story, at, directory)
    for flag in story.told:
        yield _told(flag, timeline)


def _all_is_well(timeline: Timeline, raising: Sequence[Moment], directory: Directory) -> bool:
    """Tell, without telling the whole story, that nothing in it was ever amiss, as nearly always.

    No manager of the client ever left, and whoever was called was there.
    """
    managers = (directory.employees.get(it.employee) for it in timeline.primary if it.employee)
    return all(
        change.employed for person in managers if person for change in person.employment
    ) and not any(is_unheld(it.dialled, it.occurred_at, directory) for it in raising)


def _turning_points(timeline: Timeline, directory: Directory) -> set[datetime]:
    """Return the moments at which the client's primary is named, leaves or comes back."""
    points = {change.from_at for change in timeline.primary}
    for named in {change.employee for change in timeline.primary if change.employee}:
        if person := directory.employees.get(named):
            points.update(change.from_at for change in person.employment)
    return points


def _turn(story: _Story, timeline: Timeline, at: datetime, directory: Directory) -> None:
    """Note who is primary now, and whether the client has just lost the one it had."""
    before, story.named = story.named, named_at(timeline.primary, at)
    if story.named is None:
        return
    story.had_primary = True
    left = directory.left(story.named, at)
    if left is None:
        return
    # Leaving while named is a loss, each time; being named when already gone is one only where
    # there was none before.
    lost_anew = left == at and story.named == before
    if story.orphan_since is None or lost_anew:
        story.orphan_since, story.departed = at, story.named
        story.reached.clear()


def _hand_over(story: _Story, at: datetime, directory: Directory) -> None:
    """End the client's being orphaned once a named, employed successor has reached it."""
    if story.orphan_since is None or story.named not in story.reached:
        return
    if not directory.employed(story.named, at):
        return
    story.orphan_since = story.departed = None
    flag = story.open.get(FlagKind.MANAGER_LEFT)
    if flag is not None and flag.orphan:
        story.close(FlagKind.MANAGER_LEFT, at, "handed_over")


def _reach(story: _Story, moment: Moment) -> None:
    """Note who reached the client, and close what any employee's reaching closes."""
    if not is_reached(moment):
        return
    assert moment.employee is not None
    story.reached.add(moment.employee)
    for kind, flag in list(story.open.items()):
        if not flag.orphan:
            story.close(kind, moment.occurred_at, "reached")


def is_reached(moment: Moment) -> bool:
    """Tell whether an employee reached the client: ten seconds of talk, or a mail sent."""
    if moment.employee is None or moment.machine:
        return False
    if moment.kind is Kind.MAIL:
        return moment.direction is Direction.OUTBOUND
    talked = moment.talk_s is not None and moment.talk_s >= REACHED_AFTER.total_seconds()
    return is_answered(moment) and talked


def _may_raise(moment: Moment) -> bool:
    return (
        moment.direction is Direction.INBOUND
        and moment.status not in QUIET
        and not moment.machine
        and not moment.suppressed
        and not moment.quiet
    )


def _raise_flag(story: _Story, timeline: Timeline, moment: Moment, directory: Directory) -> None:
    reason = _reason(story, moment, directory) if _may_raise(moment) else None
    if reason is None:
        return
    kind, departed, orphan = reason
    if _is_covered(timeline, moment, kind):
        return
    line = moment.dialled[0] if moment.dialled else None
    flag = story.open.get(kind)
    if flag is None:
        number = 1 + sum(1 for told in story.told if told.kind is kind)
        flag = _Open(kind, number, moment.occurred_at, moment.id, departed, line, orphan)
        story.open[kind] = flag
        story.told.append(flag)
    flag.touches.append(moment)
    flag.line = line or flag.line
    if orphan:
        flag.orphan, flag.departed = True, departed


def _is_covered(timeline: Timeline, moment: Moment, kind: FlagKind) -> bool:
    """Tell whether a person dismissed this very kind of flag while the point had no client."""
    return any(
        what is kind and point == moment.point and moment.occurred_at <= at
        for what, point, at in timeline.covered
    )


def _reason(
    story: _Story, moment: Moment, directory: Directory
) -> tuple[FlagKind, str | None, bool] | None:
    """Return kind, who left, and whether the client is orphaned; None: nothing is amiss."""
    at = moment.occurred_at
    if story.orphan_since is not None:
        return FlagKind.MANAGER_LEFT, story.departed, True
    if not is_unheld(moment.dialled, at, directory):
        return None
    if not story.had_primary:
        gone = (directory.named_holder(line, at) for line in moment.dialled)
        departed = next((who for who in gone if directory.left(who, at)), None)
        if departed is not None:
            return FlagKind.MANAGER_LEFT, departed, False
    return FlagKind.LINE_UNHELD, None, False


def is_unheld(dialled: Sequence[str], at: datetime, directory: Directory) -> bool:
    """Tell whether none of the dialled lines had an effective holder; a shared line always has."""
    if not dialled:
        return False
    for line in dialled:
        found = directory.lines.get(line)
        if found is None or found.shared or directory.holder_at(line, at):
            return False
    return True


def _told(flag: _Open, timeline: Timeline) -> Flag:
    return Flag(
        subject=timeline.subject,
        kind=flag.kind,
        number=flag.number,
        opened_at=flag.opened_at,
        opened_by=flag.opened_by,
        touches=tuple(touch.id for touch in flag.touches),
        last_at=flag.touches[-1].occurred_at,
        departed=flag.departed,
        line=flag.line,
        closed_at=flag.closed_at,
        closed_why=flag.closed_why,
        acknowledged_at=_acknowledged_at(flag, timeline),
    )


def _acknowledged_at(flag: _Open, timeline: Timeline) -> datetime | None:
    """Return when a person acknowledged every touch of a flag, before it closed; None: not all."""
    of_all = [at for kind, at in timeline.acknowledged if kind is flag.kind]
    latest = []
    for touch in flag.touches:
        of_its_point = [
            at for kind, point, at in timeline.seen if kind is flag.kind and point == touch.point
        ]
        acknowledged = [
            at
            for at in (*of_all, *of_its_point)
            if at >= touch.occurred_at and (flag.closed_at is None or at <= flag.closed_at)
        ]
        if not acknowledged:
            return None
        latest.append(max(acknowledged))
    return max(latest)


# Review ----------------------------------------------------------------------------------------


def _review(subject: str, moments: Sequence[Moment]) -> ReviewItem | None:
    """Return what waits at a contact point that no client is known for; None: nothing does."""
    waiting = [
        moment
        for moment in moments
        if moment.cause is not None
        and not moment.machine
        and not moment.suppressed
        and moment.status not in (Status.WRONG_NUMBER, Status.SPAM, Status.INTERNAL, Status.AUTO)
    ]
    if not waiting:
        return None
    calls = [moment for moment in waiting if moment.kind is Kind.CALL]
    return ReviewItem(
        point=subject,
        cause=waiting[-1].cause or "unknown",
        first_at=waiting[0].occurred_at,
        last_at=waiting[-1].occurred_at,
        calls=len(calls),
        mails=len(waiting) - len(calls),
        missed=sum(
            1
            for call in calls
            if call.direction is Direction.INBOUND
            and call.ended
            and call.outcome is not None
            and call.outcome not in (Outcome.ANSWERED, Outcome.FORWARDED)
        ),
    )
