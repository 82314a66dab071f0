"""A new user's first minutes: settings, init, check."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tests.commands.conftest import Keepline


def test_init_says_what_was_set_and_what_comes_next(keepline: Keepline) -> None:
    said = keepline.fine("init", "--zone", "Europe/Moscow", "--region", "ru")

    assert "Zone Europe/Moscow, region RU" in said
    assert "keepline import employees FILE" in said
    assert (keepline.folder / "data" / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--zone", "Moscow", "--region", "RU"), "--zone: there is no zone Moscow; write it like"),
        (("--zone", "UTC", "--region", "XX"), "--region: there is no region XX; write it like"),
    ],
)
def test_init_names_a_wrong_option_and_the_fix(
    keepline: Keepline, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in keepline.refused("init", *arguments)


def test_check_says_what_is_missing_and_then_that_all_is_well(keepline: Keepline) -> None:
    before = keepline("check")
    assert before.status == 1
    assert "run `keepline init`" in before.out

    keepline.fine("init", "--zone", "UTC", "--region", "NL")

    after = keepline("check")
    assert after.status == 0, after
    assert "main database: 0 source(s), 0 mailbox(es)" in after.out


def test_check_finds_sources_that_another_key_cannot_open(company: Keepline) -> None:
    company.fine(*_ADD_SOURCE)
    (company.folder / "data" / "key").write_bytes(Fernet.generate_key())

    said = company("check")

    assert said.status == 1
    assert "1 source(s) or mailbox(es) cannot be opened with this key" in said.out
    assert "restore the key file" in said.out


def test_health_of_a_service_that_does_not_run_is_exit_status_1(keepline: Keepline) -> None:
    keepline.monkeypatch.setenv("KEEPLINE_INNER_LISTEN", "127.0.0.1:1")
    assert "nothing answers at 127.0.0.1:1" in keepline.refused("check", "--health")


@pytest.mark.parametrize(
    ("name", "value", "sentences"),
    [
        ("PROCESSES", "3", ("processes (or KEEPLINE_PROCESSES): ", "less than or equal to 2")),
        ("INNER_URL", "http://crm.example.org", ("inner_url: plain http is only for loopback",)),
        ("PUBLIC_URL", "hooks.example.org", ("public_url (or KEEPLINE_PUBLIC_URL): write it as",)),
        ("PUBLIC_LISTEN", "8080", ("public_listen (or KEEPLINE_PUBLIC_LISTEN): write it as",)),
        ("DATABASE_URL", "mysql://x", ("database_url (or KEEPLINE_DATABASE_URL): write it as",)),
        ("LOG_LEVEL", "loud", ("log_level (or KEEPLINE_LOG_LEVEL): ", "'debug'")),
        (
            "TRUSTED_PROXIES",
            '["the proxy"]',
            ("trusted_proxies (or KEEPLINE_TRUSTED_PROXIES): the",),
        ),
        ("CONFIG", "/nowhere.toml", ("KEEPLINE_CONFIG: there is no file /nowhere.toml",)),
    ],
)
def test_a_wrong_setting_is_named_with_the_fix(
    keepline: Keepline, name: str, value: str, sentences: tuple[str, ...]
) -> None:
    keepline.monkeypatch.setenv(f"KEEPLINE_{name}", value)

    said = keepline("employee", "list")

    assert said.status == 2
    assert all(sentence in said.err for sentence in sentences), said.err


def test_an_unknown_name_in_the_settings_file_is_named_with_the_known_ones(
    keepline: Keepline,
) -> None:
    keepline.file("keepline.toml", 'data_dri = "/var/lib/keepline"\n')

    said = keepline("check")

    assert said.status == 2
    assert "data_dri: there is no such setting; there are data_dir" in said.err


def test_a_settings_file_that_is_no_toml_is_named(keepline: Keepline) -> None:
    keepline.file("keepline.toml", "data_dir: /var/lib/keepline\n")

    said = keepline("check")

    assert said.status == 2
    assert "keepline.toml: " in said.err
    assert "line 1" in said.err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("KEEPLINE_PUBLIC_URI", "did you mean KEEPLINE_PUBLIC_URL?"),
        ("KEEPLINE_DATADIR", "did you mean KEEPLINE_DATA_DIR?"),
        ("KEEPLINE_CONFG", "did you mean KEEPLINE_CONFIG?"),
        ("KEEPLINE_ZZZZ", "KEEPLINE_ZZZZ: there is no such setting, so it is ignored\n"),
    ],
)
def test_check_warns_of_a_variable_that_is_no_setting(
    keepline: Keepline, name: str, sentence: str
) -> None:
    keepline.fine("init", "--zone", "UTC", "--region", "NL")
    keepline.monkeypatch.setenv(name, "x")

    said = keepline.fine("check")

    assert f"warn  {name}: there is no such setting, so it is ignored" in said
    assert sentence in said


def test_check_warns_of_no_variable_that_is_a_setting(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "UTC", "--region", "NL")
    keepline.monkeypatch.setenv("keepline_log_level", "info")
    keepline.monkeypatch.setenv("KEEPLINE_CONFIG", keepline.file("other.toml", ""))

    assert "no such setting" not in keepline.fine("check")


def test_two_processes_can_be_set_by_a_variable(keepline: Keepline) -> None:
    keepline.monkeypatch.setenv("KEEPLINE_PROCESSES", "2")
    assert keepline.settings.processes == 2


def test_variables_win_over_the_file_that_config_names(keepline: Keepline) -> None:
    keepline.monkeypatch.delenv("KEEPLINE_DATA_DIR")
    path = keepline.file("other.toml", f'data_dir = "{keepline.folder}/from-file"\n')

    keepline.fine("--config", path, "init", "--zone", "UTC", "--region", "NL")
    assert (keepline.folder / "from-file" / "main.db").exists()

    keepline.monkeypatch.setenv("KEEPLINE_DATA_DIR", str(keepline.folder / "from-variable"))
    keepline.fine("--config", path, "init", "--zone", "UTC", "--region", "NL")
    assert (keepline.folder / "from-variable" / "main.db").exists()


_ADD_SOURCE = (
    *("source", "add", "office", "--provider", "generic", "--zone", "UTC", "--region", "RU"),
    *("--secret", "secret=whsec_VmFtR6lTsICZaT42nynHrwbKmmtyGcmWKWxKWDzhR90="),
)
