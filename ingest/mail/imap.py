"""A signed-in session with one mailbox's server: folders, lists of UIDs, messages, waiting.

Nothing on the server is changed: folders are opened read-only (EXAMINE) and bodies are read with
BODY.PEEK. Raises ConnectionBroken or Refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.mail.folders import Folder
from ingest.mail.imap_connection import (
    KIB,
    MIB,
    Connection,
    Limits,
    LoginRefused,
    checked,
    granted,
)
from ingest.mail.imap_protocol import NOISE_MAX, Asked, ConnectionBroken, Refused
from ingest.mail.imap_words import (
    Fetched,
    Part,
    Unparsable,
    from_wire_name,
    quoted,
    read_fetch,
    read_list,
    uid_set,
)

__all__ = ["Limits", "LoginRefused", "Opened", "Session"]

LIST_MAX = 4 * MIB  #: octets of a whole list of folders
SLACK = 64 * KIB  #: octets that an answer may hold beside the mail itself
HEADER_MAX = 1 * MIB  #: octets of a message's header that are read

_BODY = "(UID BODY.PEEK[])"
_OUTLINE = "(UID RFC822.SIZE INTERNALDATE FLAGS)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A folder as it was found when it was opened."""

    uidvalidity: int
    exists: int
    mark: tuple[int, int, int] | None = None
    #: HIGHESTMODSEQ, UIDNEXT and count: the same again means that nothing came in; None: not told


class Session(Connection):
    """A signed-in connection, used by one task at a time."""

    @property
    def exists(self) -> int:
        """Return how many messages the open folder holds, as far as the server told."""
        return self._protocol.exists

    @property
    def can_idle(self) -> bool:
        """Tell whether the server announces news by itself."""
        return self.offers("IDLE")

    # -- folders -------------------------------------------------------------------------

    async def folders(self) -> list[Folder]:
        """Return every folder that the server lists, but those with names nobody could type."""
        returning = self.offers("SPECIAL-USE") and self.offers("LIST-EXTENDED")
        args = ('""', '"*"', *(("RETURN (SPECIAL-USE)",) if returning else ()))
        lines = await self._ask("LIST", *args, wanted=b"LIST", allowance=LIST_MAX)
        found = [_read(read_list, answer) for answer in lines]
        folders = [
            Folder(
                name=from_wire_name(name),
                wire_name=name.decode("utf-8", "surrogateescape"),
                attributes=attributes,
            )
            for attributes, name in (entry for entry in found if entry)
        ]
        return [folder for folder in folders if folder.name.isprintable()]

    async def open(self, wire_name: str) -> Opened:
        """Open a folder read-only."""
        self._protocol.exists = 0
        try:
            lines = await self._ask("EXAMINE", quoted(wire_name), wanted=b"OK")
        except Refused:
            self._protocol.state = "AUTH"
            raise
        self._protocol.state = "SELECTED"
        self._protocol.notice.clear()
        codes = dict(_code(answer) for answer in lines)
        uidvalidity = codes.get(b"UIDVALIDITY")
        if uidvalidity is None:
            raise ConnectionBroken("the server names no UIDVALIDITY for the folder")
        exists = self._protocol.exists
        modseq, uidnext = codes.get(b"HIGHESTMODSEQ"), codes.get(b"UIDNEXT")
        told = modseq is not None and uidnext is not None
        mark = (modseq or 0, uidnext or 0, exists) if told else None
        return Opened(uidvalidity=uidvalidity, exists=exists, mark=mark)

    async def noop(self) -> None:
        """Give the server an opportunity to tell news."""
        await self._ask("NOOP")

    async def idle(self, for_s: float) -> bool:
        """Wait until the server says something about the open folder; False: it did not."""
        protocol = self._protocol
        protocol.begin(NOISE_MAX)
        protocol._idle_event.clear()
        running = asyncio.ensure_future(protocol.execute(self._command("IDLE")))
        try:
            granted = asyncio.ensure_future(protocol.wait_for_idle_response())
            await self._first_of(running, granted, for_s=self._limits.patience_s)
            if not running.done():
                if not protocol._idle_event.is_set():
                    raise self._out_of_patience("IDLE")
                noticed = asyncio.ensure_future(protocol.notice.wait())
                await self._first_of(running, noticed, for_s=for_s)
            if not running.done():
                protocol.idle_done()
                await asyncio.wait({running}, timeout=self._limits.patience_s)
            if not running.done():
                raise self._out_of_patience("IDLE")
            checked("IDLE", await running)
        finally:
            running.cancel()
        news = protocol.notice.is_set()
        protocol.notice.clear()
        return news

    # -- messages ------------------------------------------------------------------------

    async def uids_at(self, first: int, last: int) -> list[int]:
        """Return, in order, the UIDs of the messages with these sequence numbers.

        By sequence number, because a window of UIDs may hold any number of messages; and by FETCH,
        because there are servers whose UID SEARCH takes sequence numbers for UIDs.
        """
        command = self._command("FETCH", f"{first}:{last}", "(UID)", wanted=b"FETCH")
        await self._run([command], allowance=NOISE_MAX + 64 * (last - first))
        outlines, contents = answered(command)
        uids = sorted({*outlines, *contents})
        if not uids:
            await self.noop()  # all of them may have been expunged
            if self.exists >= last:
                raise ConnectionBroken("the server does not list messages that it says it has")
        return uids

    async def outlines(self, uids: Sequence[int]) -> dict[int, Fetched]:
        """Return size, date and flags of those of these messages that still exist."""
        outlines, _ = await self._fetch(uids, _OUTLINE)
        return outlines

    async def headers(self, uids: Sequence[int]) -> dict[int, Fetched]:
        """Return the raw headers of those of these messages that still exist."""
        part = f"(UID BODY.PEEK[HEADER]<0.{HEADER_MAX}>)"
        outlines, contents = await self._fetch(uids, part, octets=len(uids) * SLACK)
        return {
            uid: Fetched(uid=uid, content=contents.get(uid)) for uid in {**outlines, **contents}
        }

    async def bodies(self, outlines: Sequence[Fetched]) -> dict[int, bytes]:
        """Return the raw bytes of those of these messages that still exist.

        Messages up to a slice in size are read together; the caller bounds their sum.
        """
        most = self._limits.slice_bytes
        small = [each for each in outlines if each.size is not None and each.size <= most]
        found: dict[int, bytes] = {}
        if small:
            octets = sum(each.size or 0 for each in small)
            _, found = await self._fetch([each.uid for each in small], _BODY, octets)
        for each in outlines:
            if each.size is None or each.size > most:
                content = await self._sliced(each.uid)
                if content is not None:
                    found[each.uid] = content
        return found

    async def bodies_and_outlines(
        self, outlines: Sequence[Fetched], then: Sequence[int]
    ) -> tuple[dict[int, bytes], dict[int, Fetched]]:
        """Return the bytes of these messages and the outlines of those, both asked at once.

        While the server looks for the next ones, these are still on the wire.
        """
        most = self._limits.slice_bytes
        together = bool(then) and bool(outlines)
        if not together or not all(
            each.size is not None and each.size <= most for each in outlines
        ):
            return await self.bodies(outlines), await self.outlines(then)
        octets = sum(each.size or 0 for each in outlines)
        uids = [each.uid for each in outlines]
        asked = frozenset((*uids, *then))  # the server may mingle the answers of the two
        commands = [self._fetching(uids, _BODY, asked), self._fetching(then, _OUTLINE, asked)]
        await self._run(commands, allowance=self._room(octets) + NOISE_MAX, octets=octets)
        merged: dict[int, bytes] = {}
        ahead: dict[int, Fetched] = {}
        for command in commands:
            told, contents = answered(command)
            merged.update(contents)
            ahead.update((uid, each) for uid, each in told.items() if each.size is not None)
        return merged, ahead

    async def _sliced(self, uid: int) -> bytes | None:
        size, most = self._limits.slice_bytes, self._limits.mail_max_bytes
        whole = bytearray()
        while True:
            part = f"(UID BODY.PEEK[]<{len(whole)}.{size}>)"
            _, contents = await self._fetch([uid], part, size)
            got = contents.get(uid)
            if got is None:
                return None
            whole += got
            if len(whole) > most:
                error = ConnectionBroken("a mail is larger than the server said it is")
                self._protocol.give_up(error)
                raise error
            if len(got) < size:
                return bytes(whole)

    async def _fetch(
        self, uids: Sequence[int], parts: str, octets: int = 0
    ) -> tuple[dict[int, Fetched], dict[int, bytes]]:
        """Return outlines and contents of those of these messages that still exist."""
        if not uids:
            return {}, {}
        command = self._fetching(uids, parts, frozenset(uids))
        await self._run([command], allowance=self._room(octets), octets=octets)
        return answered(command)

    def _fetching(self, uids: Sequence[int], parts: str, told: Container[int]) -> Asked:
        """Return a FETCH of these messages; of any that are not `told` nothing is taken."""
        return self._command(
            "FETCH", uid_set(uids), parts, prefix="UID", wanted=b"FETCH", uids=told
        )

    def _room(self, octets: int) -> int:
        """Return how much may come where so much was announced.

        Some servers state wrong sizes, so that room is left; what lies has to stop somewhere.
        """
        return (self._limits.mail_max_bytes + octets if octets else NOISE_MAX) + SLACK


def answered(command: Asked) -> tuple[dict[int, Fetched], dict[int, bytes]]:
    """Return the outlines and contents that a FETCH told of, by UID. Raises Refused."""
    for answer in granted(command):  # what did not come in the usual form
        each = _read(read_fetch, answer)
        if each is None:
            continue
        if each.content is not None:
            command.take_content(each.uid, each.content)
        if each.content is None or each.size is not None:
            command.take_outline(each)
    return command.outlines, command.contents


def _code(answer: Sequence[Part]) -> tuple[bytes, int | None]:
    """Return a response code that carries a number, such as UIDVALIDITY."""
    found = re.match(rb"OK \[([A-Z]+) (\d{1,19})\]", bytes(answer[0]), re.IGNORECASE)
    return (found[1].upper(), int(found[2])) if found else (b"", None)


def _read(reader: Callable[[Sequence[Part]], Any], answer: Sequence[Part]) -> Any:
    try:
        return reader(answer)
    except Unparsable as error:
        raise ConnectionBroken(f"the server's answer cannot be read: {error}") from error
