"""How it is installed: pinned versions, scripts that say what is missing, and make's own list."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.files import ROOT, text_of

TARGETS = ["demo", "test", "test-fast", "check", "bench", "fuzz", "screenshots", "clean"]
PIN = re.compile(r"([a-z0-9-]+)==([0-9][0-9a-z.+!]*)")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _pins() -> dict[str, str]:
    lines = [line for line in text_of(ROOT / "constraints.txt").splitlines() if line[:1] != "#"]
    found = [PIN.fullmatch(line) for line in lines]
    assert all(found), "a line is more than NAME==VERSION"
    return {match[1]: match[2] for match in found if match}


def _pin_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin", ROOT / "scripts" / "pin.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_is_pinned_to_a_version_that_is_asked_for() -> None:
    pins = _pins()
    wanted: list[Requirement] = _pin_script().wanted()

    assert len(wanted) > 20
    for need in wanted:
        assert need.specifier.contains(pins[canonicalize_name(need.name)]), need


def test_what_the_tests_run_with_is_what_is_pinned() -> None:
    module = _pin_script()
    optional = "uvloop"  # of the extra `fast`, which the tools do not install
    needed = [need for need in module.wanted() if need.name != optional]

    installed: dict[str, str] = module.closure(needed)

    assert installed.items() <= _pins().items()


@needs_make
def test_make_alone_prints_what_there_is() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for target in TARGETS:
        assert re.search(rf"^  {target} +\w", listed, re.MULTILINE), target


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/debian-packages", ".ci/run"])
def test_scripts_can_be_run_and_are_whole(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


def test_ci_runs_the_tests_and_then_the_checks() -> None:
    commands = re.findall(r"^make (\w+)$", text_of(ROOT / ".ci" / "run"), re.MULTILINE)

    assert commands == ["test", "check"]


def test_the_image_installs_by_the_same_script_as_make() -> None:
    assert re.search(r"^RUN scripts/setup ", text_of(ROOT / "Dockerfile"), re.MULTILINE)
    assert re.search(r"^\t@scripts/setup$", text_of(ROOT / "Makefile"), re.MULTILINE)


def _tools(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment whose PATH has these commands alone, so no apt-get."""
    for name in names:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return {"PATH": str(folder)}


def test_a_python_without_venv_gives_one_line_that_names_the_package(tmp_path: Path) -> None:
    bare = tmp_path / "bare-python"
    bare.write_text(
        '#!/bin/bash\ncase "$2" in *ensurepip*) exit 1;; *print*) echo python3.11-venv;; esac\n'
    )
    bare.chmod(0o755)
    env = _tools(tmp_path, "bash", "dirname", "id") | {"PYTHON": str(bare)}

    done = subprocess.run(
        [str(tmp_path / "bash"), str(ROOT / "scripts" / "setup"), "--into", str(tmp_path / "venv")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "install the package python3.11-venv" in line
    assert not (tmp_path / "venv").exists()


def test_packages_that_cannot_be_installed_are_named_with_what_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / "debian-packages", tmp_path / "scripts")
    (tmp_path / "debian-packages.txt").write_text(
        f"# a note\nthere | {ROOT}/LICENSE | nothing\nabsent | {tmp_path}/absent | tests of it\n"
    )
    (tmp_path / "bin").mkdir()
    env = _tools(tmp_path / "bin", "bash", "dirname", "id")

    done = subprocess.run(
        [str(tmp_path / "bin" / "bash"), script],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == "Not installed: absent. Skipped without it: tests of it.\n"
