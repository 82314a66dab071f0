"""What runs for a source beside the door, by what its provider needs and its settings name."""

from __future__ import annotations

import pytest

from ingest.domain.deliveries import Account
from ingest.telephony.companions import COMPANIONS
from ingest.telephony.providers import PROVIDERS

RINGCENTRAL = {"validation_token": "v", "client_id": "i", "client_secret": "s", "jwt": "j"}


@pytest.mark.parametrize(
    ("provider", "secrets", "config", "parts"),
    [
        ("generic", {"secret": "s"}, {}, set()),
        ("ringcentral", {"validation_token": "v"}, {}, set()),
        ("ringcentral", RINGCENTRAL, {}, {"subscription", "history"}),
        ("beeline", {"path_token": "t"}, {}, set()),
        ("beeline", {"path_token": "t", "api_token": "a"}, {}, {"subscription"}),
        ("3cx", {}, {}, set()),
        ("3cx", {}, {"listen": "192.0.2.1:5015"}, {"listening"}),
        ("3cx", {}, {"host": "pbx.example.org", "port": 5015}, {"stream"}),
        ("3cx", {}, {"cdr_file": "/srv/cdr.csv", "listen": "[::1]:1"}, {"files", "listening"}),
        ("cisco_cucm", {}, {"cdr_folder": "/srv/cdr"}, {"record-folder"}),
        ("grandstream_ucm", {"api_user": "u", "api_password": "p"}, {}, {"history"}),
        ("grandstream_ucm", {"basic_user": "u", "basic_password": "p"}, {}, set()),
        ("t2", {"refresh_token": "r"}, {}, {"history"}),
    ],
)
def test_a_source_is_accompanied_by_what_it_needs(
    provider: str, secrets: dict[str, str], config: dict[str, object], parts: set[str]
) -> None:
    account = Account(source="s", secrets=(secrets,) if secrets else (), config=config)

    found = {each.part for each in COMPANIONS if each.wanted(PROVIDERS[provider], account)}

    assert found == parts


def test_each_part_has_a_name_of_its_own() -> None:
    names = [each.part for each in COMPANIONS]

    assert len(names) == len(set(names))
