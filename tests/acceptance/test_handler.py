"""Who answers for a flag, step by step down the ladder; and what is not counted as missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Line,
    LineKind,
    who_answers_for,
)
from ingest.domain.interactions import Kind, Moment, Status
from ingest.matching.decide import Timeline, decide

LEFT_AT, NOW = datetime(2026, 5, 5, tzinfo=UTC), datetime(2026, 5, 6, tzinfo=UTC)
EVERYONE = frozenset({"primary", "holder", "supervisor", "duty"})


def office(here: frozenset[str]) -> Directory:
    """Everybody whose name is given is employed; the others and the leaver are not."""

    def person(name: str, supervisor: str | None = None) -> Employee:
        career = [EmploymentChange(from_at=BEGINNING, employed=True)]
        if name not in here:
            career.append(EmploymentChange(from_at=LEFT_AT, employed=False))
        return Employee(id=name, name=name, employment=tuple(career), supervisor=supervisor)

    people = [person(name) for name in sorted(EVERYONE)] + [person("leaver", "supervisor")]
    line = Line(
        id="sim",
        kind=LineKind.SIM,
        point=ContactPoint(PointKind.PHONE, "+74951110001"),
        holders=(Change(from_at=BEGINNING, employee="holder"),),
    )
    return Directory(employees={it.id: it for it in people}, lines={"sim": line})


@pytest.mark.parametrize(
    ("gone", "answers"),
    [
        ((), "primary"),
        (("primary",), "holder"),
        (("primary", "holder"), "supervisor"),
        (("primary", "holder", "supervisor"), "duty"),
        (("primary", "holder", "supervisor", "duty"), None),
    ],
)
def test_who_answers_for_a_flag_is_the_first_on_the_ladder_who_is_here(
    gone: tuple[str, ...], answers: str | None
) -> None:
    found = who_answers_for(
        office(EVERYONE - set(gone)),
        primary=(Change(from_at=BEGINNING, employee="primary"),),
        line="sim",
        departed="leaver",
        duty="duty",
        at=NOW,
    )

    assert found == answers


@pytest.mark.parametrize("outcome", [None, "no_answer"])
def test_a_call_whose_end_is_unknown_is_not_counted_as_missed(outcome: str | None) -> None:
    from ingest.domain.calls import Outcome

    call = Moment(
        id="t",
        kind=Kind.CALL,
        direction=Direction.INBOUND,
        occurred_at=NOW,
        ended=True,
        outcome=Outcome(outcome) if outcome else None,
        talk_s=None,
        dialled=(),
        employee=None,
        status=Status.CALLBACK_DUE,
        machine=False,
        suppressed=False,
        principal=True,
        quiet=False,
        point="tel:+79161110001",
        contact=None,
        cause="unknown",
    )

    item = decide(Timeline(subject="tel:+79161110001", moments=[call]), Directory()).review

    assert item is not None
    assert (item.calls, item.missed) == (1, 1 if outcome else 0)
