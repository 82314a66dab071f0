"""Who really wrote a mail: before a colleague forwarded it, or behind a web form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.calls import Direction
from ingest.domain.directory import BEGINNING, PointDecision, PointFacts, PointVerdict
from ingest.domain.interactions import Participant, Policies, Policy, Role, Side, Status, Touch
from ingest.domain.mailboxes import WebForm
from ingest.domain.mails import FormField, Forwarded, Mail, MailAddress
from ingest.matching.knowledge import Knowledge
from ingest.matching.touches_of_mails import points_of_mail, touch_of_mail
from tests.matching.test_touches import OURS, THEIRS, a_mail, known, seen

COLLEAGUE, STRANGER, FORM = "info@ours.example", "new@stranger.example", "form@ours.example"
IN_C = "client:C"


def forwarded(*addresses: str, sender: str = COLLEAGUE, to: str = OURS, **more: Any) -> Mail:
    told = tuple(Forwarded(address=it, name="Anna") for it in addresses)
    return a_mail(sender, to, forwarded=told, **more)


def touch(mail: Mail, knowledge: Knowledge | None = None) -> Touch:
    return touch_of_mail(mail, [seen("b1")], knowledge or known())


def with_role(found: Touch, role: Role) -> list[Participant]:
    return [part for part in found.participants if part.role is role]


# Forwarded -------------------------------------------------------------------------------------


def test_a_mail_that_a_colleague_forwards_is_linked_to_the_client_who_wrote_it():
    found = touch(forwarded(THEIRS))

    [original] = with_role(found, Role.FORWARDED)
    assert (original.client, original.method, original.name) == ("C", "forwarded", "Anna")
    assert found.subjects == {IN_C}


def test_a_forwarded_mail_stays_internal_and_asks_nothing_of_the_client():
    found = touch(forwarded(THEIRS))

    assert (found.direction, found.status) == (Direction.INTERNAL, Status.INTERNAL)
    assert found.principal is None


def test_a_mail_forwarded_among_ourselves_before_is_the_clients_all_the_same():
    [original] = with_role(touch(forwarded(OURS, THEIRS)), Role.FORWARDED)

    assert original.client == "C"


def test_what_a_stranger_says_he_forwards_is_shown_and_linked_to_nobody():
    found = touch(forwarded(THEIRS, sender=STRANGER))

    [original] = with_role(found, Role.FORWARDED)
    assert (original.client, original.side, original.subject) == (None, Side.OTHER, None)
    assert found.subjects == {f"mail:{STRANGER}"}


def test_forwarding_a_clients_mail_to_somebody_outside_reaches_no_client():
    found = touch(forwarded(THEIRS, sender=OURS, to=STRANGER))

    assert found.direction is Direction.OUTBOUND
    assert IN_C not in found.subjects


def test_what_a_robot_forwards_is_linked_to_nobody():
    assert touch(forwarded(THEIRS, automatic="generated")).subjects == frozenset()


def test_an_unknown_original_sender_is_kept_for_when_he_becomes_known():
    [original] = with_role(touch(forwarded(STRANGER)), Role.FORWARDED)

    assert (str(original.point), original.client) == (f"mail:{STRANGER}", None)


def test_the_original_senders_point_is_among_those_that_are_looked_up():
    assert f"mail:{STRANGER}" in points_of_mail(
        forwarded(STRANGER), [seen()], known().directory, Policies()
    )


# Web forms -------------------------------------------------------------------------------------


def with_forms(*rules: WebForm, box: str = OURS) -> Knowledge:
    knowledge = known()
    policy = Policy(web_forms={box: rules})
    return replace(knowledge, policies=Policies(changes=((BEGINNING, policy),)))


def a_form(**more: Any) -> Mail:
    fields = (
        FormField(label="Manager", address="x@ours.example"),
        FormField(label="E-mail", address=THEIRS),
    )
    return a_mail(FORM, OURS, **{"form_fields": fields, "automatic": "no-reply", **more})


BY_FIELD, BY_REPLY_TO = WebForm(sender=FORM, field="e-mail:"), WebForm(sender=FORM)


def test_a_form_is_the_mail_of_the_person_on_the_line_that_the_rule_names():
    found = touch(a_form(), with_forms(BY_FIELD))

    assert (found.direction, found.status) == (Direction.INBOUND, Status.AWAITING_REPLY)
    assert (found.principal, found.machine) == (IN_C, False)
    [via] = with_role(found, Role.VIA)
    assert (str(via.point), via.client, via.subject) == (f"mail:{FORM}", None, None)


def test_a_form_without_a_field_is_the_mail_of_the_person_in_reply_to():
    mail = a_form(reply_to=(MailAddress(address=FORM), MailAddress(address=THEIRS)))

    assert touch(mail, with_forms(BY_REPLY_TO)).principal == IN_C


def test_the_named_line_outranks_reply_to():
    mail = a_form(reply_to=(MailAddress(address=STRANGER),))

    assert touch(mail, with_forms(BY_FIELD)).principal == IN_C


def test_reply_to_stands_in_where_the_named_line_is_missing():
    mail = a_form(form_fields=(), reply_to=(MailAddress(address=THEIRS),))

    assert touch(mail, with_forms(BY_FIELD)).principal == IN_C


@pytest.mark.parametrize(
    "knowledge",
    [
        known(),
        with_forms(BY_FIELD, box=COLLEAGUE),
        with_forms(WebForm(sender="other@ours.example", field="E-mail")),
    ],
    ids=["no rule", "another mailbox's rule", "another form's rule"],
)
def test_without_a_rule_of_the_mailbox_a_form_is_read_like_any_mail(knowledge: Knowledge):
    found = touch(a_form(), knowledge)

    assert (found.status, found.subjects) == (Status.AUTO, frozenset())


def test_a_bounce_in_a_forms_name_stays_a_machines():
    assert touch(a_form(automatic="bounce"), with_forms(BY_FIELD)).machine


def test_a_form_filled_in_with_an_address_of_ours_speaks_for_none_of_us():
    fields = (FormField(label="E-mail", address=COLLEAGUE),)
    mail = a_form(form_fields=fields, forwarded=(Forwarded(address=THEIRS),))

    found = touch(mail, with_forms(BY_FIELD))

    assert (found.direction, found.subjects) == (Direction.INBOUND, frozenset())
    assert [str(part.point) for part in with_role(found, Role.FROM)] == [f"mail:{FORM}"]


def test_what_somebody_writes_into_a_form_is_forwarded_by_no_colleague():
    """A colleague's private address is known to be his; anybody can type it into a form."""
    fields = (FormField(label="E-mail", address="colleague@free.example"),)
    mail = a_form(form_fields=fields, forwarded=(Forwarded(address=THEIRS),))
    knowledge = with_forms(BY_FIELD)
    judged = PointDecision(id="d", verdict=PointVerdict.EMPLOYEE, at=BEGINNING)
    own = {"mail:colleague@free.example": PointFacts(decision=judged)}

    found = touch(mail, replace(knowledge, points={**knowledge.points, **own}))

    [original] = with_role(found, Role.FORWARDED)
    assert (original.client, found.subjects) == (None, frozenset())


def test_the_persons_point_is_among_those_that_are_looked_up():
    forms = with_forms(BY_FIELD)

    assert points_of_mail(a_form(), [seen("b1")], forms.directory, forms.policies) == {
        f"mail:{THEIRS}",
        f"mail:{OURS}",
        f"mail:{FORM}",
    }
