"""A touch happens when it starts: who held the line, and who had left, is asked of that moment."""

from __future__ import annotations

from datetime import timedelta

from ingest.domain.calls import Outcome
from tests.matching.test_touches import NOON, known, touch


def test_a_calls_moment_is_its_start_whatever_happened_while_it_lasted() -> None:
    while_it_lasted = NOON + timedelta(seconds=30)

    found = touch(
        known(left={"X": while_it_lasted}),
        outcome=Outcome.ANSWERED,
        answered_at=NOON + timedelta(minutes=1),
        ended_at=NOON + timedelta(hours=1),
        talk_s=3540.0,
    )

    assert found.occurred_at == NOON
    assert found.employee == "X"
