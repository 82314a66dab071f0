"""Sound of calls: what reports named, what was fetched, what was given up and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from ingest.domain.interactions import fixed_id
from storage.database import insert_rows
from storage.facts import chunks
from storage.tables import call_keys, interactions, recordings


class RecordingState(StrEnum):
    """What became of a recording."""

    EXPECTED = "expected"  #: named, but no report says yet that it can be fetched
    WANTED = "wanted"  #: to be fetched, now or at its next try
    KEPT = "kept"
    FAILED = "failed"  #: given up; `because` says why, and a person may ask for another try
    EXPIRED = "expired"  #: the sound was deleted by policy; that it was there stays known


#: A recording that no report calls ready is tried so long after it was first named.
UNSAID = timedelta(minutes=10)

#: Of what can still come: these rows are not final.
OPEN = (RecordingState.EXPECTED, RecordingState.WANTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A recording as a report names it."""

    source: str
    call_key: str  #: id of the call's key
    provider_key: str  #: the key as the provider writes it
    url: str | None
    provider_id: str | None
    ready: bool  #: the report says, or lets expect, that the sound can be fetched

    @property
    def id(self) -> str:
        """Return the id: the same for all reports that name this recording."""
        name = self.provider_id or self.url
        return fixed_id(f"recording\0{self.source}\0{self.provider_key}\0{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording and what became of it."""

    id: str
    source: str
    call_key: str
    provider_key: str
    url: str | None
    provider_id: str | None
    state: RecordingState
    noted_at: datetime
    next_at: datetime | None
    tries: int
    because: str | None
    digest: str | None  #: SHA-256 of the sound, in hex
    size: int | None  #: octets
    content_type: str | None
    fetched_at: datetime | None


def note(connection: Connection, named: Sequence[Named], *, now: datetime) -> None:
    """Remember recordings that reports name; what is known already is not asked for twice.

    One that no report calls ready is tried all the same after a while. A fresh address of one that
    was not fetched yet replaces the old and is tried at once: links do not live long.
    """
    if not named:
        return
    latest = {one.id: one for one in sorted(named, key=lambda one: one.ready)}
    known = _known(connection, latest)
    fresh = [one for id_, one in latest.items() if id_ not in known]
    insert_rows(
        connection,
        recordings,
        [
            {
                "id": one.id,
                "source": one.source,
                "call_key": one.call_key,
                "provider_key": one.provider_key,
                "url": one.url,
                "provider_id": one.provider_id,
                "state": str(RecordingState.WANTED if one.ready else RecordingState.EXPECTED),
                "noted_at": now,
                "next_at": now if one.ready else now + UNSAID,
            }
            for one in fresh
        ],
        ignore=True,
    )
    for id_, one in latest.items():
        state, url = known.get(id_, (None, None))
        if state in (*OPEN, RecordingState.FAILED):
            _renew(connection, one, state, url, now)


def _known(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Return state and address of those that are known."""
    found: dict[str, tuple[str, str | None]] = {}
    for chunk in chunks(sorted(ids)):
        rows = connection.execute(
            select(recordings.c.id, recordings.c.state, recordings.c.url).where(
                recordings.c.id.in_(chunk)
            )
        )
        found.update((row.id, (row.state, row.url)) for row in rows)
    return found


def _renew(connection: Connection, one: Named, state: str, url: str | None, now: datetime) -> None:
    fresh = one.url is not None and one.url != url
    changed: dict[str, Any] = {"url": one.url} if fresh else {}
    if one.ready and (fresh or state == RecordingState.EXPECTED):
        changed |= {"state": str(RecordingState.WANTED), "next_at": now}
        if state == RecordingState.FAILED:
            changed |= {"tries": 0}
    if changed:
        connection.execute(update(recordings).where(recordings.c.id == one.id).values(**changed))


def due(
    connection: Connection, *, now: datetime, limit: int, without: Collection[str] = ()
) -> list[Recording]:
    """Return what is to be fetched now, the longest waiting first; of these sources nothing."""
    rows = connection.execute(
        select(recordings)
        .where(
            recordings.c.state.in_(OPEN),
            recordings.c.next_at <= now,
            recordings.c.source.not_in(without),
        )
        .order_by(recordings.c.next_at, recordings.c.id)
        .limit(limit)
    )
    return [_recording(row) for row in rows]


def suppressed(connection: Connection, call_key: str) -> bool:
    """Tell whether policy hides this call: then its sound is not fetched either."""
    found = connection.scalar(
        select(interactions.c.suppressed)
        .join(call_keys, call_keys.c.interaction_id == interactions.c.id)
        .where(call_keys.c.key == call_key)
    )
    return bool(found)


def keep(
    connection: Connection, id_: str, *, digest: str, size: int, content_type: str, at: datetime
) -> None:
    """Record that the sound lies in the store now."""
    connection.execute(
        update(recordings)
        .where(recordings.c.id == id_)
        .values(
            state=str(RecordingState.KEPT),
            digest=digest,
            size=size,
            content_type=content_type,
            fetched_at=at,
            next_at=None,
            because=None,
        )
    )


def fail(connection: Connection, id_: str, *, because: str, next_at: datetime | None) -> None:
    """Record that a try failed; without a next moment the recording is given up."""
    state = RecordingState.FAILED if next_at is None else RecordingState.WANTED
    connection.execute(
        update(recordings)
        .where(recordings.c.id == id_)
        .values(state=str(state), because=because, next_at=next_at, tries=recordings.c.tries + 1)
    )


def again(connection: Connection, id_: str, *, now: datetime) -> bool:
    """Ask once more for a recording that was given up; returns whether it was."""
    done = connection.execute(
        update(recordings)
        .where(recordings.c.id == id_, recordings.c.state == RecordingState.FAILED)
        .values(state=str(RecordingState.WANTED), next_at=now, tries=0)
    )
    return done.rowcount > 0


def of_keys(connection: Connection, keys: Sequence[str]) -> list[Recording]:
    """Return the recordings of a call with these keys, the first named first."""
    found: list[Recording] = []
    for chunk in chunks(sorted(set(keys))):
        rows = connection.execute(select(recordings).where(recordings.c.call_key.in_(chunk)))
        found += [_recording(row) for row in rows]
    return sorted(found, key=lambda one: (one.noted_at, one.id))


def recording(connection: Connection, id_: str) -> Recording | None:
    """Return one recording."""
    row = connection.execute(select(recordings).where(recordings.c.id == id_)).first()
    return None if row is None else _recording(row)


def interaction_of(connection: Connection, one: Recording) -> str | None:
    """Return the interaction that a recording belongs to now."""
    found = connection.scalar(
        select(call_keys.c.interaction_id).where(call_keys.c.key == one.call_key)
    )
    return None if found is None else str(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSound:
    """Sound that is to go."""

    ids: Sequence[str]
    digests: Sequence[str]  #: of files that no other recording names


def old_sound(connection: Connection, *, before: datetime, limit: int) -> OldSound:
    """Return sound fetched before that moment, the oldest first."""
    found = connection.execute(
        select(recordings.c.id, recordings.c.digest)
        .where(recordings.c.state == RecordingState.KEPT, recordings.c.fetched_at < before)
        .order_by(recordings.c.fetched_at)
        .limit(limit)
    ).all()
    ids = {row.id for row in found}
    digests = {row.digest for row in found if row.digest}
    still = {
        row.digest
        for chunk in chunks(sorted(digests))
        for row in connection.execute(
            select(recordings.c.id, recordings.c.digest).where(
                recordings.c.digest.in_(chunk), recordings.c.state == RecordingState.KEPT
            )
        )
        if row.id not in ids
    }
    return OldSound(ids=sorted(ids), digests=sorted(digests - still))


def expire(connection: Connection, ids: Sequence[str]) -> None:
    """Record that the sound of these was deleted."""
    for chunk in chunks(ids):
        connection.execute(
            update(recordings)
            .where(recordings.c.id.in_(chunk))
            .values(state=str(RecordingState.EXPIRED))
        )


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many recordings of each source are in each state."""
    rows = connection.execute(
        select(recordings.c.source, recordings.c.state, func.count()).group_by(
            recordings.c.source, recordings.c.state
        )
    )
    return {(source, state): number for source, state, number in rows}


def _recording(row: Row[Any]) -> Recording:
    values = dict(row._mapping)
    return Recording(**{**values, "state": RecordingState(values["state"])})
