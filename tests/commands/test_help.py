"""Every command explains itself, and the command line answers at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands.conftest import Keepline

GROUPS = ("employee", "line", "mailbox", "policy", "source", "token", "user")
COMMANDS = (
    *("check", "conformance", "coverage", "demo", "export", "import", "init", "mail-quality"),
    "normalise",
    *("parse-mail",),
    *("rebuild", "replay", "reread", "serve", "employee leave", "employee list", "line assign"),
    *("mailbox add", "mailbox check", "mailbox list", "policy set", "source add", "source list"),
    *("source rotate", "token add", "user add"),
)
#: What takes long to import and is needed only once a command does its work.
HEAVY = ("sqlalchemy", "alembic", "aiohttp", "pydantic", "psycopg", "structlog", "jinja2")


def test_help_lists_every_command_and_the_first_steps(keepline: Keepline) -> None:
    said = keepline.fine("--help")

    assert "keepline init --zone" in said
    assert all(f"│ {name.split()[0]} " in said for name in (*COMMANDS, *GROUPS))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example_on_a_line_of_its_own(
    keepline: Keepline, command: str
) -> None:
    said = keepline.fine(*command.split(), "--help")

    examples = [line for line in said.splitlines() if "keepline " in line and "Usage" not in line]
    assert any(f"keepline {command}" in line for line in examples), said
    assert max(map(len, said.splitlines())) <= 100


def test_a_command_mistyped_is_refused_with_those_there_are(keepline: Keepline) -> None:
    assert "Unknown command" in keepline.refused("emplyee", "leave")
    assert "Did you mean --region?" in keepline.refused("normalise", "1", "--regin", "RU")


@pytest.mark.parametrize("arguments", [["--help"], ["normalise", "101", "--region", "RU"]])
def test_help_and_small_tools_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from ingest.__main__ import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "finally:\n"
        f"    print([it for it in {HEAVY!r} if it in sys.modules], file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stderr == "[]\n"
