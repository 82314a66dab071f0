"""Each recorded message is read as the JSON beside it says; what it leaves out is not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.mail.message import parse
from ingest.mail.report import as_json

FOLDER = Path(__file__).parent / "cases"
CASES = sorted(FOLDER.rglob("*.eml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: str(path.relative_to(FOLDER))[:-4])
def test_message_is_read_as_its_json_says(case: Path) -> None:
    expected: dict[str, Any] = json.loads(case.with_suffix(".json").read_text("utf-8"))
    expected.pop("why", None)

    reading = as_json(parse(case.read_bytes()))

    assert {key: reading[key] for key in expected} == expected


def test_every_message_has_its_json_and_every_json_its_message() -> None:
    expected = {path.with_suffix(".eml") for path in FOLDER.rglob("*.json")}

    assert set(CASES) == expected
    assert len(CASES) >= 300
