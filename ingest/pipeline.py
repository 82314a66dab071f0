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
    store,
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
    fresh = not_dealt_with(connection, readings)
    keys, mails = store(connection, fresh, now=now)
    return remake(connection, keys, mails, known, regions, now=now, whole=False)


def remake(
    connection: Connection,
    keys: Iterable[str],
    mails: Iterable[str],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
    whole: bool = True,
) -> Changed:
    """Fold, match, tie, decide and record the calls and mails with these keys, from their facts.

    `whole`: the timelines concerned are decided from their beginning, as a late fact demands.
    """
    folded = fold_calls(connection, set(keys))
    read = wire.mails_of(connection, mails)
    touches = match_touches(connection, folded.calls, read, known, regions)
    touches, touch_of, seen = tie_calls(connection, folded, touches, known, regions)
    moved = seen | write_keys(connection, folded, touch_of)
    changed, subjects = derived.write_touches(connection, touches)
    written = {touch.id for _, touch in touches}
    # Interactions that became part of another, and calls of which no report names a number yet.
    former = {*folded.before.values(), *(call.id for call in folded.calls)}
    removed, lost = derived.drop_interactions(connection, former - written)
    since = {} if whole else {it: at for it, at in subjects.items() if it not in lost}
    concerned = subjects.keys() | lost
    decided = decide_subjects(connection, concerned, known, now=now, since=since)
    return Changed(
        interactions=frozenset(changed | removed),
        keys=frozenset(moved),
        decided=frozenset(decided),
        subjects=frozenset(concerned),
    )
