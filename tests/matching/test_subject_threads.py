"""Answers that name no message: tied by subject and people, carefully."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from ingest.domain.calls import Direction
from ingest.domain.mails import Mail, MailAddress
from ingest.mail.threads import subject_names, subject_of
from ingest.matching.decide import SAME_SUBJECT_WITHIN
from tests.matching.test_decide import may, sent, story, wrote

THEIRS, OTHER = "mail:c@client.example", "mail:d@client.example"


def names(subject: str, *people: str, **ids: str) -> tuple[str, ...]:
    mail = Mail(identity="m", from_=MailAddress(address="x"), subject=subject, **ids)
    return subject_names(mail, people or (THEIRS,))


def closed(asked: Sequence[str], answered: Sequence[str], at: datetime | None = None) -> bool:
    """Tell whether our answer closes the client's mail."""
    question = wrote(may(6), id="q", answers=tuple(asked))
    answer = sent(at or may(7), "X", id="a", answers=tuple(answered))
    found = {
        tuple(it.touch for it in story(*order).closings)
        for order in permutations((question, answer))
    }
    assert len(found) == 1, "the order of telling changes nothing"
    return found == {("q",)}


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Offer 118",
        "AW: Offer 118",
        "Antw: offer  118",
        "Отв: Offer 118",
        "RE[2]: Re: OFFER 118",
    ],
)
def test_an_answer_with_the_same_subject_to_the_same_person_closes(subject: str) -> None:
    assert closed(names("Offer 118"), names(subject))


def test_an_answer_to_an_answer_closes_too() -> None:
    assert closed(names("Re: Offer 118"), names("Re: Re: Offer 118"))


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (names("Offer 118"), names("Offer 118")),
        (names("Offer 118"), names("Re: Offer 119")),
        (names("Offer 118"), names("Fwd: Offer 118")),
        (names("Offer 118"), names("Re: Offer 118", OTHER)),
        (names("Offer 118", in_reply_to="a@b"), names("Re: Offer 118")),
        (names("Offer 118"), names("Re: Offer 118", in_reply_to="a@b")),
        (names("?"), names("Re: ?")),
        (names(""), names("Re:")),
    ],
    ids=[
        *("a letter of the same subject", "another subject", "a forward", "another person"),
        *("the question names a message", "the answer names a message", "no words", "no subject"),
    ],
)
def test_what_does_not_close(asked: Sequence[str], answered: Sequence[str]) -> None:
    assert not closed(asked, answered)


def test_a_subject_ties_for_thirty_days_and_no_longer() -> None:
    last = may(6) + SAME_SUBJECT_WITHIN

    assert closed(names("Offer 118"), names("Re: Offer 118"), last)
    assert not closed(names("Offer 118"), names("Re: Offer 118"), last + timedelta(seconds=1))


def test_one_shared_person_of_several_is_enough() -> None:
    assert closed(names("Offer 118", THEIRS), names("Re: Offer 118", OTHER, THEIRS))


def test_only_what_answers_put_before_a_subject_is_taken_away() -> None:
    assert subject_of("Re: AW: Offer: part 2") == ("offer: part 2", True)
    assert subject_of("Offer: part 2") == ("offer: part 2", False)


def test_the_names_of_a_hostile_subject_are_few_and_short() -> None:
    found = names("Re: " * 100_000, *(f"mail:{number}@b.example" for number in range(1_000)))

    assert sum(map(len, found)) < 20_000


def test_a_call_still_closes_whatever_the_subject() -> None:
    from tests.matching.test_decide import answered

    question = wrote(may(6), id="q", answers=names("Offer 118"))
    call = answered(may(7), "X", id="c", direction=Direction.OUTBOUND)

    assert [it.touch for it in story(question, call).closings] == ["q"]
