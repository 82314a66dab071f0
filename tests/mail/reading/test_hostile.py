"""Messages made to hurt: each is read, or kept opaque with a reason, in bounded time."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.children import Failure, Readers
from ingest.domain.deliveries import UnreadableDelivery
from ingest.domain.mails import Mail
from ingest.mail.limits import Limits
from ingest.mail.message import parse
from tests.mail.reading.test_cases import CASES
from tests.properties import examples

CPU_S = 2.0  #: what one message may take

HEAD = b"From: Anna <anna@b.example>\r\nSubject: s\r\nMessage-ID: <h@b.example>\r\n"


def headed(name: bytes, value: bytes) -> bytes:
    return name + b": " + value + b"\r\nSubject: s\r\nMessage-ID: <h@b.example>\r\n\r\nbody\r\n"


def typed(kind: bytes, body: bytes) -> bytes:
    return HEAD + b"Content-Type: " + kind + b"\r\n\r\n" + body


def nested(levels: int) -> bytes:
    lines = b"".join(
        b"Content-Type: multipart/mixed; boundary=x%dx\r\n\r\n--x%dx\r\n" % (level, level)
        for level in range(levels)
    )
    return HEAD + lines + b"\r\nwords\r\n"


def torn_among_messages() -> bytes:
    torn = b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b\r\n"
    inner = b"Content-Type: message/rfc822\r\n\r\n" * 40 + b"\r\n" + b"aaa\r\n" * 100_000
    return typed(b"multipart/mixed; boundary=b", torn + inner)


HEADERS = {
    "2,000 open brackets in From": headed(b"From", b"(" * 2_000),
    "60,000 comments never closed": headed(b"From", b"(a" * 30_000),
    "comments 30,000 deep": headed(b"From", b"(" * 30_000 + b")" * 30_000 + b"a@b.example"),
    "quotes never closed": headed(b"From", b'"\\' * 30_000),
    "angles never closed": headed(b"From", b"<," * 30_000),
    "angles closed at the end": headed(b"From", b"<@," * 20_000 + b">"),
    "colons and ats": headed(b"From", b"@:" * 30_000),
    "one endless word": headed(b"From", b"a" * 65_000 + b" @"),
    "endless domain": headed(b"From", b"a@" + b"a." * 32_000),
    "10,000 recipients": headed(b"To", b"a@b.example," * 10_000),
    "encoded words never closed": headed(b"Subject", b"=?utf-8?q?a " * 6_000),
    "encoded words within each other": headed(b"From", b"=?utf-8?q?" * 6_500 + b"?="),
    "20,000 ids": headed(b"References", b"<a@b>" * 20_000),
    "60,000 brackets in ids": headed(b"References", b"<" * 60_000),
    "20,000 parameters": typed(b"text/plain" + b"; name*0*=a" * 20_000, b"x"),
    "quotes in parameters": typed(b"text/plain; a=" + b'"\\' * 30_000, b"x"),
    "a million fields": HEAD + b"X: y\r\n" * 1_000_000 + b"\r\nx",
    "one field of 10 MB": HEAD + b"X: " + b"y" * 10_000_000 + b"\r\n\r\nx",
    "a header that never ends": HEAD + b"zzz\r\n" * 1_000_000,
    "broken lines between fields": HEAD + b"zzz\r\nX: y\r\n" * 500_000,
    "beginnings of fields on a line without end": HEAD + b"Message" + b'{"a":' * 20_000,
    "every octet": bytes(range(256)).join([HEAD, b"\r\n\r\n", b"x"]),
}
TAGS = [
    b"<",
    b"<!--",
    b"<a ",
    b"<script>",
    b"</script ",
    b"<![",
    b"&",
    b"&#",
    b"&am",
    b"<p>",
    b"<li>",
]
TAGS += [b"<br>", b"<td>", b"\xc2\xa0", b"\xff"]
BODIES = {
    f"HTML of {tag!r}": typed(b"text/html; charset=utf-8", tag * (600_000 // len(tag)))
    for tag in TAGS
} | {
    "torn base64 among messages": torn_among_messages(),
    "25 MB of text": typed(b"text/plain", b"abc def\r\n" * 2_800_000),
    "48,000 false delimiters": typed(b"multipart/mixed; boundary=b", b"--c\r\n" * 48_000),
    "a file of 20 MB, torn": typed(
        b"multipart/mixed; boundary=b",
        b"--b\r\n\r\nwords\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(bytes(15_000_000)) + b"!",
    ),
}
ALL = HEADERS | BODIES


@pytest.mark.parametrize("raw", ALL.values(), ids=ALL.keys())
def test_hostile_message_is_read_in_bounded_time(raw: bytes) -> None:
    before = time.process_time()

    mail = parse(raw)

    assert time.process_time() - before < CPU_S
    assert mail.identity
    assert len(mail.text) <= Limits().text_chars
    assert len(mail.html) <= Limits().html_chars


OPAQUE = {
    "100,000 parts": (
        typed(b"multipart/mixed; boundary=b", b"--b\r\n\r\n\r\n" * 100_000 + b"--b--"),
        "more than 1000 parts",
    ),
    "messages 3,000 deep": (
        HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 3_000 + b"\r\nx",
        "parts nested more than 50 deep",
    ),
    "multiparts 3,000 deep": (nested(3_000), "parts nested more than 50 deep"),
    "torn base64 among 60,000 delimiters": (
        typed(
            b"multipart/mixed; boundary=b",
            b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n" + b"--c\r\n" * 60_000,
        ),
        "too many lines that may begin a part",
    ),
}


@pytest.mark.parametrize(("raw", "reason"), OPAQUE.values(), ids=OPAQUE.keys())
def test_body_beyond_the_limits_is_left_with_its_reason_and_the_header_is_read(
    raw: bytes, reason: str
) -> None:
    before = time.process_time()

    mail = parse(raw)

    assert time.process_time() - before < CPU_S
    assert mail.opaque == reason
    assert mail.text == ""
    assert mail.from_ is not None
    assert (mail.from_.address, mail.subject) == ("anna@b.example", "s")


def test_ten_thousand_encoded_words_are_cut_not_refused() -> None:
    mail = parse(
        headed(b"From", b"a@b.example").replace(b": s", b": " + b"=?utf-8?q?a?= " * 10_000)
    )

    assert mail.subject == "a" * 2_000


def test_five_thousand_recipients_are_read_to_the_limit_and_the_fields_behind_them() -> None:
    to = b",\r\n ".join(b"User %d <user%d@b.example>" % (n, n) for n in range(5_000))
    mail = parse(b"From: a@b.example\r\nTo: " + to + b"\r\nSubject: behind\r\n\r\nx")

    assert len(mail.to) == 1_000
    assert mail.to[999].address == "user999@b.example"
    assert mail.subject == "behind"


def test_the_last_references_are_kept() -> None:
    ids = b" ".join(b"<%d@b.example>" % n for n in range(200))

    references = parse(headed(b"References", ids)).references

    assert len(references) == 50
    assert references[-1] == "199@b.example"


def test_long_text_and_html_are_cut_with_a_warning() -> None:
    limits = Limits(text_chars=10, html_chars=12)

    mail = parse(typed(b"text/html", b"<b>some words here</b>"), limits=limits)

    assert (len(mail.text), len(mail.html)) == (10, 12)
    assert "html longer than 12 characters, the rest is left out" in mail.warnings


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n\r\n", b"\0" * 64, b"just words", b"%PDF-1.4\n1 0 obj\n"]
)
def test_what_is_no_message_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableDelivery):
        parse(raw)


def test_hostile_messages_cost_no_neighbour_in_a_child() -> None:
    worst = [OPAQUE["100,000 parts"][0], OPAQUE["messages 3,000 deep"][0]]
    plain = HEAD + b"\r\nwords\r\n"
    items = [
        piece for raw in (*worst, HEADERS["2,000 open brackets in From"]) for piece in (raw, plain)
    ]

    with Readers(parse) as readers:
        results = readers.read_many(items)

    assert not [one for one in results if isinstance(one, Failure)]
    assert [one.text for one in results[1::2] if isinstance(one, Mail)] == ["words"] * 3


# --- mutations ----------------------------------------------------------------------------

SEEDS = [case.read_bytes() for case in CASES]
TROUBLE = [b"\r\n", b"\n", b"\r", b"\0", b"\xff", b'"', b"(", b"<", b">", b"=?", b"?=", b"--", b":"]
TROUBLE += [
    b";",
    b",",
    b"=",
    b"\r\n\r\n",
    b"--b\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
]
TROUBLE += [
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"\x1b$",
]
TROUBLE += [b"=?utf-16?b?", b"charset=utf-7", b"charset=idna", b"*0*=", b"\xd0", b"\xe2\x80"]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Draw a recorded message with pieces cut, doubled, inserted or taken from another."""
    raw = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 200)))
        change = draw(st.sampled_from(["cut", "double", "insert", "splice", "octet"]))
        if change == "cut":
            raw = raw[:start] + raw[end:]
        elif change == "double":
            raw = raw[:end] + raw[start:end] * draw(st.integers(1, 20)) + raw[end:]
        elif change == "insert":
            raw = (
                raw[:start] + draw(st.sampled_from(TROUBLE)) * draw(st.integers(1, 9)) + raw[start:]
            )
        elif change == "splice":
            raw = raw[:start] + draw(st.sampled_from(SEEDS))[start:]
        else:
            raw = raw[:start] + draw(st.binary(min_size=1, max_size=4)) + raw[start + 1 :]
    return raw


def check(raw: bytes) -> None:
    before = time.process_time()
    try:
        mail = parse(raw)
    except UnreadableDelivery:
        return
    assert time.process_time() - before < CPU_S
    storable = "\n".join([mail.text, mail.html, mail.subject, *(p.name or "" for p in mail.to)])
    storable.encode("utf-8")
    assert "\0" not in storable
    assert mail == parse(raw)


@examples(400)
@given(mutations())
def test_no_mutation_of_a_message_raises_anything_else(raw: bytes) -> None:
    check(raw)


@examples(200)
@given(st.binary(max_size=300), st.booleans())
def test_no_octets_raise_anything_else(octets: bytes, headed: bool) -> None:
    check(HEAD + octets if headed else octets)
