"""Who on our side took part in a call: whose telephones rang, and who talked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ingest.domain.calls import CallStage, Direction, Leg, Outcome
from ingest.telephony.moments import Fact

#: Stages in which the agent named is one whose telephone took part.
_WITH_AGENT = frozenset(
    {
        CallStage.RINGING,
        CallStage.ANSWERED,
        CallStage.HELD,
        CallStage.LEG_ENDED,
        CallStage.ENDED,
    }
)


def agent_of(fact: Fact) -> str | None:
    """Return whose telephone the report is about; None if it is about none."""
    return fact.event.agent if fact.event.stage in _WITH_AGENT else None


def in_order(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return the agents of these facts, each once, in the facts' order."""
    return tuple(dict.fromkeys(agent for fact in facts if (agent := agent_of(fact))))


def talked(
    facts: Sequence[Fact], direction: Direction | None, outcome: Outcome | None
) -> tuple[str, ...]:
    """Return the agents who talked, in the order of their first answers."""
    told = [fact for fact in facts if fact.tells_of_an_answer]
    if not told and direction is Direction.OUTBOUND and outcome is Outcome.ANSWERED:
        return in_order(facts)  # the answer names only the other side
    ended_at = max((end for fact in facts if (end := _stated_end(fact))), default=None)
    # A receipt later than the stated end tells that somebody talked and not when. If nothing else
    # tells it he comes first, because who talked last is what an end report names.
    placed = [fact for fact in told if not _was_held_up(fact, ended_at)]
    order = in_order(sorted(placed, key=_talked_at))
    others = [agent for agent in in_order(told) if agent not in order]
    return (*others, *order)


def _stated_end(fact: Fact) -> datetime | None:
    event = fact.event
    return event.ended_at or event.occurred_at if event.stage is CallStage.ENDED else None


def _stated_talk(fact: Fact) -> datetime | None:
    return fact.event.answered_at or fact.event.occurred_at or fact.event.ended_at


def _talked_at(fact: Fact) -> datetime:
    return _stated_talk(fact) or fact.received_at


def _was_held_up(fact: Fact, ended_at: datetime | None) -> bool:
    late = ended_at is not None and fact.received_at > ended_at
    return late and _stated_talk(fact) is None


def legs_of(facts: Sequence[Fact]) -> tuple[Leg, ...]:
    """Return what each telephone did, in the order in which they first took part."""
    by_agent: dict[str, list[Fact]] = {}
    for fact in facts:
        if agent := agent_of(fact):
            by_agent.setdefault(agent, []).append(fact)
    return tuple(_leg(agent, own) for agent, own in by_agent.items())


def _leg(agent: str, facts: Sequence[Fact]) -> Leg:
    rings = [fact.at for fact in facts if fact.event.stage is CallStage.RINGING]
    answers = [
        fact.event.answered_at or fact.at
        for fact in facts
        if fact.event.stage is CallStage.ANSWERED or fact.event.answered_at
    ]
    ends = [fact.at for fact in facts if fact.event.stage is CallStage.LEG_ENDED]
    return Leg(
        agent=agent,
        rang_at=min(rings, default=None),
        answered_at=min(answers, default=None),
        ended_at=max(ends, default=None),
    )
