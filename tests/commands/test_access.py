"""Sources, mailboxes, users and tokens: added, listed, never with their secrets."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from ingest.review.passwords import is_password
from storage.database import Database
from storage.tables import users
from tests.commands.conftest import Keepline

SECRET = "whsec_VmFtR6lTsICZaT42nynHrwbKmmtyGcmWKWxKWDzhR90="  # invented
OTHER_SECRET = SECRET.replace("VmFt", "WmFt")
PASSWORD = "correct horse battery"
GENERIC = ("--provider", "generic", "--zone", "Europe/Moscow", "--region", "RU")
ADD = ("source", "add", "office", *GENERIC)
MAILBOX = ("mailbox", "add", "Desk@Ours.example", "--host", "imap.ours.example")


def test_a_source_is_added_and_its_address_printed(company: Keepline) -> None:
    said = company.fine(*ADD, "--secret", f"secret={SECRET}")

    assert "/hooks/office" in said
    assert "/hooks/office" in company.fine("source", "list")


def test_no_secret_is_ever_printed_or_stored_in_clear(company: Keepline) -> None:
    said = company.fine(*ADD, "--secret", "secret=-", typed=f"{SECRET}\n")
    said += company.fine("source", "list")
    said += company.fine("source", "rotate", "office", "--secret", f"secret={OTHER_SECRET}")
    said += company.fine(*MAILBOX, typed=f"{PASSWORD}\n")
    said += company.fine("mailbox", "list")

    stored = b"".join(path.read_bytes() for path in (company.folder / "data").glob("main.db*"))
    for secret in (SECRET, OTHER_SECRET, PASSWORD):
        assert secret not in said
        assert secret.encode() not in stored


def test_two_sets_of_secrets_are_valid_until_the_old_one_is_ended(company: Keepline) -> None:
    company.fine(*ADD, "--secret", f"secret={SECRET}")

    said = company.fine("source", "rotate", "office", "--secret", f"secret={SECRET}")
    assert "2 valid set(s)" in said
    assert "1 valid set(s)" in company.fine("source", "rotate", "office", "--end-old")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*ADD,), "--secret: generic needs secret; give --secret secret=VALUE"),
        ((*ADD, "--secret", "secret="), "--secret: secret is empty; generic needs secret"),
        ((*ADD, "--secret", "secret"), "--secret: write it as NAME=VALUE"),
        (
            (*ADD, "--secret", f"secret={SECRET}", "--secret", "sekret=x"),
            "--secret: generic has no sekret; it has secret",
        ),
        (
            (
                "source",
                "add",
                "m",
                "--provider",
                "mango",
                *GENERIC[2:],
                "--secret",
                "vpbx_api_key=K",
            ),
            "--secret: mango needs vpbx_api_salt",
        ),
        (
            ("source", "add", "x", "--provider", "acme", *GENERIC[2:]),
            "--provider: acme is none of ",
        ),
        (("source", "add", "a/b", *GENERIC), "--name: use letters, digits, - and _"),
        (
            (*ADD[:5], *("--zone", "Moscow", "--region", "RU", "--secret", f"secret={SECRET}")),
            "--zone: there is no zone Moscow",
        ),
        (
            (*ADD, "--unsigned-from", "the office"),
            "--unsigned-from: the office is no network; write it like 203.0.113.0/24",
        ),
        (
            ("source", "rotate", "nowhere", "--end-old"),
            "there is no source nowhere; there are: none",
        ),
    ],
)
def test_a_source_that_cannot_work_is_refused_naming_the_option_and_the_fix(
    company: Keepline, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in company.refused(*arguments)


def test_a_source_may_have_the_secrets_that_only_asking_its_provider_needs(
    company: Keepline,
) -> None:
    told = ("source", "add", "rc", "--provider", "ringcentral", *GENERIC[2:])
    asking = [("--secret", f"{name}=x1") for name in ("client_id", "client_secret", "jwt")]

    company.fine(*told, "--secret", "validation_token=v1", *(it for pair in asking for it in pair))


def test_a_name_is_given_to_one_source_only(company: Keepline) -> None:
    company.fine(*ADD, "--secret", f"secret={SECRET}")
    said = company.refused(*ADD, "--secret", f"secret={SECRET}")
    assert "there is a source office already; see `keepline source list`" in said


def test_a_mailbox_is_added_under_its_plain_address_and_its_line_is_made(company: Keepline) -> None:
    company.fine(*MAILBOX, typed=f"{PASSWORD}\n")

    assert re.search(
        r"^desk@ours\.example +imap\.ours\.example +993 +implicit",
        company.fine("mailbox", "list"),
        re.M,
    )
    said = company.fine("line", "assign", "desk@ours.example", "--to", "petrov")
    assert "desk@ours.example is held by Пётр Петров" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("mailbox", "add", "nobody", "--host", "h"), "ADDRESS: nobody is no mail address"),
        ((*MAILBOX, "--tls", "none"), "--tls none is only for a server on this very machine"),
        (("mailbox", "check", "other@ours.example"), "ADDRESS: other@ours.example is not followed"),
    ],
)
def test_a_mailbox_that_cannot_be_followed_is_refused(
    company: Keepline, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in company.refused(*arguments, typed=f"{PASSWORD}\n")


def test_a_mailbox_without_a_password_is_refused(company: Keepline) -> None:
    assert "--password: " in company.refused(*MAILBOX, typed="\n")


def test_a_user_gets_a_password_that_is_shown_once_and_opens_the_door(company: Keepline) -> None:
    said = company.fine("user", "add", "olga", "--name", "Ольга Орлова", "--role", "supervisor")

    assert "may sign in at http://127.0.0.1:8081" in said
    [shown] = re.findall(r"shown this once: (\S+)", said)
    assert is_password(_stored_password(company, "olga"), shown)


def test_a_given_password_is_not_printed(company: Keepline) -> None:
    add = ("user", "add", "olga", "--name", "Olga", "--role", "supervisor")
    assert PASSWORD not in company.fine(*add, "--password", PASSWORD)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--role", "manager"),
            "--employee: a manager sees the clients of one employee; say which",
        ),
        (("--role", "manager", "--employee", "Петров"), "can mean 2 people"),
        (("--role", "supervisor", "--password", "short"), "--password: at least 10 characters"),
    ],
)
def test_a_user_who_could_not_work_is_refused(
    company: Keepline, options: tuple[str, ...], sentence: str
) -> None:
    assert sentence in company.refused("user", "add", "oleg", "--name", "Oleg", *options)


def test_a_token_is_for_a_user_and_shown_once(company: Keepline) -> None:
    assert "--user: " in company.refused("token", "add", "crm", "--user", "olga")
    company.fine("user", "add", "olga", "--name", "Olga", "--role", "supervisor")

    said = company.fine("token", "add", "crm", "--user", "olga")

    token = said.splitlines()[-1]
    stored = b"".join(path.read_bytes() for path in (company.folder / "data").glob("main.db*"))
    assert len(token) >= 32
    assert token.encode() not in stored


def _stored_password(company: Keepline, login: str) -> str:
    database = Database(company.settings.main_url, writable=False)
    try:
        with database.read() as connection:
            return str(connection.scalar(select(users.c.password).where(users.c.login == login)))
    finally:
        database.close()
