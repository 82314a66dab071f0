"""The main database: writers in turn, readers that cannot write, errors without values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.interactions import call_key_id
from ingest.pipeline import record
from storage.database import Database, sqlite_url
from tests.world import NOW, SOURCE, World, day, postgres_world, region, report_of


def test_what_two_cores_on_postgres_report_of_one_call_at_once_is_folded_together(
    postgres_url: str,
):
    first = postgres_world(postgres_url)
    second = World(Database(postgres_url))
    begun = CallEvent(
        call_keys=("k",),
        stage=CallStage.RINGING,
        occurred_at=day(1, 9),
        direction=Direction.INBOUND,
        caller="+79161110001",
        callee="+74951110001",
    )
    ended = CallEvent(
        call_keys=("k",),
        stage=CallStage.ENDED,
        occurred_at=day(1, 9, 1),
        outcome=Outcome.ANSWERED,
        talk_s=50.0,
    )

    with ThreadPoolExecutor(1) as other_core:
        with first.database.write() as connection:
            record(connection, [report_of(ended, day(1, 9), 101)], first.known, region, now=NOW)
            other = other_core.submit(second.deliver, [report_of(begun, day(1, 9), 102)])
            with pytest.raises(NotYet):  # it waits for the first to commit
                other.result(0.3)
        other.result(10)

    touch = first.touch(call_key_id(SOURCE, "k"))
    assert (touch["ended"], touch["outcome"]) == (True, "answered")
    assert first.rebuild().rows == 0
    second.close()
    first.close()


def test_a_writer_on_postgres_gives_up_a_statement_and_a_dead_connection_in_time(
    postgres_url: str,
):
    database = Database(postgres_url)

    with database.write() as connection:
        writing = connection.scalar(text("SHOW statement_timeout"))
        told = connection.connection.dbapi_connection.info.get_parameters()
    with database.read() as connection:
        reading = connection.scalar(text("SHOW statement_timeout"))

    assert (writing, reading) == ("2min", "1min")
    assert int(told["tcp_user_timeout"]) > 0
    assert int(told["keepalives_idle"]) > 0
    database.close()


def test_a_reader_of_postgres_cannot_write(postgres_url: str):
    world = postgres_world(postgres_url)

    with (
        pytest.raises(DBAPIError, match="read-only transaction"),
        world.database.read() as connection,
    ):
        connection.execute(text("DELETE FROM counters"))

    world.close()


def test_an_error_does_not_tell_the_values_of_its_statement(tmp_path: Path):
    database = Database(sqlite_url(tmp_path / "main.db"))

    with pytest.raises(DBAPIError) as failed, database.write() as connection:
        connection.execute(text("SELECT :number FROM nowhere"), {"number": "+79161110001"})

    assert "79161110001" not in str(failed.value)
    database.close()


def test_an_error_of_postgres_does_not_tell_them_either(postgres_url: str):
    database = Database(postgres_url)

    with pytest.raises(DBAPIError) as failed, database.read() as connection:
        connection.execute(text("SELECT :number FROM nowhere"), {"number": "+79161110001"})

    assert "79161110001" not in str(failed.value)
    database.close()
