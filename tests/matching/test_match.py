"""Whose is a contact point at that moment: exact, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import (
    Directory,
    Holding,
    Line,
    LineKind,
    PointDecision,
    PointFacts,
    PointVerdict,
)
from ingest.matching.match import Linked, Match, Mistaken, Nobody, Ours, Unlinked, match

NUMBER = ContactPoint(PointKind.PHONE, "+79161110001")


def may(day: int) -> datetime:
    return datetime(2026, 5, day, 12, tzinfo=UTC)


def a_decision(
    verdict: PointVerdict, *, at: datetime | None = None, client: str | None = None
) -> PointDecision:
    return PointDecision(id="d", verdict=verdict, at=at or may(10), client=client)


def whose(
    *holdings: Holding,
    decision: PointDecision | None = None,
    at: datetime | None = None,
    point: ContactPoint = NUMBER,
    lines: tuple[ContactPoint, ...] = (),
) -> Match:
    ours = {str(it): Line(id=str(it), kind=LineKind.SIM, point=it) for it in lines}
    return match(
        point,
        at or may(5),
        Directory(by_point=ours),
        PointFacts(holdings=holdings, decision=decision),
    )


def test_one_holder_is_a_link():
    assert whose(Holding(client="A", contact="p")) == Linked("A", "p", "exact")


def test_nobody_holding_it_is_unknown():
    assert whose() == Unlinked("unknown")


def test_two_holders_are_never_guessed_between():
    assert whose(Holding(client="A"), Holding(client="B")) == Unlinked("ambiguous")


def test_one_client_holding_it_twice_is_one_holder():
    assert whose(Holding(client="A"), Holding(client="A")) == Linked("A", None, "exact")


def test_two_people_of_one_client_link_the_client_and_neither_person():
    found = whose(Holding(client="A", contact="p"), Holding(client="A", contact="q"))

    assert found == Linked("A", None, "exact")


def test_a_holding_counts_from_its_first_moment():
    assert whose(Holding(client="A", from_at=may(5))) == Linked("A", None, "exact")
    assert whose(Holding(client="A", from_at=may(6))) == Unlinked("unknown")


def test_a_holding_does_not_count_at_the_moment_it_ends():
    assert whose(Holding(client="A", until=may(5))) == Unlinked("unknown")


def test_a_number_that_passes_from_one_client_to_another_is_never_both():
    passed_on = (Holding(client="A", until=may(5)), Holding(client="B", from_at=may(5)))

    assert whose(*passed_on, at=may(4)) == Linked("A", None, "exact")
    assert whose(*passed_on, at=may(5)) == Linked("B", None, "exact")


def test_our_own_line_comes_before_any_client_and_any_decision():
    linked = a_decision(PointVerdict.LINK, client="A")

    assert whose(Holding(client="A"), decision=linked, lines=(NUMBER,)) == Ours()


def test_a_colleagues_number_is_our_own_side():
    assert whose(Holding(client="A"), decision=a_decision(PointVerdict.EMPLOYEE)) == Ours()


def test_a_persons_link_outranks_the_exact_holder():
    linked = a_decision(PointVerdict.LINK, client="B")

    assert whose(Holding(client="A"), decision=linked) == Linked("B", None, "person")


def test_a_persons_link_settles_what_was_ambiguous():
    linked = a_decision(PointVerdict.LINK, client="B")

    found = whose(Holding(client="A"), Holding(client="B"), decision=linked)

    assert found == Linked("B", None, "person")


def test_wrong_number_covers_touches_up_to_the_decision_and_none_after_it():
    wrong = a_decision(PointVerdict.WRONG_NUMBER, at=may(10))

    assert whose(decision=wrong, at=may(10)) == Mistaken()
    assert whose(decision=wrong, at=may(11)) == Unlinked("unknown")


def test_never_log_suppresses_what_nobody_holds():
    never = a_decision(PointVerdict.NEVER_LOG)

    assert whose(decision=never) == Unlinked("unknown", suppressed=True)


def test_a_suppressed_point_that_later_belongs_to_a_client_surfaces():
    never = a_decision(PointVerdict.NEVER_LOG, at=may(10))
    later = Holding(client="A", recorded_at=may(11))

    assert whose(later, decision=never) == Linked("A", None, "exact")


def test_a_suppressed_point_that_two_clients_later_hold_surfaces_as_ambiguous():
    never = a_decision(PointVerdict.NEVER_LOG, at=may(10))
    later = (Holding(client="A", recorded_at=may(11)), Holding(client="B", recorded_at=may(11)))

    assert whose(*later, decision=never) == Unlinked("ambiguous")


def test_a_holder_known_before_does_not_outrank_a_persons_never_log():
    never = a_decision(PointVerdict.NEVER_LOG, at=may(10))
    earlier = Holding(client="A", recorded_at=may(9))

    assert whose(earlier, decision=never) == Unlinked("unknown", suppressed=True)


def test_never_log_silences_a_number_that_was_ambiguous():
    never = a_decision(PointVerdict.NEVER_LOG, at=may(10))
    earlier = (Holding(client="A", recorded_at=may(9)), Holding(client="B", recorded_at=may(9)))

    assert whose(*earlier, decision=never) == Unlinked("unknown", suppressed=True)


@pytest.mark.parametrize("kind", [PointKind.SHORT, PointKind.WITHHELD, PointKind.UNREADABLE])
def test_what_no_client_can_hold_is_nobodys(kind: PointKind):
    assert whose(Holding(client="A"), point=ContactPoint(kind, "900")) == Nobody()
