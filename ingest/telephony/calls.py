"""Fold: the one call that a set of reports makes, in whatever order and however often they came.

`fold` depends on nothing but the set of (event, received_at). What was once known to be final
stays so: a report more never makes an ended call ring, nor an answered one missed. Only where a
call ends with its last leg, one more that comes to be known has still to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from ingest.domain.calls import (
    Call,
    CallEvent,
    CallStage,
    CallState,
    Direction,
    Outcome,
    Report,
)
from ingest.telephony.moments import Fact, Moments, facts_of, legs_are_over, moments_of
from ingest.telephony.participants import agent_of, in_order, legs_of, talked
from ingest.telephony.taken import seen_in

Value = TypeVar("Value")

#: Whose word counts first where reports differ: the final one knows the whole call.
_WORD_OF = {
    CallStage.ENDED: 0,
    CallStage.RINGING: 1,
    CallStage.ANSWERED: 2,
    CallStage.HELD: 3,
    CallStage.LEG_ENDED: 4,
    CallStage.RECORDING: 5,
    CallStage.TIED: 6,
    CallStage.STALE: 7,
}

#: Of several failures told of one call, the first of these is told.
_FAILURES = (
    Outcome.NO_ANSWER,
    Outcome.REJECTED,
    Outcome.BUSY,
    Outcome.FAILED,
    Outcome.CANCELLED,
)


def fold(reports: Iterable[Report]) -> Call:
    """Return the call that these reports, at least one, make together.

    The reports are taken to be of one call, as `tie` groups them. Raises ValueError for none.
    """
    facts = facts_of(reports)
    if not facts:
        raise ValueError("a call needs at least one report")
    direction = _direction(facts)
    told, facts = facts, seen_in(facts, direction)
    words = _words(_by_authority(facts, direction))
    moments = moments_of(facts)
    state = _state(facts)
    answered = any(fact.tells_of_an_answer for fact in facts)
    outcome = _outcome(facts, state, answered)
    caller, callee, line, forwarded_to, queue, transfer = words
    far_side = _far_side(direction, caller, callee)
    agents = [fact for fact in facts if agent_of(fact) not in (None, far_side)]
    who_told = [fact for fact in told if agent_of(fact) not in (None, far_side)]
    heard = who_told if answered else agents
    answered_at = _answered_at(facts, moments, outcome)
    recordings = _latest_recording(facts)
    call = Call(
        keys=tuple(sorted({key for fact in facts for key in fact.event.call_keys})),
        direction=direction,
        caller=caller,
        callee=callee,
        line=line,
        withheld=caller is None and any(fact.event.withheld for fact in facts),
        state=state,
        outcome=outcome,
        started_at=moments.started_at,
        start_known=moments.start_known,
        answered_at=answered_at,
        ended_at=moments.ended_at if state is CallState.ENDED else None,
        duration_s=_duration(facts, moments),
        talk_s=_talk(facts, moments, state, outcome, answered_at),
        rang=in_order(agents) if agents else (),
        talked=talked(heard, direction, outcome) if heard else (),
        legs=legs_of(agents) if agents else (),
        recording_url=_first(recordings, lambda event: event.recording_url),
        recording_id=_first(recordings, lambda event: event.recording_id),
        recording_ready=any(fact.event.recording_ready for fact in facts),
        forwarded_to=forwarded_to,
        queue=queue,
        transfer=transfer,
        first_received_at=min(fact.received_at for fact in facts),
        doubted=any(fact.doubted for fact in facts),
    )
    return with_direction(call, direction)


def with_direction(call: Call, direction: Direction | None) -> Call:
    """Return the call seen in that direction: a client who gives up was not answered."""
    gave_up = direction is Direction.INBOUND and call.outcome is Outcome.CANCELLED
    if direction is call.direction and not gave_up:
        return call
    outcome = Outcome.NO_ANSWER if gave_up else call.outcome
    return replace(call, direction=direction, outcome=outcome)


def tie(reports: Iterable[Report]) -> list[list[Report]]:
    """Group reports into calls: those that share a key, directly or over others, are one.

    Groups come in the order of their smallest keys, reports within them as given.
    """
    reports = list(reports)
    root: dict[str, str] = {}

    def find(key: str) -> str:
        root.setdefault(key, key)
        while root[key] != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for report in reports:
        first, *others = (find(key) for key in report.event.call_keys)
        for other in others:
            one, two = sorted((find(first), find(other)))
            root[two] = one  # the root is the smallest key of its group
    groups: dict[str, list[Report]] = {}
    for report in reports:
        groups.setdefault(find(report.event.call_keys[0]), []).append(report)
    return [groups[key] for key in sorted(groups)]


def _direction(facts: Sequence[Fact]) -> Direction | None:
    """Return the direction told with most authority; a side talk between colleagues yields."""
    told = [fact for fact in facts if fact.event.direction]
    if len({fact.event.direction for fact in told}) < 2:  # as nearly always
        return told[0].event.direction if told else None
    with_client = [fact for fact in told if fact.event.direction is not Direction.INTERNAL]
    return _first(_by_authority(with_client or told, None), lambda event: event.direction)


def _far_side(direction: Direction | None, caller: str | None, callee: str | None) -> str | None:
    """Return who is no telephone of ours, whatever a report says; colleagues have no far side."""
    if direction is Direction.INTERNAL:
        return None
    return callee if direction is Direction.OUTBOUND else caller


def _by_authority(facts: Sequence[Fact], direction: Direction | None) -> list[Fact]:
    """Return facts with the weightiest word first; what contradicts the direction comes last."""
    if len(facts) == 1:
        return list(facts)

    def weight(fact: Fact) -> tuple[bool, int]:
        contradicts = direction is not None and fact.event.direction not in (None, direction)
        return contradicts, _WORD_OF[fact.event.stage]

    return sorted(facts, key=weight)


_words_of = attrgetter("caller", "callee", "line", "forwarded_to", "queue", "transfer")


def _words(facts: Iterable[Fact]) -> list[str | None]:
    """Return what the first of the facts says that says anything, of each in `_words_of`."""
    found: list[str | None] = [None] * 6
    for fact in facts:
        for place, word in enumerate(_words_of(fact.event)):
            if found[place] is None:
                found[place] = word
    return found


def _first(facts: Iterable[Fact], field: Callable[[CallEvent], Value | None]) -> Value | None:
    for fact in facts:
        value = field(fact.event)
        if value is not None:
            return value
    return None


def _latest_recording(facts: Sequence[Fact]) -> list[Fact]:
    named = [
        fact
        for fact in facts
        if fact.event.recording_url is not None or fact.event.recording_id is not None
    ]
    return sorted(named, key=lambda fact: fact.event.recording_ready)[::-1]


def _state(facts: Sequence[Fact]) -> CallState:
    stages = {fact.event.stage for fact in facts}
    if CallStage.ENDED in stages or legs_are_over(facts):
        return CallState.ENDED
    if CallStage.STALE in stages:
        return CallState.STALE
    last = next((fact for fact in reversed(facts) if fact.tells_of_an_answer), None)
    if last is None:
        return CallState.RINGING
    return CallState.HELD if last.event.stage is CallStage.HELD else CallState.ANSWERED


def _outcome(facts: Sequence[Fact], state: CallState, answered: bool) -> Outcome | None:
    if state not in (CallState.ENDED, CallState.STALE):
        return None
    if answered:
        return Outcome.ANSWERED
    if state is CallState.STALE:
        return None
    told = {fact.event.outcome for fact in facts}
    for outcome in (Outcome.FORWARDED, Outcome.VOICEMAIL):
        if outcome in told:
            return outcome
    return _failure(facts, CallStage.ENDED) or _failure_of_legs(facts)


def _failure(facts: Sequence[Fact], stage: CallStage) -> Outcome | None:
    return _first_failure(fact.event.outcome for fact in facts if fact.event.stage is stage)


def _first_failure(outcomes: Iterable[Outcome | None]) -> Outcome | None:
    told = set(outcomes)
    return next((outcome for outcome in _FAILURES if outcome in told), None)


def _failure_of_legs(facts: Sequence[Fact]) -> Outcome:
    """Return what all legs say alike (all busy); legs that differ were simply not answered.

    Of what is told of one leg that has a name, what says most counts.
    """
    legs: dict[str | None, set[Outcome | None]] = {}
    for fact in facts:
        event = fact.event
        if event.stage is CallStage.LEG_ENDED and (event.outcome or not event.leg_counts):
            legs.setdefault(event.leg, set()).add(event.outcome)
    each = legs.pop(None, set()) | {_says_most(told) for told in legs.values()}
    alike = _first_failure(each)
    return alike if alike and len(each) == 1 else Outcome.NO_ANSWER


def _says_most(told: set[Outcome | None]) -> Outcome | None:
    """Return the failure of one leg; that it was not answered may be said of any of them."""
    others = told - {Outcome.NO_ANSWER}
    return _first_failure(others) or _first_failure(told)


def _duration(facts: Sequence[Fact], moments: Moments) -> float | None:
    ends = [fact.event for fact in facts if fact.event.stage is CallStage.ENDED]
    one_id = len({event.call_keys[0] for event in ends}) == 1
    stated = [event.duration_s for event in ends if event.duration_s is not None]
    if one_id and stated:
        return max(stated)
    if moments.ended_at is None or not moments.start_known:
        return None
    return (moments.ended_at - moments.started_at).total_seconds()


def _answered_at(
    facts: Sequence[Fact], moments: Moments, outcome: Outcome | None
) -> datetime | None:
    """Return when a person took the call; of a call sent on, when the outside number did."""
    if outcome in (None, Outcome.ANSWERED):
        return moments.answered_at
    if outcome is not Outcome.FORWARDED:
        return None
    sent_on = [fact.event for fact in facts if fact.event.outcome is Outcome.FORWARDED]
    stated = min((event.answered_at for event in sent_on if event.answered_at), default=None)
    return stated and max(stated, moments.started_at)


def _talk(
    facts: Sequence[Fact],
    moments: Moments,
    state: CallState,
    outcome: Outcome | None,
    answered_at: datetime | None,
) -> float | None:
    """Return the seconds of talk, counted from the first answer to the end."""
    if state is not CallState.ENDED:
        return None
    if outcome is Outcome.FORWARDED:
        return _between(answered_at, moments.ended_at)
    if outcome is not Outcome.ANSWERED:
        return 0.0
    ends = [fact.event for fact in facts if fact.event.stage is CallStage.ENDED]
    stated = [event.talk_s for event in ends if event.talk_s is not None]
    if len({event.call_keys[0] for event in ends}) == 1 and stated:
        return max(stated)
    if moments.answered_at and moments.ended_at:
        return _between(moments.answered_at, moments.ended_at)
    return max((fact.event.talk_s for fact in facts if fact.event.talk_s), default=None)


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds between; of two ids tied, one may end before the other is answered."""
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())
