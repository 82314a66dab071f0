"""How far a folder is kept: a cursor with two ends. Pure.

Every mail whose UID lies from `low` to `high` is kept, in the same transactions that moved the
cursor. `high` moves up with new mail; `low` moves down with the first import, newest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What is kept of one folder under one numbering (UIDVALIDITY)."""

    uidvalidity: int
    low: int
    high: int  #: nothing is kept yet: high == low - 1
    complete: bool = False  #: the first import reached the oldest mail
    total: int = 0  #: mails that lay there when it began
    kept: int = 0  #: mails of it that were taken so far
    recognised: int = 0  #: mails known from an earlier numbering, not read again
    renumbered: str | None = None  #: since when this numbering holds, if there was another before
    mark: tuple[int, int, int] | None = None  #: what the folder told of itself when nothing was new
    reached: str | None = None  #: moment of the oldest mail taken by the first import

    def up(self, uid: int) -> Cursor:
        """Return the cursor after all new mails up to this one were kept."""
        return replace(self, high=max(self.high, uid))

    def down(
        self, uid: int, kept: int, recognised: int = 0, oldest: datetime | None = None
    ) -> Cursor:
        """Return the cursor after so many older mails, down to this one, were kept."""
        return replace(
            self,
            low=min(self.low, uid),
            kept=self.kept + kept,
            recognised=self.recognised + recognised,
            reached=oldest.isoformat() if oldest else self.reached,
        )

    def marked(self, mark: tuple[int, int, int] | None) -> Cursor:
        """Return the cursor after all that the folder held when it told this of itself was kept."""
        return replace(self, mark=mark)

    def finished(self) -> Cursor:
        """Return the cursor after the oldest mail was kept."""
        return replace(self, low=1, complete=True)

    @property
    def recognising(self) -> bool:
        """Tell whether mails may be known already, from an earlier numbering of the folder."""
        return self.renumbered is not None and not self.complete

    @property
    def alert(self) -> str | None:
        """Return what a person should know of this folder."""
        if self.renumbered is None:
            return None
        anew = self.kept - self.recognised
        going = "" if self.complete else "; still looking"
        return (
            f"The mail server renumbered this folder (noticed {self.renumbered}): "
            f"{self.recognised} mails recognised, {anew} read anew{going}."
        )


def cursor_name(mailbox: str, folder: str) -> str:
    """Return the name under which a folder's cursor is remembered."""
    return f"cursor:{mailbox}:{folder}"


def seen_name(mailbox: str, identity: str) -> str:
    """Return the name under which it is remembered that a mailbox's mail is kept."""
    return f"seen:{mailbox}:{identity}"


def begin(
    remembered: Mapping[str, Any] | None, *, uidvalidity: int, top: int, exists: int, now: datetime
) -> Cursor:
    """Return the remembered cursor, or a new one beneath `top`, the folder's highest UID.

    Another numbering always begins anew, also one that was seen before: a server that goes back
    to it may have given its UIDs to other mails.
    """
    last = from_memory(remembered) if remembered else None
    if last is not None and last.uidvalidity == uidvalidity:
        return last
    since = now.isoformat(timespec="minutes") if last is not None else None
    return Cursor(uidvalidity=uidvalidity, low=top + 1, high=top, total=exists, renumbered=since)


def to_memory(cursor: Cursor) -> dict[str, Any]:
    """Return a cursor as plain JSON."""
    return asdict(cursor)


def from_memory(plain: Mapping[str, Any]) -> Cursor:
    """Return the cursor that `to_memory` wrote."""
    known = dict(plain)
    if mark := known.get("mark"):
        known["mark"] = tuple(mark)
    return Cursor(**known)
