"""The demo: it plays its story against the real service, and what it checks can fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ingest.demo.company import company
from ingest.demo.evidence import Expected, Handle, differences, touch_rows
from ingest.demo.mailserver import running, until_ready
from ingest.demo.names import invent
from tests.imap_servers import free_port
from tests.world import NOW, World, day, sqlite_world

ROOT = Path(__file__).resolve().parents[2]
SIGN_IN = re.compile(r"^Sign in as \S+ with password \S+$")

needs_pymap = pytest.mark.skipif(find_spec("pymap") is None, reason="pymap is not installed")


@contextmanager
def a_demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as it is typed, on a port of its own."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ingest", "demo", "--no-browser"),
            *("--port", str(free_port()), *arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def until(words: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if words in line:
            return


@pytest.mark.walk
@needs_pymap
def test_the_story_comes_out_as_it_must() -> None:
    with a_demo("--seconds", "20") as process:
        said, complaints = process.communicate(timeout=100)

    lines = said.splitlines()
    assert process.returncode == 0, said + complaints
    assert lines[0].startswith("http://127.0.0.1:")
    assert SIGN_IN.match(lines[1])
    fine, checked = re.fullmatch(r"(\d+) of (\d+) as expected\.", lines[-1]).groups()  # type: ignore[union-attr]
    assert fine == checked
    assert int(checked) >= 30


@pytest.mark.walk
@needs_pymap
def test_ctrl_c_ends_the_demo_and_removes_its_folder() -> None:
    with a_demo() as process:
        assert process.stdout
        told = list(until("Ctrl-C ends it", process.stdout))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Stopping." in rest
    [config] = re.findall(r"--config (\S+)", "".join(told))
    assert not Path(config).parent.exists()


@pytest.mark.walk
@needs_pymap
def test_mail_servers_end_with_the_demo(tmp_path: Path) -> None:
    with running(["one@avrora.example", "two@avrora.example"], tmp_path / "log") as servers:
        until_ready(servers)
        assert [server.process.poll() for server in servers.values()] == [None, None]

    assert all(server.process.poll() is not None for server in servers.values())
    for server in servers.values():
        with pytest.raises(ProcessLookupError):
            os.kill(server.process.pid, 0)


# What is checked can fail ------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    found = sqlite_world(tmp_path)
    yield found
    found.close()


def an_orphans_call(here: World) -> Expected:
    """A client of someone who left, answered by the successor; what must be known of the call."""
    anna, boris = here.employee("Anna"), here.employee("Boris")
    here.line("+74950000201", anna)
    line = here.line("101", boris)
    here.assigns(line, boris, day(10))
    here.client("Moon Bridge", "+70001000000", primary=anna)
    here.leaves(anna, day(10))
    here.call("+70001000000", "+74950000201", day(11), key="a-1", talk=60, agent="101")
    return Expected(
        what="an orphan's call",
        handle=Handle("office", "a-1"),
        fields={
            "direction": "in",
            "status": "needs_comment",
            "outcome": "answered",
            "client": "Moon Bridge",
            "employee": "Boris",
            "flags": "manager_left",
            "left": "Anna",
            "seen": 2,
            "ids": 1,
            "talked": 1,
            "closed by": "none",
            "waits for review": "none",
        },
    )


def fine(here: World, expected: Expected) -> bool:
    with here.reading() as connection:
        [row] = touch_rows(connection, [expected], now=NOW)
    return row.fine


def test_what_is_as_expected_is_fine(here: World) -> None:
    assert fine(here, an_orphans_call(here))


def test_each_word_of_an_expectation_can_fail(here: World) -> None:
    expected = an_orphans_call(here)
    for word in expected.fields:
        other: Mapping[str, Any] = {**expected.fields, word: "something else"}
        assert not fine(here, replace(expected, fields=other)), word


def test_a_touch_that_is_not_there_is_not_fine(here: World) -> None:
    expected = an_orphans_call(here)
    assert not fine(here, replace(expected, handle=Handle("office", "another")))


def test_a_word_nobody_knows_is_a_difference() -> None:
    assert differences({"colour": "red"}, {"status": "done"}) == {"colour": "not there"}


# The company -------------------------------------------------------------------------------------


def test_no_client_has_a_number_or_address_that_anybody_can_have() -> None:
    everyone = invent()
    invented = re.compile(r"\+7000\d{7}|\+3120000\d{4}|\+447700900\d{3}|\+120255501\d\d")
    assert len({client.phone for client in everyone}) == len(everyone) == 300
    assert all(invented.fullmatch(client.phone) for client in everyone)
    assert all(client.email.endswith(".example") for client in everyone)


def test_one_left_last_month_one_yesterday_and_one_leaves_tomorrow() -> None:
    today = day(20).date()
    rows = company(today).files()["employees.csv"][1].splitlines()
    left = {row.split(",")[0]: row.split(",")[3] for row in rows[1:] if row.split(",")[3]}
    assert left == {"viktor": "2026-04-20", "anna": "2026-05-19", "darya": "2026-05-21"}
