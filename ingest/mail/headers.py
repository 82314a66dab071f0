"""The header block of a message: its fields as octets, read by name as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.domain.mails import MailAddress
from ingest.mail.charsets import guess
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.participants import read_addresses
from ingest.mail.words import decode_words, parameters

#: Fields that make a Mail: read wherever they stand in the header.
ESSENTIAL = frozenset(
    (
        *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id"),
        *("in-reply-to", "references", "auto-submitted", "content-type"),
        *("content-transfer-encoding", "content-disposition", "mime-version"),
    )
)

#: Fields whose words the sender wrote.
WRITTEN = frozenset({"from", "sender", "reply-to", "to", "cc", "subject"})

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
#: A whole field, with the lines behind its first one that go on with it.
_WHOLE = re.compile(rb"([!-9;-~]{1,100}+)[ \t]*+:([^\n]*+\n(?:[ \t][^\n]*+\n)*+)")
_LINE_END = re.compile(rb"\r*\n")
_BLANK = re.compile(rb"\n\r*\n")
_ADDRESSED = frozenset({"from", "to", "cc", "reply-to"})


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Fields in the order of the wire. Names in lower case; values unfolded, undecoded."""

    fields: tuple[tuple[str, bytes], ...]
    hint: str | None = None  #: the character set that raw octets in the header seem to be in
    broken: tuple[str, ...] = field(default=())  #: what was left out or mended

    _by_name: dict[str, list[bytes]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    #: First fields as text and as people: the same few are asked for again and again.
    _read: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)
    _people: dict[tuple[str, int], tuple[MailAddress, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for name, value in self.fields:
            self._by_name.setdefault(name, []).append(value)

    def raw(self, name: str) -> str | None:
        """Return the first field of that name as text, encoded words as they are, or None."""
        if name in self._read:
            return self._read[name]
        values = self._by_name.get(name)
        if not values:
            return None
        text = self._read[name] = self._text(values[0])
        return text

    def all_raw(self, name: str) -> list[str]:
        """Return every field of that name as text, encoded words as they are."""
        first = self.raw(name)
        if first is None:
            return []
        return [first, *(self._text(value) for value in self._by_name[name][1:])]

    def people(self, name: str, *, limit: int = LIMITS.addresses) -> tuple[MailAddress, ...]:
        """Return the addresses in the first field of that name."""
        found = self._people.get((name, limit))
        if found is None:
            text = self.raw(name)
            found = read_addresses(text, limit=limit) if text else ()
            self._people[name, limit] = found
        return found

    def count(self, name: str) -> int:
        """Return how many fields there are of that name."""
        return len(self._by_name.get(name, ()))

    def text(self, name: str) -> str | None:
        """Return the first field of that name, decoded and unfolded, or None."""
        value = self.raw(name)
        if value is None or "=?" not in value:
            return value  # unfolded already
        return " ".join(decode_words(value).split())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def _text(self, value: bytes) -> str:
        if value.isascii() and b"\x1b" not in value:  # no more than asked of every field
            return " ".join(value.decode("ascii").split())
        return " ".join(guess(value, hint=self.hint)[0].split())


def split(raw: bytes, *, limits: Limits = LIMITS) -> tuple[Headers, int]:
    """Return the fields of a message and where its body begins.

    A header ends at its first empty line, or at a line that can be no field unless more
    fields follow it: gateways put broken lines into headers.
    """
    blank = _BLANK.search(raw, 0, limits.header_octets) or _BLANK.search(raw)
    if raw[:2] == b"\r\n" or raw[:1] == b"\n":
        return Headers(fields=()), raw.index(b"\n") + 1
    end = blank.start() + 1 if blank else len(raw)
    body = blank.end() if blank else len(raw)
    broken: list[str] = []
    if end > limits.header_octets:
        broken.append(f"header of {end} octets, read to {limits.header_octets}")
        end = raw.rfind(b"\n", 0, limits.header_octets) + 1 or limits.header_octets
    found = _lawful(raw, end)
    if found is None:
        found, stop = _mended(raw[:end], broken)
        body = body if stop is None else stop
    fields = _kept(found, broken, limits)
    return Headers(fields=fields, hint=_hint(fields), broken=tuple(dict.fromkeys(broken))), body


def _lawful(raw: bytes, end: int) -> list[tuple[bytes, bytes]] | None:
    """Return the fields of a header, their names in lower case; None: not all of it is fields."""
    fields: list[tuple[bytes, bytes]] = []
    at = 0
    while at < end:  # one behind the other: what is none anywhere must not be searched for on
        whole = _WHOLE.match(raw, at, end)
        if whole is None:
            return None
        name, lines = whole[1], whole[2]
        fields.append(
            (name.lower(), _LINE_END.sub(b"", lines) if lines.count(b"\n") > 1 else lines)
        )
        at = whole.end()
    return fields


def _mended(head: bytes, broken: list[str]) -> tuple[list[tuple[bytes, bytes]], int | None]:
    """Return the fields of a header with broken lines in it, and where it ends before its end."""
    lines = head.split(b"\n")
    found: list[tuple[bytes, list[bytes]]] = []
    offset, stop = 0, None
    for number, line in enumerate(lines):
        matched = _FIELD.match(line)
        if matched:
            found.append((matched[1].lower(), [line[matched.end() :]]))
        elif line[:1] in (b" ", b"\t") and found:
            found[-1][1].append(line)
        elif line.strip() and not line.startswith((b"From ", b">From ")):
            if not any(_FIELD.match(later) for later in lines[number + 1 : number + 4]):
                broken.append("header without an empty line after it")
                stop = offset
                break
            broken.append("a line in the header that is no field")
        offset += len(line) + 1
    joined = [(name, b"".join(line.rstrip(b"\r") for line in its)) for name, its in found]
    return joined, stop


def _hint(fields: tuple[tuple[str, bytes], ...]) -> str | None:
    """Return the character set of raw octets: one name is too short to tell, all together do.

    By the header alone, so that a mail's identity is the same when only that was fetched.
    """
    octets = b" ".join(value for name, value in fields if not value.isascii() and name in WRITTEN)
    if not octets:
        return None
    kind = next((value for name, value in fields if name == "content-type"), b"")
    declared = parameters(kind.decode("ascii", "replace"))[1].get("charset")
    return guess(octets, hint=declared)[1]


def _kept(
    found: list[tuple[bytes, bytes]], broken: list[str], limits: Limits
) -> tuple[tuple[str, bytes], ...]:
    """Return the fields within the limits: of too many, those that make a Mail."""
    if len(found) > limits.header_fields:
        broken.append(f"more than {limits.header_fields} header fields")
        rest = [pair for pair in found[limits.header_fields :] if pair[0].decode() in ESSENTIAL]
        found = found[: limits.header_fields] + rest[: limits.header_fields]
    fields = []
    for octets, lines in found:
        name, value = octets.decode("ascii"), lines.strip()
        if len(value) > limits.field_octets:
            broken.append(f"header field longer than {limits.field_octets} octets")
            value = _cut(name, value, limits.field_octets)
        fields.append((name, value))
    return tuple(fields)


def _cut(name: str, value: bytes, octets: int) -> bytes:
    """Cut a field, a list of addresses after a whole address."""
    cut = value[:octets]
    return cut[: cut.rfind(b",") + 1] or cut if name in _ADDRESSED else cut
