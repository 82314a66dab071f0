"""Which side is ours: the provider's word, and our lines where it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.domain.calls import CallEvent, CallStage, Direction, Report
from ingest.telephony.calls import fold
from ingest.telephony.sides import Sides, sides

LINE, MOBILE, CLIENT, OTHER = "+74951230009", "+79160000101", "+79001234501", "+79001234502"
OURS = {LINE, MOBILE}


def sides_of(**told: Any) -> Sides:
    event = CallEvent(call_keys=("k",), stage=CallStage.ENDED, **told)
    moment = datetime(2026, 11, 18, tzinfo=UTC)
    return sides(fold([Report(event=event, received_at=moment)]), OURS.__contains__)


def test_an_inbound_call_has_the_caller_as_its_other_side_and_the_line_as_ours():
    found = sides_of(direction=Direction.INBOUND, caller=CLIENT, callee="100", line=LINE)

    assert found == Sides(direction=Direction.INBOUND, remote=CLIENT, own=LINE)


def test_without_a_line_what_was_called_is_ours():
    assert sides_of(direction=Direction.INBOUND, caller=CLIENT, callee=LINE).own == LINE


def test_an_outgoing_call_has_the_callee_as_its_other_side():
    found = sides_of(direction=Direction.OUTBOUND, caller="101", callee=CLIENT, line=LINE)

    assert found == Sides(direction=Direction.OUTBOUND, remote=CLIENT, own=LINE)


@pytest.mark.parametrize(
    ("caller", "callee", "direction", "remote"),
    [
        (CLIENT, LINE, Direction.INBOUND, CLIENT),
        (LINE, CLIENT, Direction.OUTBOUND, CLIENT),
        (MOBILE, LINE, Direction.INTERNAL, None),
        (None, LINE, Direction.INBOUND, None),
        (CLIENT, OTHER, Direction.INBOUND, CLIENT),
        (LINE, None, Direction.OUTBOUND, None),
        (None, None, None, None),
    ],
)
def test_where_no_report_says_the_direction_our_lines_decide(
    caller: str | None, callee: str | None, direction: Direction | None, remote: str | None
):
    found = sides_of(caller=caller, callee=callee)

    assert (found.direction, found.remote) == (direction, remote)


def test_two_own_sides_are_internal_whatever_was_reported():
    inbound = sides_of(direction=Direction.INBOUND, caller=MOBILE, callee=LINE)
    outbound = sides_of(direction=Direction.OUTBOUND, caller=LINE, callee=MOBILE)

    assert inbound.direction is outbound.direction is Direction.INTERNAL
    assert inbound.remote is outbound.remote is None
