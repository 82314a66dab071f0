"""Following a mailbox on a server that knows only the oldest of IMAP."""

from __future__ import annotations

import asyncio
import imaplib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.domain.mailboxes import Mailbox, Tls
from tests.imap_servers import running_pymap
from tests.mail.imap.conftest import Office, a_mail

pytestmark = pytest.mark.walk


@pytest.fixture
def pymap() -> Iterator[int]:
    if not Path(sys.executable).with_name("pymap").exists():
        pytest.skip("pymap is not installed")
    with running_pymap("demo", "secret") as port:
        yield port


def append(port: int, mail: bytes) -> None:
    client = imaplib.IMAP4("127.0.0.1", port)
    client.login("demo", "secret")
    client.append("INBOX", "", None, mail)
    client.logout()


async def test_pymap_is_followed(office: Office, pymap: int) -> None:
    mailbox = Mailbox(
        id="mb-demo",
        address="demo@example.org",
        host="127.0.0.1",
        port=pymap,
        tls=Tls.NONE,
        login="demo",
        secret="secret",
    )
    async with office.following(mailbox):
        await office.until(
            lambda: (
                "mb-demo" in office.states
                and len(office.states["mb-demo"].folders) == 2
                and all(folder.complete for folder in office.states["mb-demo"].folders)
            )
        )
        await asyncio.to_thread(append, pymap, a_mail(1))
        await office.until(lambda: a_mail(1) in [row.body for row in office.kept()])
    assert {row.head["folder"] for row in office.kept()} == {"INBOX", "Sent"}
