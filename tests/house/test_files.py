"""What no file of the repository may hold, and what some must."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.house.files import ROOT, kept_files, text_of

#: places that exist only on a machine that built this, and addresses of package registries
FORBIDDEN = {
    "a folder of a build machine": re.compile(
        r"(?<![\w.])/(?:work/(?:main|shared|\.\w)|opt/(?:pypi|wheels)|tmp/(?:venv|brief|house)|root/\.?\w)"
    ),
    "somebody's home": re.compile(r"(?<![\w.:/])/(?:home|Users)/(?!user\b|keepline\b)[a-z]\w+/"),
    "the address of a package registry": re.compile(
        r"--(?:extra-)?index-url|find-links\s*=|pypi\.org/simple|pythonhosted\.org"
        r"|registry\.npmjs|deb\.debian\.org"
    ),
}
VENDORED = ROOT / "ingest" / "review" / "static" / "vendor"


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    here = Path(__file__).resolve()  # the one that has to spell them

    named = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in kept_files()
        if path != here and (found := FORBIDDEN[what].search(text_of(path)))
    ]

    assert named == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a folder of a build machine", "see /wo" + "rk/main/Makefile"),
        ("a folder of a build machine", '"/opt/' + 'wheels"'),
        ("somebody's home", "in /home/" + "ivan/keepline"),
        ("the address of a package registry", "pip install --index" + "-url x"),
    ],
)
def test_the_search_for_such_names_finds_them(what: str, text: str) -> None:
    assert FORBIDDEN[what].search(text)


def test_the_licence_is_the_whole_gpl_3() -> None:
    licence = text_of(ROOT / "LICENSE")

    assert licence.lstrip().startswith("GNU GENERAL PUBLIC LICENSE\n")
    assert "Version 3, 29 June 2007" in licence
    assert licence.count("\n") > 600


def _manifest() -> list[dict[str, str]]:
    if not (VENDORED / "vendor.toml").exists():
        return []
    tables = tomllib.loads(text_of(VENDORED / "vendor.toml")).values()
    return [row for table in tables if isinstance(table, list) for row in table]


def test_every_vendored_file_is_named_with_its_licence() -> None:
    named = {row["file"] for row in _manifest()}
    there = {
        str(path.relative_to(VENDORED))
        for path in VENDORED.rglob("*")
        if path.is_file() and path.name != "vendor.toml" and "LICEN" not in path.name.upper()
    }

    assert there == named
    assert all(row["name"] and row["version"] and row["licence"] for row in _manifest())


def test_vendored_files_are_the_ones_that_were_taken() -> None:
    changed = [
        row["file"]
        for row in _manifest()
        if hashlib.sha256((VENDORED / row["file"]).read_bytes()).hexdigest() != row["sha256"]
    ]

    assert changed == []
