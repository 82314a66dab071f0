"""What was newly written, what was quoted, what is signature; in linear time."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.mails import Mail, PassageKind
from ingest.mail.html_words import html_to_parts, html_to_text
from ingest.mail.message import parse
from ingest.mail.passages import MOST_LINES, MOST_PASSAGES, part
from tests.properties import examples

CPU_S = 2.0  #: what one text may take
NEW, QUOTE, SIGNATURE = PassageKind.NEW, PassageKind.QUOTE, PassageKind.SIGNATURE

ONE_MB = 1024 * 1024
HOSTILE = {
    "attributions without end": "On 3 May 2024 at 12:04 Anna\n" * (ONE_MB // 28),
    "colons": ":\n" * (ONE_MB // 2),
    "verbs and colons": "12:04 wrote:\n" * (ONE_MB // 13),
    "unfinished header blocks": "From: a\nTo: b\n\n" * (ONE_MB // 16),
    "header blocks with endless recipients": "From: a\nTo: b\n" + "x@y.example,\n" * (ONE_MB // 13),
    "rules": "__________\n" * (ONE_MB // 11),
    "rules and labels": "_____\nFrom: a\n" * (ONE_MB // 14),
    "one line": "a" * ONE_MB,
    "one line of digits": "1" * ONE_MB,
    "one line of spaces": " " * ONE_MB + ":",
    "quote marks": ">" * ONE_MB,
    "quoted lines between new ones": "> a\nb\n" * (ONE_MB // 6),
    "dashes": "-" * ONE_MB,
    "delimiters": "--\n" * (ONE_MB // 3),
    "closings": "Regards,\n" * (ONE_MB // 9),
    "empty lines": "\n" * ONE_MB,
    "addresses": "a@" * (ONE_MB // 2),
    "banners": "-----Original Message-----\n" * (ONE_MB // 27),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_megabyte_is_parted_in_bounded_time(name: str) -> None:
    began = time.process_time()

    passages = part(HOSTILE[name], sender="Anna Visser")

    assert time.process_time() - began < CPU_S
    assert len(passages) <= MOST_PASSAGES


HOSTILE_HTML = {
    "blockquotes never closed": "<blockquote>" * (ONE_MB // 12),
    "blockquotes opened and closed": "<blockquote>a</blockquote>b" * (ONE_MB // 27),
    "endless attributes": "<div class='" + "gmail_quote " * (ONE_MB // 12),
    "many divs with styles": "<div style='border-top:solid #" * (ONE_MB // 30),
    "class without end": "<blockquote class=" * (ONE_MB // 18),
}


@pytest.mark.parametrize("name", HOSTILE_HTML)
def test_a_hostile_megabyte_of_html_is_read_in_bounded_time(name: str) -> None:
    began = time.process_time()

    text, quotes = html_to_parts(HOSTILE_HTML[name])
    passages = part(text, quotes=quotes)

    assert time.process_time() - began < CPU_S
    assert len(passages) <= MOST_PASSAGES


_LINES = st.sampled_from(
    (
        *("", "words", "> quoted", ">> twice", "--", "Regards,", "Anna Visser", "P.S. more"),
        *("On 3 May 2024 at 12:04 Anna <a@b.example> wrote:", "From: a", "Sent: b", "Subject: c"),
        *(
            "-----Original Message-----",
            "________________",
            "Sent from my iPhone",
            "\x0b",
            "\u2028",
        ),
    )
)


@given(lines=st.lists(_LINES, max_size=30), answers=st.booleans())
@examples(60)
def test_passages_cover_the_text_in_order_without_gaps(lines: list[str], answers: bool) -> None:
    text = "\n".join(lines)

    passages = part(text, answers=answers, sender="Anna Visser")

    if text.strip():
        assert (passages[0].start, passages[-1].end) == (0, len(text))
        assert all(a.end == b.start for a, b in pairwise(passages))
        assert all(a.kind is not b.kind for a, b in pairwise(passages))
    else:
        assert passages == ()


@given(
    pieces=st.lists(
        st.sampled_from(("<p>", "a b", "<blockquote>", "</blockquote>", "<br>")), max_size=30
    )
)
@examples(60)
def test_marked_places_of_html_hold_the_words_of_the_marked_elements(pieces: list[str]) -> None:
    html = "".join(pieces)

    text, quotes = html_to_parts(html)

    assert text == html_to_text(html)
    assert all(0 <= begin < end <= len(text) for begin, end in quotes)
    inside = html.count("a b") if html.startswith("<blockquote>") and "</" not in html else None
    if inside:
        assert sum(text[begin:end].count("a b") for begin, end in quotes) == inside


def read(text: str, *, subject: str = "Re: Order", sender: str = "Anna Visser") -> Mail:
    return parse(
        f"From: {sender} <anna@client.example>\nSubject: {subject}\n"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}".encode()
    )


def test_what_stands_behind_a_mobile_signature_is_not_hidden_if_it_is_new() -> None:
    mail = read("Sent from my iPhone has nothing to do with it.\n\nWe need 5 more.\n")

    assert "We need 5 more." in mail.new_text


def test_a_header_block_at_the_top_of_a_new_mail_is_a_form_that_was_filled_in() -> None:
    form = "От: Иван\nТема: Заявка\nДата: 3 мая 2024\n\nНужен счёт."

    assert read(form, subject="Заявка с сайта").new_text == form
    assert read(form, subject="Fwd: Заявка").quoted == form


def test_one_line_that_begins_with_a_greater_than_sign_is_no_quote() -> None:
    assert ">50 pieces" in read("We expect\n>50 pieces\nby Friday").new_text


def test_an_attribution_without_time_or_address_needs_quote_marks() -> None:
    sure = read("Yes.\n\nAnna wrote:\n> No?\n")
    unsure = read("As I wrote:\nthe price is 5.\n")

    assert sure.quoted.startswith("Anna wrote:")
    assert unsure.quoted == ""


def test_words_beneath_unmarked_quotes_of_a_header_block_stay_quoted() -> None:
    mail = read(
        "Fine.\n\nFrom: Olga\nSent: Friday\nTo: Anna\nSubject: Order\n\nOld words.\n\nMore."
    )

    assert mail.new_text == "Fine."
    assert mail.quoted.endswith("More.")


def test_a_mail_that_quotes_nothing_is_new_whole() -> None:
    text = "Dear Olga,\n\nplease send 5.\nThank you for your help with the last order."

    assert read(text, subject="Order").new_text == text


def test_a_mail_read_before_texts_were_parted_is_new_whole() -> None:
    assert Mail(identity="m", text="> all of it").new_text == "> all of it"


def test_what_stands_behind_twenty_thousand_lines_is_new() -> None:
    text = "> quoted\n" * MOST_LINES + "> the rest"

    *_, last = part(text)

    assert (last.kind, text[last.start : last.end]) == (NEW, "> the rest")


def test_the_name_and_the_numbers_of_a_signature_are_read_and_those_of_the_text_are_not() -> None:
    mail = read("Call 020 000 9999.\n\nKind regards,\nAnna Visser\nT 010 123 4567\n")

    assert (mail.signed, mail.phones) == ("Anna Visser", ("010 123 4567",))


def test_numbers_in_a_quoted_signature_are_not_the_senders() -> None:
    mail = read("Fine.\n\n> Kind regards,\n> Olga\n> T 010 123 4567\n")

    assert mail.phones == ()
