"""What it means that a telephone was taken, by whose it is and which way the call goes.

Some systems tell of every telephone alike and cannot say, in a single report, for which of them the
call was made. A client is reached when a number outside takes a call of ours; he is served when one
of our telephones takes his. Reports that name no side are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ingest.domain.calls import CallStage, Direction, Outcome, Side
from ingest.telephony.moments import Fact

_TAKEN = (CallStage.ANSWERED, CallStage.HELD)


def seen_in(facts: Sequence[Fact], direction: Direction | None) -> list[Fact]:
    """Return the facts as they count in a call of that direction, in the same order."""
    facts = _without_rough_answers(facts)
    match direction:
        case Direction.INBOUND:
            return [_sent_on(fact) if fact.event.side is Side.THEIRS else fact for fact in facts]
        case Direction.OUTBOUND:
            reached_at = min(
                (_taken_at(fact) for fact in facts if _is(fact, Side.THEIRS)), default=None
            )
            return [_before_reached(fact, reached_at) for fact in facts]
    return facts


def _without_rough_answers(facts: Sequence[Fact]) -> list[Fact]:
    """Drop when a leg was taken by a record, where a live report states that moment itself.

    Records count from when a queue or a menu took the call, or from when the telephone rang.
    """
    live = {
        fact.event.leg
        for fact in facts
        if fact.event.stage is CallStage.ANSWERED and fact.event.leg and fact.event.occurred_at
    }
    return [
        replace(fact, event=replace(fact.event, answered_at=None))
        if fact.event.stage is CallStage.LEG_ENDED
        and fact.event.side
        and fact.event.answered_at
        and fact.event.leg in live
        else fact
        for fact in facts
    ]


def _is(fact: Fact, side: Side) -> bool:
    """Tell whether the report says that a telephone of that side was taken."""
    return fact.event.side is side and fact.tells_of_an_answer


def _taken_at(fact: Fact) -> datetime:
    return fact.event.answered_at or fact.at


def _sent_on(fact: Fact) -> Fact:
    """Return what a number outside means to a caller: he was sent on to it, if it was taken."""
    event = replace(fact.event, callee=None)
    if fact.tells_of_an_answer:
        event = replace(
            event,
            # What ends the call goes on ending it, whosever telephone it names.
            stage=CallStage.ENDED if event.stage is CallStage.ENDED else CallStage.LEG_ENDED,
            outcome=Outcome.FORWARDED,
            answered_at=_taken_at(fact),
            forwarded_to=fact.event.callee,
        )
    return replace(fact, event=event)


def _before_reached(fact: Fact, reached_at: datetime | None) -> Fact:
    """Return what an employee's telephone means as long as the client is not reached: it rings."""
    if not _is(fact, Side.OURS) or (reached_at is not None and _taken_at(fact) >= reached_at):
        return fact
    stage = CallStage.RINGING if fact.event.stage in _TAKEN else fact.event.stage
    return replace(fact, event=replace(fact.event, stage=stage, answered_at=None, outcome=None))
