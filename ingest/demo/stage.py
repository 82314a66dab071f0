"""The stage of the story: telephone systems, mail server, clock, and what must come of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from ingest.demo.company import DOMAIN, Company
from ingest.demo.evidence import Expected, Handle, is_flagged_while_ringing
from ingest.demo.letters import letter
from ingest.demo.mailserver import Letter, MailServer
from ingest.demo.pbx.script import Script
from ingest.demo.simulators import Pbx
from ingest.demo.threads import in_thread
from storage.database import Database

T = TypeVar("T")

SHORTEST_S = 15.0  #: of a story; every talk that must count lasts ten seconds
LOOK_EVERY_S = 0.01


@dataclass(kw_only=True)
class Stage:
    """Where one story is played once. Times of scenes are written for a story of 15 seconds."""

    company: Company
    pbxs: Mapping[str, Pbx]
    mail: Mapping[str, MailServer]
    database: Database
    clock: Callable[[], datetime]
    begins_at: datetime
    length_s: float
    expected: list[Expected] = field(default_factory=list)
    repeats: int = 0  #: requests sent a second time
    forgeries: int = 0  #: requests with a wrong signature
    garbled: int = 0  #: requests that cannot be read, rightly signed
    flagged_after_s: float | None = None  #: None: not while it rang

    @property
    def pace(self) -> float:
        """Return by how much everything takes longer than in the shortest story."""
        return max(self.length_s, SHORTEST_S) / SHORTEST_S

    def at(self, second: float) -> datetime:
        """Return the moment of that second of the story."""
        return self.begins_at + timedelta(seconds=second * self.pace)

    async def until(self, second: float) -> None:
        """Return at that second of the story."""
        await asyncio.sleep(max(0.0, (self.at(second) - self.clock()).total_seconds()))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Ask the database, in a thread."""

        def ask() -> T:
            with self.database.read() as connection:
                return question(connection)

        return await in_thread(ask)

    def expect(self, what: str, handle: Handle, **fields: Any) -> None:
        """Note what must be known of a touch; see `evidence.found_of` for the words."""
        words = {word.replace("_", " "): value for word, value in fields.items()}
        self.expected.append(Expected(what=what, handle=handle, fields=words))

    # Calls -------------------------------------------------------------------------------------

    def script(
        self,
        key: str,
        remote: str,
        line: str,
        *,
        at: float,
        ring: float,
        talk: float = 0.0,
        **more: Any,
    ) -> Script:
        """Return a call whose times are seconds of the story."""
        return Script(
            key=key,
            remote=remote,
            line=line,
            begins_at=self.at(at),
            ring_s=ring * self.pace,
            talk_s=talk * self.pace,
            **more,
        )

    async def call(self, source: str, script: Script) -> None:
        """Let a call happen."""
        await self.pbxs[source].play(script)

    async def watch_flag(self, source: str, script: Script) -> None:
        """Measure how long after its first report a call is flagged; gives up when it is taken."""
        await self.pbxs[source].wait_until(script.begins_at)
        began, handle = time.monotonic(), Handle(source, script.key)

        def look(connection: Connection) -> bool:
            return is_flagged_while_ringing(connection, handle, now=self.clock())

        while self.clock() < script.at(script.ring_s):
            if await self.read(look):
                self.flagged_after_s = time.monotonic() - began
                return
            await asyncio.sleep(LOOK_EVERY_S)

    # Mails -------------------------------------------------------------------------------------

    async def mails(self, letters: Sequence[Letter]) -> None:
        """Put mails into their mailboxes, one after the other."""
        for each in letters:
            await in_thread(self.mail[each.mailbox].put, [each])

    def inbound(
        self,
        key: str,
        sender: tuple[str, str],
        boxes: Sequence[str],
        subject: str,
        text: str,
        **more: Any,
    ) -> list[Letter]:
        """Return a mail that has just come to each of these mailboxes, the first in To."""
        now = self.clock()
        raw = letter(
            message_id=self.message_id(key, sender[1]),
            sender=sender,
            to=boxes[:1],
            cc=boxes[1:],
            subject=subject,
            text=text,
            at=now,
            **more,
        )
        return [Letter(box, raw, now) for box in boxes]

    def reply(
        self, key: str, to: tuple[str, str], box: str, subject: str, text: str, answers: str
    ) -> list[Letter]:
        """Return an answer that lies in the folder of sent mail."""
        now = self.clock()
        raw = letter(
            message_id=self.message_id(key, f"@{DOMAIN}"),
            sender=("Аврора", box),
            to=[to[1]],
            subject=f"Re: {subject}",
            text=text,
            at=now,
            answers=answers,
        )
        return [Letter(box, raw, now, sent=True)]

    @staticmethod
    def message_id(key: str, address: str) -> str:
        """Return the id of a mail of the story."""
        return f"{key}@{address.partition('@')[2]}"
