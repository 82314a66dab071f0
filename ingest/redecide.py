"""Late facts: what a change of directory, policy or decision makes us decide anew.

Whoever writes such a fact asks for it in the same transaction (`storage.facts.redecide_...`).
Here the asked-for jobs are run in slices, between fresh batches, and their consequences are
shown beforehand by running the very same slices in a transaction that is rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from ingest.pipeline import remake
from ingest.steps import Changed, Directories, Regions, decide_subjects
from storage import derived
from storage.database import Database
from storage.facts import chunks
from storage.tables import flags, interactions, participants, redecide_jobs

SLICE = 500  #: touches made anew in one transaction at the most
SUBJECTS = 50  #: whole timelines decided anew in one transaction at the most
EXACT_UP_TO = 20_000  #: touches; consequences of more are counted, not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What a decision does to what is already recorded."""

    calls: int = 0  #: touches linked to a client they were not linked to before
    mails: int = 0
    since: datetime | None = None  #: the earliest of those
    unlinked: int = 0  #: touches that lose a client
    flags_raised: int = 0
    flags_gone: int = 0  #: withdrawn or closed
    about: bool = False  #: counted from what is recorded, not tried


def run_slice(
    connection: Connection, known: Directories, regions: Regions, *, now: datetime
) -> Changed | None:
    """Decide the next slice of the oldest job anew; None if there is no job.

    A job that failed before comes behind those that did not: it does not stop them.
    """
    job = connection.execute(
        select(redecide_jobs).order_by(redecide_jobs.c.failures, redecide_jobs.c.id).limit(1)
    ).first()
    return None if job is None else _run(connection, job, known, regions, now)


def progress(connection: Connection) -> tuple[int, int]:
    """Return how many jobs wait, and how many touches the running one has done."""
    row = connection.execute(
        select(func.count(redecide_jobs.c.id), func.coalesce(func.sum(redecide_jobs.c.done), 0))
    ).one()
    return int(row[0]), int(row[1])


def _run(
    connection: Connection, job: Any, known: Directories, regions: Regions, now: datetime
) -> Changed:
    targets = json.loads(job.targets)
    after = job.cursor or ""
    match job.scope:
        case "keys":
            connection.execute(delete(redecide_jobs).where(redecide_jobs.c.id == job.id))
            return remake(connection, targets, targets, known, regions, now=now)
        case "subjects":
            part, rest = targets[:SUBJECTS], targets[SUBJECTS:]
            _go_on(connection, job, rest)
            decided = decide_subjects(connection, part, known, now=now)
            return Changed(decided=frozenset(decided), subjects=frozenset(part))
        case "points":
            ids = derived.touches_of_points(
                connection, targets, from_at=job.from_at, until=job.until, after=after, limit=SLICE
            )
        case _:
            ids = derived.touches_since(
                connection, job.from_at, after=after, limit=SLICE, sources=targets
            )
    if len(ids) < SLICE:
        connection.execute(delete(redecide_jobs).where(redecide_jobs.c.id == job.id))
    else:
        connection.execute(
            update(redecide_jobs)
            .where(redecide_jobs.c.id == job.id)
            .values(cursor=ids[-1], done=redecide_jobs.c.done + len(ids))
        )
    return remake_touches(connection, ids, known, regions, now=now)


def _go_on(connection: Connection, job: Any, rest: Sequence[str]) -> None:
    """Leave the rest of a job for the next slice; a job with nothing left is gone."""
    if not rest:
        connection.execute(delete(redecide_jobs).where(redecide_jobs.c.id == job.id))
        return
    done = len(json.loads(job.targets)) - len(rest)
    connection.execute(
        update(redecide_jobs)
        .where(redecide_jobs.c.id == job.id)
        .values(targets=json.dumps(rest), done=redecide_jobs.c.done + done)
    )


def oldest_job(connection: Connection) -> int | None:
    """Return the id of the job that the next slice is of, or None."""
    return connection.scalar(
        select(redecide_jobs.c.id).order_by(redecide_jobs.c.failures, redecide_jobs.c.id).limit(1)
    )


def note_failure(connection: Connection, job: int) -> None:
    """Put a job that failed behind those that did not fail as often."""
    connection.execute(
        update(redecide_jobs)
        .where(redecide_jobs.c.id == job)
        .values(failures=redecide_jobs.c.failures + 1)
    )


def remake_touches(
    connection: Connection,
    ids: Sequence[str],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
) -> Changed:
    """Make these interactions anew from their facts, with every timeline they lie in."""
    keys = derived.keys_of_interactions(connection, ids)
    return remake(connection, keys, ids, known, regions, now=now)


def consequences(
    database: Database,
    change: Callable[[Connection], object],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
) -> Consequences:
    """Return what a change would do, by doing it and taking it all back."""
    with database.write() as connection:
        trial = connection.begin_nested()
        try:
            return try_out(connection, change, known, regions, now=now)
        finally:
            trial.rollback()
            # What was loaded during the trial never was.
            known.forget()


def try_out(
    connection: Connection,
    change: Callable[[Connection], object],
    known: Directories,
    regions: Regions,
    *,
    now: datetime,
) -> Consequences:
    """Make the change, run what it asks for to the end, and return what that did."""
    last = connection.scalar(select(func.coalesce(func.max(redecide_jobs.c.id), 0))) or 0
    change(connection)
    asked = connection.execute(
        select(redecide_jobs).where(redecide_jobs.c.id > last).order_by(redecide_jobs.c.id)
    ).all()
    touched = _touched(connection, asked)
    if len(touched) > EXACT_UP_TO:
        return _about(connection, asked)
    subjects = _subjects_of(connection, touched) | _asked_subjects(asked)
    links = _links(connection, touched)
    before = _open_flags(connection, subjects, now)
    for job in asked:
        waiting: Any = job
        while waiting is not None:
            _run(connection, waiting, known, regions, now)
            waiting = connection.execute(
                select(redecide_jobs).where(redecide_jobs.c.id == job.id)
            ).first()
    subjects |= _subjects_of(connection, touched)
    return _compare(
        links,
        _links(connection, touched),
        before,
        _open_flags(connection, subjects, now),
        _about_touches(connection, touched),
    )


def _touched(connection: Connection, jobs: Sequence[Any]) -> set[str]:
    found: set[str] = set()
    for job in jobs:
        targets = json.loads(job.targets)
        if job.scope == "points":
            found.update(
                derived.touches_of_points(
                    connection,
                    targets,
                    from_at=job.from_at,
                    until=job.until,
                    after="",
                    limit=EXACT_UP_TO + 1,
                )
            )
        elif job.scope == "keys":
            found.update(derived.interactions_of_keys(connection, targets).values(), targets)
        elif job.scope in ("all", "source"):
            found.update(
                derived.touches_since(
                    connection, job.from_at, after="", limit=EXACT_UP_TO + 1, sources=targets
                )
            )
    return found


def _asked_subjects(jobs: Sequence[Any]) -> set[str]:
    return {
        subject for job in jobs if job.scope == "subjects" for subject in json.loads(job.targets)
    }


def _subjects_of(connection: Connection, ids: set[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(sorted(ids)):
        found.update(
            subject
            for subject in connection.scalars(
                select(participants.c.subject)
                .where(participants.c.interaction_id.in_(chunk))
                .distinct()
            )
            if subject
        )
    return found


def _links(connection: Connection, ids: set[str]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for chunk in chunks(sorted(ids)):
        for row in connection.execute(
            select(participants.c.interaction_id, participants.c.client_id).where(
                participants.c.interaction_id.in_(chunk), participants.c.client_id.is_not(None)
            )
        ):
            found.add((row.interaction_id, row.client_id))
    return found


def _open_flags(connection: Connection, subjects: set[str], now: datetime) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(sorted(subjects)):
        found.update(
            connection.scalars(
                select(flags.c.id).where(
                    flags.c.subject.in_(chunk),
                    flags.c.closed_at.is_(None) | (flags.c.closed_at > now),
                )
            )
        )
    return found


def _about_touches(connection: Connection, ids: set[str]) -> dict[str, tuple[str, datetime]]:
    found: dict[str, tuple[str, datetime]] = {}
    for chunk in chunks(sorted(ids)):
        for row in connection.execute(
            select(interactions.c.id, interactions.c.kind, interactions.c.occurred_at).where(
                interactions.c.id.in_(chunk)
            )
        ):
            found[row.id] = (row.kind, row.occurred_at)
    return found


def _compare(
    links: set[tuple[str, str]],
    links_after: set[tuple[str, str]],
    flags_before: set[str],
    flags_after: set[str],
    about: dict[str, tuple[str, datetime]],
) -> Consequences:
    gained = {touch for touch, _ in links_after - links}
    kinds = [about[touch] for touch in gained if touch in about]
    return Consequences(
        calls=sum(1 for kind, _ in kinds if kind == "call"),
        mails=sum(1 for kind, _ in kinds if kind == "mail"),
        since=min((at for _, at in kinds), default=None),
        unlinked=len({touch for touch, _ in links - links_after}),
        flags_raised=len(flags_after - flags_before),
        flags_gone=len(flags_before - flags_after),
    )


def _about(connection: Connection, jobs: Sequence[Any]) -> Consequences:
    """Count the touches that a change too large to try out concerns."""
    calls = mails = 0
    since: datetime | None = None
    for job in jobs:
        targets = json.loads(job.targets)
        statement = select(
            interactions.c.kind,
            func.count(interactions.c.id.distinct()).label("number"),
            func.min(interactions.c.occurred_at, type_=interactions.c.occurred_at.type).label(
                "first"
            ),
        ).group_by(interactions.c.kind)
        if job.scope == "points":
            statement = statement.join(
                participants, participants.c.interaction_id == interactions.c.id
            ).where(participants.c.point.in_(targets))
        if job.from_at is not None:
            statement = statement.where(interactions.c.occurred_at >= job.from_at)
        for row in connection.execute(statement):
            if row.kind == "call":
                calls += row.number
            else:
                mails += row.number
            since = row.first if since is None else min(since, row.first)
    return Consequences(calls=calls, mails=mails, since=since, about=True)


def ask_everything(connection: Connection) -> None:
    """Ask for every touch to be made anew, as after a person changed the policy's past."""
    connection.execute(insert(redecide_jobs), {"scope": "all", "targets": "[]"})
