"""Compares what was accepted with what the databases hold after all was worked off."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import Delivery
from ingest.opening import log_readers
from ingest.redecide import progress
from ingest.settings import Settings
from storage import wire
from storage.database import Database
from storage.log import LogReader
from storage.tables import (
    call_keys,
    call_reports,
    deliveries,
    interactions,
    mails,
    review_items,
    sightings,
)

DRAIN_S = 60.0
LOOK_S = 0.05


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What is wrong; nothing, if both lists are empty."""

    accepted: int = 0
    mails: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, mails {self.mails},"
            f" lost {len(self.lost)} {self.lost[:5]}, twice {len(self.twice)} {self.twice[:5]}"
        )


def drain(settings: Settings, seconds: float = DRAIN_S) -> None:
    """Return when the worker has come to the end of each log and nothing waits to be decided."""
    ends = time.monotonic() + seconds
    while waiting := _waiting(settings):
        assert time.monotonic() < ends, f"not worked off within {seconds} s: {waiting}"
        time.sleep(LOOK_S)


def _waiting(settings: Settings) -> dict[str, int]:
    found: dict[str, int] = {}
    with _opened(settings) as (connection, logs):
        for name, log in logs.items():
            for partition in range(log.partitions):
                stored = wire.position(connection, name, partition)
                left = log.bounds(partition).last - (stored.position if stored else 0)
                if left:
                    found[f"{name}/{partition}"] = left
        jobs = progress(connection)[0]
    return found | ({"jobs": jobs} if jobs else {})


def check_calls(settings: Settings, accepted: set[str], calls: Mapping[str, str]) -> Verdict:
    """Judge webhooks by their ids and calls by the ids the other side gave them.

    `calls` are all that were sent, with their callers; every report of them was accepted.
    """
    verdict = Verdict(accepted=len(accepted))
    with _opened(settings) as (connection, logs):
        kept = _kept(logs["calls"])
        reports = _reports(connection)
        ends = _ends(connection)
        touches = _touches(connection)
        items = {row.point: row.calls for row in connection.execute(select(review_items))}
    for hook in sorted(accepted):
        rows = kept.get(hook, [])
        if not rows or any(ends[it.source, it.key] == 0 for it in rows):
            verdict.lost.append(hook)
        elif len(rows) > 1 or any(ends[it.source, it.key] > 1 for it in rows):
            verdict.twice.append(hook)
    for call in calls:
        if not touches[call] or reports[call] < 2:
            verdict.lost.append(call)
        elif len(touches[call]) > 1 or reports[call] > 2:
            verdict.twice.append(call)
    for caller, count in Counter(calls.values()).items():
        counted = items.get(str(ContactPoint(PointKind.PHONE, caller)), 0)
        if counted != count:
            (verdict.lost if counted < count else verdict.twice).append(f"{caller}: {counted}")
    return verdict


def check_mails(settings: Settings, appended: set[str]) -> Verdict:
    """Judge mails by the Message-IDs that were put into the mailbox."""
    verdict = Verdict(mails=len(appended))
    with _opened(settings) as (connection, _):
        seen: dict[str, list[str]] = defaultdict(list)
        statement = (
            select(mails.c.message_id, sightings.c.id)
            .join(sightings, sightings.c.mail_id == mails.c.id)
            .join(interactions, interactions.c.id == mails.c.id)
        )
        for message_id, sighting in connection.execute(statement):
            seen[message_id].append(sighting)
    verdict.lost = sorted(it for it in appended if not seen[it])
    verdict.twice = sorted(it for it in appended if len(seen[it]) > 1)
    return verdict


def cursor_beyond_kept(settings: Settings, mailbox: str) -> list[str]:
    """Return the mails that a cursor of the mailbox has passed and that are not kept."""
    with _opened(settings) as (_, logs):
        log = logs["mail"]
        kept = {(it.head["folder"], it.head["uidvalidity"], it.head["uid"]) for it in _all(log)}
        cursors = log.memories(f"cursor:{mailbox}:")
    missing = []
    for name, cursor in cursors.items():
        folder = name.removeprefix(f"cursor:{mailbox}:")
        for uid in range(max(1, cursor["low"]), cursor["high"] + 1):
            if (folder, cursor["uidvalidity"], uid) not in kept:
                missing.append(f"{folder} {uid}")
    return missing


# Reading ---------------------------------------------------------------------------------------


class _opened:
    """Main and logs, read as another process sees them."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.main_url, writable=False)
        self._logs = log_readers(settings)
        self._reading = self._database.read()

    def __enter__(self) -> tuple[Connection, dict[str, LogReader]]:
        return self._reading.__enter__(), self._logs

    def __exit__(self, *error: object) -> None:
        self._reading.__exit__(None, None, None)
        self._database.close()
        for log in self._logs.values():
            log.close()


def _all(log: LogReader) -> Iterator[Delivery]:
    for partition in range(log.partitions):
        after = 0
        while batch := log.read(partition, after):
            yield from batch
            after = batch[-1].position


def _kept(log: LogReader) -> dict[str, list[Delivery]]:
    """Return the rows of each webhook id, as the header says it."""
    found: dict[str, list[Delivery]] = defaultdict(list)
    for it in _all(log):
        for name, value in it.head.get("headers", ()):
            if name == "webhook-id":
                found[value].append(it)
    return found


def _ends(connection: Connection) -> Counter[tuple[str, str]]:
    rows = connection.execute(select(deliveries.c.source, deliveries.c.key))
    return Counter((row.source, row.key) for row in rows)


def _reports(connection: Connection) -> Counter[str]:
    """Return how many reports each call has, by the id in the report itself."""
    found: Counter[str] = Counter()
    for event in connection.scalars(select(call_reports.c.event)):
        found.update(json.loads(event)["call_keys"])
    return found


def _touches(connection: Connection) -> dict[str, set[str]]:
    """Return the interactions of each call."""
    found: dict[str, set[str]] = defaultdict(set)
    statement = select(call_keys.c.provider_key, interactions.c.id).join(
        interactions, interactions.c.id == call_keys.c.interaction_id
    )
    for call, touch in connection.execute(statement):
        found[call].add(touch)
    return found
