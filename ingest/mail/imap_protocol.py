"""The wire to an IMAP server: aioimaplib's protocol with a reading loop that can be trusted.

aioimaplib 2.0.3 recurses once per line, formats every chunk for its log, cuts "* " out of subjects,
counts parentheses in them, and lets commands hang when the connection is gone. Its commands, tags
and table of states are used as they are; everything that reads is replaced here. One task owns a
connection. It may send several commands at once; the server answers them in their order.

The path of a mail's octets is kept short, because a first import is measured by it: messages and
outlines that lie whole in one chunk are cut out in one step each; everything else is read line
by line.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Container

from aioimaplib import aioimaplib  # type: ignore[import-untyped]

from ingest.mail.imap_squeeze import BadStream, Squeezed
from ingest.mail.imap_words import OUTLINE, Fetched, Part, read_outline

LINE_MAX = 64 * 1024  #: octets of one line; a longer one ends the connection
NOISE_MAX = 1024 * 1024  #: octets that may come beside what was asked for

_LITERAL = re.compile(rb"~?\{(\d{1,18})\}$")
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
_TAGGED = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)(?: (.*))?$", re.IGNORECASE | re.DOTALL)
_MESSAGE = re.compile(
    rb"\* \d{1,10} FETCH \(UID (\d{1,10}) BODY\[(?:HEADER)?\](?:<0>)? \{(\d{1,10})\}\r\n",
    re.IGNORECASE,
)
_OUTLINE = re.compile(rb"\* " + OUTLINE + rb"\r\n", re.IGNORECASE)
_RUN = re.compile(rb"(\d{1,10})(?::(\d{1,10}))?")
_VANISHED = re.compile(rb"VANISHED (%b(?:,%b)*)$" % (_RUN.pattern, _RUN.pattern), re.IGNORECASE)
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
        uids: Container[int] | None = None,
    ) -> None:
        super().__init__(name, tag, *args, prefix=prefix)
        self.wanted = wanted
        self.fetches = b"FETCH" in wanted
        self.uids = uids  #: of a FETCH: which messages it may tell of; None: any
        self.replies = list(replies)  #: lines for the server's continuation requests, in order
        self.challenges: list[bytes] = []
        self.contents: dict[int, bytes] = {}  #: of a FETCH: messages in the usual form, by UID
        self.outlines: dict[int, Fetched] = {}  #: of a FETCH: outlines in the usual form, by UID

    def append_to_resp(self, line: Part, result: str = "Pending") -> None:
        """Take a line of the answer; unlike the library's, no timer is set again for each."""
        self._resp_result = result
        self._resp_lines.append(line)

    def take_content(self, uid: int, content: bytes) -> None:
        """Take a message, or a header; one that was not asked for is forgotten."""
        if self.uids is None or uid in self.uids:
            self.contents[uid] = content

    def take_outline(self, each: Fetched) -> None:
        """Take an outline; mere news of flags says less than what was told before."""
        known = each.uid in self.outlines and each.size is None
        if not known and (self.uids is None or each.uid in self.uids):
            self.outlines[each.uid] = each

    def fail(self, error: Exception) -> None:
        """End the wait for an answer with this error."""
        self._exception = error
        self._event.set()


class CarefulProtocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """One connection: reads answers in a loop, within limits, and fails everything at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.transport: asyncio.Transport | None = None
        self.capabilities: set[str] = set()
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.notice = asyncio.Event()  #: the server said something about the open folder
        self.broken: ConnectionBroken | None = None
        self.exists = 0  #: messages in the open folder, as far as the server told
        self.allowance = NOISE_MAX  #: octets that may come until the next command
        self._asked: deque[Asked] = deque()  #: commands without an end yet, in their order
        self._taken = 0
        self._rest = b""  #: of the last chunk, not read yet
        self._parts: list[Part] = []  #: of the answer that is being read
        self._pieces: list[bytes] = []  #: of the literal that is being read
        self._missing = 0
        self._holding = False  #: STARTTLS was granted: nothing more may be read in the clear
        self._granted = False  #: COMPRESS was granted in the line read last
        self._squeezed: Squeezed | None = None

    # -- what the event loop calls ---------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take a chunk from the wire."""
        if self.broken:
            return
        try:
            self._open(data)
        except ConnectionBroken as error:
            self.give_up(error)
        except BadStream as error:
            self.give_up(ConnectionBroken(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits, at once."""
        reason = f"the connection was lost: {exc}" if exc else "the server closed the connection"
        self.give_up(ConnectionBroken(reason))

    # -- what a session calls ------------------------------------------------------------

    async def execute(self, command: Asked, scrub: str | None = None) -> aioimaplib.Response:
        """Send one command and return its answer."""
        self.start(command)
        await command.wait()
        return command.response

    def start(self, command: Asked) -> None:
        """Send one command behind those that run; its answer comes after theirs."""
        if self.broken:
            raise self.broken
        if self.state not in aioimaplib.Commands.get(command.name).valid_states:
            raise ConnectionBroken(f"{command.name} cannot be asked now")
        self._asked.append(command)
        self.send(str(command))

    def send(self, line: str, scrub: str | None = None) -> None:
        """Write one line. Unlike the library's, it never shows the line to a log."""
        self._write(line.encode("utf-8", "surrogateescape") + b"\r\n")

    def begin(self, allowance: int) -> None:
        """Start counting octets anew, with this many allowed. Raises ConnectionBroken."""
        if self.broken:
            raise self.broken
        self.allowance = allowance
        self._taken = len(self._rest)

    def give_up(self, error: ConnectionBroken) -> None:
        """Drop the connection and fail everything that waits for it."""
        if self.broken:
            return
        self.broken = error
        self._rest, self._parts, self._pieces = b"", [], []
        if self.transport is not None:
            self.transport.abort()
        if not self.greeting.done():
            self.greeting.set_exception(error)
            self.greeting.exception()  # somebody looked: no warning if nobody waits any more
        for command in self._asked:
            command.fail(error)
        self._idle_event.set()

    def resume_protected(self, transport: asyncio.Transport) -> None:
        """Go on over TLS; what the server said before it is forgotten."""
        self.transport = transport
        self.capabilities.clear()
        self._holding = False

    # -- reading ---------------------------------------------------------------------------

    @property
    def _running(self) -> Asked | None:
        return self._asked[0] if self._asked else None

    def _write(self, data: bytes) -> None:
        if self.transport is not None and not self.broken:
            self.transport.write(self._squeezed.closed(data) if self._squeezed else data)

    def _open(self, data: bytes) -> None:
        if self._squeezed is None:
            self._take(data)
            return
        for plain in self._squeezed.opened(data):
            self._take(plain)
            if self.broken:  # what is left of a bomb is never looked at
                return

    def _take(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > self.allowance:
            raise ConnectionBroken("the server sends more than was asked for")
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = self._read(data)
        if at < len(data) and not self.broken:
            self._rest = data[at:] if at else data
        if self._holding and self._rest:
            raise InsecureServer("the server sent text between STARTTLS and the TLS handshake")
        if self._granted:
            self._granted, self._squeezed = False, Squeezed()
            rest, self._rest = self._rest, b""
            self._open(rest)

    def _read(self, data: bytes) -> int:
        """Read what can be read of a chunk; return where the rest begins."""
        at = 0
        while at < len(data) and not self._holding and not self.broken:
            if self._missing:
                piece = data[at : at + self._missing]
                self._pieces.append(piece)
                self._missing -= len(piece)
                at += len(piece)
                if not self._missing:
                    at = self._end_literal(data, at)
                continue
            if not self._parts and (after := self._whole_answers(data, at)) > at:
                at = after
                continue
            end = data.find(b"\r\n", at)
            if (end if end >= 0 else len(data)) - at > LINE_MAX:
                raise ConnectionBroken(f"the server sent a line longer than {LINE_MAX} octets")
            if end < 0:
                break
            line, at = data[at:end], end + 2
            self._line(line)
            if self._granted:
                break  # what is behind it is compressed
        return at

    def _whole_answers(self, data: bytes, at: int) -> int:
        """Take the usual answers to FETCH that lie whole in this chunk; return what is behind."""
        command = self._asked[0] if self._asked else None
        if command is None or not command.fetches:
            return at
        while True:
            if found := _MESSAGE.match(data, at):
                start = found.end()
                end = start + int(found[2])
                if data[end : end + 3] != b")\r\n":
                    return at
                command.take_content(int(found[1]), data[start:end])
                at = end + 3
            elif found := _OUTLINE.match(data, at):
                if (each := read_outline(found)) is not None:
                    command.take_outline(each)
                at = found.end()
            else:
                return at

    def _line(self, line: bytes) -> None:
        self._parts.append(line)
        announced = _LITERAL.search(line) if line.endswith(b"}") else None
        first = self._parts[0]
        if announced and first.startswith(b"* ") and not _STATUS.match(first):
            size = int(announced[1])
            if size > self.allowance:
                raise ConnectionBroken(f"the server announced {size} octets, more than asked for")
            self._missing = size
            if not size:
                self._parts.append(bytearray())
            return
        parts, self._parts = self._parts, []
        self._answer(parts)

    def _end_literal(self, data: bytes, at: int) -> int:
        """Take the literal that ends here; return where reading goes on."""
        literal, self._pieces = b"".join(self._pieces), []
        if len(self._parts) == 1 and data[at : at + 3] == b")\r\n":
            found = _MESSAGE.match(self._parts[0] + b"\r\n")
            if found and self._asked and self._asked[0].fetches:
                self._asked[0].take_content(int(found[1]), literal)
                self._parts = []
                return at + 3
        self._parts.append(bytearray(literal))
        return at

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
        elif word == b"VANISHED":  # never asked for, but there are servers that say it unasked
            self.exists = max(0, self.exists - _vanished(parts[0]))
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
        elif running.name == "AUTHENTICATE":
            # An error is told as one more challenge, which an empty line ends (RFC 7628).
            running.challenges.append(challenge)
            self._write((running.replies.pop(0) if running.replies else b"") + b"\r\n")

    def _done(self, tag: bytes, result: bytes, text: bytes) -> None:
        running = self._running
        if running is None or running.tag.encode() != tag:
            raise ConnectionBroken("the server answered a command that was never sent")
        self._asked.popleft()
        if running.name == "STARTTLS" and result.upper() == b"OK" and self.transport is not None:
            self.transport.pause_reading()
            self._holding = True
        self._granted = running.name == "COMPRESS" and result.upper() == b"OK"
        running.close(text, result.upper().decode())


def _vanished(line: Part) -> int:
    """Return how many messages left the folder now (RFC 7162, section 3.2.10)."""
    found = _VANISHED.match(line)  # those that left (EARLIER) were never counted
    runs = _RUN.findall(found[1]) if found else ()
    return sum(abs(int(last or first) - int(first)) + 1 for first, last in runs)
