"""One file out of an archive: gzip (RFC 1952) or the first of a ZIP. Pure, and bounded.

What lies behind the first file of a ZIP is never looked at, so its directory can harm nobody.
"""

from __future__ import annotations

import struct
import zlib

from ingest.domain.deliveries import UnreadableDelivery

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
STORED, DEFLATED = 0, 8
ENCRYPTED, SIZES_BEHIND = 1, 8  #: bits of the flags
_HEAD = struct.Struct("<4s5H3I2H")  #: APPNOTE.TXT, 4.3.7
_GZIP_WINDOW, _BARE = 31, -15


def unpacked(octets: bytes, *, most: int) -> bytes:
    """Return the file that is packed here, or the octets themselves where nothing is packed.

    Raises UnreadableDelivery for a broken archive, and for a file of more than `most` octets.
    """
    if octets.startswith(GZIP):
        return _inflated(octets, _GZIP_WINDOW, most)
    return _of_zip(octets, most) if octets.startswith(ZIP) else octets


def _of_zip(octets: bytes, most: int) -> bytes:
    if len(octets) < _HEAD.size:
        raise UnreadableDelivery("the archive is cut short")
    _, _, flags, method, _, _, _, packed, _, name, extra = _HEAD.unpack_from(octets)
    content = octets[_HEAD.size + name + extra :]
    if flags & ENCRYPTED or method not in (STORED, DEFLATED):
        raise UnreadableDelivery("the archive is packed in a way that is not read here")
    if method == DEFLATED:
        return _inflated(content, _BARE, most)
    if flags & SIZES_BEHIND or not packed <= min(len(content), most):
        raise UnreadableDelivery("the archive is cut short, or its file too long")
    return content[:packed]


def _inflated(octets: bytes, window: int, most: int) -> bytes:
    opener = zlib.decompressobj(window)
    try:
        found = opener.decompress(octets, most + 1)
    except zlib.error as error:
        raise UnreadableDelivery("the archive is broken") from error
    if len(found) > most:
        raise UnreadableDelivery(f"the file in the archive has more than {most} octets")
    if not opener.eof:
        raise UnreadableDelivery("the archive is cut short")
    return found
