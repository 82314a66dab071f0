"""docs/acceptance*.md name tests that exist, and the project is what it says it is."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache

import pytest

from ingest.settings import Settings
from tests.house.files import ROOT, text_of

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
SHORT = re.compile(r"`::(\w+)`")  #: in the file that the same row names before
LINK = re.compile(r"\]\(([^)#:]+)(?:#[\w-]+)?\)")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse(text_of(ROOT / file))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def rows() -> list[str]:
    documents = sorted((ROOT / "docs").glob("acceptance*.md"))
    lines = [line for document in documents for line in text_of(document).splitlines()]
    return [line for line in lines if line.startswith("| ") and " | " in line]


def missing_in(row: str) -> list[str]:
    """Return what a row names that is not there."""
    missing, file = [], ""
    for found in re.finditer(f"{NAMED.pattern}|{SHORT.pattern}", row):
        file, name = found[1] or file, found[2] or found[3]
        if not (ROOT / file).is_file() or (name and name not in names_in(file)):
            missing.append(found[0])
    return missing


def test_every_test_that_the_acceptance_table_names_exists() -> None:
    assert len(rows()) > 150
    assert [it for row in rows() for it in missing_in(row)] == []


def test_a_test_that_is_not_there_would_be_seen() -> None:
    here = "tests/acceptance/test_document.py"
    assert missing_in(f"| a | `{here}::rows`, `::test_nothing` | shown |") == ["`::test_nothing`"]
    assert missing_in("| a | `tests/nowhere.py` | shown |") == ["`tests/nowhere.py`"]


def test_every_row_has_a_state() -> None:
    states = re.compile(r"^(shown|partly: \S.*|not done: \S.*|open: \S.*)$")
    wrong = [
        row
        for row in rows()
        if row.count(" | ") != 2 or not states.match(row.rsplit(" | ", 1)[1].rstrip(" |"))
    ]
    assert [row for row in wrong if not row.startswith("| what it says |")] == []


def test_the_package_has_the_licence_the_python_and_the_command_it_promises() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]

    assert project["license"] == "GPL-3.0-or-later"
    assert project["requires-python"] == ">=3.11"
    # `python -m ingest` runs the same module.
    assert project["scripts"] == {"keepline": "ingest.__main__:main"}


def test_the_doors_are_where_they_are_expected_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"KEEPLINE_{name.upper()}", raising=False)
    monkeypatch.setenv("KEEPLINE_CONFIG", "/nowhere/keepline.toml")

    settings = Settings()

    assert settings.public_listen == "0.0.0.0:8080"
    assert settings.inner_listen == "127.0.0.1:8081"
    assert (settings.processes, settings.database_url) == (1, None)


def test_the_readme_has_its_two_commands_a_picture_and_says_where_things_are() -> None:
    text = text_of(ROOT / "README.md")

    assert re.search(r"^ +make demo\b", text, re.MULTILINE)
    assert re.search(r"^ +make test\b", text, re.MULTILINE)
    assert "## Where is ...?" in text
    assert ".png)" in text


@pytest.mark.parametrize("file", ["README.md", "docs/map.md", "docs/decisions/README.md"])
def test_links_lead_somewhere(file: str) -> None:
    here = ROOT / file

    dead = [link for link in LINK.findall(text_of(here)) if not (here.parent / link).exists()]

    assert dead == []
