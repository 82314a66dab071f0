"""From a call or mail to a touch: sides, moment, employee, and the status by the table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.calls import Call, CallState, Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Holding,
    Line,
    LineKind,
    PointFacts,
)
from ingest.domain.interactions import Kind, Policies, Policy, Role, Side, Status, Touch
from ingest.domain.mails import Mail, MailAddress, Sighting
from ingest.matching.knowledge import Knowledge
from ingest.matching.touches import touch_of_call
from ingest.matching.touches_of_mails import moment_of, touch_of_mail

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
CLIENT, SIM, DID = "+79161110001", "+74951110001", "+74951110003"
OURS, THEIRS = "x@ours.example", "c@client.example"


def tel(number: str) -> ContactPoint:
    return ContactPoint(PointKind.PHONE, number)


def mail_point(address: str) -> ContactPoint:
    return ContactPoint(PointKind.EMAIL, address)


def a_line(id: str, point: ContactPoint, holder: str | None = None, **more: Any) -> Line:
    holders = (Change(from_at=BEGINNING, employee=holder),) if holder else ()
    return Line(id=id, kind=LineKind.SIM, point=point, holders=holders, **more)


LINES = (
    a_line("sim", tel(SIM), "X"),
    a_line("did", tel(DID)),
    a_line("101", ContactPoint(PointKind.EXTENSION, "101@office"), "X"),
    a_line("102", ContactPoint(PointKind.EXTENSION, "102@office"), "Y"),
    a_line("box", mail_point(OURS), "X"),
    a_line("info", mail_point("info@ours.example"), "Y"),
)
LEFT = (EmploymentChange(from_at=BEGINNING, employed=True),)


def known(
    *lines: Line, left: Mapping[str, datetime] | None = None, policy: Policy | None = None
) -> Knowledge:
    """What is known: our lines, X and Y, and one client with a number and an address."""
    ours = lines or LINES
    people = {}
    for name in ("X", "Y"):
        gone = (left or {}).get(name)
        career = (*LEFT, EmploymentChange(from_at=gone, employed=False)) if gone else LEFT
        people[name] = Employee(id=name, name=name, employment=career)
    held = PointFacts(holdings=(Holding(client="C"),))
    return Knowledge(
        directory=Directory(
            employees=people,
            lines={line.id: line for line in ours},
            by_point={str(line.point): line for line in ours},
            mailboxes={"b1": OURS, "b2": "info@ours.example"},
        ),
        policies=Policies(changes=((BEGINNING, policy),) if policy else ()),
        points={str(tel(CLIENT)): held, str(mail_point(THEIRS)): held},
    )


def a_call(**told: Any) -> Call:
    """A client's call to the SIM that nobody took, unless told otherwise."""
    values: dict[str, Any] = {
        "keys": ("k",),
        "direction": Direction.INBOUND,
        "caller": CLIENT,
        "callee": SIM,
        "line": None,
        "state": CallState.ENDED,
        "outcome": Outcome.NO_ANSWER,
        "started_at": NOON,
        "first_received_at": NOON,
    }
    return Call(**{**values, **told})


def touch(knowledge: Knowledge | None = None, **told: Any) -> Touch:
    found = touch_of_call(
        a_call(**told), keys=("k",), source="office", region="RU", known=knowledge or known()
    )
    assert found is not None
    return found


# The table -------------------------------------------------------------------------------------

IN, OUT = Direction.INBOUND, Direction.OUTBOUND


@pytest.mark.parametrize(
    ("direction", "outcome", "talk", "status"),
    [
        (IN, Outcome.ANSWERED, 60.0, Status.NEEDS_COMMENT),
        (IN, Outcome.ANSWERED, 10.0, Status.NEEDS_COMMENT),
        (IN, Outcome.ANSWERED, 9.9, Status.SHORT_CALL),
        (IN, Outcome.ANSWERED, None, Status.NEEDS_COMMENT),
        (IN, Outcome.NO_ANSWER, None, Status.CALLBACK_DUE),
        (IN, Outcome.BUSY, None, Status.CALLBACK_DUE),
        (IN, Outcome.VOICEMAIL, 20.0, Status.CALLBACK_DUE),
        (IN, Outcome.FORWARDED, None, Status.NEEDS_COMMENT),
        (OUT, Outcome.ANSWERED, 3.0, Status.NEEDS_COMMENT),
        (OUT, Outcome.NO_ANSWER, None, Status.NOT_REACHED),
        (OUT, Outcome.CANCELLED, None, Status.NOT_REACHED),
    ],
)
def test_what_an_ended_call_needs(
    direction: Direction, outcome: Outcome, talk: float | None, status: Status
):
    ends = (CLIENT, SIM) if direction is IN else (SIM, CLIENT)

    found = touch(direction=direction, caller=ends[0], callee=ends[1], outcome=outcome, talk_s=talk)

    assert found.status is status


@pytest.mark.parametrize("state", [CallState.RINGING, CallState.ANSWERED, CallState.HELD])
def test_a_call_that_has_not_ended_is_in_progress(state: CallState):
    found = touch(state=state, outcome=None)

    assert (found.status, found.ended) == (Status.IN_PROGRESS, False)


def test_a_call_closed_by_the_clock_counts_as_answered_if_an_answer_is_known():
    stale = {"state": CallState.STALE, "outcome": None}

    assert touch(**stale, answered_at=NOON).status is Status.NEEDS_COMMENT
    unknown = touch(**stale)
    assert (unknown.status, unknown.outcome) == (Status.CALLBACK_DUE, None)


def test_what_is_learned_later_than_the_policys_days_is_history():
    at_the_edge, beyond = NOON + timedelta(days=14), NOON + timedelta(days=14, microseconds=1)

    assert touch(first_received_at=at_the_edge).status is Status.CALLBACK_DUE
    assert touch(first_received_at=beyond).status is Status.HISTORY


def test_the_policy_valid_at_the_touchs_own_moment_counts():
    lenient = Policy(short_call=timedelta(seconds=0))

    found = touch(known(policy=lenient), outcome=Outcome.ANSWERED, talk_s=1.0)

    assert found.status is Status.NEEDS_COMMENT


# Sides -----------------------------------------------------------------------------------------


def test_two_own_sides_are_an_internal_call_in_no_clients_timeline():
    found = touch(caller=SIM, callee=DID)

    assert (found.direction, found.status) == (Direction.INTERNAL, Status.INTERNAL)
    assert found.subjects == frozenset()


def test_a_client_is_linked_and_its_timeline_gives_the_status():
    found = touch()

    assert found.principal == "client:C"
    remote = found.participants[0]
    assert (remote.side, remote.client, remote.method) == (Side.CLIENT, "C", "exact")


def test_a_withheld_number_has_our_own_line_as_its_subject():
    assert touch(caller=None, withheld=True).subjects == {"withheld:sim"}


def test_a_withheld_call_to_no_line_of_ours_has_no_subject():
    assert touch(caller=None, withheld=True, callee="+74999999999").subjects == frozenset()


def test_a_short_code_is_a_machine_and_no_subject():
    found = touch(caller="112")

    assert found.machine
    assert found.subjects == frozenset()


def test_a_number_is_read_in_the_region_of_the_line_it_was_dialled_from():
    german = a_line("berlin", tel("+493012345678"), "X", region="DE")

    found = touch(known(german), caller="030 2345678", callee="+493012345678")

    assert found.participants[0].point == tel("+49302345678")


# Dialled line and employee ---------------------------------------------------------------------


def test_the_dialled_line_is_what_was_called_never_a_telephone_that_rang():
    found = touch(line=DID, callee="101", rang=("101", "102"))

    assert found.dialled == ("did",)
    assert found.employee is None


@pytest.mark.parametrize(
    ("talked", "employee"), [((), "X"), (("102",), "Y"), (("102", "101"), "X")]
)
def test_the_employee_is_who_talked_last_else_who_holds_the_dialled_line(
    talked: tuple[str, ...], employee: str
):
    assert touch(talked=talked).employee == employee


def test_the_employee_is_nobody_where_the_one_who_talked_had_left_at_that_moment():
    assert touch(known(left={"Y": NOON}), talked=("102",)).employee is None
    later = NOON + timedelta(microseconds=1)
    assert touch(known(left={"Y": later}), talked=("102",)).employee == "Y"


# Mail ------------------------------------------------------------------------------------------


def a_mail(sender: str, *to: str, cc: tuple[str, ...] = (), **more: Any) -> Mail:
    return Mail(
        identity="m",
        from_=MailAddress(address=sender),
        to=tuple(MailAddress(address=it) for it in to),
        cc=tuple(MailAddress(address=it) for it in cc),
        **more,
    )


def seen(
    box: str = "b1",
    at: datetime | None = NOON,
    *,
    sent: bool = False,
    received_top: datetime | None = None,
) -> Sighting:
    return Sighting(
        mailbox=box,
        folder="Sent" if sent else "INBOX",
        uidvalidity=1,
        uid=1,
        sent=sent,
        internal_date=at,
        received_top=received_top,
        mail="m",
        first_received_at=NOON,
    )


def letter(mail: Mail, *sightings: Sighting, knowledge: Knowledge | None = None) -> Touch:
    return touch_of_mail(mail, sightings or (seen(),), knowledge or known())


def test_a_clients_mail_awaits_a_reply_and_ours_is_done():
    theirs = letter(a_mail(THEIRS, OURS))
    ours = letter(a_mail(OURS, THEIRS), seen(sent=True))

    assert (theirs.direction, theirs.status, theirs.employee) == (IN, Status.AWAITING_REPLY, "X")
    assert (ours.direction, ours.status, ours.dialled) == (OUT, Status.DONE, ())


def test_an_automatic_mail_is_auto_and_a_machines():
    found = letter(a_mail(THEIRS, OURS, automatic="auto-submitted"))

    assert (found.status, found.machine, found.kind) == (Status.AUTO, True, Kind.MAIL)


def test_a_mail_between_colleagues_is_internal():
    found = letter(a_mail(OURS, "info@ours.example"))

    assert (found.status, found.subjects) == (Status.INTERNAL, frozenset())


def test_the_employee_of_a_mail_is_the_holder_of_the_first_own_mailbox_in_to_then_cc():
    assert letter(a_mail(THEIRS, "info@ours.example", OURS)).employee == "Y"
    assert letter(a_mail(THEIRS, "o@else.example", cc=(OURS,))).employee == "X"
    assert letter(a_mail(THEIRS, OURS, cc=("info@ours.example",))).dialled == ("box", "info")


def test_a_blind_copy_belongs_to_the_mailboxes_that_saw_it():
    found = letter(a_mail(THEIRS, "list@else.example"), seen("b2"))

    assert (found.dialled, found.employee) == (("info",), "Y")
    assert (found.participants[-1].role, found.participants[-1].side) == (Role.LINE, Side.OWN)


def test_with_a_linked_client_a_strange_sender_waits_for_review_and_raises_nothing():
    found = letter(a_mail("who@else.example", OURS, cc=(THEIRS,)))

    sender = found.participants[0]
    assert (sender.cause, sender.quiet, sender.principal) == ("unknown", True, True)
    assert found.subjects == {"mail:who@else.example", "client:C"}


def test_a_robots_mail_is_linked_and_lies_in_nobodys_timeline():
    found = letter(a_mail(THEIRS, OURS, automatic="auto-reply"))

    assert found.participants[0].client == "C"
    assert found.subjects == frozenset()


def test_without_a_client_only_the_sender_is_a_subject():
    found = letter(a_mail("who@else.example", OURS, "third@else.example"))

    assert found.subjects == {"mail:who@else.example"}


def test_a_mails_moment_is_its_internal_date_the_earliest_of_its_sightings():
    later = NOON + timedelta(minutes=5)

    assert moment_of([seen("b2", later), seen()]) == NOON


def test_a_copied_mailbox_does_not_make_an_old_mail_new():
    an_hour, more = NOON - timedelta(hours=1), NOON - timedelta(hours=1, seconds=1)

    assert moment_of([seen(received_top=an_hour)]) == NOON
    assert moment_of([seen(received_top=more)]) == more
    assert moment_of([seen(), seen("b2", received_top=more)]) == more


def test_in_sent_the_internal_date_counts_whatever_was_received():
    old = NOON - timedelta(days=3)

    assert moment_of([seen(sent=True, received_top=old)]) == NOON


def test_the_date_header_never_decides_when():
    forged = a_mail(THEIRS, OURS, date=NOON - timedelta(days=300))

    assert letter(forged).occurred_at == NOON
