"""What is said about the running service and the benchmarks, at the size of a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.service import a_service
from tests.house.files import ROOT

pytestmark = pytest.mark.walk

#: What each benchmark must print.
FIGURES = {
    "first_import": ["first import of 300 messages"],
    "imap_fetch": ["fetching 300 messages"],
    "drain": ["drained, by the wall", "drained : bare insert"],
    "recording_cost": [
        "CPU time a delivery",
        "function calls a delivery",
        "SQL statements a batch",
    ],
    "accept": [
        "-- bare handler",
        "-- door, durable",
        "-- door, durable: Mango",
        "-- door, durable: Zadarma",
        "-- two processes, recorded",
        ": bare",
    ],
    "many_mailboxes": ["arrival to touch", "lost   ", "twice   "],
    "live_answer": ["live answer p50", "live answer p99", "webhooks beside", "index, packed"],
}


def test_the_health_command_of_the_image_tells_a_running_service_from_none(tmp_path: Path) -> None:
    with a_service(tmp_path) as service:
        service.prepare()
        service.start()
        service.wait_for(lambda: service.keepline("check", "--health").returncode == 0)

        assert service.ask_to_stop()[0] == 0
        assert service.keepline("check", "--health").returncode == 1


@pytest.mark.parametrize(("name", "figures"), FIGURES.items())
def test_each_benchmark_runs_small_and_prints_its_figures(name: str, figures: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--small"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stderr
    assert [figure for figure in figures if figure not in done.stdout] == []
    assert "Python 3." in done.stdout  # the machine and its versions


def test_no_benchmark_of_make_bench_is_left_out() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")} == set(FIGURES)
