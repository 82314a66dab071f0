"""Health and figures, as a supervisor of processes and Prometheus meet them."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from ingest.domain.deliveries import Delivery, End, NewDelivery
from ingest.domain.mailboxes import FolderState, MailboxState
from ingest.readers import Reading
from ingest.review.health import add_health, database_check, lag_check, logs_check
from ingest.review.metrics import (
    MOST_LABELS,
    Lag,
    Snapshot,
    Stored,
    lags,
    metrics_text,
    stored,
    take_snapshot,
)
from storage import wire
from storage.database import Database, sqlite_url
from storage.log import Mark
from storage.log_sqlite import open_log
from tests.world import NOW, day, sqlite_world


@asynccontextmanager
async def serving(
    checks: dict[str, Callable[[], str | None]], snapshot: Callable[[], Snapshot] = Snapshot
) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    add_health(app, checks=checks, snapshot=snapshot)
    async with TestClient(TestServer(app)) as http:
        yield http


def figures(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


# Ready -----------------------------------------------------------------------------------------


async def test_ready_while_every_check_says_nothing() -> None:
    checks = {"database": lambda: None, "worker": lambda: None}
    async with serving(checks) as http, http.get("/readyz") as response:
        told = await response.json()

    assert response.status == 200
    assert told == {"status": "ready", "checks": {"database": "ok", "worker": "ok"}}


async def test_not_ready_names_the_check_and_its_reason() -> None:
    def broken() -> str | None:
        raise RuntimeError("secret path /var/lib")

    checks = {"database": lambda: None, "logs": lambda: "takes nothing: calls", "other": broken}
    async with serving(checks) as http, http.get("/readyz") as response:
        told = await response.json()

    assert response.status == 503
    assert told["checks"] == {
        "database": "ok",
        "logs": "takes nothing: calls",
        "other": "failed: RuntimeError",
    }


async def test_a_check_that_hangs_is_not_waited_for_and_not_begun_twice() -> None:
    release, begun = threading.Event(), []

    def hangs() -> str | None:
        begun.append(1)
        release.wait(10)
        return None

    async with serving({"database": hangs}) as http:
        started = time.monotonic()
        for _ in range(5):
            async with http.get("/readyz") as response:
                assert response.status == 503
                assert "no answer" in (await response.json())["checks"]["database"]
        took = time.monotonic() - started
        async with http.get("/livez") as response:
            assert response.status == 200
        release.set()

    assert begun == [1]
    assert took < 5.0  # five times 40 ms, on a machine that may be busy; it hangs for 10 s


async def test_alive_whatever_the_checks_say() -> None:
    async with serving({"database": lambda: "gone"}) as http, http.get("/livez") as response:
        assert (response.status, await response.text()) == (200, "ok\n")


def test_the_database_check_fails_where_there_is_none(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    assert database_check(world.database)() is None
    world.database.close()

    database = Database(sqlite_url(tmp_path / "nowhere" / "main.db"), writable=False)
    try:
        database_check(database)()
    except Exception:
        return
    raise AssertionError("a database that is not there was read")


def test_the_worker_check_fails_when_it_is_far_behind() -> None:
    def lag(seconds: float) -> list[Lag]:
        return [Lag(log="calls", partition=0, rows=5, seconds=seconds)]

    assert lag_check(lambda: lag(60.0), 60.0)() is None
    assert lag_check(lambda: lag(61.0), 60.0)() == "the worker is 61 s behind the calls log"
    assert lag_check(lambda: [])() is None


def test_the_logs_check_fails_when_a_log_is_full_or_the_edges_are_away() -> None:
    full = {"calls": "the disk is nearly full", "mail": None}

    assert logs_check(lambda: {"full": {"calls": None, "mail": None}})() is None
    assert logs_check(lambda: {"full": full})() == "calls: the disk is nearly full"
    assert logs_check(lambda: {"away": True})() == "the edges do not answer"


async def test_figures_that_cannot_be_learnt_are_503_without_a_reason_from_inside() -> None:
    def broken() -> Snapshot:
        raise RuntimeError("/var/lib/keepline/main.db")

    async with serving({}, broken) as http, http.get("/metrics") as response:
        assert response.status == 503
        assert "main.db" not in await response.text()


# Figures ---------------------------------------------------------------------------------------


async def test_the_figures_are_told_in_prometheus_text() -> None:
    snapshot = Snapshot(
        sources={"office": {"accepted": 7, "repeated": 2, "rejected": 1, "asked": 5, "named": 4}},
        unknown=3,
        waiting={"calls": 4},
        full={"calls": "the disk is nearly full", "mail": None},
        worker={"read": 9, "parked": 1},
        lags=[Lag(log="calls", partition=0, rows=5, seconds=1.5)],
        stored=Stored(parked=2, jobs=1, flags_open=6),
        mailboxes={
            "box-1": MailboxState(
                mailbox="box-1", folders=(FolderState(folder="INBOX", connected=True),)
            ),
            "box-2": MailboxState(mailbox="box-2", paused="wrong password"),
        },
    )

    async with serving({}, lambda: snapshot) as http, http.get("/metrics") as response:
        kind, text = response.headers["Content-Type"], await response.text()

    told = figures(text)
    assert kind.startswith("text/plain; version=")
    assert told["keepline_deliveries_accepted_total", ("office",)] == 7
    assert told["keepline_deliveries_rejected_total", ("office",)] == 1
    assert told["keepline_deliveries_unknown_source_total", ()] == 3
    assert told["keepline_questions_asked_total", ("office",)] == 5
    assert told["keepline_questions_named_total", ("office",)] == 4
    assert told["keepline_questions_unkept_total", ("office",)] == 0
    assert told["keepline_keeper_full", ("calls",)] == 1
    assert told["keepline_keeper_full", ("mail",)] == 0
    assert told["keepline_worker_read_total", ()] == 9
    assert told["keepline_lag_rows", ("calls", "0")] == 5
    assert told["keepline_lag_seconds", ("calls", "0")] == 1.5
    assert told["keepline_parked", ()] == 2
    assert told["keepline_redecide_jobs", ()] == 1
    assert told["keepline_flags_open", ()] == 6
    assert told["keepline_mailbox_connected", ("box-1",)] == 1
    assert told["keepline_mailbox_paused", ("box-2",)] == 1
    assert told["keepline_mailboxes_not_connected", ()] == 1
    assert ("process_resident_memory_bytes", ()) in told
    assert "password" not in text


def test_there_are_at_most_a_thousand_series_however_many_sources_there_are() -> None:
    many = 500
    snapshot = Snapshot(
        sources={f"source-{n:03}": {"accepted": 1} for n in range(many)},
        mailboxes={f"box-{n:03}": MailboxState(mailbox=f"box-{n:03}") for n in range(many)},
    )

    told = figures(metrics_text(snapshot).decode())

    accepted = {key: value for key, value in told.items() if "accepted_total" in key[0]}
    assert len(told) <= 1000
    assert sum(accepted.values()) == many
    assert accepted["keepline_deliveries_accepted_total", ("other",)] == many - MOST_LABELS
    assert told["keepline_mailboxes_not_connected", ()] == many


def test_what_cannot_be_learnt_is_left_out_not_told_as_zero(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "nowhere" / "main.db"), writable=False)

    snapshot = take_snapshot(
        database, {}, now=NOW, edges={"away": True}, mailboxes={}, worker={"read": 1}
    )
    told = figures(metrics_text(snapshot).decode())

    assert snapshot.stored is None
    assert ("keepline_flags_open", ()) not in told
    assert told["keepline_edges_up", ()] == 0


def test_the_lag_is_what_was_kept_and_not_dealt_with(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    log = open_log(tmp_path / "calls.log.db", name="calls")
    kept = [
        NewDelivery(source="s", key=f"k{n}", received_at=day(n), head={}, body=b"x")
        for n in (1, 2, 3)
    ]
    log.append(0, kept)
    logs = {"calls": log}

    [before] = lags(world.database, logs, day(4))
    mark = Mark(partition=0, epoch=log.bounds(0).epoch, position=1, key="k1")
    with world.database.write() as connection:
        wire.move(connection, "calls", mark)
    [one_done] = lags(world.database, logs, day(4))
    with world.database.write() as connection:
        wire.move(connection, "calls", Mark(partition=0, epoch=mark.epoch, position=3, key="k3"))
    [all_done] = lags(world.database, logs, day(4))
    log.close()
    world.database.close()

    assert (before.rows, before.seconds) == (3, timedelta(days=3).total_seconds())
    assert (one_done.rows, one_done.seconds) == (2, timedelta(days=2).total_seconds())
    assert (all_done.rows, all_done.seconds) == (0, 0.0)


def test_what_waits_in_the_database_is_counted(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    gone = world.employee("Gleb")
    world.line("+74951110000", gone)
    world.leaves(gone, day(10))
    world.call("+74953330001", "+74951110000", day(12))
    delivery = Delivery(
        log="calls",
        partition=0,
        position=9,
        source="s",
        key="k",
        received_at=NOW,
        head={},
        body=b"",
    )
    world.deliver([Reading(delivery=delivery, end=End.PARKED, reason="x")])

    assert stored(world.database, NOW) == Stored(parked=1, jobs=0, flags_open=1)
    world.database.close()
