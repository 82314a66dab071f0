"""From the calls of several sources that are tied to the one touch that they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ingest.domain.calls import Call, CallState, Direction, Outcome
from ingest.domain.interactions import Participant, Role, Status, Touch
from ingest.matching.knowledge import Knowledge, opinion

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One source's call, and the touch it would be alone, at the moment of all of them."""

    source: str
    call: Call
    touch: Touch


def merge(told: Sequence[Told], known: Knowledge) -> tuple[str, Touch]:
    """Return the source that leads and the one touch that these calls are.

    Each source says what it knows best: who talked and whose telephones rang comes from the one
    that sees telephones, which line was dialled from the one that saw the call first. What is
    final for one is final for all.
    """
    ranked = sorted(told, key=_rank)
    lead = ranked[0]
    answered = [it for it in ranked if it.touch.outcome is Outcome.ANSWERED]
    ended = [it for it in ranked if it.call.state is CallState.ENDED]
    keys = tuple(key for it in sorted(told, key=lambda one: one.touch.id) for key in it.touch.keys)
    touch = replace(
        lead.touch,
        id=min(it.touch.id for it in told),
        keys=keys,
        learned_at=min(it.touch.learned_at for it in told),
        ended=any(it.touch.ended for it in told),
        ended_at=_first(ended, lambda one: one.ended_at),
        outcome=Outcome.ANSWERED if answered else _first(ranked, lambda one: one.outcome),
        talk_s=_first(answered or ranked, lambda one: one.talk_s),
        dialled=_first(sorted(told, key=_by_start), lambda one: one.dialled or None) or (),
        own_line=_first(ranked, lambda one: one.own_line),
        employee=_speaker(ranked, answered).touch.employee,
        participants=_participants([it.touch for it in ranked]),
        suppressed=any(it.touch.suppressed for it in told),
        status=Status.IN_PROGRESS,
        decided=known.decided(keys) or _first(ranked, lambda one: one.decided),
        details=_details(ranked, ended),
    )
    return lead.source, replace(touch, status=opinion(touch, known.policies.at(touch.occurred_at)))


def _rank(it: Told) -> tuple[Any, ...]:
    """Order sources by how much they see of our side; then who saw the call first."""
    return (not it.call.talked, not it.call.rang, *_by_start(it))


def _by_start(it: Told) -> tuple[Any, ...]:
    return (not it.call.start_known, it.call.started_at, it.touch.id)


def _first(told: Sequence[Told], field: Callable[[Touch], Value | None]) -> Value | None:
    return next((value for it in told if (value := field(it.touch)) is not None), None)


def _speaker(ranked: Sequence[Told], answered: Sequence[Told]) -> Told:
    """Return the source that knows on which line it was talked.

    A call that was sent on reached the telephone whose source saw it last.
    """
    lead = ranked[0]
    if lead.call.talked or lead.touch.direction is not Direction.INBOUND:
        return lead
    on_a_line = [it for it in answered if it.touch.own_line is not None]
    return max(on_a_line, key=_by_start, default=lead)


def _participants(touches: Sequence[Touch]) -> tuple[Participant, ...]:
    """Return everybody whom any source names, each once; one remote side is the principal."""
    found: dict[Any, Participant] = {part.point: part for part in touches[0].participants}
    for touch in touches[1:]:
        for part in touch.participants:
            other_side = part.role is Role.REMOTE
            found.setdefault(
                part.point, replace(part, principal=False, quiet=True) if other_side else part
            )
    return tuple(found.values())


def _details(ranked: Sequence[Told], ended: Sequence[Told]) -> dict[str, Any]:
    """Return what pages show: the leading source's words, then what only others say."""
    details: dict[str, Any] = {}
    for it in ranked:
        details = {**it.touch.details, **details}
    if ended:
        details["state"] = CallState.ENDED.value
    details["witnesses"] = [_witness(it) for it in sorted(ranked, key=lambda one: one.touch.id)]
    return details


def _witness(it: Told) -> dict[str, Any]:
    said = {
        "source": it.source,
        "key": it.touch.id,
        "started_at": it.call.started_at,
        "answered_at": it.call.answered_at,
        "ended_at": it.call.ended_at,
        "talk_s": it.call.talk_s,
        "outcome": it.call.outcome.value if it.call.outcome else None,
        "provider_keys": list(it.call.keys),
    }
    return {name: value for name, value in said.items() if value is not None}
