"""What a stranger might do to a recorded text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

KIB_64 = 65_536

TOKENS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"\r", b"\x1b[31m",
    b"9" * 400, b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'"', b"'", b"\\", b"%00",
    b"%", b"&", b"=", b";", b",", b"<", b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    b"&a;", b"]]>", b"[" * 500, b'{"a":' * 200, b"(" * 500, b"\\u0000", b"\\ud800",
    "\u202e\u0661\u0662".encode(), "\u0130".encode(), b"=?utf-8?B?////?=", b"=?koi8-r?Q?=FF=00?=",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x", b"Content-Transfer-Encoding: base64",
    b"+", b"sip:@;ext=", b"anonymous", b"2026-13-45T99:99:99Z", b"0000-00-00 00:00:00",
    b"99999999999999999999", b"../../x", b"' OR 1=1 --",
)  # fmt: skip

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def _flip(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(chance.randint(1, 8)):
        if text:
            text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)


def _cut(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    if text:
        start = chance.randrange(len(text))
        del text[start : start + chance.choice((1, 4, 32, len(text)))]


def _token(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    at = chance.randint(0, len(text))
    text[at:at] = chance.choice(TOKENS)


def _replace(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    token = chance.choice(TOKENS)
    at = chance.randint(0, len(text))
    text[at : at + len(token)] = token


def _repeat(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    if text:
        start = chance.randrange(len(text))
        piece = bytes(text[start : start + chance.choice((1, 8, 64, 512))])
        text[start:start] = piece * chance.choice((2, 10, 200))


def _splice(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    at, start = chance.randint(0, len(text)), chance.randint(0, len(other))
    text[at:at] = other[start : start + 2_000]


def _swap(text: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    """Exchange two lines, fields or values, as far as separators tell them."""
    separator = chance.choice((b"\n", b"&", b",", b'"', b";"))
    pieces = bytes(text).split(separator)
    if len(pieces) > 2:
        one, two = chance.randrange(len(pieces)), chance.randrange(len(pieces))
        pieces[one], pieces[two] = pieces[two], pieces[one]
        text[:] = separator.join(pieces)


MUTATIONS: tuple[Mutation, ...] = (_flip, _cut, _token, _replace, _repeat, _splice, _swap)


def mutated(
    text: bytes, chance: random.Random, others: Sequence[bytes], *, most: int = KIB_64
) -> bytes:
    """Return the text after one to five of those, never longer than `most` octets."""
    found = bytearray(text)
    for _ in range(chance.randint(1, 5)):
        chance.choice(MUTATIONS)(found, chance, others)
        del found[most:]
    return bytes(found)
