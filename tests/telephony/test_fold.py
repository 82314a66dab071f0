"""What a set of reports says of a call: single rules, and the laws that hold for every set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.calls import (
    Call,
    CallEvent,
    CallStage,
    CallState,
    Direction,
    Outcome,
    Report,
    Side,
)
from ingest.telephony.calls import fold, tie, with_direction
from tests.properties import examples
from tests.telephony.recorded import scenarios

NINE = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def a_report(stage: CallStage, received: float = 0, *keys: str, **told: Any) -> Report:
    event = CallEvent(call_keys=keys or ("k",), stage=stage, **told)
    return Report(event=event, received_at=at(received))


def rings(received: float = 0, *keys: str, **told: Any) -> Report:
    return a_report(CallStage.RINGING, received, *keys, **told)


def answers(received: float, *keys: str, **told: Any) -> Report:
    return a_report(CallStage.ANSWERED, received, *keys, **told)


def ends(received: float, *keys: str, **told: Any) -> Report:
    return a_report(CallStage.ENDED, received, *keys, **told)


def leg_ends(received: float, *keys: str, **told: Any) -> Report:
    return a_report(CallStage.LEG_ENDED, received, *keys, **told)


def test_a_time_that_the_provider_states_outranks_an_earlier_receipt():
    call = fold([answers(5), answers(9, occurred_at=at(7))])

    assert call.answered_at == at(7)


def test_among_times_of_receipt_the_earliest_wins():
    event = CallEvent(call_keys=("k",), stage=CallStage.ANSWERED)

    call = fold([Report(event=event, received_at=at(second)) for second in (9, 4, 30)])

    assert call.answered_at == at(4)


def test_a_stated_time_far_beyond_its_receipt_is_doubted_and_not_used():
    call = fold([answers(5, occurred_at=at(5 + 301))])

    assert call.doubted
    assert call.answered_at == at(5)


def test_a_stated_time_five_minutes_ahead_is_still_believed():
    call = fold([answers(5, occurred_at=at(5 + 300))])

    assert not call.doubted
    assert call.answered_at == at(305)


def test_a_repetition_that_comes_later_makes_no_doubted_time_believable():
    event = CallEvent(call_keys=("k",), stage=CallStage.ANSWERED, occurred_at=at(1000))

    call = fold([Report(event=event, received_at=at(second)) for second in (0, 2000)])

    assert call.doubted
    assert call.answered_at == at(0)


def test_of_several_stated_ends_the_last_is_the_end_and_of_starts_the_first():
    call = fold(
        [
            ends(90, started_at=at(3), ended_at=at(60)),
            ends(91, started_at=at(0), ended_at=at(70)),
        ]
    )

    assert (call.started_at, call.ended_at) == (at(0), at(70))


def test_a_stated_length_of_talk_tells_the_answer_better_than_a_receipt():
    leg = leg_ends(61, agent="101", occurred_at=at(60), talk_s=50, outcome=Outcome.ANSWERED)

    assert fold([answers(14, agent="101"), leg]).answered_at == at(10)
    assert fold([answers(14, occurred_at=at(11)), leg]).answered_at == at(11)


def test_the_same_moment_in_another_zone_gives_the_same_call():
    moscow = at(0).astimezone(datetime.fromisoformat("2026-01-01T00:00:00+03:00").tzinfo)

    assert fold([rings(0, occurred_at=moscow)]) == fold([rings(0, occurred_at=at(0))])


def test_an_end_and_an_answer_without_a_start_make_a_call():
    call = fold([ends(60), answers(70)])

    assert call.state is CallState.ENDED
    assert call.outcome is Outcome.ANSWERED
    assert not call.start_known
    assert call.duration_s is None
    assert call.talk_s == 0  # a receipt is an upper bound, so nothing is negative


def test_the_end_of_a_leg_is_not_the_end_of_the_call():
    call = fold([rings(0, agent="101"), leg_ends(20, agent="101", outcome=Outcome.NO_ANSWER)])

    assert call.state is CallState.RINGING
    assert call.outcome is None
    assert not call.missed


def test_the_losers_of_a_ring_group_make_no_missed_call():
    call = fold(
        [
            rings(0, direction=Direction.INBOUND, agent="101", leg="a"),
            rings(0, direction=Direction.INBOUND, agent="102", leg="b"),
            answers(5, agent="102", leg="b"),
            leg_ends(5, agent="101", leg="a", outcome=Outcome.NO_ANSWER),
            ends(65, direction=Direction.INBOUND),
        ]
    )

    assert call.outcome is Outcome.ANSWERED
    assert call.rang == ("101", "102")
    assert call.talked == ("102",)
    assert not call.missed


def test_legs_that_are_all_busy_make_a_busy_call_and_mixed_ones_an_unanswered_one():
    busy = leg_ends(3, agent="101", outcome=Outcome.BUSY)
    silent = leg_ends(3, agent="102", outcome=Outcome.NO_ANSWER)

    assert fold([busy, ends(4)]).outcome is Outcome.BUSY
    assert fold([busy, silent, ends(4)]).outcome is Outcome.NO_ANSWER


def test_a_voicemail_that_picks_up_is_not_an_answer():
    call = fold(
        [
            answers(20, direction=Direction.INBOUND, outcome=Outcome.VOICEMAIL),
            ends(40, direction=Direction.INBOUND),
        ]
    )

    assert call.outcome is Outcome.VOICEMAIL
    assert call.answered_at is None
    assert call.talk_s == 0
    assert call.missed


def test_a_person_who_takes_over_from_the_voicemail_answered_it():
    call = fold([rings(0, outcome=Outcome.VOICEMAIL), answers(9, agent="101"), ends(30)])

    assert call.outcome is Outcome.ANSWERED


def test_a_caller_who_gives_up_was_not_answered():
    assert fold([ends(9, direction=Direction.INBOUND, outcome=Outcome.CANCELLED)]).missed


def test_giving_up_ourselves_stays_cancelled():
    call = fold([ends(9, direction=Direction.OUTBOUND, outcome=Outcome.CANCELLED)])

    assert call.outcome is Outcome.CANCELLED
    assert not call.missed


def test_a_direction_that_our_lines_decide_turns_giving_up_into_not_answered():
    call = fold([ends(9, outcome=Outcome.CANCELLED)])

    assert call.direction is None
    assert with_direction(call, Direction.INBOUND).outcome is Outcome.NO_ANSWER


def test_the_closing_by_the_clock_says_that_the_end_is_unknown():
    call = fold([rings(0, direction=Direction.INBOUND), a_report(CallStage.STALE, 9000)])

    assert call.state is CallState.STALE
    assert call.ended_at is None
    assert call.outcome is None
    assert not call.missed


def test_a_call_closed_by_the_clock_after_an_answer_was_answered():
    call = fold([answers(5), a_report(CallStage.STALE, 9000)])

    assert call.outcome is Outcome.ANSWERED
    assert call.talk_s is None


def test_any_real_end_outranks_the_closing_by_the_clock():
    call = fold([answers(5), a_report(CallStage.STALE, 9000), ends(9900, ended_at=at(60))])

    assert call.state is CallState.ENDED
    assert call.ended_at == at(60)
    assert call.talk_s == 55


def test_a_transfer_joins_two_ids_and_collects_who_talked():
    call = fold(
        [
            answers(5, "a", agent="101"),
            a_report(CallStage.TIED, 45, "a", "b", transfer="blind"),
            ends(45, "a", outcome=Outcome.ANSWERED, agent="101"),
            answers(50, "b", agent="105"),
            ends(120, "b", agent="105"),
        ]
    )

    assert call.keys == ("a", "b")
    assert call.talked == ("101", "105")
    assert call.transfer == "blind"
    assert call.ended_at == at(120)


def test_a_consultation_between_colleagues_does_not_make_the_call_internal():
    call = fold(
        [
            rings(0, direction=Direction.INTERNAL, caller="101", callee="105", agent="105"),
            answers(20, direction=Direction.INBOUND, caller="+79001234501"),
        ]
    )

    assert call.direction is Direction.INBOUND
    assert call.caller == "+79001234501"


def test_the_final_report_outranks_a_leg_about_direction_and_numbers():
    call = fold(
        [
            rings(0, direction=Direction.INBOUND, caller="client", callee="line"),
            ends(30, direction=Direction.OUTBOUND, callee="client", line="line"),
        ]
    )

    assert call.direction is Direction.OUTBOUND
    assert call.callee == "client"


def test_numbers_of_a_leg_that_contradicts_the_direction_come_last():
    call = fold(
        [
            rings(0, direction=Direction.INBOUND, callee="line"),
            answers(5, direction=Direction.OUTBOUND, callee="client"),
            ends(30, direction=Direction.OUTBOUND),
        ]
    )

    assert call.callee == "client"


def test_the_colleague_who_began_an_internal_call_is_one_of_ours():
    told = {"direction": Direction.INTERNAL, "caller": "101", "callee": "102"}
    call = fold([rings(0, **told), ends(30, agent="101", outcome=Outcome.CANCELLED, **told)])

    assert call.rang == ("101",)
    assert call.outcome is Outcome.CANCELLED


def test_a_call_sent_on_to_an_outside_number_was_taken_there():
    told = {"outcome": Outcome.FORWARDED, "forwarded_to": "+12025550177"}
    end = ends(40, direction=Direction.INBOUND, answered_at=at(8), ended_at=at(40), **told)

    call = fold([rings(0, direction=Direction.INBOUND), end])

    assert (call.outcome, call.answered_at, call.talk_s) == (Outcome.FORWARDED, at(8), 32)
    assert call.talked == ()
    assert not call.missed


def test_who_talked_is_ordered_by_the_answers_not_by_the_reports():
    call = fold([answers(50, agent="105"), ends(90, agent="101", answered_at=at(7))])

    assert call.talked == ("101", "105")


def test_an_answer_heard_of_long_after_the_end_tells_that_somebody_talked_and_not_when():
    call = fold([rings(0), answers(4_000, agent="101"), ends(90, ended_at=at(90))])

    assert call.outcome is Outcome.ANSWERED
    assert (call.answered_at, call.talk_s) == (None, None)


def test_an_answer_heard_of_as_the_call_ends_was_taken_by_then():
    call = fold([rings(0), answers(91, agent="101"), ends(91, ended_at=at(90))])

    assert (call.answered_at, call.talk_s) == (at(90), 0.0)


@pytest.mark.parametrize("held_up", ["101", "102"])
def test_who_talked_last_is_told_by_the_end_where_an_answer_was_held_up(held_up: str):
    receipts = {"101": 10, "102": 50, held_up: 4_000}
    end = ends(95, agent="102", outcome=Outcome.ANSWERED, ended_at=at(90))

    call = fold([*(answers(second, agent=agent) for agent, second in receipts.items()), end])

    assert call.talked == ("101", "102")


def test_of_two_ids_tied_that_one_talked_last_which_ended_last():
    first = ends(900, "k", agent="101", outcome=Outcome.ANSWERED, ended_at=at(40))
    second = ends(200, "l", agent="102", outcome=Outcome.ANSWERED, ended_at=at(90))

    call = fold([first, second, a_report(CallStage.TIED, 45, "k", "l")])

    assert call.talked == ("101", "102")


def test_the_first_answer_of_a_call_passed_on_may_be_told_by_the_length_of_its_talk():
    first = {"leg": "a", "agent": "101", "outcome": Outcome.ANSWERED, "talk_s": 30.0}
    second = answers(60, leg="b", agent="102", occurred_at=at(60))

    call = fold([leg_ends(50, occurred_at=at(50), **first), second, ends(90, ended_at=at(90))])

    assert (call.answered_at, call.talk_s) == (at(20), 70.0)


def test_the_ringing_of_a_leg_is_no_start_where_the_call_has_its_own():
    call = fold([rings(0), rings(3, leg="a", occurred_at=at(2))])

    assert call.started_at == at(0)


def test_without_any_start_its_bound_is_the_earliest_known_moment():
    call = fold([leg_ends(30, agent="101", occurred_at=at(28)), answers(10, agent="101")])

    assert call.started_at == at(10)
    assert not call.start_known


def test_a_ready_recording_outranks_the_note_that_one_was_begun():
    begun = a_report(CallStage.RECORDING, 50, recording_id="r1")
    ready = a_report(CallStage.RECORDING, 40, recording_id="r2", recording_ready=True)

    assert fold([begun, ready]).recording_id == "r2"


def test_a_withheld_number_is_nobodys_unless_another_report_names_it():
    hidden = rings(0, direction=Direction.INBOUND, withheld=True)

    assert fold([hidden]).withheld
    assert not fold([hidden, ends(5, caller="+79001234501")]).withheld


def test_a_moment_cut_to_its_second_yields_to_a_finer_one_within_it_and_to_no_other():
    assert fold([rings(occurred_at=at(0)), rings(occurred_at=at(0.9))]).started_at == at(0.9)
    assert fold([rings(occurred_at=at(0)), rings(occurred_at=at(1.1))]).started_at == at(0)


def test_an_employees_telephone_answers_a_client_who_calls_and_only_waits_for_one_who_is_called():
    ours = answers(5, agent="101", leg="a", side=Side.OURS)
    inbound = fold([rings(direction=Direction.INBOUND, caller="x"), ours, ends(20)])
    outbound = fold([rings(direction=Direction.OUTBOUND, callee="x"), ours, ends(20)])

    assert (inbound.outcome, inbound.talked) == (Outcome.ANSWERED, ("101",))
    assert (outbound.outcome, outbound.talked, outbound.rang) == (
        Outcome.NO_ANSWER, (), ("101",)
    )  # fmt: skip


def test_a_client_is_reached_when_his_own_telephone_takes_the_call():
    call = fold(
        [
            rings(direction=Direction.OUTBOUND, callee="x", occurred_at=at(0)),
            answers(3, agent="101", leg="a", side=Side.OURS, occurred_at=at(3)),
            answers(9, callee="x", leg="b", side=Side.THEIRS, occurred_at=at(9)),
            ends(20, ended_at=at(20)),
        ]
    )

    assert (call.outcome, call.answered_at, call.talk_s) == (Outcome.ANSWERED, at(9), 11)
    assert call.talked == ("101",)


def test_a_number_outside_that_takes_a_clients_call_is_where_it_was_sent_on():
    theirs = answers(9, callee="y", leg="b", side=Side.THEIRS, occurred_at=at(9))
    began = rings(direction=Direction.INBOUND, caller="x", callee="line", occurred_at=at(0))

    call = fold([began, theirs, ends(20, ended_at=at(20))])

    assert (call.outcome, call.forwarded_to, call.callee) == (Outcome.FORWARDED, "y", "line")
    assert (call.answered_at, call.talk_s) == (at(9), 11)


def test_when_a_leg_was_taken_is_told_better_by_a_live_report_than_by_a_record():
    live = answers(7, agent="101", leg="a", side=Side.OURS, occurred_at=at(7))
    record = leg_ends(20, agent="101", leg="a", side=Side.OURS, answered_at=at(2))

    assert fold([rings(occurred_at=at(0)), record]).answered_at == at(2)
    assert fold([rings(occurred_at=at(0)), record, live]).answered_at == at(7)


def test_a_call_lasts_until_every_leg_that_counts_has_ended():
    def begins(leg: str, *keys: str) -> Report:
        return a_report(CallStage.TIED, 0, *keys, leg=leg, leg_counts=True)

    def is_gone(second: float, leg: str, *keys: str) -> Report:
        return leg_ends(second, *keys, leg=leg, leg_counts=True, occurred_at=at(second))

    first, second = ("k",), ("k", "l")
    known = [rings(occurred_at=at(0)), begins("a", *first), begins("b", *second)]

    assert fold([*known, is_gone(5, "a", *first)]).state is CallState.RINGING
    over = fold([*known, is_gone(5, "a", *first), is_gone(9, "b", *second)])
    assert (over.state, over.ended_at, over.outcome) == (CallState.ENDED, at(9), Outcome.NO_ANSWER)
    # Of a call that we came into, legs are unknown: the one that names it must be gone too.
    assert fold([rings(), is_gone(9, "b", *second)]).state is CallState.RINGING


def test_of_one_leg_what_says_most_tells_why_it_failed():
    told = [
        leg_ends(5, leg="a", outcome=Outcome.NO_ANSWER),
        leg_ends(5, leg="a", outcome=Outcome.FAILED),
    ]

    assert fold([rings(), *told, ends(6)]).outcome is Outcome.FAILED
    assert fold([rings(), *told, leg_ends(5, leg="b"), ends(6)]).outcome is Outcome.NO_ANSWER


def test_no_report_is_no_call():
    with pytest.raises(ValueError, match="at least one"):
        fold([])


def test_three_ids_in_one_report_tie_all_that_name_one_of_them():
    reports = [rings(0, "x", "b", "a"), rings(1, "b"), rings(2, "a"), rings(3, "m", "c")]

    for order in permutations(reports):
        assert [len(group) for group in tie(order)] == [3, 1]


def test_reports_that_share_a_key_over_others_are_one_call():
    a, b, c = rings(0, "a"), rings(1, "b", "c"), rings(2, "a", "c")
    lone = rings(3, "d")

    for order in permutations([a, b, c, lone]):
        groups = tie(order)
        assert [sorted(r.event.call_keys[0] for r in group) for group in groups] == [
            ["a", "a", "b"],
            ["d"],
        ]


# The laws, for every scenario that was recorded.

SCENARIOS = sorted(scenarios())
WITH_SEVERAL = [name for name in SCENARIOS if len(scenarios()[name]) > 1]
FAST = examples(7)  # of each scenario


@pytest.mark.parametrize("name", WITH_SEVERAL)
@FAST
@given(data=st.data())
def test_order_repetition_and_grouping_of_reports_change_nothing(name: str, data: st.DataObject):
    reports = scenarios()[name]
    subset = data.draw(st.lists(st.sampled_from(reports), min_size=1, unique=True))
    once = fold(subset)

    shuffled = data.draw(st.permutations(subset))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(subset)))
    cut = data.draw(st.integers(0, len(repeated)))

    assert fold(shuffled) == once
    assert fold(repeated) == once
    assert fold(repeated[cut:] + repeated[:cut]) == once
    assert [fold(group) for group in tie(repeated)] == [fold(group) for group in tie(subset)]


@pytest.mark.parametrize("name", WITH_SEVERAL)
@FAST
@given(data=st.data())
def test_a_later_repetition_of_a_report_changes_nothing(name: str, data: st.DataObject):
    reports = scenarios()[name]
    late = data.draw(st.sampled_from(reports))
    by = timedelta(seconds=data.draw(st.integers(0, 10**6)))

    again = Report(event=late.event, received_at=late.received_at + by)

    assert fold([*reports, again]) == fold(reports)


@pytest.mark.parametrize("name", WITH_SEVERAL)
@FAST
@given(data=st.data())
def test_a_report_more_never_takes_back_what_was_final(name: str, data: st.DataObject):
    reports = data.draw(st.permutations(scenarios()[name]))
    stale = a_report(CallStage.STALE, 0, *reports[0].event.call_keys)
    reports.insert(data.draw(st.integers(0, len(reports))), stale)

    calls = [fold(reports[:count]) for count in range(1, len(reports) + 1)]

    for before, after in pairwise(calls):
        assert_nothing_final_was_taken_back(before, after)


def assert_nothing_final_was_taken_back(before: Call, after: Call) -> None:
    assert set(before.keys) <= set(after.keys)
    if before.state is CallState.ENDED:
        assert after.state is CallState.ENDED
        assert after.ended_at is not None
    if before.state is CallState.STALE:
        assert after.state in (CallState.STALE, CallState.ENDED)
    if before.outcome is Outcome.ANSWERED:
        assert after.outcome is Outcome.ANSWERED
    if before.answered_at is not None:
        assert after.answered_at is not None
    if before.state in (CallState.ANSWERED, CallState.HELD):
        assert after.state is not CallState.RINGING
    far_side = {after.caller, after.callee}  # known now, so no telephone of ours
    assert set(before.talked) - far_side <= set(after.talked)
    assert before.recording_ready <= after.recording_ready


@pytest.mark.parametrize("name", SCENARIOS)
def test_shown_durations_are_never_negative(name: str):
    reports = scenarios()[name]
    for count in range(1, len(reports) + 1):
        for subset in (reports[:count], reports[-count:]):
            call = fold(subset)
            assert (call.duration_s or 0) >= 0
            assert (call.talk_s or 0) >= 0
            assert call.started_at <= (call.answered_at or call.started_at)
            assert (call.answered_at or call.started_at) <= (
                call.ended_at or datetime.max.replace(tzinfo=UTC)
            )


_MOMENTS = st.none() | st.integers(-100, 800).map(at)


@st.composite
def _any_report(draw: st.DrawFn, *, sided: bool = True) -> Report:
    event = CallEvent(
        call_keys=tuple(draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=2))),
        stage=draw(st.sampled_from(list(CallStage))),
        occurred_at=draw(_MOMENTS),
        direction=draw(st.none() | st.sampled_from(list(Direction))),
        caller=draw(st.none() | st.sampled_from(["x", "y", "101"])),
        callee=draw(st.none() | st.sampled_from(["x", "y", "101"])),
        withheld=draw(st.booleans()),
        agent=draw(st.none() | st.sampled_from(["101", "102"])),
        leg=draw(st.none() | st.sampled_from(["l1", "l2"])),
        side=draw(st.none() | st.sampled_from(list(Side))) if sided else None,
        leg_counts=draw(st.booleans()) if sided else False,
        outcome=draw(st.none() | st.sampled_from(list(Outcome))),
        started_at=draw(_MOMENTS),
        answered_at=draw(_MOMENTS),
        ended_at=draw(_MOMENTS),
        duration_s=draw(st.none() | st.sampled_from([0, 30, 30.0, 95.5])),
        talk_s=draw(st.none() | st.sampled_from([0, 10.0])),
    )
    return Report(event=event, received_at=at(draw(st.integers(0, 500))))


@examples(150)
@given(sided=st.booleans(), data=st.data())
def test_the_laws_hold_for_reports_that_no_provider_would_send(sided: bool, data: st.DataObject):
    reports = data.draw(st.lists(_any_report(sided=sided), min_size=1, max_size=7))
    once = fold(reports)

    assert fold(data.draw(st.permutations(reports)) + reports) == once
    before = fold(reports[:1])
    for count in range(2, len(reports) + 1):
        after = fold(reports[:count])
        if any(report.event.stage is CallStage.ENDED for report in reports[: count - 1]):
            # Of a call that is over with its last leg one more leg may come to be known.
            assert after.state is CallState.ENDED
        # Whose telephone was taken may come to count otherwise with the direction.
        if before.outcome is Outcome.ANSWERED and not sided:
            assert after.outcome is Outcome.ANSWERED
        before = after
    assert (once.duration_s or 0) >= 0
    assert (once.talk_s or 0) >= 0
