"""From a folded call to a touch: two sides, a moment, an employee, an opinion.

A touch is a pure function of the call and of what is known about the points on it; its neighbours
in time are looked at afterwards, by `decide`. Of mails the same is told in `touches_of_mails`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ingest.domain.calls import Call, CallState, Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory, Line
from ingest.domain.interactions import (
    Kind,
    Participant,
    Role,
    Side,
    Status,
    Touch,
)
from ingest.matching.knowledge import Knowledge, correspondent, is_suppressed, needed
from ingest.matching.match import (
    Mistaken,
    Ours,
)
from ingest.matching.numbers import to_point
from ingest.telephony.calls import with_direction
from ingest.telephony.sides import Sides, sides

PointOf = Callable[[str], ContactPoint]


def points_of_call(call: Call, *, source: str, region: str, directory: Directory) -> set[str]:
    """Return every point of a call that something may be known about.

    National numbers are read both as the source says and as our line on the call says.
    """
    raw = {text for text in (call.caller, call.callee, call.line, call.forwarded_to) if text}
    points = {str(to_point(text, region, source)) for text in raw}
    regions = {directory.by_point[point].region for point in points & directory.by_point.keys()}
    for other in regions - {region, "ZZ"}:
        points |= {str(to_point(text, other, source)) for text in raw}
    return points


def touch_of_call(
    call: Call, *, keys: Sequence[str], source: str, region: str, known: Knowledge
) -> Touch | None:
    """Return the touch that a call is, seen with what is known now about its moment.

    None: so far no report names a number or a direction, so nobody touched anybody yet.
    """
    directory, at = known.directory, call.started_at

    def point_of(text: str) -> ContactPoint:
        return to_point(text, region, source)

    def is_ours(text: str) -> bool:
        return isinstance(known.match(point_of(text), at), Ours)

    two = sides(call, is_ours)
    own = point_of(two.own) if two.own else None
    line = directory.line_of(own)
    if line is not None and line.region not in ("ZZ", region):
        region = line.region  # from here on: numbers are dialled from where the line is
        two = sides(call, is_ours)
    if two.direction is None:
        return None
    call = with_direction(call, two.direction)
    if two.direction is Direction.INTERNAL:
        parts = _internal_participants(call, point_of)
    else:
        parts = _call_participants(call, two, own, line, point_of, known)
    agents = [directory.line_of(point_of(agent)) for agent in call.talked]
    remote = parts[0].point if parts else None
    mistaken = remote is not None and isinstance(known.match(remote, at), Mistaken)
    outcome = call.outcome
    if outcome is None and call.state is CallState.STALE and call.answered_at is not None:
        outcome = Outcome.ANSWERED
    ended = call.state in (CallState.ENDED, CallState.STALE)
    machine = remote is not None and remote.kind is PointKind.SHORT
    return Touch(
        id=keys[0],
        kind=Kind.CALL,
        keys=tuple(keys),
        occurred_at=at,
        learned_at=call.first_received_at,
        direction=two.direction,
        ended=ended,
        ended_at=call.ended_at,
        outcome=outcome,
        talk_s=call.talk_s,
        dialled=(line.id,) if line is not None and two.direction is Direction.INBOUND else (),
        own_line=line.id if line else None,
        employee=_employee_of_call(directory, agents, line, at),
        participants=parts,
        machine=machine,
        suppressed=remote is not None and is_suppressed(known, remote, at),
        decided=known.decided(keys) or (Status.WRONG_NUMBER if mistaken else None),
        status=needed(
            known.policies.at(at),
            kind=Kind.CALL,
            direction=two.direction,
            machine=machine,
            age=call.first_received_at - at,
            ended=ended,
            outcome=outcome,
            talk_s=call.talk_s,
        ),
        details=_call_details(call),
    )


def _call_participants(
    call: Call,
    two: Sides,
    own: ContactPoint | None,
    line: Line | None,
    point_of: PointOf,
    known: Knowledge,
) -> tuple[Participant, ...]:
    if two.remote and not call.withheld:
        remote = point_of(two.remote)
    else:
        remote = ContactPoint(PointKind.WITHHELD, "")
    if remote.kind is PointKind.WITHHELD:
        remote = ContactPoint(PointKind.WITHHELD, line.id if line else "")
    parts = [correspondent(remote, Role.REMOTE, call.started_at, known, principal=True)]
    # Behind the line named, also the number that dialled: whether it is ours decides the sides.
    near = call.caller if two.direction is Direction.OUTBOUND and call.caller else None
    for point in dict.fromkeys((own, point_of(near) if near else None)):
        if point is not None:
            parts.append(Participant(point=point, role=Role.LINE, side=Side.OWN))
    for agent in dict.fromkeys((*call.rang, *call.talked)):
        parts.append(Participant(point=point_of(agent), role=Role.LEG, side=Side.OWN))
    return tuple(parts)


def _internal_participants(call: Call, point_of: PointOf) -> tuple[Participant, ...]:
    """Return our own people on both ends, and every telephone that took part."""
    ends = [(text, Role.LINE) for text in (call.caller, call.callee, call.line) if text]
    legs = [(agent, Role.LEG) for agent in (*call.rang, *call.talked)]
    points = {point_of(text): role for text, role in reversed([*ends, *legs])}
    return tuple(
        Participant(point=point, role=role, side=Side.OWN)
        for point, role in reversed(points.items())
    )


def _employee_of_call(
    directory: Directory, agents: Sequence[Line | None], line: Line | None, at: datetime
) -> str | None:
    """Return the effective holder of what talked last, else of the line."""
    talked = [agent for agent in agents if agent is not None]
    if talked:
        return directory.holder_at(talked[-1].id, at)
    return directory.holder_at(line.id, at) if line else None


def _call_details(call: Call) -> dict[str, Any]:
    """Return what pages show of a call and nothing else needs."""
    details: dict[str, Any] = {
        "state": call.state.value,
        "answered_at": call.answered_at,
        "duration_s": call.duration_s,
        "rang": list(call.rang),
        "talked": list(call.talked),
        "legs": [
            {
                "agent": leg.agent,
                "rang_at": leg.rang_at,
                "answered_at": leg.answered_at,
                "ended_at": leg.ended_at,
            }
            for leg in call.legs
        ],
        "provider_keys": list(call.keys),
        "recording_url": call.recording_url,
        "recording_id": call.recording_id,
        "forwarded_to": call.forwarded_to,
        "queue": call.queue,
        "transfer": call.transfer,
        "doubted": call.doubted or None,
    }
    return {name: value for name, value in details.items() if value not in (None, [])}
