"""The alarm of a silent source: from what was recorded, on the figures and in the check."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import outages
from ingest.custody.silence import Silences, silences
from ingest.domain.deliveries import Delivery, End
from ingest.outages import Outage
from ingest.readers import Reading
from ingest.review.metrics import metrics_text, take_snapshot
from storage import facts
from storage.log_sqlite import SqliteLog
from storage.tables import sources
from tests.world import NOW, World, postgres_world, sqlite_world

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = sqlite_world(tmp_path)
    yield found
    found.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    found = SqliteLog(tmp_path / "calls.log.db", name="calls")
    yield found
    found.close()


def test_a_source_that_fell_silent_is_named_and_one_that_goes_on_is_not(
    world: World, log: SqliteLog
) -> None:
    came(world, "stopped", until=NOW - 6 * HOUR)
    came(world, "going", until=NOW)

    with world.reading() as connection:
        found = silences(connection, {"calls": log}, NOW)

    assert {name for name, it in found.items() if it.strange} == {"stopped"}
    assert found["stopped"].since == NOW - 6 * HOUR


def test_postgres_says_the_same(postgres_url: str, log: SqliteLog) -> None:
    world = postgres_world(postgres_url)
    try:
        came(world, "stopped", until=NOW - 6 * HOUR)
        with world.reading() as connection:
            found = silences(connection, {"calls": log}, NOW)
        assert found["stopped"].strange
        assert found["stopped"].since == NOW - 6 * HOUR
    finally:
        world.close()


def test_what_was_pulled_from_a_history_breaks_no_silence(world: World, log: SqliteLog) -> None:
    came(world, "stopped", until=NOW - 6 * HOUR)
    came(world, "stopped", since=NOW - HOUR, until=NOW, key="pull:")

    with world.reading() as connection:
        assert silences(connection, {"calls": log}, NOW)["stopped"].strange


def test_while_the_service_itself_was_down_no_source_was_silent(
    world: World, log: SqliteLog
) -> None:
    came(world, "office", until=NOW - 6 * HOUR)
    down = Outage(begin=NOW - 6 * HOUR, end=NOW - timedelta(minutes=5), why=outages.DOWN)
    log.remember({outages.MEMORY: outages.plain([down])})

    with world.reading() as connection:
        assert not silences(connection, {"calls": log}, NOW)["office"].strange


def test_the_figures_tell_of_it(world: World, log: SqliteLog) -> None:
    came(world, "stopped", until=NOW - 6 * HOUR)
    found = Silences(world.database, {"calls": log}, lambda: NOW)

    shown = take_snapshot(
        world.database, {}, now=NOW, edges={}, mailboxes={}, worker={}, silences=found
    )
    text = metrics_text(shown).decode()

    assert 'keepline_source_silent{source="stopped"} 1.0' in text
    assert "keepline_sources_silent 1.0" in text


# Helpers ---------------------------------------------------------------------------------------


def came(
    world: World,
    source: str,
    *,
    until: datetime,
    since: datetime | None = None,
    key: str = "hook:",
) -> None:
    """Record a delivery every ten minutes around the clock, for five weeks unless said."""
    begin = since or until - timedelta(weeks=5)
    with world.database.write() as connection:
        if since is None:
            facts.record(
                connection,
                sources,
                at=datetime(2026, 1, 1, tzinfo=UTC),
                by="test",
                name=source,
                provider="generic",
                zone="UTC",
                region="RU",
                config="{}",
                secrets="sealed",
            )
    readings: list[Reading] = []
    at = until
    while at >= begin:
        delivery = Delivery(
            log="calls",
            partition=0,
            position=len(readings) + 1,
            source=source,
            key=f"{key}{at.isoformat()}",
            received_at=at,
            head={},
            body=b"",
        )
        readings.append(Reading(delivery=delivery, end=End.IGNORED, reason="a test"))
        at -= timedelta(minutes=10)
    world.deliver(readings)
