"""What wraps files without MIME: opened as far as a message may go, and never in endless time."""

from __future__ import annotations

import struct
import time

import pytest

from ingest.mail import cms, tnef
from ingest.mail.flowed import unflowed
from ingest.mail.message import parse
from ingest.mail.pgp import unarmoured
from ingest.mail.tnef import MARK
from tests.mail.reading.test_hostile import CPU_S, typed

SIGNED = bytes.fromhex("06092a864886f70d010702")
UU = b"begin 644 a\r\n#86)C\r\nend\r\n"


def attribute(name: int, value: bytes) -> bytes:
    return struct.pack("<BII", 2, name, len(value)) + value + b"\0\0"


def binary(kind: bytes, content: bytes) -> bytes:
    return b"--b\r\nContent-Type: " + kind + b"\r\n\r\n" + content + b"\r\n"


def lied(content: bytes) -> bytes:
    """Return S/MIME octets of unknown length around a content."""
    return b"\x30\x80" + SIGNED + b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80" + content


OCTETS = MARK + b"\0\0"
FILE = attribute(0x9002, b"")
PROPERTIES = struct.pack("<I", 2**32 - 1) + struct.pack("<HHI", 3, 1, 0) * 2_000
HOSTILE = {
    "100,000 files in winmail.dat": OCTETS + (FILE + attribute(0x8010, b"a\0")) * 100_000,
    "20,000 blocks of properties": OCTETS + FILE + attribute(0x9005, PROPERTIES) * 1_000,
    "properties of many values": OCTETS
    + attribute(0x9003, struct.pack("<IHHI", 9, 0x1003, 1, 2**32 - 1) + bytes(5_000_000)),
    "names without end": OCTETS + attribute(0x9003, struct.pack("<IHH", 9, 3, 0x8001) + bytes(22)),
}
DEEP = {
    "pieces without end": lied(b"\x06\x01\x01\xa0\x80\x24\x80" + b"\x04\x00" * 2_000_000),
    "sequences without end": lied(b"\x30\x80" * 1_000_000),
    "a length of 2**64": b"\x30\x88" + b"\xff" * 8 + SIGNED,
}
MANY = {
    "100,000 uuencoded files": typed(b"text/plain", UU * 100_000),
    "600,000 beginnings of files": typed(b"text/plain", b"begin 644 a\r\n" * 600_000),
    "uuencoded lines without end": typed(
        b"text/plain", b"begin 644 a\r\n" + b"#86)C\r\n" * 300_000
    ),
    "900 wrappers of 900 parts": typed(
        b"multipart/mixed; boundary=b",
        binary(
            b"application/pkcs7-mime",
            b"0\x80" + SIGNED + b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x01\x01\xa0\x80"
            b"\x04\x82\x1c\x50"
            + (b"Content-Type: multipart/mixed; boundary=i\n\n" + b"--i\n\n" * 1_500)[:7248],
        )
        * 900,
    ),
    "lines broken everywhere": typed(b"text/plain; format=flowed; delsp=yes", b"a \r\n" * 500_000),
    "hidden elements within each other": typed(b"text/html", b"<div hidden>" * 60_000),
    "hidden elements one by one": typed(b"text/html", b"<div hidden></div>" * 40_000),
    "a hidden element before broken ones": typed(b"text/html", b"<div hidden>" + b"<div" * 150_000),
    "styles without end": typed(b"text/html", b'<p none style="' * 40_000),
    "signed words within signed words": typed(
        b"text/plain", b"-----BEGIN PGP SIGNED MESSAGE-----\r\n" * 100_000
    ),
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_winmail_dat_is_opened_in_bounded_time(octets: bytes) -> None:
    before = time.process_time()

    assert tnef.unwrap(octets) is not None
    assert time.process_time() - before < CPU_S / 2


@pytest.mark.parametrize("octets", DEEP.values(), ids=DEEP.keys())
def test_a_hostile_signature_is_opened_in_bounded_time(octets: bytes) -> None:
    before = time.process_time()

    assert cms.signed_content(octets) is None
    assert time.process_time() - before < CPU_S / 2


@pytest.mark.parametrize("raw", MANY.values(), ids=MANY.keys())
def test_a_message_of_wrappers_is_read_in_bounded_time(raw: bytes) -> None:
    before = time.process_time()

    mail = parse(raw)

    assert time.process_time() - before < CPU_S
    assert len(mail.attachments) <= 1_001


def test_a_code_page_that_nobody_knows_reads_as_the_western_one() -> None:
    octets = OCTETS + attribute(0x9007, struct.pack("<I", 99_999)) + FILE
    found = tnef.unwrap(octets + attribute(0x8010, b"caf\xe9.pdf\0"))

    assert found is not None
    assert [file.name for file in found.files] == ["café.pdf"]


def test_words_around_a_signed_text_stay() -> None:
    text = "-----BEGIN PGP SIGNED MESSAGE-----\n\nwords\n-----BEGIN PGP SIGNATURE-----\n"

    assert unarmoured(text) == text
    assert unarmoured(f"a\n{text}x\n-----END PGP SIGNATURE-----\nb") == "a\nwords\nb"


def test_a_text_that_is_not_flowed_stays_as_it_is() -> None:
    assert unflowed("a \nb", {"format": "fixed", "delsp": "yes"}) == "a \nb"
    assert unflowed("a \nb", {"format": "flowed"}) == "a \nb"
