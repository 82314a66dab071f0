"""A mail is the same in every mailbox, and never hidden behind another's id."""

from __future__ import annotations

import pytest

from ingest.mail.message import header_identity, parse

MAIL = (
    "From: Anna Visser <anna@client.example>\r\n"
    "To: sales@keep.example\r\n"
    "Date: Fri, 3 May 2024 12:04:00 +0300\r\n"
    "Subject: Order 42\r\n"
    "Message-ID: <one@client.example>\r\n"
    "\r\n"
    "words\r\n"
)
WITHOUT_ID = MAIL.replace("Message-ID: <one@client.example>\r\n", "")


def identity(text: str) -> str:
    return parse(text.encode()).identity


@pytest.mark.parametrize("mail", [MAIL, WITHOUT_ID], ids=["with id", "without id"])
@pytest.mark.parametrize(
    "added",
    [
        "Delivered-To: ivan@keep.example\r\n",
        "Received: from a by b; Fri, 3 May 2024 12:05:00 +0300\r\n",
        "X-Spam-Score: 1\r\nReturn-Path: <anna@client.example>\r\n",
        "Received: from x\r\n by y;\r\n Fri, 3 May 2024 11:05:00 +0200\r\nX-Original-To: b@k\r\n",
    ],
)
def test_same_mail_in_another_mailbox_is_the_same(mail: str, added: str) -> None:
    assert identity(added + mail) == identity(mail)


@pytest.mark.parametrize("mail", [MAIL, WITHOUT_ID], ids=["with id", "without id"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Subject: Order 42", "Subject: Order\r\n 42"),
        ("Subject: Order 42", "Subject: =?utf-8?Q?Order_42?="),
        ("Date: Fri, 3 May 2024 12:04:00 +0300", "Date: Fri, 03 May 2024 09:04:00 +0000 (UTC)"),
        ("Anna Visser <anna@client.example>", '"Visser, A." <Anna@Client.example>'),
        ("\r\n", "\n"),
    ],
)
def test_what_servers_rewrite_does_not_matter(mail: str, before: str, after: str) -> None:
    assert identity(mail.replace(before, after)) == identity(mail)


@pytest.mark.parametrize("mail", [MAIL, WITHOUT_ID], ids=["with id", "without id"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Order 42", "Order 43"),
        ("anna@client.example>", "mallory@client.example>"),
        ("12:04:00", "12:04:01"),
    ],
)
def test_another_mail_behind_the_same_id_is_another(mail: str, before: str, after: str) -> None:
    assert identity(mail.replace(before, after)) != identity(mail)


@pytest.mark.parametrize(("before", "after"), [("words", "other"), ("sales@keep", "office@keep")])
def test_without_id_recipients_and_body_tell_mails_apart(before: str, after: str) -> None:
    assert identity(WITHOUT_ID.replace(before, after)) != identity(WITHOUT_ID)


def test_the_identity_is_that_of_the_release_before() -> None:
    assert identity(MAIL) == "373ddec7-512b-53dc-b25b-c75ef1ba1456"
    assert identity(WITHOUT_ID) == "9eebd45d-7b08-5609-97f4-32033ed9997e"


def test_the_header_alone_gives_the_identity_of_a_mail_with_an_id() -> None:
    header = MAIL.encode().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    assert header_identity(header) == identity(MAIL)


def test_the_header_alone_is_not_enough_without_an_id() -> None:
    assert header_identity(WITHOUT_ID.encode()) is None


def test_raw_octets_in_the_header_do_not_make_the_identity_depend_on_the_body() -> None:
    head = "From: Иван <i@b.example>\r\nSubject: КП\r\nMessage-ID: <k@b.example>\r\n".encode(
        "cp1251"
    )
    body = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
    body += b"charset=koi8-r\r\n\r\nx\r\n--b--\r\n"

    assert (
        header_identity(head + body.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        == parse(head + body).identity
    )


def test_a_date_that_is_shown_although_it_is_odd_makes_the_identity_that_it_always_made() -> None:
    odd = "From: a@b.example\r\nDate: Пт, 3 мая 2024 12:04:00 +0300\r\nSubject: s\r\n"
    raw = f"{odd}Message-ID: <1@b.example>\r\n\r\n".encode()

    assert header_identity(raw) == "511e9737-ed8f-5502-8e16-2ae5f0c13c47"
    assert parse(raw).date is not None
