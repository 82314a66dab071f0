"""When a call began, was answered and ended, by all its reports.

A time that the provider states outranks a time of receipt. Among times of receipt the earliest
wins, because a receipt is never before what it tells. A stated time later than its receipt by more
than DOUBTED_AFTER is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Outcome, Report

DOUBTED_AFTER = timedelta(minutes=5)  #: how far a provider's clock may run ahead of ours

#: How far behind the stated end an answer may be received: its way to us, and a second cut off.
#: What comes later was held up, and does not tell when the call was taken.
ON_THE_WAY = timedelta(seconds=10)

_TIMES = ("occurred_at", "started_at", "answered_at", "ended_at")
_LENGTHS = ("duration_s", "talk_s")
_times_of, _lengths_of = attrgetter(*_TIMES), attrgetter(*_LENGTHS)

SAYS_NO_TIME = frozenset({CallStage.RECORDING, CallStage.TIED, CallStage.STALE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One report as fold works on it: times in UTC, doubted ones taken out."""

    event: CallEvent
    received_at: datetime  #: of the earliest of its repetitions
    doubted: bool

    @property
    def at(self) -> datetime:
        """Return the moment it tells of: the provider's, or else our receipt."""
        return self.event.occurred_at or self.received_at

    @property
    def tells_of_an_answer(self) -> bool:
        """Tell whether a person took the call, by this report alone."""
        event = self.event
        if event.stage in SAYS_NO_TIME or event.outcome in (Outcome.VOICEMAIL, Outcome.FORWARDED):
            return False
        return (
            event.stage in (CallStage.ANSWERED, CallStage.HELD)
            or event.outcome is Outcome.ANSWERED
            or event.answered_at is not None
            or bool(event.talk_s)
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, and whether the provider stated it. A mere receipt is an upper bound."""

    at: datetime
    stated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The three moments of a call. `started_at` is a bound where `start_known` is False."""

    started_at: datetime
    start_known: bool
    answered_at: datetime | None
    ended_at: datetime | None


def facts_of(reports: Iterable[Report]) -> list[Fact]:
    """Return each different event once, in an order that depends on nothing but the set."""
    earliest: dict[CallEvent, datetime] = {}
    for report in reports:
        known = earliest.get(report.event)
        if known is None or report.received_at < known:
            earliest[report.event] = report.received_at
    facts = [_fact(event, received_at) for event, received_at in earliest.items()]
    if len(facts) == 1:
        return facts
    if len({_when(fact) for fact in facts}) < len(facts):  # spelling events out is dear
        facts.sort(key=lambda fact: repr(fact.event))
    return sorted(facts, key=_when)


def moments_of(facts: Sequence[Fact]) -> Moments:
    """Return when the call began, was answered and ended.

    Each of the call's ids is judged alone: where a transfer joined two, the call begins with the
    first and ends with the last of them.
    """
    telling = [fact for fact in facts if fact.event.stage not in SAYS_NO_TIME] or list(facts)
    groups: dict[str, list[Fact]] = {}
    for fact in telling:
        groups.setdefault(fact.event.call_keys[0], []).append(fact)
    each = [_moments_of_one(group) for group in groups.values()]
    if len(each) == 1 and not any(fact.event.leg_counts for fact in facts):
        return each[0]
    first = min(each, key=lambda found: (found.started_at, not found.start_known))
    answered_at = min((one.answered_at for one in each if one.answered_at), default=None)
    told = [one.ended_at for one in each if one.ended_at]
    return Moments(
        started_at=first.started_at,
        start_known=first.start_known,
        answered_at=answered_at,
        ended_at=_end_with_legs(facts, told, answered_at or first.started_at),
    )


def legs_are_over(facts: Iterable[Fact]) -> bool:
    """Tell whether every leg that counts has ended, that one with them which names the call.

    The naming leg is asked for because of calls that we came into: of those some legs are unknown.
    """
    counting = [fact for fact in facts if fact.event.leg_counts]
    ends = [fact for fact in counting if fact.event.stage is CallStage.LEG_ENDED]
    ended = {fact.event.leg for fact in ends}
    return any(len(fact.event.call_keys) == 1 for fact in ends) and all(
        fact.event.leg in ended for fact in counting
    )


def _end_with_legs(
    facts: Sequence[Fact], told: Sequence[datetime], not_before: datetime
) -> datetime | None:
    """Return the last of the ends told and, once all legs are over, of theirs."""
    if not legs_are_over(facts):
        return max(told, default=None)
    ends = [
        fact for fact in facts if fact.event.leg_counts and fact.event.stage is CallStage.LEG_ENDED
    ]
    stated = [fact.event.occurred_at for fact in ends if fact.event.occurred_at]
    if not stated and not told:
        stated = [max(fact.received_at for fact in ends)]
    return max([not_before, *told, *stated])


def _when(fact: Fact) -> tuple[datetime, datetime]:
    return fact.at, fact.received_at


def _fact(event: CallEvent, received_at: datetime) -> Fact:
    received_at = received_at.astimezone(UTC)
    bound = received_at + DOUBTED_AFTER
    changes: dict[str, Any] = {}
    doubted = False
    for name, at in zip(_TIMES, _times_of(event), strict=True):
        if at is None:
            continue
        if at > bound:
            changes[name], doubted = None, True
        elif at.tzinfo is not UTC:
            changes[name] = at.astimezone(UTC)
    for name, length_s in zip(_LENGTHS, _lengths_of(event), strict=True):
        if length_s is not None and type(length_s) is not float:
            changes[name] = float(length_s)
    return Fact(
        event=replace(event, **changes) if changes else event,
        received_at=received_at,
        doubted=doubted,
    )


def _moments_of_one(facts: Sequence[Fact]) -> Moments:
    ended = _end(facts)
    answered = _answer(facts)
    start = _start(facts)
    if answered and ended and answered.at > ended.at:
        if answered.stated:
            ended = answered
        elif ended.stated and answered.at - ended.at > ON_THE_WAY:
            answered = None
        else:
            answered = ended
    for other in (answered, ended):
        if start and other and other.at < start.at and not start.stated:
            start = Moment(other.at, False)
    known = [found.at for found in (answered, ended) if found]
    bound = start.at if start else min([*known, *_known_times(facts)])
    return Moments(
        started_at=bound,
        start_known=start is not None,
        answered_at=max(answered.at, bound) if answered else None,
        ended_at=max(ended.at, bound) if ended else None,
    )


def _start(facts: Sequence[Fact]) -> Moment | None:
    """Return the start. The ringing of one leg tells it only where nothing tells of the call."""
    rings = [fact for fact in facts if fact.event.stage is CallStage.RINGING]
    of_call = [fact for fact in rings if fact.event.leg is None]
    of_legs = [fact for fact in rings if fact.event.leg is not None]
    stated = [fact.event.started_at for fact in facts]
    stated += [fact.event.occurred_at for fact in of_call]
    return (
        _earliest(stated, True)
        or _earliest((_start_by_duration(fact.event) for fact in facts), True)
        or _earliest((fact.received_at for fact in of_call), False)
        or _earliest((fact.event.occurred_at for fact in of_legs), True)
        or _earliest((fact.received_at for fact in of_legs), False)
    )


def _start_by_duration(event: CallEvent) -> datetime | None:
    ended_at = event.ended_at or event.occurred_at
    if event.stage is not CallStage.ENDED or ended_at is None or event.duration_s is None:
        return None
    return ended_at - timedelta(seconds=event.duration_s)


def _answer(facts: Sequence[Fact]) -> Moment | None:
    telling = [fact for fact in facts if fact.tells_of_an_answer]
    answers = [fact for fact in telling if fact.event.stage is CallStage.ANSWERED]
    stated = [fact.event.answered_at for fact in telling]
    stated += [fact.event.occurred_at for fact in answers]
    told = {fact.event.leg for fact in answers if fact.event.occurred_at}
    stated += [
        _answer_by_talk(fact.event)
        for fact in telling
        if fact.event.stage is CallStage.LEG_ENDED and fact.event.leg and fact.event.leg not in told
    ]  # of a call passed on, the first answer may be lost and the second known
    return (
        _earliest(stated, True)
        or _earliest((_answer_by_talk(fact.event) for fact in telling), True)
        or _earliest((fact.received_at for fact in answers), False)
    )


def _answer_by_talk(event: CallEvent) -> datetime | None:
    ended_at = event.ended_at or event.occurred_at
    over = event.stage in (CallStage.ENDED, CallStage.LEG_ENDED)
    if not over or ended_at is None or not event.talk_s:
        return None
    return ended_at - timedelta(seconds=event.talk_s)


def _end(facts: Sequence[Fact]) -> Moment | None:
    ends = [fact for fact in facts if fact.event.stage is CallStage.ENDED]
    stated = [end for fact in ends if (end := fact.event.ended_at or fact.event.occurred_at)]
    if stated:
        return Moment(max(stated), True)
    return _earliest((fact.received_at for fact in ends), False)


def _known_times(facts: Sequence[Fact]) -> list[datetime]:
    return [fact.event.answered_at or fact.event.ended_at or fact.at for fact in facts]


def _earliest(moments: Iterable[datetime | None], stated: bool) -> Moment | None:
    told = [moment for moment in moments if moment]
    if not told:
        return None
    return Moment(told[0] if len(told) == 1 else min(told, key=_finest_first), stated)


def _finest_first(moment: datetime) -> tuple[datetime, bool, datetime]:
    """Order moments; one cut to its second comes behind what is told of that very second."""
    return moment.replace(microsecond=0), moment.microsecond == 0, moment
