"""IMAP servers for tests: Dovecot, pymap, and a small one that can be scripted to misbehave."""

from __future__ import annotations

import asyncio
import imaplib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

READY_S = 10.0


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once somebody listens on the port; raises RuntimeError if the process ended."""
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


def pymap_command(port: int, user: str, password: str) -> list[str]:
    """Return the command that runs a pymap server with one mailbox, in memory, on loopback."""
    pymap = str(Path(sys.executable).with_name("pymap"))
    return [
        *(pymap, "--no-tls", "--host", "127.0.0.1", "--port", str(port)),
        *("--no-service", "admin", "dict"),
        *("--demo-data", "--demo-user", user, "--demo-password", password),
    ]


@contextmanager
def running_pymap(user: str, password: str) -> Iterator[int]:
    """Run pymap and give its port."""
    port = free_port()
    process = subprocess.Popen(
        pymap_command(port, user, password), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_it_listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(5)


# -- certificates ----------------------------------------------------------------------------


def make_certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Write a self-signed certificate and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


# -- Dovecot ---------------------------------------------------------------------------------

DOVECOT_CONFIG = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{dir}/mail/%u
first_valid_uid = 1
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=8 gid=8 home={dir}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Verzonden {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol imap {{
  mail_plugins = {plugins}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
"""


ZLIB_PLUGIN = Path("/usr/lib/dovecot/modules/lib30_imap_zlib_plugin.so")  #: for COMPRESS


def why_no_dovecot() -> str | None:
    """Return why Dovecot cannot be run here, or None."""
    if shutil.which("dovecot") is None:
        return "Dovecot is not installed (Debian package dovecot-imapd)"
    return None if os.geteuid() == 0 else "Dovecot can be run for tests only as root"


class Dovecot:
    """A Dovecot of our own: any user, password `secret`, sent mail in a folder `Verzonden`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.compresses = ZLIB_PLUGIN.exists()
        self.certificate, key = make_certificate(folder)
        for name in ("run", "state", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "mail", 8, 8)
        folder.chmod(0o755)  # its workers are not root
        self._config = folder / "dovecot.conf"
        self._config.write_text(
            DOVECOT_CONFIG.format(
                dir=folder,
                cert=self.certificate,
                key=key,
                port=self.port,
                tls_port=self.tls_port,
                plugins="imap_zlib" if self.compresses else "",
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it listens."""
        self._process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self._config)], start_new_session=True
        )
        wait_until_it_listens(self.port, self._process)

    def stop(self) -> None:
        """Stop it, with everything it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)  # those in IDLE would take their time
            self._process.wait(10)
            self._process = None

    def renumber(self, user: str) -> None:
        """Make the server forget the numbering of INBOX: another UIDVALIDITY; restarts it."""
        self.stop()
        home = self.folder / "mail" / user
        uids = home / "dovecot-uidlist"
        before = re.match(r"3 V(\d+)", uids.read_text())
        assert before
        for path in home.glob("dovecot.index*"):
            path.unlink()
        uids.write_text(f"3 V{int(before[1]) + 1} N1 G{'0' * 31}1\n")
        self.start()

    @contextmanager
    def client(self, user: str) -> Iterator[imaplib.IMAP4]:
        """Give a signed-in client that does what people do to their mailbox."""
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(user, "secret")
        try:
            yield client
        finally:
            with suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def append(self, user: str, mails: Sequence[bytes], folder: str = "INBOX") -> None:
        """Put mails into a folder."""
        with self.client(user) as client:
            for mail in mails:
                client.append(folder, "", None, mail)

    def fill(self, user: str, mails: Sequence[bytes]) -> None:
        """Put many mails into INBOX at once, straight into its files."""
        folder = self.folder / "mail" / user
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True)
        for number, mail in enumerate(mails):
            (folder / "cur" / f"{1_700_000_000 + number}.M{number}.test:2,").write_bytes(mail)
        for path in (folder, *folder.iterdir(), *(folder / "cur").iterdir()):
            shutil.chown(path, 8, 8)

    def flags(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """Return the flags of every message, as a person's mail program sees them."""
        with self.client(user) as client:
            client.select(folder, readonly=True)
            return [bytes(line) for line in client.fetch("1:*", "(UID FLAGS)")[1]]


# -- a server that can be scripted -----------------------------------------------------------

Answer = Callable[["Wire", str, str], Awaitable[None]]


class HangUp(Exception):
    """The script closes the connection."""


@dataclass
class Wire:
    """One connection to the scripted server."""

    server: ScriptedServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *lines: str | bytes) -> None:
        """Send lines."""
        for line in lines:
            self.writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        await self.writer.drain()

    async def say_raw(self, data: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self) -> str:
        """Return the next line. Raises HangUp when the client is gone."""
        line = await self.reader.readline()
        if not line:
            raise HangUp
        text = line.decode().rstrip("\r\n")
        self.server.heard.append(text)
        return text

    async def nothing(self) -> None:
        """Say nothing until the client hangs up."""
        while await self.reader.read(65536):
            pass
        raise HangUp


@dataclass
class ScriptedServer:
    """A small IMAP server over `mails`; `answers` replaces what it says to a command."""

    mails: dict[int, bytes] = field(default_factory=dict)
    uidvalidity: int = 1
    uidnext: int | None = None
    greeting: str = "* OK ready"
    capabilities: str = "IMAP4rev1 IDLE"
    password: str = "secret"
    folders: str = '* LIST (\\HasNoChildren) "/" INBOX'
    answers: dict[str, Answer] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> asyncio.Server:
        """Listen on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def deliver(self, uid: int, mail: bytes) -> None:
        """Put a mail into INBOX and tell those who wait in IDLE."""
        self.mails[uid] = mail
        self.news.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        wire = Wire(self, reader, writer)
        try:
            await wire.say(self.greeting)
            while True:
                tag, _, rest = (await wire.hear()).partition(" ")
                name, _, args = rest.partition(" ")
                if name == "UID":
                    name, _, args = args.partition(" ")
                elif name == "FETCH":
                    name = "UIDS"  # by sequence number: asked only for UIDs
                await self.answers.get(name, DEFAULTS.get(name, _bad))(wire, tag, args)
        except (HangUp, ConnectionError):
            pass
        finally:
            writer.close()


async def _bad(wire: Wire, tag: str, args: str) -> None:
    await wire.say(f"{tag} BAD unknown")


async def _ok(wire: Wire, tag: str, args: str) -> None:
    await wire.say(f"{tag} OK done")


async def _capability(wire: Wire, tag: str, args: str) -> None:
    await wire.say(f"* CAPABILITY {wire.server.capabilities}", f"{tag} OK done")


async def _login(wire: Wire, tag: str, args: str) -> None:
    if args.endswith(f'"{wire.server.password}"'):
        await wire.say(f"{tag} OK welcome")
    else:
        await wire.say(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials")


async def _authenticate(wire: Wire, tag: str, args: str) -> None:
    await wire.say("+ ")
    proof = b64decode(await wire.hear()).decode()
    good = proof.endswith("\0" + wire.server.password)
    await wire.say(f"{tag} OK welcome" if good else f"{tag} NO [AUTHENTICATIONFAILED] no")


async def _list(wire: Wire, tag: str, args: str) -> None:
    await wire.say(wire.server.folders, f"{tag} OK done")


async def _examine(wire: Wire, tag: str, args: str) -> None:
    server = wire.server
    server.news.clear()
    uidnext = server.uidnext or max(server.mails, default=0) + 1
    await wire.say(
        f"* {len(server.mails)} EXISTS",
        f"* OK [UIDVALIDITY {server.uidvalidity}] ok",
        f"* OK [UIDNEXT {uidnext}] ok",
        f"{tag} OK [READ-ONLY] done",
    )


async def _uids(wire: Wire, tag: str, args: str) -> None:
    ordered = sorted(wire.server.mails)
    for number in uids_in(args.partition(" ")[0]):
        if number <= len(ordered):
            await wire.say(f"* {number} FETCH (UID {ordered[number - 1]})")
    await wire.say(f"{tag} OK done")


async def _fetch(wire: Wire, tag: str, args: str) -> None:
    which, _, parts = args.partition(" ")
    ordered = sorted(wire.server.mails)
    for uid in uids_in(which):
        if uid in wire.server.mails:
            await wire.say_raw(fetch_line(ordered.index(uid) + 1, uid, parts, wire.server.mails))
    await wire.say(f"{tag} OK done")


async def _idle(wire: Wire, tag: str, args: str) -> None:
    server = wire.server
    await wire.say("+ idling")
    done = asyncio.ensure_future(wire.hear())
    while not done.done():
        news = asyncio.ensure_future(server.news.wait())
        await asyncio.wait({done, news}, return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        if server.news.is_set():
            server.news.clear()
            await wire.say(f"* {len(server.mails)} EXISTS")
    await done
    await wire.say(f"{tag} OK done")


DEFAULTS: dict[str, Answer] = {
    "CAPABILITY": _capability,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "LIST": _list,
    "EXAMINE": _examine,
    "UIDS": _uids,
    "FETCH": _fetch,
    "IDLE": _idle,
    "NOOP": _ok,
}


def uids_in(text: str) -> list[int]:
    """Return the numbers of an IMAP set without stars."""
    found: list[int] = []
    for run in text.split(","):
        first, _, last = run.partition(":")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def fetch_line(seq: int, uid: int, parts: str, mails: dict[int, bytes]) -> bytes:
    """Return an honest answer to a FETCH of one message."""
    mail = mails[uid]
    items = [b"UID %d" % uid]
    if "RFC822.SIZE" in parts:
        items.append(b"RFC822.SIZE %d" % len(mail))
        items.append(b'INTERNALDATE "17-Jul-2026 02:44:25 +0300" FLAGS ()')
    section = re.search(r"BODY\.PEEK\[(HEADER)?\](?:<(\d+)\.(\d+)>)?", parts)
    if section:
        content = mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if section[1] else mail
        start = int(section[2] or 0)
        content = content[start : start + int(section[3] or len(mail))]
        name = f"BODY[{section[1] or ''}]" + (f"<{start}>" if section[2] else "")
        items.append(b"%b {%d}\r\n%b" % (name.encode(), len(content), content))
    return b"* %d FETCH (%b)\r\n" % (seq, b" ".join(items))
