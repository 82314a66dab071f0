"""`kill -9` at random moments under webhooks and mail: nothing accepted is lost, nothing twice.

Three rounds by default; `KILL_ROUNDS=20 pytest -s tests/walks/test_kill.py` for twenty,
and `KILL_SEED=...` for the moments of an earlier run.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from tests.harness.checker import check_calls, check_mails, cursor_beyond_kept, drain
from tests.harness.journal import Journal
from tests.harness.load import Load, telephoning
from tests.harness.mail import Postman, a_mail_server
from tests.harness.service import Service, a_service

pytestmark = [pytest.mark.walk, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
SEED = os.environ.get("KILL_SEED") or secrets.token_hex(4)
ANSWERS_WITHIN_S = 5.0
LONGEST_ROUND_S = 1.5

Round = Callable[[Service, int, Load], float]  #: returns how long it took to answer again


def test_nothing_is_lost_or_twice_when_the_one_process_is_killed(tmp_path: Path) -> None:
    def round_(service: Service, number: int, load: Load) -> float:
        service.kill()
        return service.start()

    _rounds(tmp_path, round_, processes=1)


def test_nothing_is_lost_or_twice_when_edges_and_core_are_killed_in_turn(tmp_path: Path) -> None:
    def round_(service: Service, number: int, load: Load) -> float:
        part = ("edges", "core")[number % 2]
        before = len(load.journal)
        killed = service.kill(part)
        service.wait_for(lambda: service.pid(part) != killed)
        answers = service.answers if part == "edges" else service.inner_answers
        if part == "core":
            service.wait_for(lambda: len(load.journal) > before)  # the edges do not need it
        return service.wait_for(answers)

    _rounds(tmp_path, round_, processes=2)


def _rounds(folder: Path, round_: Round, *, processes: int) -> None:
    """Kill again and again under load; then compare the journals with the databases."""
    chance = random.Random(f"{SEED}/{processes}")
    hooks, letters = Journal(folder / "hooks.journal"), Journal(folder / "mails.journal")
    starts: list[float] = []
    with (
        a_mail_server() as server,
        a_service(folder, processes=processes) as service,
    ):
        service.prepare(mailbox=server.mailbox)
        mailbox = service.command("mailbox.list")[0]["id"]
        service.start()
        service.wait_for(service.inner_answers)
        postman = Postman(server, letters, SEED)
        postman.start()
        with telephoning(service.port, hooks, SEED) as load:
            for number in range(ROUNDS):
                time.sleep(chance.uniform(0.0, LONGEST_ROUND_S))
                starts.append(round_(service, number, load))
                beyond = cursor_beyond_kept(service.settings, mailbox)
                assert not beyond, f"seed {SEED}: a cursor passed {beyond}"
            postman.finish()
            load.finish()
        appended = letters.names()
        service.wait_for(lambda: not check_mails(service.settings, appended).lost)
        drain(service.settings)
        calls = check_calls(service.settings, hooks.names(), load.calls)
        mails = check_mails(service.settings, appended)
        figures = (
            f"seed {SEED}, {processes} process(es), {ROUNDS} rounds, mail by {server.name}:"
            f" webhooks {calls}; mails {mails}; broken exchanges {load.broken},"
            f" repeats {load.repeats}, answers {dict(load.statuses)}; answered again after"
            f" {median(starts):.1f} s (median), {max(starts):.1f} s (longest)"
        )
        print(figures)
        assert not calls.lost, figures
        assert not calls.twice, figures
        assert not mails.lost, figures
        assert not mails.twice, figures
        rebuilt = service.keepline("rebuild", "--dry-run")
        assert ", 0 rows would change" in rebuilt.stdout, figures + rebuilt.stdout + rebuilt.stderr
        # The quickest: this machine may do something else meanwhile, and other tests do.
        assert min(starts) <= ANSWERS_WITHIN_S, figures
