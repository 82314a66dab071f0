"""A telephone system that the running service connects to: its call is seen while it rings."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.commands.calling import office
from ingest.custody.commands import COMMANDS
from tests.harness.service import Service, a_service
from tests.telephony.recorded import CASES

pytestmark = pytest.mark.walk

CASE = json.loads((CASES / "asterisk/captured-01-inbound-answered.json").read_text())
SENT = [item["data"].encode() for item in CASE["transcript"] if item["dir"] == "S"]
LOGIN, TALK = b"".join(SENT[:2]), b"".join(SENT[2:])
RINGS, ANSWERED = TALK.split(b"Event: Newstate", 1)[0], TALK
CLIENT = "tel:+4917139200001"


class Asterisk:
    """Lets everybody in and says one thing to each connection; the last one stays open."""

    def __init__(self, talks: Sequence[bytes]) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._talks = list(talks)
        self.go_on = [threading.Event() for _ in talks]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            for talk, go_on in zip(self._talks, self.go_on, strict=True):
                connection, _ = self._server.accept()
                with connection:
                    connection.sendall(LOGIN + talk)
                    go_on.wait(60)

    def close(self) -> None:
        """End whatever still waits."""
        for go_on in self.go_on:
            go_on.set()
        self._server.close()
        self._thread.join(5)


@pytest.fixture
def asterisk() -> Iterator[Asterisk]:
    """A telephone system that is cut off while a telephone rings, and tells the rest later."""
    system = Asterisk([RINGS, ANSWERED])
    yield system
    system.close()


def test_a_call_rings_is_cut_off_is_answered_and_is_one_with_its_row_in_the_file(
    tmp_path: Path, asterisk: Asterisk
) -> None:
    records = tmp_path / "Master.csv"
    records.write_text("")
    with a_service(tmp_path / "keepline") as service:
        service.prepare()
        add_source(service, asterisk.port, records)
        service.start()

        service.wait_for(lambda: calls(service) == [(False, CLIENT, None)])
        asterisk.go_on[0].set()
        service.wait_for(lambda: calls(service) == [(True, CLIENT, "answered")])
        records.write_bytes(CASE["files"][0]["body"].encode())
        service.wait_for(lambda: "record" in kept(service))

        assert calls(service) == [(True, CLIENT, "answered")]
        asterisk.go_on[1].set()
        assert service.ask_to_stop()[0] == 0, service.log_tail()
        state = remembered(service, "source:pbx:stream")
        assert len(state["gaps"]) == 1


def add_source(service: Service, port: int, records: Path) -> None:
    """Tell the service of a telephone system, and of the file that it leaves."""
    with office(service.settings) as here:
        COMMANDS["source.add"](
            here,
            tell=lambda done, total: None,
            name="pbx",
            provider="asterisk",
            zone="Europe/Berlin",
            region="DE",
            secrets={"ami_username": "crm", "ami_secret": "s3cr3t"},
            config={
                "host": "127.0.0.1",
                "port": port,
                "cdr_file": str(records),
                "trunk_channel_prefixes": ["PJSIP/trunk-"],
                "inbound_contexts": ["from-trunk"],
            },
        )


def calls(service: Service) -> list[tuple[bool, str, str | None]]:
    """Return whether it is over, number and outcome of each call, as the main database has it."""
    main = f"file:{service.data}/main.db?mode=ro"
    with contextlib.closing(sqlite3.connect(main, uri=True)) as it:
        rows = it.execute("SELECT ended, remote, outcome FROM interactions").fetchall()
    return [(bool(ended), remote, outcome) for ended, remote, outcome in rows]


def kept(service: Service) -> list[str]:
    """Return the kinds of the deliveries that the log holds."""
    log = f"file:{service.data}/calls.log.db?mode=ro"
    with contextlib.closing(sqlite3.connect(log, uri=True)) as it:
        rows = it.execute("SELECT key FROM delivery").fetchall()
    return [key.partition(":")[0] for (key,) in rows]


def remembered(service: Service, name: str) -> dict[str, object]:
    """Return what the edges remember under a name."""
    log = f"file:{service.data}/calls.log.db?mode=ro"
    with contextlib.closing(sqlite3.connect(log, uri=True)) as it:
        [(value,)] = it.execute("SELECT value FROM edge_memory WHERE name = ?", (name,))
    return dict(json.loads(value))
