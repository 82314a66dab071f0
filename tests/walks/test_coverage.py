"""Coverage in two processes: the core asks the edges, they ask the telephone system's own table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.harness.service import a_service
from tests.telephony.test_cdr_tables import make

pytestmark = pytest.mark.walk


def test_a_call_that_nobody_told_of_is_found_in_the_table_and_certified(tmp_path: Path) -> None:
    table = tmp_path / "master.db"
    begins_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    with closing(sqlite3.connect(table)) as connection:
        make(connection, "?", begins_at=begins_at)
        connection.commit()
    secrets = ("--secret", "ami_username=u", "--secret", "ami_secret=s")
    where = ("--provider", "asterisk", "--zone", "UTC", "--region", "DE")
    shape = ("--set", 'trunk_channel_prefixes=["PJSIP/trunk-"]')
    since, until = (begins_at + timedelta(hours=hours) for hours in (-1, 1))
    period = ("--from", since.isoformat(), "--to", until.isoformat())
    with a_service(tmp_path / "service", processes=2) as service:
        service.start()
        service.wait_for(service.inner_answers)
        url = f"cdr_url=sqlite:///{table}"
        added = service.keepline("source", "add", "pbx", *where, *shape, *secrets, "--secret", url)
        assert added.returncode == 0, added.stderr
        said = service.keepline("coverage", "--source", "pbx", *period, "--json")
        assert said.returncode == 0, said.stderr + service.log_tail()

    made = json.loads(said.stdout)
    assert made["same"]
    assert made["theirs"] == made["ours"]
    assert (made["theirs"]["calls"], made["restored"]) == (1, 1)
