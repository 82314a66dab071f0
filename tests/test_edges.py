"""What a command asks the edges to keep goes into their log, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ingest import local
from ingest.accounts import Book
from ingest.domain.deliveries import Account
from ingest.edges import Edges
from ingest.secrets import Secrets
from ingest.settings import load_settings
from ingest.telephony.endpoints import problem_of_paths
from storage import sources
from storage.database import Database, sqlite_url
from storage.schema import migrate

NOW = datetime(2026, 11, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("config", "because"),
    [
        ({"cdr_folder": "{data}"}, "cdr_folder: "),
        ({"cdr_folder": "{data}/blobs"}, "cdr_folder: "),
        ({"folder": "{data}/../data"}, "folder: "),
        ({"cdr_folder": "{keys}"}, "cdr_folder: "),
        ({"cdr_file": "{keys}/key"}, "cdr_file: "),
        ({"cel_file": "{data}/main.db"}, "cel_file: "),
        ({"cdr_file": "{link}"}, "cdr_file: "),
    ],
)
def test_no_source_reads_or_moves_what_is_our_own(
    tmp_path: Path, config: dict[str, str], because: str
) -> None:
    data, keys, link = tmp_path / "data", tmp_path / "keys", tmp_path / "link"
    data.mkdir()
    link.symlink_to(keys / "key")
    named = {name: path.format(data=data, keys=keys, link=link) for name, path in config.items()}

    told = problem_of_paths(Account(source="pbx", config=named), (data, keys / "key"))

    assert told is not None
    assert told.startswith(because)


def test_no_source_asks_a_database_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    secrets = ({"cdr_url": f"sqlite:///{tmp_path}/data/main.db"},)

    told = problem_of_paths(Account(source="pbx", secrets=secrets), (tmp_path / "data",))
    other = ({"cdr_url": "sqlite:////var/log/asterisk/master.db"},)

    assert told is not None
    assert told.startswith("cdr_url: ")
    assert problem_of_paths(Account(source="pbx", secrets=other), (tmp_path / "data",)) is None


def test_other_paths_are_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    config = {"cdr_folder": str(tmp_path), "cdr_file": "/var/log/asterisk/Master.csv", "folder": 7}

    assert problem_of_paths(Account(source="pbx", config=config), (tmp_path / "data",)) is None


async def test_rows_of_a_call_file_are_kept_by_the_edges_and_kept_once(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, public_listen="127.0.0.1:0")
    database, secrets = Database(sqlite_url(tmp_path / "main.db")), Secrets([Fernet.generate_key()])
    migrate(database)
    with database.write() as connection:
        common: dict[str, Any] = {"zone": "UTC", "region": "RU", "config": {}, "at": NOW, "by": "t"}
        sources.put_source(
            connection, id="s", name="mobile", provider="callfile",
            sealed=secrets.seal("s", []), **common,
        )  # fmt: skip
    edges = Edges(settings, Book(database, secrets, "https://hooks.example.org"), lambda: NOW)
    await edges.start()
    row = ["record:call:1", {"kind": "record", "file": "may.csv", "line": 2}, "{}"]

    async def ask(**records: Any) -> Any:
        asked = {"closings": [], "records": records}
        return await asyncio.to_thread(local.ask, settings.edges_socket, "append", asked)

    try:
        first = await ask(source="mobile", rows=[row])
        second = await ask(source="mobile", rows=[row])
        with pytest.raises(local.Refused, match="no source other"):
            await ask(source="other", rows=[row])
        closing = {"closings": [["closed:a", "{}"]]}
        old = await asyncio.to_thread(local.ask, settings.edges_socket, "append", closing)
        kept = edges.logs["calls"].read(0, 0, 10)
    finally:
        await edges.stop()
        database.close()

    assert (first["kept"], second["kept"], old["new"]) == (1, 0, 1)
    assert [it.source for it in kept] == ["mobile", "!clock"]
    assert kept[0].head["line"] == 2


async def test_a_source_that_would_move_our_own_files_is_refused_and_said(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, public_listen="127.0.0.1:0")
    database, secrets = Database(sqlite_url(tmp_path / "main.db")), Secrets([Fernet.generate_key()])
    migrate(database)
    with database.write() as connection:
        sources.put_source(
            connection, id="s", name="pbx", provider="cisco_cucm", zone="UTC", region="RU",
            config={"cdr_folder": str(tmp_path)}, sealed=secrets.seal("s", []), at=NOW, by="t",
        )  # fmt: skip
    edges = Edges(settings, Book(database, secrets, "https://hooks.example.org"), lambda: NOW)
    await edges.start()
    try:
        async with asyncio.timeout(10):
            while (state := edges.logs["calls"].memory("source:pbx:record-folder")) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await edges.stop()
        database.close()

    assert state["state"] == "refused"
    assert state["because"].startswith("cdr_folder: ")
