"""Coverage in two processes: the core asks the edges, they ask the telephone system's own table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.telephony.protocols.cdr_files import OURS
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
    switch = tmp_path / "cdr.db"
    with closing(sqlite3.connect(switch)) as connection:
        make_of_switch(connection, begins_at)
        connection.commit()
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
        of_switch = switch_secrets(switch)
        added = service.keepline("source", "add", "switch", *SWITCH, *of_switch)
        assert added.returncode == 0, added.stderr
        also = service.keepline("coverage", "--source", "switch", *period, "--json")
        assert also.returncode == 0, also.stderr + service.log_tail()

    for made in (json.loads(said.stdout), json.loads(also.stdout)):
        assert made["same"]
        assert made["theirs"] == made["ours"]
        assert (made["theirs"]["calls"], made["restored"]) == (1, 1)


SWITCH = ("--provider", "freeswitch", "--zone", "UTC", "--region", "DE", "--set", "cdr_table=cdr")


def switch_secrets(file: Path) -> tuple[str, ...]:
    basic = ("--secret", "basic_user=u", "--secret", "basic_password=p")
    return (*basic, "--secret", f"cdr_url=sqlite:///{file}")


def make_of_switch(connection: sqlite3.Connection, begins_at: datetime) -> None:
    """Make the table of a FreeSWITCH with one missed call in it."""
    moments = {"start_uepoch": begins_at, "end_uepoch": begins_at + timedelta(seconds=20)}
    told = {
        **{name: str(int(at.timestamp() * 1_000_000)) for name, at in moments.items()},
        "uuid": "2c9480ec-2734-41f5-bae9-8b0bb0f72dd4",
        "start_stamp": f"{begins_at:%Y-%m-%d %H:%M:%S}",
        "caller_id_number": "+4917139200001",
        "sip_req_user": "493023125000",
        "destination_number": "101",
        "direction": "inbound",
        "hangup_cause": "ORIGINATOR_CANCEL",
    }
    connection.execute(f"CREATE TABLE cdr ({', '.join(OURS)})")
    marks = ", ".join("?" * len(OURS))
    connection.execute(f"INSERT INTO cdr VALUES ({marks})", [told.get(it, "") for it in OURS])
