"""`processes = 2`: edges and core apart, kept running by a supervisor."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import local
from tests.harness.checker import check_calls, drain
from tests.harness.load import CALLERS, hooks_of_call, post
from tests.harness.service import Service, a_service

pytestmark = pytest.mark.walk


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service that several tests look at."""
    with a_service(tmp_path_factory.mktemp("two"), processes=2) as service:
        service.prepare()
        _start(service)
        yield service


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """A running service that the test ends."""
    with a_service(tmp_path, processes=2) as service:
        _start(service)
        yield service


def _start(service: Service) -> None:
    service.start()
    service.wait_for(service.inner_answers)


def test_edges_keep_while_there_is_no_core_and_the_core_records_it_later(service: Service) -> None:
    core = service.pid("core")
    os.kill(core, signal.SIGSTOP)  # it is not started again, and does nothing
    hooks = hooks_of_call("call-1", CALLERS[0])
    assert [post(service.port, hook)[0] for hook in hooks] == [204, 204]

    os.kill(core, signal.SIGCONT)
    drain(service.settings)

    verdict = check_calls(service.settings, {hook.id for hook in hooks}, {"call-1": CALLERS[0]})
    assert not verdict.lost + verdict.twice, verdict


def test_a_command_reaches_the_core_and_a_new_source_reaches_the_edges(service: Service) -> None:
    secret = "whsec_" + "A" * 32
    arguments = ("--provider", "generic", "--zone", "UTC", "--region", "NL")
    added = service.keepline("source", "add", "branch", *arguments, "--secret", f"secret={secret}")
    assert added.returncode == 0, added.stderr

    [hook, _] = hooks_of_call("call-1", CALLERS[0])
    # Signed with the other source's secret: 404 while the edges do not know it, then 401.
    service.wait_for(lambda: post(service.port, hook, "branch")[0] == 401)


def test_a_decision_is_in_the_edges_live_answer_within_a_second(service: Service) -> None:
    core = service.settings.core_socket
    source = {"provider": "megafon", "zone": "UTC", "region": "RU", "config": {}}
    local.ask(core, "source.add", {"name": "vats", "secrets": {"crm_token": "t0ken"}, **source})
    people = [(2, {"name": "Anna", "login": "anna"}), (3, {"name": "Boris", "login": "boris"})]
    clients = [(2, {"name": "Acme", "phones": "+79161230001", "manager": "anna"})]
    for kind, rows in (("employees", people), ("clients", clients)):
        local.ask(core, "import", {"kind": kind, "rows": rows, "file": "directory.csv"})
    service.wait_for(lambda: _told(service) == {"contact_name": "Acme", "responsible": "anna"})

    local.ask(core, "policy.set", {"name": "duty", "value": "boris"})
    local.ask(core, "employee.leave", {"who": "anna", "at": "2026-01-01T00:00"})

    service.wait_for(lambda: _told(service)["responsible"] == "boris", seconds=1.0)


def _told(service: Service) -> dict[str, str]:
    """Ask as the operator's exchange does while it rings."""
    question = b"cmd=contact&phone=79161230001&callid=1&diversion=74951230001&crm_token=t0ken"
    address = f"http://127.0.0.1:{service.port}/hooks/vats"
    try:
        with urllib.request.urlopen(address, question, timeout=10) as answer:
            found: dict[str, str] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError:
        return {}  # the edges do not know the source yet


def test_a_second_service_on_the_same_data_is_refused_naming_the_first(service: Service) -> None:
    assert service.process is not None

    second = service.keepline("serve")

    assert second.returncode == 1
    assert f"in use by process {service.process.pid}" in second.stderr


def test_asked_to_stop_both_parts_end_and_the_exit_status_is_0(own_service: Service) -> None:
    parts = [own_service.pid("edges"), own_service.pid("core")]

    status, seconds = own_service.ask_to_stop()

    assert (status, seconds < 20) == (0, True)
    assert not any(map(_runs, parts))


def test_parts_do_not_outlive_a_supervisor_that_was_killed(own_service: Service) -> None:
    parts = [own_service.pid("edges"), own_service.pid("core")]

    own_service.kill()
    own_service.process = None

    own_service.wait_for(lambda: not any(map(_runs, parts)))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
