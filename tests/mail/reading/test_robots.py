"""Who wrote: machines say so of themselves, and a person is never taken for one lightly.

The recorded messages show each sign alone; here is how signs weigh against each other.
"""

from __future__ import annotations

import pytest

from ingest.mail.message import parse


def reason(*fields: str) -> str | None:
    return parse("\r\n".join([*fields, "", "words"]).encode()).automatic


PERSON = "From: Anna <anna@client.example>"


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (["Auto-Submitted: auto-generated", "Subject: Automatic reply: x"], "auto-reply"),
        (["Auto-Submitted: auto-replied", "List-Id: <a.b.example>"], "auto-reply"),
        (["Auto-Submitted: auto-generated", "List-Id: <a.b.example>"], "list"),
        (["Precedence: bulk", "List-Unsubscribe: <https://b.example>"], "bulk"),
        (["Auto-Submitted: no", "Precedence: bulk"], "bulk"),
        (["Return-Path: <>", "X-Failed-Recipients: gone@b.example"], "bounce"),
        (["X-Autorespond: no"], None),
        (["Precedence: first-class"], None),
        (["Return-Path: <anna@client.example>"], None),
        (["Subject: Out of office next week"], None),
    ],
)
def test_the_plainest_sign_gives_the_reason(signs: list[str], expected: str | None) -> None:
    assert reason(PERSON, *signs) == expected


@pytest.mark.parametrize("field", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_mail_to_a_group_of_our_own_house_is_a_persons(field: str) -> None:
    group = "List-Id: <sales.keep.example>"

    assert reason(f"{field}: ivan@keep.example", PERSON, group) is None
    assert reason(f"{field}: ivan@other.example", PERSON, group) == "list"


def test_a_newsletter_through_our_own_group_stays_a_newsletter() -> None:
    own = ["Delivered-To: ivan@keep.example", "List-Id: <sales.keep.example>"]

    assert reason(*own, PERSON, "List-Unsubscribe-Post: List-Unsubscribe=One-Click") == "list"


def test_a_form_that_answers_to_nobody_is_a_robots() -> None:
    robot = "From: noreply@shop.example"

    assert reason(robot, "Reply-To: Anna <anna@client.example>") is None
    assert reason(robot, "Reply-To: do-not-reply@shop.example") == "no-reply"
