"""The company's mail server: one pymap process for each mailbox, mails put in by plain IMAP.

Everything here blocks; it is called from threads.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

READY_S = 30.0
SENT = "Sent"


class NoMailServer(Exception):
    """The mail server of the demo cannot be run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail where it is to lie, with the moment at which it came there."""

    mailbox: str
    raw: bytes
    at: datetime
    sent: bool = False  #: it lies in the folder of sent mail


@dataclass(slots=True)
class MailServer:
    """One mailbox that runs."""

    address: str
    port: int
    password: str
    process: subprocess.Popen[bytes]

    @contextlib.contextmanager
    def signed_in(self) -> Iterator[imaplib.IMAP4]:
        """Give a client as a person's mail program is one."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        # imaplib writes a mail and its line end apart; together they would wait for each other.
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client.login(self.address, self.password)
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def put(self, letters: Sequence[Letter]) -> None:
        """Put mails into the mailbox. Raises NoMailServer if it takes one of them not."""
        with self.signed_in() as client:
            for letter in letters:
                folder = SENT if letter.sent else "INBOX"
                said, why = client.append(
                    folder, "", imaplib.Time2Internaldate(letter.at), letter.raw
                )
                if said != "OK":
                    raise NoMailServer(f"{self.address} took a mail not: {why!r}")

    def stop(self) -> None:
        """End its process."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(addresses: Sequence[str], log: Path) -> Iterator[dict[str, MailServer]]:
    """Start a server for each address; `until_ready` waits for them. Raises NoMailServer."""
    if find_spec("pymap") is None:
        raise NoMailServer("the demo's mail server is pymap: install it with `pip install pymap`")
    servers: dict[str, MailServer] = {}
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(log.open("wb"))
        for address in addresses:
            servers[address] = _start(address, said.fileno())
            stack.callback(servers[address].stop)
        yield servers


def until_ready(servers: Mapping[str, MailServer]) -> None:
    """Return when each has INBOX and a folder of sent mail. Raises NoMailServer."""
    for server in servers.values():
        _wait(server)
        with server.signed_in() as client:
            client.create(SENT)


def _start(address: str, log: int) -> MailServer:
    port, password = _free_port(), secrets.token_hex(16)
    process = subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-P", str(Path(__file__).with_name("imap_child.py"))],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # a Ctrl-C is for the demo, which then ends its children in order
    )
    told = {"port": port, "user": address, "password": password}
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    return MailServer(address, port, password, process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: MailServer) -> None:
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends and server.process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", server.port), timeout=1),
        ):
            return
        time.sleep(0.05)
    raise NoMailServer(f"the mail server of {server.address} did not start; imap.log says why")
