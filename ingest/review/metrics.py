"""Figures for Prometheus, from values handed in: no person, no secret is in a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ingest.domain.deliveries import End
from ingest.domain.mailboxes import MailboxState
from ingest.domain.rhythm import Silence
from storage import wire
from storage.database import Database
from storage.log import LogReader, LogUnavailable, same_log
from storage.tables import deliveries, flags, redecide_jobs

#: Sources, and as many mailboxes, that have figures of their own; the others share `other`.
MOST_LABELS = 80

#: What the public door counts of each source: name, and the field of its counters.
DOOR = ("accepted", "repeated", "changed", "rejected", "handshakes", "overloaded", "failed")

#: The same of questions who is calling.
QUESTIONS = ("asked", "named", "unkept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the worker is behind one partition of a delivery log."""

    log: str
    partition: int
    rows: int  #: kept and not dealt with
    seconds: float  #: since the first of them was received; 0 if there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the main database says."""

    parked: int = 0  #: deliveries that wait for a fix
    jobs: int = 0  #: late facts whose touches are still to be decided anew
    flags_open: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is shown at one moment; what could not be learnt is None."""

    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: the door's counters
    unknown: int = 0  #: requests to sources that do not exist
    waiting: Mapping[str, int] = field(default_factory=dict)  #: log -> rows not yet durable
    full: Mapping[str, str | None] = field(default_factory=dict)  #: log -> why it refuses senders
    worker: Mapping[str, int] = field(default_factory=dict)  #: counters since the process began
    lags: Sequence[Lag] | None = None
    stored: Stored | None = None
    mailboxes: Mapping[str, MailboxState] = field(default_factory=dict)  #: by mailbox id
    silences: Mapping[str, Silence] = field(default_factory=dict)  #: by source
    edges_away: bool = False  #: they did not answer; their figures are as last remembered


# Learning --------------------------------------------------------------------------------------


def lags(database: Database, logs: Mapping[str, LogReader], now: datetime) -> list[Lag]:
    """Return how far the worker is behind, by log and partition. May raise LogUnavailable."""
    found = []
    with database.read() as connection:
        for name, log in logs.items():
            for partition in range(log.partitions):
                mark = wire.position(connection, name, partition)
                if mark is not None and same_log(mark, log) is not None:
                    mark = None  # another log lies there: it will be read from its beginning
                found.append(_lag(log, name, partition, mark.position if mark else 0, now))
    return found


def _lag(log: LogReader, name: str, partition: int, position: int, now: datetime) -> Lag:
    rows = max(0, log.bounds(partition).last - position)
    since = _received_after(log, partition, position) if rows else None
    seconds = max(0.0, (now - since).total_seconds()) if since else 0.0
    return Lag(log=name, partition=partition, rows=rows, seconds=seconds)


def _received_after(log: LogReader, partition: int, position: int) -> datetime | None:
    """Return when the first delivery beyond that position came, without its bytes if possible."""
    imprint = log.imprint(partition, position + 1)
    if imprint is not None:
        return imprint.received_at
    # Positions may leave gaps.
    return next((it.received_at for it in log.read(partition, position, 1, max_bytes=1)), None)


def stored(database: Database, now: datetime) -> Stored:
    """Return what the main database counts."""
    with database.read() as connection:
        parked = connection.scalar(
            select(func.count()).select_from(deliveries).where(deliveries.c.end == End.PARKED)
        )
        jobs = connection.scalar(select(func.count()).select_from(redecide_jobs))
        open_flags = connection.scalar(
            select(func.count())
            .select_from(flags)
            .where(or_(flags.c.closed_at.is_(None), flags.c.closed_at > now))
        )
    return Stored(parked=int(parked or 0), jobs=int(jobs or 0), flags_open=int(open_flags or 0))


def take_snapshot(
    database: Database,
    logs: Mapping[str, LogReader],
    *,
    now: datetime,
    edges: Mapping[str, Any],
    mailboxes: Mapping[str, MailboxState],
    worker: Mapping[str, int],
    silences: Callable[[], Mapping[str, Silence]] = dict,
) -> Snapshot:
    """Return everything at this moment; what cannot be read leaves its figures out.

    `edges` is what they report: `door` (their counters), `waiting` and `full` by log, and `away`
    when they did not answer. `worker`: read, ignored, parked, redecided, retries, batches.
    """
    door = edges.get("door") or {}
    return Snapshot(
        sources=door.get("sources", {}),
        unknown=door.get("unknown", 0),
        waiting=edges.get("waiting", {}),
        full=edges.get("full", {}),
        worker=worker,
        lags=_or_none(lambda: lags(database, logs, now)),
        stored=_or_none(lambda: stored(database, now)),
        mailboxes=mailboxes,
        silences=_or_none(silences) or {},
        edges_away=bool(edges.get("away")),
    )


def _or_none(learn: Callable[[], Any]) -> Any:
    try:
        return learn()
    except (LogUnavailable, SQLAlchemyError):
        return None


# Showing ---------------------------------------------------------------------------------------


def metrics_text(snapshot: Snapshot) -> bytes:
    """Return the figures in Prometheus' text format, with those of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(snapshot))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Yield every family of figures."""
        yield from _door(self._snapshot)
        yield from _worker(self._snapshot)
        yield from _mailboxes(self._snapshot)
        yield from _silences(self._snapshot)


def _door(snapshot: Snapshot) -> Iterator[Metric]:
    counted = _bounded(snapshot.sources)
    shown = [(f"deliveries_{name}", f"Requests {name}", name) for name in DOOR]
    shown += [(f"questions_{name}", f"Live answers {name}", name) for name in QUESTIONS]
    for metric, title, name in shown:
        family = CounterMetricFamily(
            f"keepline_{metric}", f"{title}, by source.", labels=["source"]
        )
        for source, counters in counted:
            family.add_metric([source], sum(each.get(name, 0) for each in counters))
        yield family
    yield CounterMetricFamily(
        "keepline_deliveries_unknown_source",
        "Requests to sources that do not exist.",
        value=snapshot.unknown,
    )
    yield _by_log("keepline_keeper_waiting_rows", "Rows not yet durable.", snapshot.waiting)
    yield _by_log(
        "keepline_keeper_full",
        "1: new senders are refused.",
        {log: 1 if why else 0 for log, why in snapshot.full.items()},
    )
    yield GaugeMetricFamily(
        "keepline_edges_up", "1: the edges answer.", value=0 if snapshot.edges_away else 1
    )


def _worker(snapshot: Snapshot) -> Iterator[Metric]:
    for name, value in snapshot.worker.items():
        yield CounterMetricFamily(
            f"keepline_worker_{name}", f"What the worker did: {name}.", value=value
        )
    rows = GaugeMetricFamily(
        "keepline_lag_rows", "Deliveries kept and not dealt with.", labels=["log", "partition"]
    )
    seconds = GaugeMetricFamily(
        "keepline_lag_seconds", "Age of the first of them.", labels=["log", "partition"]
    )
    for lag in snapshot.lags or ():
        rows.add_metric([lag.log, str(lag.partition)], lag.rows)
        seconds.add_metric([lag.log, str(lag.partition)], lag.seconds)
    yield from (rows, seconds)
    if snapshot.stored is not None:
        yield GaugeMetricFamily(
            "keepline_parked", "Deliveries that wait for a fix.", value=snapshot.stored.parked
        )
        yield GaugeMetricFamily(
            "keepline_redecide_jobs", "Late facts not yet acted on.", value=snapshot.stored.jobs
        )
        yield GaugeMetricFamily("keepline_flags_open", "Flags.", value=snapshot.stored.flags_open)


def _mailboxes(snapshot: Snapshot) -> Iterator[Metric]:
    # By id: an address is a person's.
    shown = sorted(snapshot.mailboxes.items())[:MOST_LABELS]
    connected = GaugeMetricFamily(
        "keepline_mailbox_connected", "1: every folder is followed.", labels=["mailbox"]
    )
    paused = GaugeMetricFamily(
        "keepline_mailbox_paused", "1: a person must act.", labels=["mailbox"]
    )
    last = GaugeMetricFamily(
        "keepline_mailbox_last_event_seconds", "When its server last answered.", labels=["mailbox"]
    )
    for box, state in shown:
        connected.add_metric([box], state.connected)
        paused.add_metric([box], state.paused is not None)
        if state.last_event_at is not None:
            last.add_metric([box], state.last_event_at.timestamp())
    yield from (connected, paused, last)
    yield GaugeMetricFamily(
        "keepline_mailboxes_not_connected",
        "Mailboxes that are not followed right now, also those without figures of their own.",
        value=sum(not state.connected for state in snapshot.mailboxes.values()),
    )


def _silences(snapshot: Snapshot) -> Iterator[Metric]:
    shown = sorted(snapshot.silences.items())[:MOST_LABELS]
    silent = GaugeMetricFamily(
        "keepline_source_silent",
        "1: nothing has come for longer than the source's own rhythm explains.",
        labels=["source"],
    )
    since = GaugeMetricFamily(
        "keepline_source_last_event_seconds",
        "When something last came of it, or an outage of ours ended.",
        labels=["source"],
    )
    for source, found in shown:
        silent.add_metric([source], found.strange)
        since.add_metric([source], found.since.timestamp())
    yield from (silent, since)
    yield GaugeMetricFamily(
        "keepline_sources_silent",
        "Sources that are silent beyond their rhythm, also those without figures of their own.",
        value=sum(found.strange for found in snapshot.silences.values()),
    )


def _by_log(name: str, about: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=["log"])
    for log, value in sorted(values.items()):
        family.add_metric([log], value)
    return family


def _bounded(
    sources: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return the counters of each source; beyond the bound they are told together."""
    names = sorted(sources)
    found = [(name, [sources[name]]) for name in names[:MOST_LABELS]]
    rest = [sources[name] for name in names[MOST_LABELS:]]
    return [*found, ("other", rest)] if rest else found
