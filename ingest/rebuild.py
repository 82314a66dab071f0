"""Rebuild: recompute every derivation from its facts and count the rows that differ.

Within one version the promise is 0. Readings are facts: they are never dropped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from ingest.domain.interactions import Kind
from ingest.pipeline import Directories, Regions, decide_subjects, remake
from storage import derived, wire
from storage.database import Database
from storage.facts import chunks
from storage.tables import call_reports, interactions

SLICE = 500
EXAMPLES = 10


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild changed, or would change."""

    touches: int = 0  #: looked at
    rows: int = 0  #: that differed
    examples: list[str] = field(default_factory=list)  #: ids of the first few


Progress = Callable[[int, int], None]  #: done, in all


def rebuild(
    database: Database,
    regions: Regions,
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Progress = lambda done, total: None,
) -> Rebuilt:
    """Recompute everything derived; with `dry_run` only say what would change.

    A dry run holds the write transaction to its end and then rolls it back: deliveries wait in
    their log meanwhile.
    """
    known, result = Directories(), Rebuilt()
    if dry_run:
        with database.write() as connection:
            trial = connection.begin_nested()
            for work in _work(connection, known, regions, now, progress):
                _add(result, work(connection))
            trial.rollback()
        return result
    with database.read() as connection:
        todo = list(_work(connection, known, regions, now, progress))
    for work in todo:
        with database.write() as connection:
            _add(result, work(connection))
    return result


Step = Callable[[Connection], tuple[int, set[str]]]


def _add(result: Rebuilt, done: tuple[int, set[str]]) -> None:
    touches, changed = done
    result.touches += touches
    result.rows += len(changed)
    room = EXAMPLES - len(result.examples)
    result.examples.extend(sorted(changed)[:room])


def _work(
    connection: Connection,
    known: Directories,
    regions: Regions,
    now: datetime,
    progress: Progress,
) -> Iterator[Step]:
    """Yield the steps of a rebuild, each small enough for one transaction."""
    keys = sorted(set(connection.scalars(select(call_reports.c.key).distinct())))
    mails = wire.all_mails(connection)
    total, done = len(keys) + len(mails), 0

    def remake_calls(chunk: list[str]) -> Step:
        def step(write: Connection) -> tuple[int, set[str]]:
            changed = remake(write, chunk, (), known, regions, now=now)
            return len(chunk), set(changed.interactions | changed.decided | changed.keys)

        return step

    def remake_mails(chunk: list[str]) -> Step:
        def step(write: Connection) -> tuple[int, set[str]]:
            changed = remake(write, (), chunk, known, regions, now=now)
            return len(chunk), set(changed.interactions | changed.decided | changed.keys)

        return step

    for make, values in ((remake_calls, keys), (remake_mails, mails)):
        for part in chunks(values, SLICE):
            yield make(list(part))
            done += len(part)
            progress(done, total)
    yield lambda write: (0, _drop_orphans(write))
    yield lambda write: (0, _decide_all(write, known, now))


def _drop_orphans(connection: Connection) -> set[str]:
    """Remove interactions that no report and no mail speaks of."""
    gone: set[str] = set()
    after = ""
    while ids := derived.touches_since(connection, None, after=after, limit=SLICE):
        after = ids[-1]
        rows = connection.execute(
            select(interactions.c.id, interactions.c.kind).where(interactions.c.id.in_(ids))
        ).all()
        mails = [row.id for row in rows if row.kind == Kind.MAIL.value]
        calls = [row.id for row in rows if row.kind == Kind.CALL.value]
        backed = wire.known_mails(connection, mails) | {
            stored.keys[0] for stored in wire.reports_of(connection, calls)
        }
        known = derived.interactions_of_keys(connection, calls)
        orphans = {
            touch for touch in (*mails, *calls) if touch not in backed and touch not in known
        }
        removed, _ = derived.drop_interactions(connection, orphans)
        gone |= removed
    return gone


def _decide_all(connection: Connection, known: Directories, now: datetime) -> set[str]:
    """Decide every subject anew, also those that no touch speaks of any more."""
    changed: set[str] = set()
    after = ""
    while subjects := derived.all_subjects(connection, after=after, limit=SLICE):
        after = subjects[-1]
        changed |= decide_subjects(connection, subjects, known, now=now)
    return changed
