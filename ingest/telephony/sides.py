"""The two sides of a call: which number is ours and which is the other's.

The provider's word comes first; where it says nothing, the lines valid at that moment decide,
which the caller hands down as `is_own`. Numbers stay as sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.domain.calls import Call, Direction

IsOwn = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Who spoke with whom, as seen from our company; numbers as sent."""

    direction: Direction | None  #: None: no report names a number and none says it
    remote: str | None  #: the other side; None: not said, withheld, or internal
    own: str | None  #: our line, where it is known


def sides(call: Call, is_own: IsOwn) -> Sides:
    """Return the sides of a call. Two own sides are an internal call, whatever was reported."""
    direction = _direction(call, is_own)
    match direction:
        case Direction.INBOUND:
            return Sides(direction=direction, remote=call.caller, own=call.line or call.callee)
        case Direction.OUTBOUND:
            return Sides(direction=direction, remote=call.callee, own=call.line or call.caller)
        case _:
            return Sides(direction=direction, remote=None, own=call.line or call.callee)


def _direction(call: Call, is_own: IsOwn) -> Direction | None:
    from_us = call.caller is not None and is_own(call.caller)
    to_us = call.callee is not None and is_own(call.callee)
    match call.direction:
        case Direction.INTERNAL:
            return Direction.INTERNAL
        case Direction.INBOUND:
            return Direction.INTERNAL if from_us else Direction.INBOUND
        case Direction.OUTBOUND:
            return Direction.INTERNAL if to_us else Direction.OUTBOUND
    if from_us and to_us:
        return Direction.INTERNAL
    if from_us:
        return Direction.OUTBOUND
    if call.caller is None and call.callee is None and call.line is None:
        return None
    return Direction.INBOUND  # what none of our lines began came to us
