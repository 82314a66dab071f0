"""The words of IMAP: names and strings as commands want them, answers as values. Pure.

An answer is a list of parts as the protocol delivers them: `bytes` is text of a line, `bytearray`
is a literal. What stands in a literal is never looked at for syntax.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Part = bytes | bytearray
Token = bytes | bytearray | None | list["Token"]

DEEPEST = 64  #: levels of parentheses in one answer
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
_ENCODED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_LITERAL_MARK = re.compile(rb"~?\{\d+\}$")
_TOKEN = re.compile(
    rb"""\s*(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|"""
    rb"""(?P<atom>(?:[^\s()"\[]|\[[^\]]*\])+))"""
)
_INTERNAL_DATE = re.compile(
    rb"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)$"
)
#: What nearly all servers answer where sizes, dates and flags were asked for. Bounded, so that no
#: line is long, and without line ends, so that it can be looked for in what is not parted yet.
OUTLINE = (
    rb"\d{1,10} FETCH \((?:(?:UID (\d{1,10})|RFC822\.SIZE (\d{1,18})|"
    rb'INTERNALDATE "([^"\r\n]{26})"|FLAGS \(([^()"\[{\r\n]{0,4096})\))(?: |(?=\)))){1,4}\)'
)
_OUTLINE = re.compile(OUTLINE + rb"$", re.IGNORECASE)
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}


class Unparsable(ValueError):
    """The server's answer does not follow the grammar of IMAP."""


def quoted(text: str) -> str:
    """Return the text as an IMAP string. Raises ValueError for control characters."""
    if _FORBIDDEN.search(text):
        raise ValueError("a name for the mail server contains a control character")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def from_wire_name(name: bytes) -> str:
    """Return a folder's name as people read it, from modified UTF-7 (RFC 3501, section 5.1.3).

    What is no modified UTF-7 stays as it is.
    """
    try:
        return _ENCODED.sub(_unshifted, name).decode()
    except (ValueError, UnicodeError):
        return name.decode("utf-8", "replace")


def _unshifted(match: re.Match[bytes]) -> bytes:
    octets = match.group(1).replace(b",", b"/")
    if not octets:
        return b"&"
    return b64decode(octets + b"=" * (-len(octets) % 4)).decode("utf-16-be").encode()


def answers(lines: Sequence[Part]) -> Iterator[list[Part]]:
    """Part a command's lines into answers: a line after a literal belongs to the answer before."""
    current: list[Part] = []
    for part in lines:
        if current and not isinstance(part, bytearray) and not isinstance(current[-1], bytearray):
            yield current
            current = []
        current.append(part)
    if current:
        yield current


def tokens(parts: Sequence[Part]) -> list[Token]:
    """Return an answer as nested lists of atoms and strings; NIL is None."""
    top: list[Token] = []
    stack = [top]
    for index, part in enumerate(parts):
        if isinstance(part, bytearray):
            stack[-1].append(part)
            continue
        marked = index + 1 < len(parts) and isinstance(parts[index + 1], bytearray)
        _read_line(_LITERAL_MARK.sub(b"", part) if marked else part, stack)
    if len(stack) > 1:
        raise Unparsable("a parenthesis is not closed")
    return top


def _read_line(line: bytes, stack: list[list[Token]]) -> None:
    at, end = 0, len(line.rstrip())
    while at < end:
        found = _TOKEN.match(line, at)
        if not found:
            raise Unparsable("a string is not closed")
        at = found.end()
        if found["open"]:
            inner: list[Token] = []
            stack[-1].append(inner)
            stack.append(inner)
            if len(stack) > DEEPEST:
                raise Unparsable("parentheses are nested too deeply")
        elif found["close"]:
            stack.pop()
            if not stack:
                raise Unparsable("a parenthesis was never opened")
        elif found["atom"] is not None:
            stack[-1].append(None if found["atom"].upper() == b"NIL" else found["atom"])
        else:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found["quoted"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What one FETCH answer says of one message."""

    uid: int
    size: int | None = None
    internal_date: datetime | None = None
    flags: tuple[str, ...] = ()
    content: bytes | None = None  #: of the section asked for; None: not said


def read_fetch(parts: Sequence[Part]) -> Fetched | None:
    """Return what a FETCH answer says, or None if it names no UID (another session's news)."""
    outline = _OUTLINE.match(parts[0]) if len(parts) == 1 else None
    if outline:
        return read_outline(outline)
    found = tokens(parts)
    if len(found) < 3 or not isinstance(found[2], list):
        raise Unparsable("a FETCH answer holds no list")
    items = found[2]
    said: dict[bytes, Token] = {}
    for name, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(name, bytes):
            key = name.upper()
            said[b"CONTENT" if key.startswith((b"BODY[", b"RFC822.HEADER")) else key] = value
    uid = _number(said.get(b"UID"))
    if uid is None:
        return None
    content, flags, date = said.get(b"CONTENT"), said.get(b"FLAGS"), said.get(b"INTERNALDATE")
    return Fetched(
        uid=uid,
        size=_number(said.get(b"RFC822.SIZE")),
        internal_date=read_internal_date(date) if isinstance(date, bytes) else None,
        flags=_flags(flags),
        content=_content(content) if b"CONTENT" in said else None,
    )


def read_outline(found: re.Match[bytes]) -> Fetched | None:
    """Return what an answer in the form of OUTLINE says, or None if it names no UID."""
    uid, size, date, flags = found.groups()
    if uid is None:
        return None
    return Fetched(
        uid=int(uid),
        size=int(size) if size else None,
        internal_date=read_internal_date(date) if date else None,
        flags=tuple([flag.decode("ascii", "replace") for flag in flags.split()]) if flags else (),
    )


def _number(token: Token) -> int | None:
    return int(token) if isinstance(token, bytes) and token.isdigit() and len(token) < 19 else None


def _flags(token: Token) -> tuple[str, ...]:
    found = token if isinstance(token, list) else []
    return tuple(flag.decode("ascii", "replace") for flag in found if isinstance(flag, bytes))


def _content(token: Token) -> bytes:
    return bytes(token) if isinstance(token, (bytes, bytearray)) else b""


def read_internal_date(text: bytes) -> datetime | None:
    """Return an INTERNALDATE in UTC, or None if it is no date."""
    found = _INTERNAL_DATE.match(text)
    month = _MONTHS.get(found[2].lower()) if found else None
    if found is None or month is None:
        return None
    day, _, year, time, hours, minutes = found.groups()
    iso = f"{year.decode()}-{month}-{day.decode():0>2}T{time.decode()}"
    try:  # in this form one step of the library reads it, and one comes for each mail
        return datetime.fromisoformat(f"{iso}{hours.decode()}:{minutes.decode()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_list(parts: Sequence[Part]) -> tuple[frozenset[str], bytes] | None:
    """Return attributes (lower case) and wire name of a LIST answer; None if it is no folder."""
    found = tokens(parts)
    if len(found) < 4 or not isinstance(found[3], (bytes, bytearray)):
        return None
    return frozenset(flag.lower() for flag in _flags(found[1])), bytes(found[3])


def uid_set(uids: Iterable[int]) -> str:
    """Return UIDs as an IMAP set, runs of neighbours as ranges."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)
