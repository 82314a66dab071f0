"""What follows from the touches of one subject: flags first, closings and review after them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from ingest.domain.calls import Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Line,
    LineKind,
)
from ingest.domain.interactions import (
    Closing,
    Decided,
    Flag,
    FlagKind,
    Kind,
    Moment,
    ReviewItem,
    Status,
)
from ingest.matching.decide import Timeline, decide

LEFT, UNHELD = FlagKind.MANAGER_LEFT, FlagKind.LINE_UNHELD
POINT = "tel:+79161110001"
_numbers = count(1)


def may(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 5, day, hour, tzinfo=UTC)


# Builders --------------------------------------------------------------------------------------


def an_employee(
    name: str, *, left: datetime | None = None, back: datetime | None = None
) -> Employee:
    career = [(BEGINNING, True), (left, False), (back, True)]
    changes = [EmploymentChange(from_at=at, employed=on) for at, on in career if at is not None]
    return Employee(id=name, name=name, employment=tuple(changes))


def a_line(name: str, *holders: tuple[datetime, str | None], shared: bool = False) -> Line:
    changes = tuple(Change(from_at=at, employee=who) for at, who in holders)
    point = ContactPoint(PointKind.PHONE, f"+7495{name}")
    return Line(id=name, kind=LineKind.SIM, point=point, shared=shared, holders=changes)


def a_moment(
    at: datetime,
    *,
    kind: Kind = Kind.CALL,
    direction: Direction = Direction.INBOUND,
    talk: float | None = None,
    outcome: Outcome | None = None,
    status: Status | None = None,
    line: str | tuple[str, ...] | None = "sim",
    employee: str | None = None,
    id: str | None = None,
    **more: Any,
) -> Moment:
    """A touch; a call without `talk` was missed, a status not given is what it would be."""
    lines = line if isinstance(line, tuple) else (line,) if line else ()
    if kind is Kind.CALL:
        outcome = outcome or (Outcome.NO_ANSWER if talk is None else Outcome.ANSWERED)
    told = {
        "ended": True,
        "machine": False,
        "suppressed": False,
        "principal": True,
        "quiet": False,
        "point": POINT,
        "contact": None,
        **more,
    }
    return Moment(
        id=id or f"t{next(_numbers):03}",
        kind=kind,
        direction=direction,
        occurred_at=at,
        outcome=outcome,
        talk_s=talk,
        dialled=lines if direction is Direction.INBOUND else (),
        employee=employee,
        status=status or _needs(kind, direction, outcome),
        **told,
    )


def _needs(kind: Kind, direction: Direction, outcome: Outcome | None) -> Status:
    if kind is Kind.MAIL:
        return Status.AWAITING_REPLY if direction is Direction.INBOUND else Status.DONE
    if outcome is Outcome.ANSWERED:
        return Status.NEEDS_COMMENT
    return Status.CALLBACK_DUE if direction is Direction.INBOUND else Status.NOT_REACHED


def missed(at: datetime, **more: Any) -> Moment:
    return a_moment(at, **more)


def answered(at: datetime, by: str | None, *, talk: float = 60, **more: Any) -> Moment:
    return a_moment(at, talk=talk, employee=by, **more)


def called(at: datetime, by: str | None, *, talk: float | None = 60, **more: Any) -> Moment:
    return a_moment(at, talk=talk, employee=by, direction=Direction.OUTBOUND, **more)


def wrote(at: datetime, **more: Any) -> Moment:
    """A mail of the client's."""
    return a_moment(at, kind=Kind.MAIL, **more)


def sent(at: datetime, by: str | None, **more: Any) -> Moment:
    """A mail of ours."""
    return a_moment(at, kind=Kind.MAIL, direction=Direction.OUTBOUND, employee=by, **more)


STAFF = (an_employee("X", left=may(5)), an_employee("Y"), an_employee("Z"))
ON_X = a_line("sim", (BEGINNING, "X"))
X_PRIMARY = ((BEGINNING, "X"),)


def story(
    *moments: Moment,
    primary: Sequence[tuple[datetime, str | None]] = (),
    people: Sequence[Employee] = STAFF,
    lines: Sequence[Line] = (ON_X,),
    subject: str = "client:C",
    **verdicts: Any,
) -> Decided:
    timeline = Timeline(
        subject=subject,
        moments=moments,
        primary=tuple(Change(from_at=at, employee=who) for at, who in primary),
        **verdicts,
    )
    directory = Directory(
        employees={person.id: person for person in people}, lines={line.id: line for line in lines}
    )
    return decide(timeline, directory)


def flags(*moments: Moment, **told: Any) -> tuple[Flag, ...]:
    return story(*moments, **told).flags


def only_flag(*moments: Moment, **told: Any) -> Flag:
    [flag] = flags(*moments, **told)
    return flag


# Orphaned --------------------------------------------------------------------------------------


def test_a_client_is_orphaned_from_the_moment_its_primary_leaves():
    before, at_once = missed(may(5) - timedelta(microseconds=1)), missed(may(5))

    flag = only_flag(before, at_once, primary=X_PRIMARY)

    assert (flag.kind, flag.opened_by, flag.departed) == (LEFT, at_once.id, "X")
    assert flag.touches == (at_once.id,)


def test_a_future_departure_raises_nothing_before_its_moment():
    assert flags(missed(may(4)), primary=X_PRIMARY) == ()


def test_a_successor_named_before_the_leaving_prevents_it():
    named_first = ((BEGINNING, "X"), (may(4), "Y"))

    assert flags(missed(may(6)), primary=named_first, lines=()) == ()


def test_a_successor_named_at_the_very_moment_of_leaving_prevents_it():
    named_then = ((BEGINNING, "X"), (may(5), "Y"))

    assert flags(missed(may(5)), missed(may(6)), primary=named_then, lines=()) == ()


def test_a_client_whose_primary_row_named_nobody_when_x_left_is_not_orphaned():
    let_go = ((BEGINNING, "X"), (may(4), None))

    assert flags(missed(may(6)), primary=let_go, lines=()) == ()


def test_a_row_naming_nobody_does_not_end_it():
    nobody = ((BEGINNING, "X"), (may(6), None))

    flag = only_flag(answered(may(7), "Y"), missed(may(8)), primary=nobody)

    assert (flag.closed_at, len(flag.touches)) == (None, 2)


def test_a_row_naming_someone_who_has_left_does_not_end_it():
    gone = (*STAFF, an_employee("G", left=may(2)))
    rows = ((BEGINNING, "X"), (may(6), "G"))

    flag = only_flag(missed(may(7)), answered(may(8), "Y"), primary=rows, people=gone)

    assert (flag.departed, flag.closed_at) == ("X", None)


def test_being_named_does_not_end_it_before_the_successor_has_reached_the_client():
    rows = ((BEGINNING, "X"), (may(6), "Y"))

    flag = only_flag(missed(may(7)), answered(may(8), "Z"), primary=rows)

    assert flag.closed_at is None


def test_it_ends_when_the_named_successor_reaches_the_client():
    rows = ((BEGINNING, "X"), (may(6), "Y"))
    reached = called(may(8), "Y")

    flag = only_flag(missed(may(7)), reached, missed(may(9)), primary=rows, lines=())

    assert (flag.closed_at, flag.closed_why) == (may(8), "handed_over")
    assert flag.last_at == may(7)


def test_it_ends_when_someone_who_has_reached_the_client_since_is_named():
    rows = ((BEGINNING, "X"), (may(9), "Y"))

    flag = only_flag(missed(may(6)), called(may(7), "Y"), primary=rows)

    assert flag.closed_at == may(9)


def test_reaching_the_client_before_x_left_is_not_enough():
    rows = ((BEGINNING, "X"), (may(6), "Y"))

    flag = only_flag(called(may(4), "Y"), missed(may(7)), primary=rows)

    assert flag.closed_at is None


def test_a_successor_who_leaves_before_reaching_the_client_orphans_it_anew():
    people = (STAFF[0], an_employee("Y", left=may(8)), STAFF[2])
    rows = ((BEGINNING, "X"), (may(6), "Y"), (may(12), "Z"))
    reached_between = called(may(7), "Z")

    flag = only_flag(reached_between, missed(may(7)), missed(may(9)), primary=rows, people=people)

    assert (flag.departed, flag.closed_at) == ("Y", None)


def test_naming_again_someone_long_gone_does_not_forget_who_has_reached_the_client():
    people = (an_employee("X", left=may(5)), an_employee("Y"), an_employee("G", left=may(2)))
    rows = ((BEGINNING, "G"), (may(3), "X"), (may(8), "G"), (may(9), "Y"))

    *_, flag = flags(missed(may(6)), called(may(7), "Y"), primary=rows, people=people)

    assert (flag.departed, flag.closed_at) == ("X", may(9))


def test_a_client_named_to_someone_already_gone_is_orphaned_from_that_row_on():
    named_late = ((may(7), "X"),)

    flag = only_flag(missed(may(6)), missed(may(8)), primary=named_late, lines=())

    assert (flag.departed, flag.opened_at) == ("X", may(8))


def test_someone_who_came_back_and_left_again_must_be_followed_by_someone_who_reached_since():
    twice = Employee(
        id="X",
        name="X",
        employment=tuple(
            EmploymentChange(from_at=at, employed=on)
            for at, on in ((BEGINNING, True), (may(5), False), (may(8), True), (may(10), False))
        ),
    )
    rows = ((BEGINNING, "X"), (may(12), "Y"))

    flag = only_flag(
        missed(may(6)), called(may(7), "Y"), primary=rows, people=(twice, *STAFF[1:]), lines=()
    )

    assert flag.closed_at is None


def test_someone_who_left_and_came_back_ends_it_by_reaching_the_client_again():
    people = (an_employee("X", left=may(5), back=may(8)),)

    flag = only_flag(
        missed(may(6)), called(may(7), None), called(may(9), "X"), primary=X_PRIMARY, people=people
    )

    assert flag.closed_at == may(9)


def test_two_primaries_in_one_day_count_each_from_its_own_moment():
    rows = ((BEGINNING, "Y"), (may(5, 9), "X"), (may(5, 15), "Y"))

    flag = only_flag(missed(may(5, 10)), missed(may(5, 13)), missed(may(5, 16)), primary=rows)

    assert (flag.opened_at, flag.last_at, flag.departed) == (may(5, 13), may(5, 16), "X")


# Reached ---------------------------------------------------------------------------------------

NAMED_Y = ((BEGINNING, "X"), (may(5, 13), "Y"))


@pytest.mark.parametrize(
    ("touch", "reaches"),
    [
        (answered(may(7), "Y", talk=10), True),
        (called(may(7), "Y", talk=10), True),
        (answered(may(7), "Y", talk=9.9), False),
        (called(may(7), "Y", talk=None), False),
        (sent(may(7), "Y"), True),
        (wrote(may(7), employee="Y"), False),
        (answered(may(7), None), False),
        (sent(may(7), None), False),
        (sent(may(7), "Y", machine=True, status=Status.AUTO), False),
        (a_moment(may(7), outcome=Outcome.VOICEMAIL, employee="Y"), False),
        (a_moment(may(7), outcome=Outcome.FORWARDED, employee="Y"), False),
        (called(may(7), "Y", status=Status.HISTORY), True),
    ],
    ids=[
        "answered, ten seconds",
        "called, ten seconds",
        "under ten seconds",
        "nobody took our call",
        "a mail sent",
        "a mail received",
        "a leaver still using the SIM",
        "a mail of a leaver",
        "an automatic mail",
        "voicemail",
        "taken at an outside number",
        "history counts",
    ],
)
def test_what_reaches_a_client(touch: Moment, reaches: bool):
    flag = only_flag(missed(may(6)), touch, primary=NAMED_Y)

    assert (flag.closed_at == may(7)) is reaches


# Raised ----------------------------------------------------------------------------------------


def test_a_flag_is_raised_while_the_telephone_still_rings():
    rings = missed(may(6), ended=False, outcome=None, status=Status.IN_PROGRESS)

    assert only_flag(rings, primary=X_PRIMARY).opened_by == rings.id


def test_an_orphaned_clients_call_is_flagged_on_any_line_also_on_a_shared_one():
    shared = a_line("sim", shared=True)

    assert only_flag(missed(may(6)), primary=X_PRIMARY, lines=(shared,)).kind is LEFT


def test_an_answered_call_of_an_orphaned_client_is_flagged_too():
    assert only_flag(answered(may(6), "Y"), primary=X_PRIMARY).closed_at is None


def test_a_client_never_with_a_primary_is_flagged_where_the_holder_of_the_line_has_left():
    flag = only_flag(missed(may(6)))

    assert (flag.kind, flag.departed, flag.line) == (LEFT, "X", "sim")


def test_an_unmatched_number_is_flagged_where_the_holder_of_the_line_has_left():
    flag = only_flag(missed(may(6)), subject=POINT)

    assert (flag.kind, flag.key, flag.number) == (LEFT, f"manager_left|{POINT}", 1)


def test_a_client_with_a_primary_on_that_line_is_flagged_for_the_line_alone():
    flag = only_flag(missed(may(6)), primary=((BEGINNING, "Y"),))

    assert (flag.kind, flag.departed) == (UNHELD, None)


def test_a_client_that_once_had_a_primary_is_flagged_for_the_line_alone():
    rows = ((BEGINNING, "Y"), (may(2), None))

    assert only_flag(missed(may(6)), primary=rows).kind is UNHELD


def test_a_line_that_nobody_was_ever_named_for_is_unheld():
    assert only_flag(missed(may(6)), lines=(a_line("sim"),)).kind is UNHELD


def test_a_line_given_to_nobody_is_unheld_and_no_longer_the_leavers():
    given_back = a_line("sim", (BEGINNING, "X"), (may(5), None))

    assert only_flag(missed(may(6)), lines=(given_back,)).kind is UNHELD


def test_a_line_that_a_successor_holds_raises_nothing():
    passed_on = a_line("sim", (BEGINNING, "X"), (may(5), "Y"))

    assert flags(missed(may(6)), lines=(passed_on,)) == ()


def test_a_shared_line_is_never_unheld():
    assert flags(missed(may(6)), lines=(a_line("sim", shared=True),)) == ()


def test_a_call_that_names_none_of_our_lines_is_not_on_an_unheld_one():
    assert flags(missed(may(6), line=None)) == ()


def test_a_mail_to_several_of_our_lines_is_unheld_only_if_nobody_holds_any():
    held, shared = a_line("held", (BEGINNING, "Y")), a_line("desk", shared=True)
    nobodys = a_line("free")

    assert flags(wrote(may(6), line=("sim", "held")), lines=(ON_X, held)) == ()
    assert flags(wrote(may(6), line=("sim", "desk")), lines=(ON_X, shared)) == ()
    assert only_flag(wrote(may(6), line=("free", "sim")), lines=(nobodys, ON_X)).departed == "X"


@pytest.mark.parametrize(
    "status",
    [Status.HISTORY, Status.AUTO, Status.INTERNAL, Status.SPAM, Status.WRONG_NUMBER],
)
def test_a_touch_of_these_statuses_raises_nothing(status: Status):
    assert flags(missed(may(6), status=status), primary=X_PRIMARY) == ()


@pytest.mark.parametrize("fact", ["machine", "suppressed", "quiet"])
def test_neither_a_machine_nor_what_is_never_logged_nor_a_stranger_beside_a_client_raises_one(
    fact: str,
):
    assert flags(missed(may(6), **{fact: True}), primary=X_PRIMARY) == ()


@pytest.mark.parametrize("touch", [called(may(6), None), sent(may(6), None)])
def test_what_we_began_raises_nothing(touch: Moment):
    assert flags(touch, primary=X_PRIMARY) == ()


# Key, number, closing --------------------------------------------------------------------------


def test_a_client_has_one_open_flag_of_a_kind_and_later_touches_join_it():
    touches = [missed(may(6)), wrote(may(7)), missed(may(8), line="other")]

    flag = only_flag(*touches, primary=X_PRIMARY)

    assert flag.touches == tuple(touch.id for touch in touches)
    assert (flag.opened_at, flag.last_at, flag.line) == (may(6), may(8), "other")


def test_two_kinds_are_two_flags_each_with_its_own_number():
    rows = ((BEGINNING, "Y"), (may(7), "X"))

    unheld, left = flags(missed(may(6)), missed(may(8)), primary=rows)

    assert (unheld.kind, left.kind) == (UNHELD, LEFT)
    assert (unheld.number, left.number) == (1, 1)


def test_after_a_closing_the_next_touch_opens_the_next_number():
    first, second = flags(
        missed(may(6)), missed(may(8)), primary=X_PRIMARY, dismissed=[(LEFT, may(7))]
    )

    assert (first.number, first.closed_at, first.closed_why) == (1, may(7), "dismissed")
    assert (second.number, second.opened_at, second.closed_at) == (2, may(8), None)
    assert first.key == second.key
    assert first.id != second.id


def test_a_dismissal_covers_touches_up_to_its_moment_also_those_learned_later():
    at_once = missed(may(7))

    flag = only_flag(missed(may(6)), at_once, primary=X_PRIMARY, dismissed=[(LEFT, may(7))])

    assert flag.touches[-1] == at_once.id
    assert flag.closed_at == may(7)


def test_dismissing_one_kind_leaves_the_other_open():
    flag = only_flag(missed(may(6)), primary=X_PRIMARY, dismissed=[(UNHELD, may(7))])

    assert flag.closed_at is None


def test_the_first_of_several_causes_closes_it():
    flag = only_flag(
        missed(may(6)), called(may(8), "Y"), primary=NAMED_Y, dismissed=[(LEFT, may(7))]
    )

    assert (flag.closed_at, flag.closed_why) == (may(7), "dismissed")


def test_a_naming_still_to_come_closes_it_at_that_future_moment():
    rows = ((BEGINNING, "X"), (may(30), "Y"))

    assert only_flag(missed(may(6)), called(may(7), "Y"), primary=rows).closed_at == may(30)


def test_without_a_primary_any_employee_who_reaches_the_subject_closes_it():
    flag = only_flag(missed(may(6)), called(may(7), "Z"), subject=POINT)

    assert (flag.closed_at, flag.closed_why) == (may(7), "reached")


def test_an_answered_call_on_an_unheld_line_raises_and_closes_at_one_moment():
    flag = only_flag(answered(may(6), "Z"), subject=POINT)

    assert flag.opened_at == flag.closed_at == may(6)


def test_an_orphaned_clients_flag_is_not_closed_by_just_anyone():
    assert only_flag(missed(may(6)), called(may(7), "Z"), primary=X_PRIMARY).closed_at is None


def test_a_touch_that_no_longer_qualifies_leaves_no_flag():
    back = (an_employee("X"), *STAFF[1:])

    assert flags(missed(may(6)), primary=X_PRIMARY, people=back) == ()


def test_a_points_dismissal_covers_that_points_touches_in_its_clients_timeline():
    covered = missed(may(6))
    other = missed(may(7), point="tel:+79160000000")

    flag = only_flag(
        covered, other, primary=X_PRIMARY, covered=[(FlagKind.MANAGER_LEFT, POINT, may(8))]
    )

    assert flag.touches == (other.id,)


def test_a_points_dismissal_does_not_cover_touches_after_its_moment():
    later = missed(may(9))

    flag = only_flag(
        missed(may(6)), later, primary=X_PRIMARY, covered=[(FlagKind.MANAGER_LEFT, POINT, may(8))]
    )

    assert flag.touches == (later.id,)


# Acknowledged ----------------------------------------------------------------------------------


def test_acknowledging_does_not_close():
    flag = only_flag(missed(may(6)), primary=X_PRIMARY, acknowledged=[(LEFT, may(7))])

    assert (flag.acknowledged_at, flag.closed_at) == (may(7), None)


def test_the_next_touch_joins_and_takes_the_acknowledgement_away():
    flag = only_flag(
        missed(may(6)), missed(may(8)), primary=X_PRIMARY, acknowledged=[(LEFT, may(7))]
    )

    assert (len(flag.touches), flag.acknowledged_at) == (2, None)


def test_an_acknowledgement_is_of_the_flag_that_was_open_then():
    first, second = flags(
        missed(may(6)),
        missed(may(8)),
        primary=X_PRIMARY,
        dismissed=[(LEFT, may(7))],
        acknowledged=[(LEFT, may(9))],
    )

    assert (first.acknowledged_at, second.acknowledged_at) == (None, may(9))


def test_a_points_acknowledgement_covers_that_points_touches_in_its_clients_timeline():
    seen, other = missed(may(6)), missed(may(6), point="tel:+79160000000")
    of_point = [(FlagKind.MANAGER_LEFT, POINT, may(7))]

    assert only_flag(seen, primary=X_PRIMARY, seen=of_point).acknowledged_at == may(7)
    assert only_flag(seen, other, primary=X_PRIMARY, seen=of_point).acknowledged_at is None


# Closing of statuses ---------------------------------------------------------------------------


def closings(*moments: Moment, **told: Any) -> dict[str, str]:
    return {it.touch: it.closed_by for it in story(*moments, **told).closings}


@pytest.mark.parametrize("closer", [answered(may(7), "Y", talk=3), called(may(7), "Y", talk=3)])
@pytest.mark.parametrize("earlier", [missed(may(6)), called(may(6), "Y", talk=None)])
def test_an_answered_call_either_way_closes_callback_due_and_not_reached(
    closer: Moment, earlier: Moment
):
    assert story(earlier, closer).closings == (
        Closing(touch=earlier.id, closed_at=may(7), closed_by=closer.id),
    )


def test_an_answered_call_closes_a_mail_that_awaits_its_reply():
    mail, call = wrote(may(6)), answered(may(7), "Y")

    assert closings(mail, call) == {mail.id: call.id}


def test_an_outgoing_mail_in_the_thread_closes_what_awaits_a_reply():
    mail = wrote(may(6), message_id="m1")
    reply = sent(may(7), "Y", message_id="m2", answers=("m1",))

    assert closings(mail, reply) == {mail.id: reply.id}


def test_a_reply_to_an_earlier_mail_of_the_thread_is_in_the_thread():
    mail = wrote(may(6), message_id="m2", answers=("m1",))
    reply = sent(may(7), "Y", answers=("m1",))

    assert closings(mail, reply) == {mail.id: reply.id}


def test_an_outgoing_mail_outside_the_thread_closes_nothing():
    mail = wrote(may(6), message_id="m1")

    assert closings(mail, sent(may(7), "Y"), sent(may(7), "Y", answers=("m9",))) == {}


def test_an_outgoing_mail_closes_no_call():
    assert closings(missed(may(6), message_id=None), sent(may(7), "Y")) == {}


def test_the_first_of_several_later_touches_closes():
    first, second = answered(may(7), "Y"), answered(may(8), "Y")
    call = missed(may(6))

    assert closings(call, second, first) == {call.id: first.id}


def test_one_answered_call_closes_everything_before_it_and_nothing_after():
    earlier = [missed(may(5)), missed(may(6))]
    closer = answered(may(7), "Y")

    assert closings(*earlier, closer, missed(may(8))) == {it.id: closer.id for it in earlier}


def test_a_call_does_not_close_itself_nor_what_came_with_it_in_one_moment_twice():
    one, two = answered(may(6), "Y", id="a"), missed(may(6), id="b")

    assert closings(one, two) == {}
    assert closings(replaced(one, "c"), two) == {"b": "c"}


def replaced(moment: Moment, id: str) -> Moment:
    return answered(moment.occurred_at, moment.employee, id=id)


def test_touches_of_two_different_known_contacts_do_not_close_each_other():
    call = missed(may(6), contact="p")

    assert closings(call, answered(may(7), "Y", contact="q")) == {}


@pytest.mark.parametrize(("one", "other"), [("p", "p"), ("p", None), (None, "q"), (None, None)])
def test_an_unknown_contact_stands_in_nobodys_way(one: str | None, other: str | None):
    call, closer = missed(may(6), contact=one), answered(may(7), "Y", contact=other)

    assert closings(call, closer) == {call.id: closer.id}


def test_a_history_touch_closes_too():
    call, old = missed(may(6)), called(may(7), "Y", status=Status.HISTORY)

    assert closings(call, old) == {call.id: old.id}


def test_a_touch_whose_employee_is_nobody_closes_nothing():
    mail = wrote(may(6), message_id="m1")

    assert closings(missed(may(6)), mail, answered(may(7), None)) == {}
    assert closings(mail, sent(may(7), None, answers=("m1",))) == {}


def test_an_automatic_answer_of_ours_closes_nothing():
    mail = wrote(may(6), message_id="m1")
    auto = sent(may(7), "Y", answers=("m1",), machine=True, status=Status.AUTO)

    assert closings(mail, auto) == {}


def test_a_call_still_going_on_closes_nothing_yet():
    talking = a_moment(
        may(7), outcome=Outcome.ANSWERED, employee="Y", ended=False, status=Status.IN_PROGRESS
    )
    ringing = missed(may(7), ended=False, status=Status.IN_PROGRESS)

    assert closings(missed(may(6)), ringing) == {}
    assert closings(ringing, talking) == {}


@pytest.mark.parametrize(
    "status",
    [Status.NEEDS_COMMENT, Status.SHORT_CALL, Status.HISTORY, Status.WRONG_NUMBER, Status.DONE],
)
def test_other_statuses_are_not_closed_by_later_touches(status: Status):
    assert closings(missed(may(6), status=status), answered(may(7), "Y")) == {}


def test_a_mail_is_closed_in_the_timeline_of_its_sender_alone():
    in_copy = wrote(may(6), principal=False)

    assert closings(in_copy, answered(may(7), "Y")) == {}


# Review ----------------------------------------------------------------------------------------


def waits(*moments: Moment, subject: str = POINT) -> ReviewItem | None:
    return story(*moments, subject=subject, lines=()).review


def test_a_point_without_a_client_waits_for_review_with_what_happened_there():
    item = waits(
        missed(may(6), cause="unknown"),
        answered(may(7), "Y", cause="unknown"),
        called(may(7), "Y", talk=None, cause="unknown"),
        wrote(may(8), cause="unknown"),
    )

    assert item == ReviewItem(
        point=POINT, cause="unknown", first_at=may(6), last_at=may(8), calls=3, mails=1, missed=1
    )


def test_the_latest_touch_says_why_a_point_waits():
    item = waits(missed(may(6), cause="unknown"), missed(may(7), cause="ambiguous"))

    assert item is not None
    assert item.cause == "ambiguous"


def test_a_client_never_waits_for_review():
    assert waits(missed(may(6), cause="unknown"), subject="client:C") is None


def test_history_waits_for_review_too():
    assert waits(missed(may(6), cause="unknown", status=Status.HISTORY)) is not None


@pytest.mark.parametrize(
    "told",
    [
        {"cause": None},
        {"machine": True},
        {"suppressed": True},
        {"status": Status.WRONG_NUMBER},
        {"status": Status.SPAM},
        {"status": Status.AUTO},
        {"status": Status.INTERNAL},
    ],
    ids=str,
)
def test_what_needs_no_review_does_not_wait(told: dict[str, Any]):
    assert waits(missed(may(6), **{"cause": "unknown", **told})) is None


# Order -----------------------------------------------------------------------------------------


def test_the_order_in_which_touches_are_handed_in_does_not_matter():
    moments = [missed(may(6)), called(may(7), "Y"), missed(may(8)), wrote(may(6)), missed(may(6))]

    told = story(*moments, primary=NAMED_Y)

    assert story(*reversed(moments), primary=NAMED_Y) == told
