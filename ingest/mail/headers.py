"""The header block of a message: its fields as octets, read by name as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from ingest.mail.charsets import guess
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.words import decode_words, parameters

#: Fields that make a Mail: read wherever they stand in the header.
ESSENTIAL = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references auto-submitted "
    b"content-type content-transfer-encoding content-disposition mime-version".split()
)

#: Fields whose words the sender wrote.
WRITTEN = frozenset(b"from sender reply-to to cc subject".split())

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_BLANK = re.compile(rb"\n\r*\n")
_ADDRESSED = frozenset({b"from", b"to", b"cc", b"reply-to"})


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Fields in the order of the wire. Names in lower case; values unfolded, undecoded."""

    fields: tuple[tuple[str, bytes], ...]
    hint: str | None = None  #: the character set that raw octets in the header seem to be in
    broken: tuple[str, ...] = field(default=())  #: what was left out or mended

    @cached_property
    def _by_name(self) -> dict[str, list[bytes]]:
        index: dict[str, list[bytes]] = {}
        for name, value in self.fields:
            index.setdefault(name, []).append(value)
        return index

    def raw(self, name: str) -> str | None:
        """Return the first field of that name as text, encoded words as they are, or None."""
        values = self._by_name.get(name)
        return self._text(values[0]) if values else None

    def all_raw(self, name: str) -> list[str]:
        """Return every field of that name as text, encoded words as they are."""
        return [self._text(value) for value in self._by_name.get(name, ())]

    def text(self, name: str) -> str | None:
        """Return the first field of that name, decoded and unfolded, or None."""
        value = self.raw(name)
        return None if value is None else " ".join(decode_words(value).split())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def _text(self, value: bytes) -> str:
        return " ".join(guess(value, hint=self.hint)[0].split())


def split(raw: bytes, *, limits: Limits = LIMITS) -> tuple[Headers, int]:
    """Return the fields of a message and where its body begins.

    A header ends at its first empty line, or at a line that can be no field unless more
    fields follow it: gateways put broken lines into headers.
    """
    blank = _BLANK.search(raw[: limits.header_octets]) or _BLANK.search(raw)
    if raw[:2] == b"\r\n" or raw[:1] == b"\n":
        return Headers(fields=()), raw.index(b"\n") + 1
    end = blank.start() + 1 if blank else len(raw)
    body = blank.end() if blank else len(raw)
    broken: list[str] = []
    if end > limits.header_octets:
        broken.append(f"header of {end} octets, read to {limits.header_octets}")
        end = raw.rfind(b"\n", 0, limits.header_octets) + 1 or limits.header_octets
    lines = raw[:end].split(b"\n")
    found: list[tuple[bytes, list[bytes]]] = []
    offset = 0
    for number, line in enumerate(lines):
        matched = _FIELD.match(line)
        if matched:
            found.append((matched[1].lower(), [line[matched.end() :]]))
        elif line[:1] in (b" ", b"\t") and found:
            found[-1][1].append(line)
        elif line.strip() and not line.startswith((b"From ", b">From ")):
            if not any(_FIELD.match(later) for later in lines[number + 1 : number + 4]):
                broken.append("header without an empty line after it")
                body = offset
                break
            broken.append("a line in the header that is no field")
        offset += len(line) + 1
    fields = _kept(found, broken, limits)
    return Headers(fields=fields, hint=_hint(fields), broken=tuple(dict.fromkeys(broken))), body


def _hint(fields: tuple[tuple[str, bytes], ...]) -> str | None:
    """Return the character set of raw octets: one name is too short to tell, all together do.

    By the header alone, so that a mail's identity is the same when only that was fetched.
    """
    octets = b" ".join(
        value for name, value in fields if name.encode() in WRITTEN and not value.isascii()
    )
    if not octets:
        return None
    kind = next((value for name, value in fields if name == "content-type"), b"")
    declared = parameters(kind.decode("ascii", "replace"))[1].get("charset")
    return guess(octets, hint=declared)[1]


def _kept(
    found: list[tuple[bytes, list[bytes]]], broken: list[str], limits: Limits
) -> tuple[tuple[str, bytes], ...]:
    """Return the fields within the limits: of too many, those that make a Mail."""
    if len(found) > limits.header_fields:
        broken.append(f"more than {limits.header_fields} header fields")
        rest = [pair for pair in found[limits.header_fields :] if pair[0] in ESSENTIAL]
        found = found[: limits.header_fields] + rest[: limits.header_fields]
    fields = []
    for name, lines in found:
        value = b"".join(line.rstrip(b"\r") for line in lines).strip()
        if len(value) > limits.field_octets:
            broken.append(f"header field longer than {limits.field_octets} octets")
            value = _cut(name, value, limits.field_octets)
        fields.append((name.decode("ascii"), value))
    return tuple(fields)


def _cut(name: bytes, value: bytes, octets: int) -> bytes:
    """Cut a field, a list of addresses after a whole address."""
    cut = value[:octets]
    return cut[: cut.rfind(b",") + 1] or cut if name in _ADDRESSED else cut
