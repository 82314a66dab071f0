"""The container files name settings that exist, and docker-compose can read them."""

import re
import shutil
import subprocess

import pytest

from ingest.settings import Settings
from tests.house.files import ROOT, text_of

PREFIX = "KEEPLINE_"
NAMED = re.compile(rf"\b{PREFIX}[A-Z0-9_]+\b")
WHERE_THE_FILE_IS = "KEEPLINE_CONFIG"  # read before there are settings
DOCUMENTED_ROW = re.compile(rf"^\| `({PREFIX}[A-Z0-9_]+)` \|", re.MULTILINE)


def _settings() -> set[str]:
    return {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile", "docs/operations.md"])
def test_every_environment_name_is_a_setting(file: str) -> None:
    named = set(NAMED.findall(text_of(ROOT / file)))

    assert named
    assert named <= _settings() | {WHERE_THE_FILE_IS}


def test_every_setting_is_documented() -> None:
    rows = set(DOCUMENTED_ROW.findall(text_of(ROOT / "docs" / "operations.md")))

    assert rows - {WHERE_THE_FILE_IS} == _settings()


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="the package docker-compose is not installed"
)
@pytest.mark.parametrize("profile", [[], ["--profile", "postgres"]])
def test_docker_compose_reads_the_file(profile: list[str]) -> None:
    done = subprocess.run(
        ["docker-compose", *profile, "--file", "docker-compose.yml", "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "/var/lib/keepline" in done.stdout
