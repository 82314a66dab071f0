"""Words of a header: RFC 2047 encoded words and RFC 2231 parameters, lawful or not."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from ingest.mail.charsets import decode, guess

_OPENING = re.compile(r"=\?([A-Za-z0-9][\w.:+-]{0,39})(?:\*[\w-]{0,20})?\?([bBqQ])\?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_PADDING = re.compile(rb"=+")
_REPEATED = 200  #: characters of a field that is worth remembering
_WHOLE = -1  #: the number of a value that is encoded and said in one piece
_MOST_PARTS = 1_000  #: of a field that has parameters
_SPLITS = re.compile('[;"]')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")


def decode_words(text: str) -> str:
    """Return the header text with its encoded words read, in linear time.

    Also read: words with spaces in them, words in quotes, words with nothing between
    them, and characters that are cut in two by the end of a word. What is no word stays.
    """
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run: list[tuple[str, bytes]] = []  # adjacent words: joined before their characters are read
    at, closing = 0, 0
    for opening in _OPENING.finditer(text):
        if opening.start() < at:
            continue
        if closing < opening.end():
            closing = text.find("?=", opening.end())
        if closing < 0:
            break
        if "=?" in text[opening.end() : min(closing, opening.end() + 4096)]:
            continue  # never closed: the next opening is the real one
        between = text[at : opening.start()]
        if between.strip() or not run:
            pieces += [_joined(run), between]
            run = []
        run.append((opening[1].lower(), _octets(opening[2], text[opening.end() : closing])))
        at = closing + 2
    pieces += [_joined(run), text[at:]]
    return "".join(pieces)


def _joined(run: list[tuple[str, bytes]]) -> str:
    pieces: list[str] = []
    index = 0
    while index < len(run):
        charset = run[index][0]
        data = bytearray()
        while index < len(run) and run[index][0] == charset:
            data += run[index][1]
            index += 1
        pieces.append(decode(bytes(data), charset)[0])
    return "".join(pieces)


def _octets(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "bB":
        return unbase64(data)
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), data.replace(b"_", b" "))


def unbase64(data: bytes) -> bytes:
    """Return what base64 text holds, whatever stands between its letters or lacks at its end.

    Texts that were put together each with its own end are read one by one.
    """
    return b"".join(_unpadded(_NOT_BASE64.sub(b"", piece)) for piece in _PADDING.split(data))


def _unpadded(letters: bytes) -> bytes:
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Return the word before the first semicolon, lowered, and the parameters behind it.

    Names are lowered; RFC 2231 continuations are joined and decoded, encoded words in
    values read. Of two parameters of one name the first counts.
    """
    if ";" not in value:
        return value[:65_536].strip().lower(), {}
    if len(value) > _REPEATED:
        return _parameters(value[:65_536])
    word, found = _known_parameters(value)
    return word, dict(found)


@lru_cache(maxsize=64)  # the same few types stand over nearly all parts
def _known_parameters(value: str) -> tuple[str, dict[str, str]]:
    return _parameters(value)


def _parameters(value: str) -> tuple[str, dict[str, str]]:
    word, *rest = _split(value)
    plain: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[bool, str]]] = {}
    for piece in rest[:_MOST_PARTS]:
        name, equals, text = piece.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        base, star, tail = name.partition("*")
        if star:
            number = tail.rstrip("*")
            order = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 0
            section = (name.endswith("*"), _unquoted(text))
            extended.setdefault(base, {}).setdefault(order if tail else _WHOLE, section)
        else:
            plain.setdefault(name, decode_words(_unquoted(text)))
    for base, sections in extended.items():
        plain[base] = _extended(sections)
    return word.strip().lower(), plain


def _split(value: str) -> list[str]:
    """Split at semicolons outside quotes. A quote that never closes is taken as a letter."""
    if '"' not in value:
        return value.split(";")
    pieces: list[str] = []
    start = at = 0
    while found := _SPLITS.search(value, at):
        at = found.start()
        if found[0] == ";":
            pieces.append(value[start:at])
            start = at + 1
        else:
            at = _closing_quote(value, at)
        at += 1
    return [*pieces, value[start:]]


def _closing_quote(value: str, at: int) -> int:
    """Return where the quote opened at `at` closes; the end where it never does."""
    end = value.find('"', at + 1)
    if end >= 0 and value.find("\\", at + 1, end) < 0:
        return end
    end = at + 1
    while end < len(value) and value[end] != '"':
        end += 2 if value[end] == "\\" else 1
    return end


def _unquoted(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    inside = text[1 : _closing_quote(text, 0)]
    return _ESCAPED.sub(r"\1", inside) if "\\" in inside else inside


def _extended(sections: dict[int, tuple[bool, str]]) -> str:
    """Join RFC 2231 sections; the first one of the encoded ones names the character set.

    A value that is said whole is never mixed with one said in sections.
    """
    if _WHOLE in sections:
        sections = {_WHOLE: sections[_WHOLE]}
    charset, data = "", bytearray()
    for index, (_, (encoded, text)) in enumerate(sorted(sections.items())):
        if index == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets = text.encode("utf-8", "replace")
        data += unquote_to_bytes(octets) if encoded else octets
    if charset:
        return decode(bytes(data), charset)[0]
    return decode_words(guess(bytes(data))[0])
