"""The wire to an IMAP server: aioimaplib's protocol with a reading loop that can be trusted.

aioimaplib 2.0.3 recurses once per line, formats every chunk for its log, cuts "* " out of subjects,
counts parentheses in them, and lets commands hang when the connection is gone. Its commands, tags
and table of states are used as they are; everything that reads is replaced here. One task owns a
connection, and one command runs at a time.
"""

from __future__ import annotations

import asyncio
import re

from aioimaplib import aioimaplib  # type: ignore[import-untyped]

from ingest.mail.imap_words import Part

LINE_MAX = 64 * 1024  #: octets of one line; a longer one ends the connection
NOISE_MAX = 1024 * 1024  #: octets that may come beside what was asked for

_LITERAL = re.compile(rb"~?\{(\d{1,18})\}$")
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
_TAGGED = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)(?: (.*))?$", re.IGNORECASE | re.DOTALL)
_UNTAGGED = re.compile(rb"(?:(\d{1,10}) )?([A-Za-z]+)")


class ConnectionBroken(Exception):
    """The connection to the mail server ended, or can no longer be trusted."""


class InsecureServer(ConnectionBroken):
    """The server did not allow a protected connection; nothing secret was sent."""


class Refused(Exception):
    """The mail server refused a command."""

    def __init__(self, command: str, text: str) -> None:
        super().__init__(f"{command}: {text}")
        found = re.match(r"\[([A-Z-]+)", text.upper())
        self.code = found[1] if found else None  #: response code, such as AUTHENTICATIONFAILED
        self.text = text


class Asked(aioimaplib.Command):  # type: ignore[misc]
    """One command: which untagged answers it wants, and what to say when the server asks."""

    def __init__(
        self,
        name: str,
        tag: str,
        *args: str,
        prefix: str | None = None,
        wanted: frozenset[bytes] = frozenset(),
        replies: tuple[bytes, ...] = (),
    ) -> None:
        super().__init__(name, tag, *args, prefix=prefix)
        self.wanted = wanted
        self.replies = list(replies)  #: lines for the server's continuation requests, in order
        self.challenges: list[bytes] = []

    def fail(self, error: Exception) -> None:
        """End the wait for an answer with this error."""
        self._exception = error
        self._event.set()


class CarefulProtocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """One connection: reads answers in a loop, within limits, and fails everything at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.transport: asyncio.Transport | None = None
        self.pending_sync_command: Asked | None = None
        self.capabilities: set[str] = set()
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.notice = asyncio.Event()  #: the server said something about the open folder
        self.broken: ConnectionBroken | None = None
        self.exists = 0  #: messages in the open folder, as far as the server told
        self.allowance = NOISE_MAX  #: octets that may come until the next command
        self._taken = 0
        self._buffer = bytearray()
        self._parts: list[Part] = []  #: of the answer that is being read
        self._literal = bytearray()
        self._missing = 0
        self._holding = False  #: STARTTLS was granted: nothing more may be read in the clear

    # -- what the event loop calls ---------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take a chunk from the wire."""
        if self.broken:
            return
        self._taken += len(data)
        if self._taken > self.allowance:
            self.give_up(ConnectionBroken("the server sends more than was asked for"))
            return
        self._buffer += data
        try:
            self._read()
        except ConnectionBroken as error:
            self.give_up(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits, at once."""
        reason = f"the connection was lost: {exc}" if exc else "the server closed the connection"
        self.give_up(ConnectionBroken(reason))

    # -- what a session calls ------------------------------------------------------------

    def send(self, line: str, scrub: str | None = None) -> None:
        """Write one line. Unlike the library's, it never shows the line to a log."""
        if self.transport is not None and not self.broken:
            self.transport.write(line.encode("utf-8", "surrogateescape") + b"\r\n")

    def begin(self, allowance: int) -> None:
        """Start counting octets anew, with this many allowed. Raises ConnectionBroken."""
        if self.broken:
            raise self.broken
        self.allowance = allowance
        self._taken = len(self._buffer)

    def give_up(self, error: ConnectionBroken) -> None:
        """Drop the connection and fail everything that waits for it."""
        if self.broken:
            return
        self.broken = error
        self._buffer.clear()
        self._parts, self._literal = [], bytearray()
        if self.transport is not None:
            self.transport.abort()
        if not self.greeting.done():
            self.greeting.set_exception(error)
            self.greeting.exception()  # somebody looked: no warning if nobody waits any more
        if self._running is not None:
            self._running.fail(error)
        self._idle_event.set()

    def resume_protected(self, transport: asyncio.Transport) -> None:
        """Go on over TLS; what the server said before it is forgotten."""
        self.transport = transport
        self.capabilities.clear()
        self._holding = False

    # -- reading ---------------------------------------------------------------------------

    @property
    def _running(self) -> Asked | None:
        if self.pending_sync_command is not None:
            return self.pending_sync_command
        return next(iter(self.pending_async_commands.values()), None)

    def _read(self) -> None:
        buffer, at = self._buffer, 0
        while not self._holding and not self.broken:
            if self._missing:
                piece = buffer[at : at + self._missing]
                self._literal += piece
                self._missing -= len(piece)
                at += len(piece)
                if self._missing:
                    break
                self._end_literal()
                continue
            end = buffer.find(b"\r\n", at)
            if (end if end >= 0 else len(buffer)) - at > LINE_MAX:
                raise ConnectionBroken(f"the server sent a line longer than {LINE_MAX} octets")
            if end < 0:
                break
            line, at = bytes(buffer[at:end]), end + 2
            self._line(line)
        del buffer[:at]
        if self._holding and buffer:
            raise InsecureServer("the server sent text between STARTTLS and the TLS handshake")

    def _line(self, line: bytes) -> None:
        self._parts.append(line)
        announced = _LITERAL.search(line)
        first = self._parts[0]
        if announced and first.startswith(b"* ") and not _STATUS.match(first):
            size = int(announced[1])
            if size > self.allowance:
                raise ConnectionBroken(f"the server announced {size} octets, more than asked for")
            self._missing = size
            if not size:
                self._end_literal()
            return
        parts, self._parts = self._parts, []
        self._answer(parts)

    def _end_literal(self) -> None:
        self._parts.append(self._literal)
        self._literal = bytearray()

    def _answer(self, parts: list[Part]) -> None:
        first = bytes(parts[0])
        if not self.greeting.done():
            self.greeting.set_result(first)
        elif first.startswith(b"* "):
            self._untagged([first[2:], *parts[1:]])
        elif first.startswith(b"+"):
            self._asked_for_more(first[1:].strip())
        elif tagged := _TAGGED.match(first):
            self._done(tagged[1], tagged[2], tagged[3] or b"")
        # anything else is noise, and counted as such

    def _untagged(self, parts: list[Part]) -> None:
        found = _UNTAGGED.match(parts[0])
        if not found:
            return
        number, word = found[1], found[2].upper()
        if word == b"BYE":
            text = bytes(parts[0][4:]).decode("utf-8", "replace")[:200]
            raise ConnectionBroken(f"the server ended the session: {text}")
        if number is not None and word == b"EXISTS":
            self.exists = int(number)
            self.notice.set()
        elif number is not None and word == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
            self.notice.set()
        running = self._running
        if running is not None and word in running.wanted:
            for part in parts:
                running.append_to_resp(part)

    def _asked_for_more(self, challenge: bytes) -> None:
        running = self._running
        if running is None:
            return
        if running.name == "IDLE":
            self._idle_event.set()
        elif running.name == "AUTHENTICATE" and self.transport is not None:
            # An error is told as one more challenge, which an empty line ends (RFC 7628).
            running.challenges.append(challenge)
            reply = running.replies.pop(0) if running.replies else b""
            self.transport.write(reply + b"\r\n")

    def _done(self, tag: bytes, result: bytes, text: bytes) -> None:
        running = self._running
        if running is None or running.tag.encode() != tag:
            raise ConnectionBroken("the server answered a command that was never sent")
        if self.pending_sync_command is running:
            self.pending_sync_command = None
        else:
            self.pending_async_commands.clear()
        if running.name == "STARTTLS" and result.upper() == b"OK" and self.transport is not None:
            self.transport.pause_reading()
            self._holding = True
        running.close(text, result.upper().decode())
