"""The files of the repository, for the tests that read them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def kept_files() -> tuple[Path, ...]:
    """Return every file that git keeps, or would keep if it were added now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:  # an unpacked archive, without git
        return tuple(path for path in _source_files() if path.is_file())
    names = listed.stdout.decode().split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def _source_files() -> list[Path]:
    rooms = ("ingest", "storage", "tests", "docs", "scripts", "benchmarks")
    inner = [p for room in rooms for p in (ROOT / room).rglob("*") if "__pycache__" not in p.parts]
    return [*inner, *ROOT.glob("*")]


def text_of(path: Path) -> str:
    """Return the file's text; bytes that are none do not matter here."""
    return path.read_bytes().decode("utf-8", errors="ignore")
