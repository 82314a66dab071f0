"""Large messages, read in a child with its limits of memory and time: what comes through."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest

from ingest.children import ChildLimits, Readers
from ingest.domain.mails import Mail
from ingest.mail.limits import LIMITS
from ingest.mail.message import parse
from tests.mail.reading.test_hostile import CPU_S, typed

MIB = 1024 * 1024
FILE = 50 * MIB
LINE = b"QUJD" * 19 + b"\r\n"  #: 57 octets of a file
LINES = FILE // 57
TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nwords\r\n"
HEAD = b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: "


def letter(text: bytes, encoding: bytes, content: bytes) -> bytes:
    body = text + HEAD + encoding + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    return typed(b"multipart/mixed; boundary=b", body)


def signed(content: bytes) -> bytes:
    """Return S/MIME octets around a content, their lengths not known beforehand."""
    kind = bytes.fromhex("06092a864886f70d0107")
    inner = b"\x30\x80" + kind + b"\x01\xa0\x80\x24\x80"
    pieces = b"".join(
        b"\x04\x83" + len(piece).to_bytes(3, "big") + piece
        for piece in (content[at : at + MIB] for at in range(0, len(content), MIB))
    )
    start = b"\x30\x80" + kind + b"\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00"
    return start + inner + pieces + b"\0" * 12


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers[Mail]]:
    # The memory and the CPU time of the service; a busy machine may take its time.
    with Readers(parse, limits=ChildLimits(wall_s=60)) as found:
        yield found


def read(readers: Readers[Mail], raw: bytes) -> Mail:
    found = readers.read(raw)
    assert isinstance(found, Mail), found
    return found


def test_a_file_of_50_mib_is_listed_and_the_text_beside_it_read(readers: Readers[Mail]) -> None:
    mail = read(readers, letter(TEXT, b"base64", LINE * LINES))

    assert mail.text == "words"
    assert [(file.name, file.size) for file in mail.attachments] == [("a.pdf", LINES * 57)]
    assert mail.attachments[0].digest is not None


def test_a_torn_file_of_50_mib_is_listed_with_a_guess(readers: Readers[Mail]) -> None:
    mail = read(readers, letter(TEXT, b"base64", LINE * LINES + b"!"))

    assert mail.text == "words"
    assert mail.warnings == ("an attached file is torn: its size is a guess",)


def test_what_small_mails_are_mended_for_leaves_a_large_one_readable(
    readers: Readers[Mail],
) -> None:
    raw_text = TEXT.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
    mail = read(
        readers, letter(raw_text.replace(b"words", b"\xd0\xd1 words"), b"base64;", LINE * LINES)
    )

    assert "words" in mail.text
    assert [file.size for file in mail.attachments] == [LINES * 57]


def test_a_large_signed_mail_is_opened(readers: Readers[Mail]) -> None:
    inner = letter(TEXT, b"base64", LINE * (18 * MIB // 57))
    wrapped = base64.encodebytes(signed(inner))
    raw = typed(b"application/pkcs7-mime; smime-type=signed-data", wrapped).replace(
        b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1
    )

    mail = read(readers, raw)

    assert mail.text == "words"
    assert [file.size for file in mail.attachments] == [18 * MIB // 57 * 57]


def test_100_000_parts_and_a_large_file_are_left_with_a_reason(readers: Readers[Mail]) -> None:
    raw = typed(b"multipart/mixed; boundary=b", b"--b\r\n" * 100_000 + TEXT + LINE * 200_000)

    assert read(readers, raw).opaque == f"more than {LIMITS.parts} parts"


@pytest.mark.parametrize("line", [b"\r\n", LINE], ids=["empty lines", "full lines"])
def test_the_slow_parser_gets_no_more_than_it_can_read_in_time(line: bytes) -> None:
    half = min(LIMITS.slow_octets // len(line), LIMITS.slow_lines) - 100
    inner = b"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n"
    raw = typed(b"multipart/mixed; boundary=b", TEXT + inner + line * half + b"--bb--\r\n--b--\r\n")
    before = time.process_time()

    mail = parse(raw)

    assert time.process_time() - before < CPU_S
    assert mail.text.startswith("words")
