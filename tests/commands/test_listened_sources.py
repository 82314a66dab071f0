"""Sources that send nothing: we connect to them, or read the files that they leave."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Keepline

ASTERISK = ("source", "add", "pbx", "--provider", "asterisk", "--zone", "UTC", "--region", "NL")
SECRETS = ("--secret", "ami_username=crm", "--secret", "ami_secret=s3cr3t")


def test_an_asterisk_is_connected_to_and_has_no_address_of_ours(company: Keepline) -> None:
    said = company.fine(*ASTERISK, *SECRETS, "--set", "host=pbx.example.org")

    assert "It is not sent to: Keepline connects to it." in said


def test_files_alone_need_no_secret(company: Keepline) -> None:
    company.fine(*ASTERISK, "--set", "cdr_file=/var/log/asterisk/cdr-csv/Master.csv")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("host=pbx.example.org", "port=many"), "--set port: many is no port; write it like 5038"),
        (("host=http://pbx",), "--set host: http://pbx is no name of a host"),
        (("cdr_file=Master.csv",), "--set cdr_file: Master.csv is no whole path"),
        (("host=pbx", "login=loud"), "--set login: loud is neither md5 nor plain"),
    ],
)
def test_a_setting_that_cannot_be_run_is_refused_before_it_is_stored(
    company: Keepline, settings: tuple[str, ...], sentence: str
) -> None:
    given = [part for setting in settings for part in ("--set", setting)]

    assert sentence in company.refused(*ASTERISK, *SECRETS, *given)


def test_to_connect_the_secret_is_needed(company: Keepline) -> None:
    assert "ami_username, ami_secret" in company.refused(*ASTERISK, "--set", "host=pbx")
