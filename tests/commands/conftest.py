"""The command line as a person uses it, with a data directory of its own."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.settings import Settings, load_settings

EMPLOYEES = """name,login,left_on
Анна Иванова,ivanova,
Пётр Петров,petrov,
Павел Петров,ppetrov,
"""
LINES = """kind,address,holder
sim,+79160000001,ivanova
"""
CLIENTS = """id;name;phones;emails;manager
1;Ромашка;+7 903 123-45-67|8 (903) 123-45-68;a@romashka.example;ivanova
2;Ландыш;+7 903 765-43-21;;petrov
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepline:
    """Runs commands; each ends as the process would."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @property
    def settings(self) -> Settings:
        """Return the settings that the commands see."""
        return load_settings()

    def __call__(self, *arguments: str, typed: str = "") -> Said:
        """Run a command; return its status and what it printed."""
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        self.capsys.readouterr()
        status = 0
        try:
            main(list(arguments))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(bool(end.code))
        out, err = self.capsys.readouterr()
        return Said(status=status, out=out, err=err)

    def fine(self, *arguments: str, typed: str = "") -> str:
        """Run a command that shall succeed; return what it printed."""
        said = self(*arguments, typed=typed)
        assert said.status == 0, said
        return said.out

    def refused(self, *arguments: str, typed: str = "") -> str:
        """Run a command that shall be refused; return the sentence that says why."""
        said = self(*arguments, typed=typed)
        assert said.status != 0, said
        assert not said.out, said
        assert "Traceback" not in said.err, said
        return said.err

    def file(self, name: str, content: str | bytes) -> str:
        """Write a file; return its path."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


@pytest.fixture
def keepline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Keepline:
    """Commands of a new user: nothing is there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    return Keepline(folder=tmp_path, capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a small company, made once and copied for each test."""
    from ingest.commands.calling import office
    from ingest.custody.commands import COMMANDS
    from ingest.custody.imports import read_csv

    folder = tmp_path_factory.mktemp("company")
    with office(load_settings(data_dir=folder / "data")) as here:
        no_one = lambda done, total: None  # noqa: E731
        COMMANDS["init"](here, tell=no_one, zone="Europe/Moscow", region="RU")
        files = {"employees": EMPLOYEES, "lines": LINES, "clients": CLIENTS}
        for kind, text in files.items():
            rows = read_csv(text.encode(), kind)
            COMMANDS["import"](here, tell=no_one, kind=kind, rows=rows, file=f"{kind}.csv")
    return folder / "data"


@pytest.fixture
def company(keepline: Keepline, _made: Path) -> Keepline:
    """Commands in a small company: three employees, a line, two clients."""
    shutil.copytree(_made, keepline.folder / "data")
    return keepline
