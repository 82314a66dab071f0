"""What was signed within a signed S/MIME message, whose text lies in its wrapper (RFC 8551, 3.5.2).

Only the way to the content is walked (RFC 5652, SignedData); no signature is checked. Lengths may
be unknown beforehand, and the content may come in pieces: programs that stream write both.
"""

from __future__ import annotations

from dataclasses import dataclass

_SIGNED = bytes.fromhex("2a864886f70d010702")
_COMPRESSED = bytes.fromhex("2a864886f70d01091001")

_SEQUENCE, _OCTETS, _NAME, _INNER = 0x30, 0x04, 0x06, 0xA0
_IN_PIECES = 0x24
_MOST_PIECES = 100_000  #: programs that stream write pieces of a KiB and more


class _NotSo(Exception):
    """The octets are not what they should be."""


@dataclass(frozen=True, slots=True)
class _Item:
    tag: int
    begin: int
    end: int | None  #: None: until an end mark


def is_encrypted(data: bytes) -> bool:
    """Tell whether S/MIME octets hide their content; True where they are no such thing at all."""
    try:
        _, name = _kind(data)
    except _NotSo:
        return False
    return name not in (_SIGNED, _COMPRESSED)


def signed_content(data: bytes) -> bytes | None:
    """Return the message that was signed, None where there is none within. Linear; never raises."""
    try:
        at, name = _kind(data)
        if name != _SIGNED:
            return None
        at = _enter(data, at, _INNER).begin
        at = _enter(data, at, _SEQUENCE).begin
        at = _past(data, at)  # the version
        at = _past(data, at)  # the digests
        content = _enter(data, at, _SEQUENCE)
        at = _past(data, content.begin)
        if content.end is not None and at >= content.end:
            return None
        return _joined(data, _enter(data, at, _INNER).begin)
    except _NotSo:
        return None


def _kind(data: bytes) -> tuple[int, bytes]:
    """Return where the content of a ContentInfo begins, and the name of its kind."""
    at = _enter(data, 0, _SEQUENCE).begin
    name = _enter(data, at, _NAME)
    if name.end is None:
        raise _NotSo
    return name.end, data[name.begin : name.end]


def _item(data: bytes, at: int) -> _Item:
    if at + 2 > len(data):
        raise _NotSo
    tag, size = data[at], data[at + 1]
    begin = at + 2
    if tag & 0x1F == 0x1F:
        raise _NotSo
    if size == 0x80:
        return _Item(tag, begin, None)
    if size > 0x80:
        count = size & 0x7F
        if count > 8:
            raise _NotSo
        size = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + size > len(data):
        raise _NotSo
    return _Item(tag, begin, begin + size)


def _enter(data: bytes, at: int, tag: int) -> _Item:
    item = _item(data, at)
    if item.tag != tag:
        raise _NotSo
    return item


def _past(data: bytes, at: int) -> int:
    """Return the place behind an item, whose length programs know: it is a number or a list."""
    item = _item(data, at)
    if item.end is None:
        raise _NotSo
    return item.end


def _joined(data: bytes, at: int) -> bytes:
    """Return the octets at a place, put together if they come in pieces."""
    item = _item(data, at)
    if item.tag == _OCTETS and item.end is not None:
        return data[item.begin : item.end]
    if item.tag != _IN_PIECES:
        raise _NotSo
    pieces: list[bytes] = []
    at = item.begin
    while item.end is None or at < item.end:
        if len(pieces) == _MOST_PIECES:
            raise _NotSo
        if item.end is None and data[at : at + 2] == b"\0\0":
            break
        piece = _enter(data, at, _OCTETS)
        if piece.end is None:
            raise _NotSo
        pieces.append(data[piece.begin : piece.end])
        at = piece.end
    return b"".join(pieces)
