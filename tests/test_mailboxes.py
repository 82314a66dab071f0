"""Mailboxes as an administrator enters, changes and removes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.custody import accounts, mailboxes
from ingest.custody.office import Office
from ingest.local import Refused
from tests.review.serving import office_of
from tests.world import sqlite_world

ADDRESS = "manager7@ours.example"


def quiet(done: int, total: int) -> None:
    return


def followed(office: Office) -> dict[str, str]:
    office.book.refresh()
    return {it.id: it.host for it in office.book.mailboxes().values()}


def add(office: Office, host: str) -> str:
    done = accounts.add_mailbox(
        office,
        tell=quiet,
        address=ADDRESS,
        host=host,
        port=993,
        tls="implicit",
        login=ADDRESS,
        password="p4ss",
        config={},
    )
    return str(done["id"])


def test_a_mailbox_is_removed_and_added_again_elsewhere_under_another_id(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    office = office_of(world)
    first = add(office, "imap.old.example")

    mailboxes.remove_mailbox(office, tell=quiet, address=ADDRESS)
    assert followed(office) == {}
    second = add(office, "imap.new.example")

    assert followed(office) == {second: "imap.new.example"}
    assert first != second
    world.close()


def test_another_password_ends_a_pause_and_keeps_the_mailbox(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    office = office_of(world)
    first = add(office, "imap.old.example")
    office.book.refresh()
    before = office.book.mailboxes()[first]

    mailboxes.set_password(office, tell=quiet, address=ADDRESS, password="n3w")
    office.book.refresh()

    after = office.book.mailboxes()[first]
    assert (after.secret, before.secret) == ("n3w", "p4ss")
    world.close()


def test_one_that_is_not_followed_is_named(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)

    with pytest.raises(Refused, match="keepline mailbox list"):
        mailboxes.remove_mailbox(office_of(world), tell=quiet, address=ADDRESS)
    world.close()
