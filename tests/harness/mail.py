"""Somebody who writes: puts mails into a mailbox of a real IMAP server and keeps a journal."""

from __future__ import annotations

import imaplib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.journal import Journal
from tests.imap_servers import Dovecot, running_pymap, why_no_dovecot

ADDRESS = "desk@ours.example"
PASSWORD = "secret"  # of every mailbox of the test's own Dovecot
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """An IMAP server with one mailbox."""

    name: str
    port: int

    @property
    def mailbox(self) -> dict[str, Any]:
        """Return the mailbox as the command `mailbox.add` takes it."""
        return {
            "address": ADDRESS,
            "host": "127.0.0.1",
            "port": self.port,
            "tls": "none",
            "login": ADDRESS,
            "password": PASSWORD,
        }


@contextmanager
def a_mail_server() -> Iterator[MailServer]:
    """Run Dovecot where it can be run, else pymap."""
    if why_no_dovecot() is not None:
        with running_pymap(ADDRESS, PASSWORD) as port:
            yield MailServer(name="pymap", port=port)
        return
    # Not beneath pytest's own directories: its workers are not root and may not pass those.
    with tempfile.TemporaryDirectory(prefix="keepline-dovecot-") as folder:
        dovecot = Dovecot(Path(folder))
        dovecot.start()
        try:
            yield MailServer(name="Dovecot", port=dovecot.port)
        finally:
            dovecot.stop()


def a_mail(message_id: str, *, sender: str = "client@romashka.example") -> bytes:
    """Return a short mail."""
    lines = (
        f"From: {sender}",
        f"To: {ADDRESS}",
        "Subject: An order",
        f"Message-ID: <{message_id}>",
        "Date: Fri, 20 Nov 2026 10:00:00 +0300",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Good day, we should like to order.",
        "",
    )
    return "\r\n".join(lines).encode()


def append(server: MailServer, mails: list[bytes]) -> None:
    """Put mails into INBOX."""
    client = imaplib.IMAP4("127.0.0.1", server.port)
    client.login(ADDRESS, PASSWORD)
    for mail in mails:
        client.append("INBOX", "", "", mail)
    with suppress(OSError, imaplib.IMAP4.error):
        client.logout()


class Postman:
    """Puts one mail after the other into INBOX until stopped."""

    def __init__(self, server: MailServer, journal: Journal, seed: str) -> None:
        self.server = server
        self.journal = journal
        self.seed = seed
        self.failed: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Stop; raises what went wrong between the postman and the server."""
        self._stop.set()
        self._thread.join(30)
        if self.failed is not None:
            raise self.failed

    def _carry(self) -> None:
        try:
            client = imaplib.IMAP4("127.0.0.1", self.server.port)
            client.login(ADDRESS, PASSWORD)
            count = 0
            while not self._stop.wait(PAUSE_S):
                count += 1
                message_id = f"{self.seed}-{count}@romashka.example"
                said, why = client.append("INBOX", "", "", a_mail(message_id))
                if said != "OK":
                    raise OSError(f"the mail server refuses a mail: {why}")
                self.journal.add(message_id)
            client.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            self.failed = error
