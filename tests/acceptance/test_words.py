"""Words that other programs and people hold us to: the API's lists, what the demo prints."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.demo import setup, talking
from ingest.demo.company import company
from ingest.review.api_resources import RESOURCES
from ingest.settings import Settings

LISTS = (
    *("interactions", "calls", "clients", "employees", "lines", "flags", "review-items"),
    *("sources", "mailboxes", "parked", "coverage"),
)


def test_the_api_has_the_lists_that_were_promised() -> None:
    assert sorted(RESOURCES) == sorted(LISTS)


@pytest.mark.parametrize("name", ["interactions", "calls"])
def test_touches_are_filtered_by_time_client_number_source_and_status(name: str) -> None:
    assert {"from", "to", "client", "number", "source", "status"} <= set(RESOURCES[name].parameters)


def test_the_demo_begins_with_address_and_sign_in_and_names_three_things_to_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def person(login: str) -> SimpleNamespace:
        return SimpleNamespace(login=login, password=f"{login}s-password")

    house: Any = SimpleNamespace(
        settings=Settings(data_dir=tmp_path, inner_url="http://127.0.0.1:18081"),
        company=company(date(2026, 5, 20)),
        people={setup.SUPERVISOR: person("olga"), setup.MANAGER: person("boris")},
    )

    talking.welcome(house)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["http://127.0.0.1:18081", "Sign in as olga with password olgas-password"]
    begun = [line[:2] for line in lines if line[:1].isdigit()]
    assert begun == ["1.", "2.", "3."]
