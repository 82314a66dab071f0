"""The same service on PostgreSQL: its own death and the database's absence lose nothing."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.tables import interactions
from tests.harness.checker import check_calls, drain
from tests.harness.journal import Journal
from tests.harness.load import CALLERS, hooks_of_call, post, telephoning
from tests.harness.postgres import database_away
from tests.harness.service import Service, a_service

pytestmark = [pytest.mark.walk, pytest.mark.postgres]

REFUSED_WITHIN_S = 5.0  #: the first to notice waits for the deadline; the next are refused at once
AT_ONCE_S = 2.0  #: far below that deadline, on a machine that may be busy


def test_killed_under_load_and_without_its_database_for_a_while_nothing_is_lost(
    tmp_path: Path, postgres_url: str
) -> None:
    journal = Journal(tmp_path / "hooks.journal")
    with a_service(tmp_path, database_url=postgres_url) as service:
        service.prepare()
        service.start()
        with telephoning(service.port, journal, "pg") as load:
            service.wait_for(lambda: len(journal) >= 100)
            service.kill()
            service.start()
            service.wait_for(lambda: len(journal) >= 200)

            with database_away(postgres_url):
                service.wait_for(lambda: load.statuses[503] > 0, REFUSED_WITHIN_S + 5)
                began = time.monotonic()
                status, headers = post(service.port, hooks_of_call("away", CALLERS[0])[0])
                assert (status, headers["retry-after"].isdigit()) == (503, True)
                assert time.monotonic() - began < AT_ONCE_S
            accepted = len(journal)
            service.wait_for(lambda: len(journal) >= accepted + 100)
            load.finish()
        assert set(load.statuses) == {204, 503}, load.statuses
        drain(service.settings)
        verdict = check_calls(service.settings, journal.names(), load.calls)
        assert not verdict.lost + verdict.twice, verdict
        assert _count(service) == len(load.calls)
        rebuilt = service.keepline("rebuild", "--dry-run")
        assert ", 0 rows would change" in rebuilt.stdout, rebuilt.stdout + rebuilt.stderr
        with a_service(tmp_path / "other", database_url=postgres_url) as other:
            # The database had forgotten who owns it; the service took it again.
            service.wait_for(lambda: "main.owned_again" in service.log_tail(10_000))
            other.settings.key_path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(service.settings.key_path, other.settings.key_path)
            refused = other.keepline("employee", "list")
            assert "core is in use by keepline process" in refused.stderr
        assert service.ask_to_stop()[0] == 0


def _count(service: Service) -> int:
    database = Database(service.settings.main_url, writable=False)
    try:
        with database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(interactions)) or 0)
    finally:
        database.close()
