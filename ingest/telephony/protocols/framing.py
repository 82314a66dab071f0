"""Cutting what came over a connection into lines or messages, of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator

MAX_MESSAGE = 65_536  #: octets of one message; nothing that reports a call comes near it


class TooLong(Exception):
    """A message did not end within the greatest size: this connection is given up."""


class Frames:
    """Octets as they come, cut behind each `end`. Every octet is looked at once or twice."""

    def __init__(self, end: bytes, *, most: int = MAX_MESSAGE) -> None:
        self._end = end
        self._most = most
        self._held = bytearray()
        self._looked = 0  #: of `_held`, no end begins before it

    @property
    def rest(self) -> bytes:
        """Return what came and has not ended yet."""
        return bytes(self._held)

    def feed(self, data: bytes) -> None:
        """Take what one read gave."""
        self._held += data

    def cut(self) -> bytes | None:
        """Return the next whole message without its end, or None. Raises TooLong."""
        at = self._held.find(self._end, self._looked)
        if at > self._most or (at < 0 and len(self._held) > self._most + len(self._end)):
            raise TooLong(f"a message of more than {self._most} octets")
        if at < 0:
            self._looked = max(0, len(self._held) - len(self._end) + 1)
            return None
        found = bytes(self._held[:at])
        del self._held[: at + len(self._end)]
        self._looked = 0
        return found

    def take(self, size: int) -> bytes | None:
        """Return the next `size` octets once they are all there: a body of announced length."""
        if size > self._most:
            raise TooLong(f"a message of more than {self._most} octets")
        if len(self._held) < size:
            return None
        found = bytes(self._held[:size])
        del self._held[:size]
        self._looked = 0
        return found

    def all(self) -> Iterator[bytes]:
        """Yield every whole message that is there. Raises TooLong."""
        while (found := self.cut()) is not None:
            yield found
