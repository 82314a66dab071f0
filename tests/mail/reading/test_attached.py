"""Attachments: told by their content, and taken out of a kept message one by one."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage

import pytest

from ingest.domain.deliveries import UnreadableDelivery
from ingest.mail.attached import extract, question
from ingest.mail.message import parse
from ingest.mail.sniff import looks_like
from tests.mail.reading.test_cases import CASES

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
NOTE = "Прайс на июль\n".encode("cp1251")


def letter() -> bytes:
    mail = EmailMessage()
    mail["From"] = "olga@lumber.example"
    mail["To"] = "sales@ours.example"
    mail["Subject"] = "files"
    mail.set_content("see attached\n")
    mail.add_attachment(PDF, maintype="image", subtype="png", filename="holiday.png")
    inner = EmailMessage()
    inner["From"] = "x@y.example"
    inner.set_content("inner")
    inner.add_attachment(b"hidden", maintype="application", subtype="octet-stream", filename="in")
    mail.add_attachment(inner)
    mail.add_attachment(NOTE, maintype="text", subtype="plain", filename="прайс.txt")
    return mail.as_bytes()


def test_what_is_listed_is_what_can_be_taken_out() -> None:
    raw = letter()
    listed = parse(raw).attachments

    assert [it.name for it in listed] == ["holiday.png", "message.eml", "прайс.txt"]
    for number, one in enumerate(listed):
        content = extract(question(raw, number)).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.digest)
    assert extract(question(raw, 0)).content == PDF
    assert extract(question(raw, 2)).content == NOTE


def test_what_is_listed_of_any_recorded_mail_can_be_taken_out() -> None:
    taken = 0
    for case in CASES:
        raw = case.read_bytes()
        try:
            listed = parse(raw).attachments
        except UnreadableDelivery:
            continue
        for number, one in enumerate(listed[:3]):
            if one.digest is None:
                continue  # torn: it is refused
            content = extract(question(raw, number)).content
            assert (case.name, hashlib.sha256(content).hexdigest()) == (case.name, one.digest)
            taken += 1
    assert taken > 100


def test_a_file_is_told_by_its_content_not_by_its_name() -> None:
    [first, *_] = parse(letter()).attachments

    assert (first.type, first.looks) == ("image/png", "application/pdf")


def test_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnreadableDelivery):
        extract(question(letter(), 3))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"MZ\x90\x00", "application/x-msdownload"),
        (b"#!/bin/sh\n", "text/x-script"),
        (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml", "sheet"),
        (b"PK\x03\x04" + bytes(26) + b"photos/1.jpg", "application/zip"),
        (b"  <HTML><script>", "text/html"),
        (b"<svg onload=x>", "image/svg+xml"),
        ("обычный текст".encode(), "text/plain"),
        ("обычный текст".encode("cp1251"), None),
        (b"\x00\x01\x02", None),
        (b"", None),
        ("я".encode() * 5000, "text/plain"),
    ],
)
def test_first_octets_tell_what_a_file_is(head: bytes, kind: str | None) -> None:
    found = looks_like(head)

    assert found == kind or (kind == "sheet" and found is not None and found.endswith(".sheet"))
