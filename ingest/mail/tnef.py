"""The files and the text within a winmail.dat, Outlook's own wrapper (TNEF).

Source: [MS-OXTNEF], the stream of attributes, and [MS-OXPROPS], the names of properties. What is
read: attachments with name, type and octets, and the text; RTF where there is no other. Every
length is a stranger's claim: what does not fit ends the reading, and what came whole before counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingest.mail import rtf
from ingest.mail.rtf_compressed import unpacked

MARK = b"\x78\x9f\x3e\x22"

_MOST_ATTRIBUTES = 10_000
_MOST_BLOCKS = 1_000  #: of properties: one a file
_MOST_PROPERTIES = 200  #: of one block that are looked at

_CODE_PAGE = 0x9007
_TEXT = 0x800C
_MESSAGE_PROPERTIES = 0x9003
_FILE_BEGINS = 0x9002
_FILE_OCTETS = 0x800F
_FILE_TITLE = 0x8010
_FILE_PROPERTIES = 0x9005

_LONG_NAME, _SHORT_NAME, _MEDIA_TYPE = 0x3707, 0x3704, 0x370E
_BODY, _HTML, _HTML_CODE_PAGE, _RTF = 0x1000, 0x1013, 0x3FDE, 0x1009

_NARROW, _WIDE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
#: Octets of the property types that have a fixed size, padded to four.
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}


@dataclass(slots=True, kw_only=True)
class WrappedFile:
    """One file within the wrapper."""

    name: str | None = None
    type: str = "application/octet-stream"
    content: bytes = b""


@dataclass(slots=True, kw_only=True)
class Unwrapped:
    """What was found in a wrapper."""

    files: list[WrappedFile] = field(default_factory=list)
    text: str = ""
    html: bytes = b""
    html_charset: str | None = None
    packed_rtf: bytes = b""  #: its text where it has no other: see `with_words_of_rtf`


@dataclass(slots=True, kw_only=True)
class _Property:
    kind: int
    name: int
    value: bytes


def unwrap(data: bytes) -> Unwrapped | None:
    """Return what is in a winmail.dat, None where the octets are none. Linear; never raises."""
    if not data.startswith(MARK):
        return None
    found, charset, blocks = Unwrapped(), "cp1252", 0
    for name, value in _attributes(data):
        blocks += name in (_MESSAGE_PROPERTIES, _FILE_PROPERTIES)
        if blocks > _MOST_BLOCKS:
            break
        if name == _CODE_PAGE and len(value) >= 4:
            charset = f"cp{int.from_bytes(value[:4], 'little')}"
        elif name == _TEXT:
            found.text = found.text or _narrow(value, charset)
        elif name == _MESSAGE_PROPERTIES:
            _take_bodies(found, value, charset)
        elif name == _FILE_BEGINS:
            found.files.append(WrappedFile())
        elif found.files:
            _take_file(found.files[-1], name, value, charset)
    if found.text or found.html:
        found.packed_rtf = b""
    found.files = [file for file in found.files if file.content or file.name]
    return found


def with_words_of_rtf(found: Unwrapped) -> Unwrapped:
    """Return what was found with the text that stands in packed RTF, which takes up to a second."""
    words = rtf.words(unpacked(found.packed_rtf))
    html = words.html.encode(errors="replace")
    return replace(found, text=words.text, html=html, html_charset="utf-8", packed_rtf=b"")


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes that came whole. Checksums are not looked at: programs miscount."""
    at = 6
    for _ in range(_MOST_ATTRIBUTES):
        if at + 9 > len(data):
            return
        name, size = struct.unpack_from("<H2xI", data, at + 1)
        end = at + 9 + size
        if end > len(data):
            return
        yield name, data[at + 9 : end]
        at = end + 2


def _take_file(file: WrappedFile, name: int, value: bytes, charset: str) -> None:
    if name == _FILE_OCTETS:
        file.content = value
    elif name == _FILE_TITLE:
        file.name = file.name or _narrow(value, charset) or None
    elif name == _FILE_PROPERTIES:
        known = {it.name: it for it in _properties(value)}
        for wanted in (_LONG_NAME, _SHORT_NAME):
            if wanted in known and (long := _words(known[wanted], charset)):
                file.name = long
                break
        if _MEDIA_TYPE in known:
            file.type = _words(known[_MEDIA_TYPE], charset).lower() or file.type


def _take_bodies(found: Unwrapped, value: bytes, charset: str) -> None:
    known = {it.name: it for it in _properties(value)}
    if _BODY in known:
        found.text = found.text or _words(known[_BODY], charset)
    if _HTML in known:
        html = known[_HTML]
        page = known.get(_HTML_CODE_PAGE)
        number = int.from_bytes(page.value[:4], "little") if page else 0
        wide = html.kind == _WIDE
        found.html = html.value.rstrip(b"\0")
        found.html_charset = "utf-16-le" if wide else _charset(number) if number else None
    if _RTF in known:
        found.packed_rtf = known[_RTF].value


def _charset(code_page: int) -> str:
    return "utf-8" if code_page == 65001 else f"cp{code_page}"


def _properties(data: bytes) -> Iterator[_Property]:
    """Yield the properties of a block, until one does not fit."""
    try:
        (count,) = struct.unpack_from("<I", data, 0)
        at = 4
        for _ in range(min(count, _MOST_PROPERTIES)):
            kind, name = struct.unpack_from("<HH", data, at)
            at += 4
            if name >= 0x8000:
                at = _past_name(data, at)
            values = 1
            if kind & 0x1000 or kind in (_NARROW, _WIDE, _OBJECT, _BINARY):
                (values,) = struct.unpack_from("<I", data, at)
                at += 4
            for number in range(min(values, _MOST_PROPERTIES)):
                value, at = _value(data, at, kind & 0x0FFF)
                if number == 0:
                    yield _Property(kind=kind & 0x0FFF, name=name, value=value)
    except (struct.error, KeyError):
        return


def _past_name(data: bytes, at: int) -> int:
    """Return the place behind the name of a property that has one of its own."""
    (kind,) = struct.unpack_from("<I", data, at + 16)
    if kind == 0:
        return at + 24
    (size,) = struct.unpack_from("<I", data, at + 20)
    return int(at + 24 + size + -size % 4)


def _value(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind in _SIZES:
        end = at + _SIZES[kind]
        start, padding = at, 0
    elif kind in (_NARROW, _WIDE, _OBJECT, _BINARY):
        (size,) = struct.unpack_from("<I", data, at)
        start, end, padding = at + 4, at + 4 + size, -size % 4
    else:
        raise KeyError(kind)
    if end > len(data):
        raise struct.error
    return data[start:end], end + padding


def _words(it: _Property, charset: str) -> str:
    if it.kind == _WIDE:
        return it.value.decode("utf-16-le", "replace").partition("\0")[0].strip()
    return _narrow(it.value, charset)


def _narrow(value: bytes, charset: str) -> str:
    value = value.partition(b"\0")[0]
    try:
        return value.decode(charset, "replace").strip()
    except LookupError:
        return value.decode("cp1252", "replace").strip()
