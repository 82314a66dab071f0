r"""RTF: what Outlook packs is unpacked, and its words are read, whoever wrote the octets."""

from __future__ import annotations

import struct
import time

import pytest

from ingest.mail import rtf, tnef
from ingest.mail.rtf_compressed import MOST_RTF, unpacked
from tests.mail.reading.test_hostile import CPU_S
from tests.mail.reading.test_wrappers import OCTETS, attribute

HEADER = struct.pack("<II4sI", 0, 0, b"LZFu", 0)


def text(source: str) -> str:
    return rtf.words(b"{\\rtf1\\ansi\n" + source.encode("latin-1") + b"}").text


def html(source: str) -> str:
    return rtf.words(b"{\\rtf1\\ansi\\fromhtml1\n" + source.encode("latin-1") + b"}").html


# Unpacking -------------------------------------------------------------------------------------

# The two examples of [MS-OXRTFCP], section 4.
EXAMPLES = {
    "with the dictionary's own words": (
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d"
        "0a800fa0",
        b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
    ),
    "reaching into what is being written": (
        "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0",
        b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
    ),
}


@pytest.mark.parametrize(("packed", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_of_the_format_are_unpacked(packed: str, expected: bytes) -> None:
    assert unpacked(bytes.fromhex(packed)) == expected


def test_a_text_cut_anywhere_is_unpacked_as_far_as_it_came() -> None:
    packed, expected = EXAMPLES["with the dictionary's own words"]

    for size in range(len(packed) // 2):
        assert expected.startswith(unpacked(bytes.fromhex(packed)[:size]))


def places(back: int, count: int) -> bytes:
    """Return so many tokens that repeat two octets from so far back."""
    at, octets = 207, bytearray()
    for number in range(count):
        octets += b"\xff" if number % 8 == 0 else b""
        octets += struct.pack(">H", (at - back) % 4096 << 4)
        at += 2
    return bytes(octets)


PACKED = {
    "nothing that can be packed": b"\0abcdefgh" * 400_000,
    "one place after the other": places(1, 40_960) * 8,
    "places where nothing stands": b"\xff" + b"\x0f\x00" * 8,
    "the end at once": b"\x01\x0c\xf0" * 100_000,
    "tokens without octets": b"\xff",
}


@pytest.mark.parametrize("octets", PACKED.values(), ids=PACKED)
def test_hostile_octets_are_unpacked_in_bounded_time_and_size(octets: bytes) -> None:
    before = time.process_time()

    assert len(unpacked(HEADER + octets)) <= MOST_RTF
    assert time.process_time() - before < CPU_S


# Words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r" a\par b\line c\tab d", "a\nb\nc\td"),
        ("one\r\ntwo", "onetwo"),
        ("one\\\r\ntwo", "one\ntwo"),
        (r" \{\}\\ a\~b\_c\-d", "{}\\ a\N{NO-BREAK SPACE}b\N{NON-BREAKING HYPHEN}cd"),
        (r" \lquote a\rquote \emdash b", "‘a’—b"),
        (r"\ansicpg1251 \'c4\'e0", "Да"),
        (r"\ansicpg65001 \'d0\'94", "Д"),
        (r"\ansicpg99999 caf\'e9", "café"),
        (r"{\fonttbl{\f0\fcharset204 A;}{\f1 B;}}\f0 \'c4\f1 \'e4 {\f0\'c4}\'e4", "Дä Дä"),
        (r"\deff3{\fonttbl{\f3\fcharset238 A;}} \'b9{\plain\'b9}", "ąą"),
        (r"{\fonttbl{\f0\fcharset1\cpg1253 A;}}\f0\'e1", "α"),
        (r"\u1044 x\u1072?\u-4051\'3f", "Да\uf02d"),
        (r"{\uc0\u1044\u1072}\u33?", "Да!"),
        (r"{\uc3\u1044\'d0\tab?}a", "Дa"),
        (r"{\uc9\u1044?}a", "Дa"),
        (r"\u-10179?\u-8704?", "😀"),
        (r"\u-10179?a", "\ufffda"),
        (r" a{\*\whatever b{c}}{\info{\author d}}{\v e}\v f\v0 g", "ag"),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}", "shown"),
        (r"{\trowd a\cell b\cell\row}c", "a\tb\nc"),
        (r" a\bin3 }}}b", "ab"),
        (r" a\bin-3 b\bin99999999 c", "ab"),
        (r" a}b", "a"),
    ],
)
def test_the_words_of_an_rtf_are_read(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"{\*\htmltag64 <p>}a{\*\htmltag72 </p>}", "<p>a</p>"),
        (r"\htmlrtf never\par\htmlrtf0 a\par b", "a\nb"),
        (r"{\htmlrtf {\b never}\htmlrtf0 a}", "a"),
        (r"\htmlrtf {\*\htmltag84 <b>}never\htmlrtf0 a", "<b>a"),
        (r"{\*\htmltag84 &lt;}\htmlrtf <\htmlrtf0 b", "&lt;b"),
        (r"{\*\mhtmltag84 <img src=x>}{\*\htmltag84 <img src=y>}", "<img src=y>"),
        (r"{\*\htmltag241 <style>\par p \{\}\par </style>}", "<style>\np {}\n</style>"),
        (r"\ansicpg1251{\*\htmltag84 <i title=\'e0>}\'e0\u8364?", "<i title=а>а€"),
    ],
)
def test_html_that_was_made_rtf_is_html_again(source: str, expected: str) -> None:
    assert html(source) == expected


def test_what_is_torn_is_read_as_far_as_it_came() -> None:
    for torn in (b"{\\rtf1 a", b"{\\rtf1 a\\", b"{\\rtf1 a{\\*\\b ", b"{\\rtf1 a\\par"):
        assert rtf.words(torn).text == "a"


def test_what_is_no_rtf_says_nothing() -> None:
    assert rtf.words(b"") == rtf.words(b"words") == rtf.words(b"{\\rtf1}") == rtf.Words()


HOSTILE = {
    "groups": b"{}",
    "groups without end": b"{",
    "fonts one after the other": b"\\f1 a\\f2 b",
    "fonts that are described again and again": b"{\\fonttbl\\f1\\fcharset2}",
    "letters of Unicode": b"\\u55296?",
    "letters to pass over": b"{\\uc99999\\u1}",
    "code pages": b"\\ansicpg1251 a\\ansicpg1252 b",
    "octets to pass over": b"\\bin1 a",
    "a word without end": b"a",
    "backslashes": b"\\",
}


HOSTILE["code pages that nobody knows, each another"] = b"".join(
    b"\\ansicpg%d a" % number for number in range(2_000, MOST_RTF // 15)
)


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_rtf_is_read_in_bounded_time(piece: bytes) -> None:
    packed = struct.pack("<II4sI", 0, 0, b"MELA", 0)
    fonts = b"{\\rtf1{\\fonttbl\\f1\\fcharset204\\f2\\fcharset2}"
    block = fonts + piece * (MOST_RTF // len(piece))
    octets = struct.pack("<IHHII", 1, 0x102, 0x1009, 1, len(packed + block)) + packed + block
    before = time.process_time()

    wrapper = tnef.unwrap(OCTETS + attribute(0x9003, octets))
    assert wrapper is not None
    found = tnef.with_words_of_rtf(wrapper)

    assert time.process_time() - before < CPU_S
    assert len(found.text) <= MOST_RTF
