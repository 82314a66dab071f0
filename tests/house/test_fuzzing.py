"""`make fuzz` reaches every property: none keeps its own number of examples or deadline."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import settings

from tests import properties
from tests.house.files import ROOT, kept_files, text_of

FIXED = re.compile(r"^@settings\(|\bmax_examples=(?!USUAL)\d|\bdeadline=(?!None)", re.MULTILINE)


def test_no_property_fixes_how_often_or_how_fast_it_is_tried() -> None:
    tests = [path for path in kept_files() if path.is_relative_to(ROOT / "tests")]
    fixed = [str(path.relative_to(ROOT)) for path in tests if FIXED.search(text_of(path))]

    assert [name for name in fixed if name.endswith(".py")] == []


def test_an_ordinary_run_tries_the_same_examples_each_time_and_however_slow() -> None:
    if settings.get_current_profile_name() != properties.ORDINARY:
        pytest.skip("this is no ordinary run")
    found = properties.examples(7)

    assert (found.max_examples, found.derandomize, found.deadline) == (7, True, None)


def test_make_fuzz_tries_as_many_examples_as_it_is_asked_for() -> None:
    asked = ("tests/matching/test_addresses.py", "tests/mail/reading/test_hostile.py")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-m", "hypothesis", "-p", "no:cacheprovider"),
            *("--hypothesis-profile=fuzz", "--hypothesis-show-statistics", *asked),
        ],
        cwd=ROOT,
        env={**os.environ, "FUZZ_EXAMPLES": "5"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    # The usual ones are tried 5 times, one that asks for four times the usual 20 times.
    tried = {
        found[1]
        for found in re.finditer(r"Stopped because settings.max_examples=(\d+)", done.stdout)
    }
    assert tried == {"5", "10", "20"}, done.stdout
