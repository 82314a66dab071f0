"""The story: from kept deliveries to recorded touches and flags.

    read -> fold -> match -> tie -> decide -> record

`readers.read` runs before the transaction: bytes say the same whatever the directory holds.
Everything from `fold` on runs inside the worker's one write transaction and sees one state of the
directory, so a batch is decided wholly before or wholly after a change to it. What each step does
stands in `steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from ingest.readers import Reading
from ingest.steps import (
    Changed,
    Directories,
    Regions,
    decide_subjects,
    fold_calls,
    match_touches,
    not_dealt_with,
    take_in,
    write_keys,
)
from ingest.tying import tie_calls
from storage import derived, wire


def record(
    connection: Connection,
    readings: Sequence[Reading],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
) -> Changed:
    """Store readings and all that follows from them; repeats change nothing."""
    unread = not_dealt_with(connection, readings)
    stored = take_in(connection, unread, now=now)
    # What is stored for the first time is at hand, and is not read back.
    known_before = wire.mails_of(connection, stored.mails - stored.fresh.keys())
    read = {**stored.fresh, **known_before}
    return _remake(connection, stored.keys, read, known, regions, now=now, whole=False)


def remake(
    connection: Connection,
    keys: Iterable[str],
    mails: Iterable[str],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
) -> Changed:
    """Fold, match, tie, decide and record the calls and mails with these keys, from their facts.

    The timelines concerned are decided from their beginning, as a late fact demands.
    """
    read = wire.mails_of(connection, mails)
    return _remake(connection, set(keys), read, known, regions, now=now, whole=True)


def _remake(
    connection: Connection,
    keys: set[str],
    read: wire.SeenMails,
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
    whole: bool,
) -> Changed:
    folded = fold_calls(connection, keys)
    touches = match_touches(connection, folded.calls, read, known, regions)
    touches, touch_of, seen = tie_calls(connection, folded, touches, known, regions)
    moved = seen | write_keys(connection, folded, touch_of)
    written = derived.write_touches(connection, touches)
    # Interactions that became part of another, and calls of which no report names a number yet.
    former = {*folded.before.values(), *(call.id for call in folded.calls)}
    removed, lost = derived.drop_interactions(connection, former - written.touches.keys())
    since = {} if whole else {it: at for it, at in written.subjects.items() if it not in lost}
    concerned = written.subjects.keys() | lost
    decided = decide_subjects(connection, concerned, known, now=now, since=since, written=written)
    return Changed(
        interactions=frozenset(written.changed | removed),
        keys=frozenset(moved),
        decided=frozenset(decided),
        subjects=frozenset(concerned),
    )
