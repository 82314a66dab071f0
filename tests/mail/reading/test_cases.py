"""Each recorded message is read as the JSON beside it says; what it leaves out is not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.mail.message import parse
from ingest.mail.report import as_json

CASES = sorted((Path(__file__).parent / "cases").glob("*.eml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_message_is_read_as_its_json_says(case: Path) -> None:
    expected: dict[str, Any] = json.loads(case.with_suffix(".json").read_text("utf-8"))
    expected.pop("why", None)

    reading = as_json(parse(case.read_bytes()))

    assert {key: reading[key] for key in expected} == expected


def test_every_message_has_its_json_and_every_json_its_message() -> None:
    folder = Path(__file__).parent / "cases"

    assert {path.stem for path in CASES} == {path.stem for path in folder.glob("*.json")}
    assert len(CASES) >= 60
