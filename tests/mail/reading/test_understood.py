"""A whole message, understood: what its parts, header and text say together."""

from __future__ import annotations

from ingest.domain.mails import Forwarded
from ingest.mail.message import parse

HEAD = b"From: Bob <bob@keep.example>\r\nTo: olga@keep.example\r\nMIME-Version: 1.0\r\n"
ATTACHED = (
    b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: =?utf-8?B?0JjQstCw0L0=?= <ivan@client.example>"
    b"\r\nDate: Fri, 3 May 2024 12:04:11 +0300\r\nSubject: Quote\r\n\r\nPlease quote.\r\n"
)


def mixed(*parts: bytes, subject: bytes = b"Fwd: Quote") -> bytes:
    head = HEAD + b"Subject: " + subject + b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(parts) + b"--b--\r\n"


def words(text: bytes) -> bytes:
    return b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + b"\r\n"


def test_the_writer_of_an_attached_message_is_its_original_sender() -> None:
    mail = parse(mixed(words(b"Yours?"), ATTACHED))

    assert mail.forwarded == (
        Forwarded(
            address="ivan@client.example",
            name="Иван",
            date="Fri, 3 May 2024 12:04:11 +0300",
            subject="Quote",
            attached=True,
        ),
    )
    assert mail.new_text == "Yours?"


def test_a_forward_in_the_text_outranks_what_is_attached() -> None:
    inline = (
        b"---------- Forwarded message ---------\nFrom: a@client.example\nDate: x\nSubject: y\n"
    )

    [found] = parse(mixed(words(inline), ATTACHED)).forwarded

    assert (found.address, found.date, found.subject) == ("a@client.example", "x", "y")


def test_the_mail_that_a_bounce_returns_is_no_forward() -> None:
    report = (
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        b"Final-Recipient: rfc822; gone@client.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    )
    raw = mixed(words(b"Not delivered."), report, ATTACHED, subject=b"Undelivered")

    mail = parse(raw.replace(b"multipart/mixed", b"multipart/report"))

    assert (mail.automatic, mail.forwarded) == ("bounce", ())
    assert [it.address for it in mail.failed] == ["gone@client.example"]


def test_html_is_parted_only_where_there_is_no_plain_text() -> None:
    html = b"--b\r\nContent-Type: text/html\r\n\r\n<p>old</p><blockquote>quoted</blockquote>\r\n"
    plain = words(b"new\n\n> quoted")
    raw = mixed(plain, html, subject=b"Re: x").replace(b"mixed", b"alternative")

    both, alone = parse(raw), parse(mixed(html, subject=b"Re: x"))

    assert (both.new_text, both.quoted) == ("new", "> quoted")
    assert (alone.new_text, alone.quoted) == ("old", "quoted")


def test_several_parts_of_html_keep_the_places_of_their_quotes() -> None:
    html = b"--b\r\nContent-Type: text/html\r\n\r\n<p>%b</p><blockquote>%b</blockquote>\r\n"
    mail = parse(mixed(html % (b"one", b"two"), html % (b"three", b"four"), subject=b"Re: x"))

    assert (mail.new_text, mail.quoted) == ("one\nthree", "two\nfour")


def test_the_lines_of_a_form_are_read_also_where_they_look_like_a_signature() -> None:
    text = "Имя: Иван Петров\nE-mail: ivan@client.example\nТелефон: +7 495 123-45-67"
    mail = parse(HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode())

    assert [(it.label, it.address) for it in mail.form_fields] == [
        ("E-mail", "ivan@client.example")
    ]


def test_an_own_mail_that_comes_round_again_is_the_same_mail() -> None:
    raw = HEAD + b"Message-ID: <1@keep.example>\r\nDate: Fri, 3 May 2024 12:04:11 +0300\r\n\r\nx"
    again = b"Received: from a by b; Fri, 3 May 2024 12:05:00 +0300\r\nDelivered-To: o@x\r\n" + raw

    assert parse(raw).identity == parse(again).identity


def test_a_mail_with_more_hops_than_any_needs_is_a_loop() -> None:
    hop = b"Received: from a by b; Fri, 3 May 2024 12:05:00 +0300\r\n"

    assert parse(hop * 51 + HEAD + b"\r\nx").automatic == "loop"
    assert parse(hop * 50 + HEAD + b"\r\nx").automatic is None
