"""Whether rules of the mailbox move mail into its archive before INBOX shows it to us.

The archive is followed only then: what a person puts there was seen in INBOX. So now and then its
newest mails are compared with those that are kept; one that is not, and came in lately, was moved
by a rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from ingest.mail.folders import Folder
from ingest.mail.imap import Session
from ingest.mail.imap_words import Fetched
from ingest.mail.taking import identity_by_header

LOOK_AT = 50  #: newest messages of an archive that are compared
LATELY = timedelta(days=1)

Known = Callable[[Iterable[str]], Awaitable[Mapping[str, int]]]


class Archives:
    """What is remembered of a mailbox's archives between two looks."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}  #: by folder: UID of the newest mail at the last look

    async def fed_by_rules(
        self, session: Session, folder: Folder, known: Known, now: datetime
    ) -> bool:
        """Tell whether a mail came into this folder that INBOX never showed."""
        opened = await session.open(folder.wire_name)
        if not opened.exists:
            self._newest[folder.name] = 0
            return False
        uids = await session.uids_at(max(1, opened.exists - LOOK_AT + 1), opened.exists)
        before = self._newest.get(folder.name)
        self._newest[folder.name] = max(uids, default=0)
        fresh = [uid for uid in uids if before is not None and uid > before]
        if not fresh:
            return False
        outlines = await session.outlines(fresh)
        lately = [uid for uid, each in outlines.items() if _came_lately(each, now)]
        headers = await session.headers(lately)
        identities = {identity_by_header(each.content or b"") for each in headers.values()}
        wanted = {identity for identity in identities if identity}
        return len(await known(wanted)) < len(wanted)


def _came_lately(each: Fetched, now: datetime) -> bool:
    return each.internal_date is not None and now - each.internal_date < LATELY
