"""Sources as they are entered and opened: what cannot be used is refused, or answered kindly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ingest.accounts import Book
from ingest.custody.accounts import add_mailbox, add_source, rotate_source
from ingest.custody.office import Office
from ingest.local import Refused
from ingest.opening import open_secrets
from ingest.readers import CLOCK
from ingest.secrets import BadKey, Secrets
from ingest.settings import Settings
from storage import sources
from tests.world import NOW, World, sqlite_world

SECRET = {"secret": "whsec_" + "A" * 32}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = sqlite_world(tmp_path)
    yield found
    found.close()


def an_office(world: World, secrets: Secrets | None = None) -> Office:
    secrets = secrets or Secrets([Fernet.generate_key()])
    return Office(
        database=world.database,
        secrets=secrets,
        book=Book(world.database, secrets, "https://h.example"),
        clock=lambda: NOW,
        logs={},
        read_mails=lambda raw: [],
        public_url="https://h.example",
    )


def adds(office: Office, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": "office",
        "provider": "generic",
        "zone": "UTC",
        "region": "RU",
        "secrets": SECRET,
        "config": {},
        **more,
    }
    return add_source(office, tell=lambda done, total: None, **told)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"tolerance_s": "abc"}, "tolerance_s"),
        ({"tolerance_s": -1}, "tolerance_s"),
        ({"tolerance_s": "nan"}, "tolerance_s"),
        ({"own_numbers": "+74951110001"}, "own-number"),
        ({"own_numbers": [7]}, "own-number"),
        ({"unsigned_from": "10.0.0.0/8"}, "unsigned-from"),
    ],
)
def test_a_setting_that_no_source_could_be_opened_with_is_refused_by_name(
    world: World, config: dict[str, Any], named: str
):
    office = an_office(world)

    with pytest.raises(Refused, match=named):
        adds(office, config=config)

    with world.reading() as connection:
        assert sources.load_sources(connection) == []


def test_a_source_that_was_taken_in_can_be_opened(world: World):
    office = an_office(world)
    adds(office, config={"tolerance_s": "60", "own_numbers": ["+74951110001"], "colour": "red"})
    rotate_source(office, tell=lambda done, total: None, name="office", secrets=SECRET)

    office.book.refresh()

    _, account = office.book.sources()["office"]
    assert account.tolerance_s == 60.0
    assert account.own_numbers == ("+74951110001",)
    assert account.config == {"colour": "red"}
    assert office.book.unusable() == set()


@pytest.mark.parametrize("secret", ["hush", "whsec_", "whsec_" + "A" * 28, "whsec_" + "-" * 32])
def test_a_secret_that_could_prove_nothing_is_refused_with_its_form(world: World, secret: str):
    office = an_office(world)

    with pytest.raises(Refused, match="whsec_ and base64 of 24 to 64"):
        adds(office, secrets={"secret": secret})
    adds(office)
    with pytest.raises(Refused, match="whsec_ and base64 of 24 to 64"):
        rotate_source(
            office, tell=lambda done, total: None, name="office", secrets={"secret": secret}
        )


def test_a_source_of_unsigned_requests_needs_no_secret(world: World):
    adds(an_office(world), secrets={}, config={"unsigned_from": ["10.0.0.0/8"]})


def test_a_source_that_this_key_does_not_open_is_known_but_unusable(world: World):
    adds(an_office(world))
    other = an_office(world)

    other.book.refresh()

    assert other.book.sources() == {}
    assert other.book.unusable() == {"office"}


def test_no_source_can_have_the_name_of_the_clock(world: World):
    office = an_office(world)

    with pytest.raises(Refused, match="--name"):
        adds(office, name=CLOCK)
    with pytest.raises(ValueError, match="clock"), world.database.write() as connection:
        sources.put_source(
            connection,
            id="1",
            name=CLOCK,
            provider="generic",
            zone="UTC",
            region="RU",
            config={},
            sealed="",
            at=NOW,
            by="test",
        )


def test_a_source_named_clock_is_one_like_any_other(world: World):
    office = an_office(world)
    adds(office, name="clock")
    office.book.refresh()

    assert list(office.book.sources()) == ["clock"]
    assert CLOCK != "clock"


# The key file ----------------------------------------------------------------------------------


def test_a_key_is_made_where_nothing_is_sealed_yet(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data")

    made = open_secrets(settings)

    assert open_secrets(settings).key_id == made.key_id
    assert settings.key_path.stat().st_mode & 0o777 == 0o600


def test_no_key_is_made_while_nobody_can_say_whether_one_is_needed(tmp_path: Path):
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql+psycopg://keepline@127.0.0.1:1/keepline"
    )

    with pytest.raises(BadKey, match="cannot be asked"):
        open_secrets(settings)

    assert not settings.key_path.exists()


def test_a_key_is_made_where_main_is_there_with_nothing_sealed_in_it(world: World, tmp_path: Path):
    assert open_secrets(Settings(data_dir=tmp_path)).key_id


@pytest.mark.parametrize("what", ["source", "mailbox"])
def test_no_other_key_is_made_when_the_one_that_sealed_is_not_there(
    world: World, tmp_path: Path, what: str
):
    settings = Settings(data_dir=tmp_path)
    office = an_office(world, open_secrets(settings))
    if what == "source":
        adds(office)
    else:
        add_mailbox(
            office,
            tell=lambda done, total: None,
            address="sales@ours.example",
            host="mail.ours.example",
            port=993,
            tls="implicit",
            login="sales",
            password="invented",
            config={},
        )
    settings.key_path.rename(tmp_path / "elsewhere")

    with pytest.raises(BadKey, match="key_file"):
        open_secrets(settings)

    assert not settings.key_path.exists()
