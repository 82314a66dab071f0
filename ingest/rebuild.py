"""Rebuild: recompute every derivation from its facts and count the rows that differ.

Within one version the promise is 0. Readings are facts: they are never dropped here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from ingest.domain.interactions import Kind
from ingest.pipeline import remake
from ingest.steps import Directories, Regions, decide_subjects
from storage import derived, ties, wire
from storage.database import Database
from storage.facts import chunks
from storage.tables import call_reports, interactions

SLICE = 500  #: calls or mails made anew in one transaction
SUBJECTS = 50  #: whole timelines decided anew in one transaction
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
    at_once: int = SLICE,
) -> Rebuilt:
    """Recompute everything derived, slice by slice; fresh deliveries go on in between.

    With `dry_run` each slice is rolled back: it says what would change. `at_once`: calls or mails
    in one slice.
    """
    result = Rebuilt()
    work = _Rebuild(database, regions, now, dry_run, Directories(), result)
    with database.read() as connection:
        keys = sorted(set(connection.scalars(select(call_reports.c.key).distinct())))
        mails = wire.all_mails(connection)
    total = len(keys) + len(mails)
    for part in chunks(keys, at_once):
        work.remake(part, ())
        progress(result.touches, total)
    for part in chunks(mails, at_once):
        work.remake((), part)
        progress(result.touches, total)
    work.drop_orphans()
    work.decide_all()
    return result


@dataclass(frozen=True, slots=True)
class _Rebuild:
    """What every slice of a rebuild needs."""

    database: Database
    regions: Regions
    now: datetime
    dry_run: bool
    known: Directories
    result: Rebuilt

    def remake(self, keys: Sequence[str], mails: Sequence[str]) -> None:
        """Make these calls and mails anew."""
        with self._slice() as connection:
            changed = remake(connection, keys, mails, self.known, self.regions, now=self.now)
        self._add(changed.interactions | changed.decided | changed.keys, len(keys) + len(mails))

    def drop_orphans(self) -> None:
        """Remove interactions that no report and no mail speaks of."""
        after = ""
        while True:
            with self._slice() as connection:
                ids = derived.touches_since(connection, None, after=after, limit=SLICE)
                orphans = _orphans(connection, ids) if ids else set()
                removed, _ = derived.drop_interactions(connection, orphans)
                removed |= ties.forget_strays(connection) if not ids else set()
            self._add(removed)
            if not ids:
                return
            after = ids[-1]

    def decide_all(self) -> None:
        """Decide every subject anew, also those that no touch speaks of any more."""
        after = ""
        while True:
            with self._slice() as connection:
                subjects = derived.all_subjects(connection, after=after, limit=SUBJECTS)
                changed = decide_subjects(connection, subjects, self.known, now=self.now)
            self._add(changed)
            if not subjects:
                return
            after = subjects[-1]

    @contextmanager
    def _slice(self) -> Iterator[Connection]:
        with self.database.write() as connection:
            trial = connection.begin_nested()
            yield connection
            if self.dry_run:
                trial.rollback()
            else:
                trial.commit()

    def _add(self, changed: Collection[str], touches: int = 0) -> None:
        self.result.touches += touches
        self.result.rows += len(changed)
        room = EXAMPLES - len(self.result.examples)
        self.result.examples.extend(sorted(changed)[:room])


def _orphans(connection: Connection, ids: Sequence[str]) -> set[str]:
    rows = connection.execute(
        select(interactions.c.id, interactions.c.kind).where(interactions.c.id.in_(ids))
    ).all()
    mails = [row.id for row in rows if row.kind == Kind.MAIL.value]
    calls = [row.id for row in rows if row.kind == Kind.CALL.value]
    backed = wire.known_mails(connection, mails)
    own = derived.interactions_of_keys(connection, calls)
    return {touch for touch in mails if touch not in backed} | {
        touch for touch in calls if own.get(touch) != touch
    }
