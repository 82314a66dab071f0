"""Ending the service, and who may touch its data while it runs."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.harness.checker import check_calls, drain
from tests.harness.journal import Journal
from tests.harness.load import Load, telephoning
from tests.harness.service import Service, a_service

pytestmark = pytest.mark.walk

STOPS_WITHIN_S = 20.0


def test_asked_to_stop_under_load_it_finishes_what_it_read_and_loses_nothing(
    tmp_path: Path,
) -> None:
    """SIGTERM, then Ctrl-C; the senders go on sending until it is there again."""
    journal = Journal(tmp_path / "hooks.journal")
    with a_service(tmp_path) as service:
        service.prepare()
        service.start()
        with telephoning(service.port, journal, "stop") as load:
            for number in (signal.SIGTERM, signal.SIGINT):
                _wait_for_more(service, load)
                status, seconds = service.ask_to_stop(number)
                assert (status, seconds < STOPS_WITHIN_S) == (0, True), service.log_tail()
                assert not service.answers()  # refused at TCP, not answered with an error
                service.start()
            load.finish()
        assert set(load.statuses) == {204}, load.statuses
        drain(service.settings)
        verdict = check_calls(service.settings, journal.names(), load.calls)
        assert not verdict.lost + verdict.twice, verdict


def test_the_data_of_a_running_service_is_its_own(tmp_path: Path) -> None:
    with a_service(tmp_path) as service:
        service.prepare()
        service.start()
        service.wait_for(service.settings.core_socket.exists)
        assert service.process is not None

        second = service.keepline("serve")
        assert second.returncode == 1
        assert f"in use by process {service.process.pid}" in second.stderr

        # A command goes through the socket: it could not own the database.
        through = service.keepline("employee", "list")
        assert "No employees yet" in through.stdout, through.stderr

        # A service that does not answer is named, not worked around.
        service.process.send_signal(signal.SIGSTOP)
        service.settings.core_socket.rename(tmp_path / "elsewhere")
        refused = service.keepline("employee", "list")
        service.process.send_signal(signal.SIGCONT)
        assert refused.returncode == 1
        assert f"in use by process {service.process.pid}" in refused.stderr

        (tmp_path / "elsewhere").rename(service.settings.core_socket)
        assert service.ask_to_stop()[0] == 0
        alone = service.keepline("employee", "list")  # now it owns the database itself
        assert "No employees yet" in alone.stdout, alone.stderr


def _wait_for_more(service: Service, load: Load, more: int = 100) -> None:
    before = len(load.journal)
    service.wait_for(lambda: len(load.journal) >= before + more)


def test_an_address_that_is_taken_is_named_with_the_setting(tmp_path: Path) -> None:
    with a_service(tmp_path) as service, socket.socket() as other:
        other.bind(("127.0.0.1", service.port))
        other.listen()

        said = service.keepline("serve")

        assert said.returncode == 1
        assert f"('127.0.0.1', {service.port})" in said.stderr
        assert "check public_listen, inner_listen and data_dir" in said.stderr
        assert "Traceback" not in said.stderr
