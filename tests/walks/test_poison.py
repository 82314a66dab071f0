"""Poison over the real service: what cannot be read is parked alone, its neighbours go on.

A provider's reader raises for no input that we know of, so what a raising one does is shown on
the worker with a provider of the test's own (tests/test_worker.py). Here the process that reads
mails dies over a mail, and a proved sender's body is broken.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.tables import deliveries, interactions
from tests.harness.checker import check_mails, drain
from tests.harness.load import CALLERS, Hook, hooks_of_call, post
from tests.harness.mail import MailServer, a_mail, a_mail_server, append
from tests.harness.service import Service, a_service

pytestmark = pytest.mark.walk


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with a_mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, server: MailServer) -> Iterator[Service]:
    with a_service(tmp_path_factory.mktemp("poison")) as service:
        service.prepare(mailbox=server.mailbox)
        service.start()
        yield service


def test_a_mail_whose_reader_dies_is_parked_alone_and_replay_applies_it_once(
    service: Service, server: MailServer
) -> None:
    append(server, [a_mail("first@romashka.example")])
    service.wait_for(lambda: not check_mails(service.settings, {"first@romashka.example"}).lost)
    before = len(_all(service, interactions.c.id))

    # A reader that hangs over a mail and is then killed, as the kernel does when memory is short.
    reader = _reader_of_mails(service)
    os.kill(reader, signal.SIGSTOP)
    names = [f"{name}@romashka.example" for name in ("poison", "after-1", "after-2")]
    append(server, [a_mail(name) for name in names])
    service.wait_for(lambda: "mail" in _attempt(service))
    os.kill(reader, signal.SIGKILL)
    service.wait_for(lambda: len(_all(service, deliveries.c.id)) >= 4)
    drain(service.settings)

    assert _parked(service) == ["the reader died over it (SIGKILL)"]
    assert len(_all(service, interactions.c.id)) == before + 2

    read, parked, rows = _replay(service)
    assert (read, parked, rows > 0) == (1, 0, True)
    assert _parked(service) == []
    verdict = check_mails(service.settings, {"first@romashka.example", *names})
    assert not verdict.lost + verdict.twice, verdict
    assert _replay(service) == (0, 0, 0)
    assert ", 0 rows would change" in service.keepline("rebuild", "--dry-run").stdout


def test_a_proved_sender_s_broken_body_is_parked_alone_and_stays_so(service: Service) -> None:
    [ringing, ended] = hooks_of_call("neighbour", CALLERS[0])
    for hook in (ringing, Hook(id="poison", body=b'{"type": "call.ended", '), ended):
        assert post(service.port, hook)[0] == 204  # whose it is was proved; it will not be resent
    drain(service.settings)

    assert _parked(service) == ["the body is not JSON in UTF-8"]
    assert _replay(service) == (0, 1, 0)  # nothing was mended: it stays parked, nothing changes
    assert _parked(service) == ["the body is not JSON in UTF-8"]


def _replay(service: Service) -> tuple[int, int, int]:
    """Replay all that is parked; return how many were read, are parked again, rows changed."""
    said = service.keepline("replay", "--parked")
    found = re.match(r"(\d+) read, \d+ ignored, (\d+) parked again, (\d+) rows", said.stdout)
    assert found, said.stdout + said.stderr
    return int(found[1]), int(found[2]), int(found[3])


def _reader_of_mails(service: Service) -> int:
    assert service.process is not None
    [reader] = [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and _reads_mails_of(folder, service.process.pid)
    ]
    return reader


def _reads_mails_of(folder: Path, parent: int) -> bool:
    try:
        status, command = (folder / "status").read_text(), (folder / "cmdline").read_bytes()
    except OSError:  # it ended while we looked
        return False
    return f"\nPPid:\t{parent}\n" in status and b"ingest.child" in command


def _attempt(service: Service) -> str:
    return "".join(path.read_text() for path in service.data.glob("worker.attempt*"))


def _parked(service: Service) -> list[str]:
    return _all(service, deliveries.c.reason, deliveries.c.end == "parked")


def _all(service: Service, column: object, where: object = True) -> list[str]:
    database = Database(service.settings.main_url, writable=False)
    try:
        with database.read() as connection:
            statement = select(column)  # type: ignore[call-overload]
            if where is not True:
                statement = statement.where(where)
            return list(connection.scalars(statement))
    finally:
        database.close()
