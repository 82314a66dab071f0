"""Both directions of a connection compressed: COMPRESS=DEFLATE (RFC 4978).

What comes out is handed on in bounded pieces, so that the limits of the protocol stop a server that
sends a little which becomes a lot.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 256 * 1024  #: octets handed on at once

#: We send short commands: the smallest window there is costs 3 KiB a connection, not 256.
_LEVEL, _WINDOW, _MEMORY = 1, -9, 1
_THEIR_WINDOW = -15


class BadStream(Exception):
    """What the server sent is not compressed as it said."""


class Squeezed:
    """The state of one compressed connection."""

    def __init__(self) -> None:
        self._opener = zlib.decompressobj(_THEIR_WINDOW)
        self._closer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)

    def opened(self, data: bytes) -> Iterator[bytes]:
        """Yield what these octets hold, piece by piece. Raises BadStream."""
        while data:
            try:
                piece = self._opener.decompress(data, PIECE)
            except zlib.error as error:
                raise BadStream(f"what the server sent cannot be decompressed: {error}") from error
            data = self._opener.unconsumed_tail
            if piece:
                yield piece
            elif self._opener.eof:
                raise BadStream("the server ended the compressed stream")

    def closed(self, data: bytes) -> bytes:
        """Return the octets to send for these."""
        return self._closer.compress(data) + self._closer.flush(zlib.Z_SYNC_FLUSH)
