"""RTF as Outlook packs it into a winmail.dat, unpacked.

Source: [MS-OXRTFCP]. A header of 16 octets, then either the octets themselves or groups of eight
tokens: a byte, or a place and a length in the 4,096 octets that came before. The dictionary
begins with the words that every such text is likely to hold.
"""

from __future__ import annotations

import struct

MOST_RTF = 1024 * 1024  #: octets that are unpacked; what lies beyond them is left

_PACKED = b"LZFu"
_AS_IT_IS = b"MELA"
_HEADER = struct.Struct("<II4sI")
_RING = 4096
_BEGINNING = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}"
    rb"{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New Roman"
    rb"Courier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def unpacked(data: bytes) -> bytes:
    """Return the RTF, as far as it came whole; empty where the octets are none. Never raises.

    What the header says of sizes and checksum is not looked at: the octets themselves tell.
    """
    if len(data) < _HEADER.size:
        return b""
    _, _, kind, _ = _HEADER.unpack_from(data)
    if kind == _AS_IT_IS:
        return data[_HEADER.size : _HEADER.size + MOST_RTF]
    return _unpacked(data) if kind == _PACKED else b""


def _unpacked(data: bytes) -> bytes:
    # What was unpacked stands behind the dictionary's beginning, so that a place in the ring is
    # a distance back from the end.
    out = bytearray(_BEGINNING)
    at, end, most = _HEADER.size, len(data), len(_BEGINNING) + MOST_RTF
    while at < end and len(out) < most:
        tokens, at = data[at], at + 1
        if tokens == 0:  # eight bytes as they are: most of what cannot be packed
            out += data[at : at + 8]
            at += 8
            continue
        for bit in range(8):
            if not tokens >> bit & 1:
                out += data[at : at + 1]
                at += 1
                continue
            if at + 2 > end:
                return _text(out)
            token = data[at] << 8 | data[at + 1]
            at += 2
            back = (len(out) - (token >> 4)) % _RING
            if back == 0 or back > len(out):  # its end, or a place where nothing stands yet
                return _text(out)
            _repeat(out, back, (token & 15) + 2)
    return _text(out)


def _repeat(out: bytearray, back: int, size: int) -> None:
    """Append so many octets from so far back; they may reach into what is being appended."""
    start = len(out) - back
    piece = out[start : start + size]
    out += piece if back >= size else (piece * (size // back + 1))[:size]


def _text(out: bytearray) -> bytes:
    return bytes(out[len(_BEGINNING) : len(_BEGINNING) + MOST_RTF])
