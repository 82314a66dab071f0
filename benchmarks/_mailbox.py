"""A mailbox to measure with: invented mails in a Dovecot of our own, and readers to compare with.

Texts, HTML alternatives and attachments in the proportions of an office's mail: 15 KiB a message
in the mean, 14 % with an attachment of up to 200 KiB.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import socket
import subprocess
import time
from base64 import encodebytes
from collections.abc import Coroutine, Iterator
from pathlib import Path
from quopri import encodestring
from typing import Any, TypeVar

from ingest.domain.mailboxes import Mailbox, Tls
from tests.imap_servers import Dovecot

Result = TypeVar("Result")

USER = "office"
SERVER_UID = 8  #: as whom Dovecot's workers read the mails
FIRST_AT = 1_700_000_000
TAIL = 4_096  #: octets at the end of what came in which the command's end is looked for

WORDS = {
    "us-ascii": "please find the offer for order attached and let us know about delivery by",
    "iso-8859-1": "für die Bestellung über größere Mengen grüßen wir Sie und bestätigen",
    "windows-1251": "добрый день направляем счёт на оплату и просим подтвердить отгрузку товара",
    "koi8-r": "коллеги прошу согласовать договор поставки до конца недели спасибо заранее",
    "utf-8": "Здравствуйте, the Rechnung für März is attached, с уважением отдел продаж",
}


def mails(count: int, seed: int = 11) -> Iterator[bytes]:
    """Yield so many messages, the same ones for the same seed."""
    chance = random.Random(seed)
    charsets = list(WORDS)
    for number in range(count):
        yield _mail(number, chance.choice(charsets), chance)


def _mail(number: int, charset: str, chance: random.Random) -> bytes:
    words = WORDS[charset].split()
    length = min(30_000, int(chance.lognormvariate(7.6, 0.8)))
    line = " ".join(chance.choices(words, k=12))
    text = "\r\n".join([line] * max(1, length // len(line)))
    parts = [_part("text/plain", charset, text)]
    if chance.random() < 0.7:
        html = f"<html><body><p>{text.replace(chr(13), '<br>')}</p></body></html>"
        parts.append(_part("text/html", charset, html))
    if chance.random() < 0.14:
        size = min(200 * 1024, int(chance.lognormvariate(10.2, 1.0)))
        parts.append(_attachment(number, chance.randbytes(size)))
    client = chance.randrange(1_000_000)
    head = (
        f"Received: from mx{client % 7}.example.net (mx.example.net [192.0.2.{client % 250}])"
        f" by mail.example.org with ESMTPS id {client:08x}; Fri, 17 Jul 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}.{client}@example.net>\r\n"
        f"From: Client {client} <client{client}@example.net>\r\n"
        f"To: Office <{USER}@example.org>\r\n"
        f"Date: Fri, 17 Jul 2026 10:{number % 60:02}:00 +0000\r\n"
        f"Subject: Order {number}\r\n"
        "MIME-Version: 1.0\r\n"
    ).encode()
    if len(parts) == 1:
        return head + parts[0]
    border = f"=_{number}_{client}"
    lines = [head, f'Content-Type: multipart/mixed; boundary="{border}"\r\n\r\n'.encode()]
    for part in parts:
        lines += [f"--{border}\r\n".encode(), part, b"\r\n"]
    return b"".join([*lines, f"--{border}--\r\n".encode()])


def _part(type_: str, charset: str, text: str) -> bytes:
    raw = text.encode(charset, "replace")
    encoding = {"us-ascii": "7bit", "koi8-r": "base64", "iso-8859-1": "quoted-printable"}.get(
        charset, "8bit"
    )
    if encoding == "base64":
        raw = encodebytes(raw).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        raw = encodestring(raw).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head = f"Content-Type: {type_}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return head.encode() + b"\r\n" + raw + b"\r\n"


def _attachment(number: int, raw: bytes) -> bytes:
    head = (
        f'Content-Type: application/pdf; name="offer-{number}.pdf"\r\n'
        f'Content-Disposition: attachment; filename="offer-{number}.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + encodebytes(raw).replace(b"\n", b"\r\n")


def fill(server: Dovecot, count: int) -> int:
    """Put so many mails into the mailbox, straight into its files; return their octets."""
    folder = server.folder / "mail" / USER / "cur"
    for name in ("cur", "new", "tmp"):
        (folder.parent / name).mkdir(parents=True)
    total = 0
    for number, raw in enumerate(mails(count)):
        (folder / f"{FIRST_AT + number}.M{number}.bench:2,").write_bytes(raw)
        total += len(raw)
    for path in (folder.parent, *folder.parent.iterdir(), *folder.iterdir()):
        os.chown(path, SERVER_UID, SERVER_UID)
    return total


def mailbox_at(port: int) -> Mailbox:
    """Return the settings of the mailbox on the server at that port."""
    return Mailbox(
        id="mb-bench",
        address=f"{USER}@example.org",
        host="127.0.0.1",
        port=port,
        tls=Tls.NONE,
        login=USER,
        secret="secret",
    )


def read_raw(server: Dovecot, count: int, batch: int = 100) -> float:
    """Return the seconds in which a socket takes all messages and looks at none of them."""
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.recv(65_536)
        _say(wire, b"a1 LOGIN %b secret\r\n" % USER.encode(), b"a1 ")
        _say(wire, b"a2 EXAMINE INBOX\r\n", b"a2 ")
        began = time.perf_counter()
        for first in range(1, count + 1, batch):
            asked = b"b%d UID FETCH %d:%d (UID BODY.PEEK[])\r\n" % (first, first, first + batch - 1)
            _say(wire, asked, b"b%d " % first)
        return time.perf_counter() - began


def _say(wire: socket.socket, line: bytes, tag: bytes) -> None:
    wire.sendall(line)
    end = b""
    while b"\r\n" + tag not in end and not end.startswith(tag):
        got = wire.recv(262_144)
        assert got, "the server closed the connection"
        end = (end + got)[-TAIL:] if len(got) < TAIL else got[-TAIL:]


def mbsync_command() -> str | None:
    """Return the path of mbsync (Debian package isync), or None."""
    return shutil.which("mbsync")


def as_service(main: Coroutine[Any, Any, Result]) -> Result:
    """Run on the loop that the service runs on: uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def read_mbsync(server: Dovecot, where: Path, *, fsync: bool) -> tuple[float, float]:
    """Return in how many seconds mbsync copies the whole INBOX into an empty maildir.

    The second figure is the processor time it takes.
    """
    target = where / "mbsync"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    config = where / "mbsyncrc"
    config.write_text(
        f"""FSync {"yes" if fsync else "no"}
IMAPAccount bench
Host 127.0.0.1
Port {server.port}
User {USER}
Pass secret
SSLType None
PipelineDepth 50

IMAPStore far
Account bench

MaildirStore near
Path {target}/
Inbox {target}/INBOX
SubFolders Verbatim

Channel bench
Far :far:
Near :near:
Patterns INBOX
Sync Pull New
Create Near
SyncState {target}/state-
"""
    )
    began, cpu = time.perf_counter(), cpu_of_children()
    subprocess.run(["mbsync", "-q", "-c", str(config), "bench"], check=True, cwd=where)
    took, cpu = time.perf_counter() - began, cpu_of_children() - cpu
    shutil.rmtree(target)
    os.sync()  # its twenty thousand files should not burden what is measured next
    return took, cpu


def cpu_of_children() -> float:
    """Return the processor time of all processes that were started and waited for so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
