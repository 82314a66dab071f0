"""What is nearly always written so is read in a shorter way: it says the same as the longer one."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as some

from ingest.mail.dates import read_date, stated_date
from ingest.mail.headers import split
from ingest.mail.participants import read_addresses
from ingest.mail.quotes import attribution_at, banner_of, is_rule, label_of, worth_a_look
from tests.properties import examples

PEOPLE = (
    *("a@b.example", " A.B+c@d-e.example ", "Anna Visser <anna@client.example>", "<x@y.example>"),
    *('"Visser, Anna" <a@b.example>', '" Anna " <a@b.example>', "'Anna' <a@b.example>"),
    *("=?utf-8?Q?=C3=BC?= <u@v.example>", "Анна <a@b.example>", "a=b <a@b.example>", "", " "),
)
LINES = (
    *("words of the sender", "Слова", "Begin forwarded message", "begin forwarded message **"),
    *("Начало пересылаемого письма", "----- Original Message -----", "Begin forwarded message:"),
    *("______", "From: a@b.example", "Anna wrote:", "> quoted", "", "  ", "* item", "\u2003-----"),
    *("On 3 May 2024 at 12:04, Anna <a@b.example> wrote:", "12 boxes", "Forwarded message"),
)
FIELDS = (
    *(b"From: a@b.example", b"TO : c@d.example", b"Subject: a\r\n b", b"X:\r\n\ty\r\r\n z"),
    *(b"Date:", b"Subject: \xe4\xf6", b"X-Long: " + b"x" * 300, b"Message-ID:<a@b>\r"),
)


@examples(60)
@given(some.lists(some.sampled_from(PEOPLE), min_size=1, max_size=5))
def test_people_written_as_usual_are_those_read_piece_by_piece(people: list[str]) -> None:
    text = ",".join(people)

    assert read_addresses(text) == read_addresses(f"Friends: {text}")


@examples(30)
@given(
    some.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 12, 30)),
    some.sampled_from(("+0000", "-0000", "+0530", "-0800", "+1245")),
    some.sampled_from(("", " (UTC)")),
)
def test_a_lawful_date_is_the_moment_that_the_standard_library_reads(
    moment: datetime, zone: str, comment: str
) -> None:
    text = f"{moment:%a, %d %b %Y %H:%M:%S} {zone}{comment}"
    known = parsedate_to_datetime(text)

    assert read_date(text) == stated_date(text)
    assert str(read_date(text)).removesuffix("+00:00") == str(known).removesuffix("+00:00")


@examples(60)
@given(some.lists(some.sampled_from(FIELDS), max_size=6))
def test_a_lawful_header_is_read_as_one_that_must_be_mended(fields: list[bytes]) -> None:
    header = b"".join(field + b"\r\n" for field in (*fields, b"X-Last: z")) + b"\r\nbody"
    mbox = b"From somebody Fri Jul 17\r\n"
    lawful, at = split(header)

    assert (lawful, at + len(mbox)) == split(mbox + header)


@examples(60)
@given(some.lists(some.sampled_from(LINES), max_size=6))
def test_lines_that_are_passed_over_announce_nothing(lines: list[str]) -> None:
    for at in set(range(len(lines))) - set(worth_a_look(lines)):
        line = lines[at]
        assert line.strip()
        assert not line.lstrip().startswith(">")
        assert not is_rule(line)
        assert (banner_of(line), label_of(line), attribution_at(lines, at)) == (None, None, None)
