"""A signed-in session with one mailbox's server: folders, lists of UIDs, messages, waiting.

Nothing on the server is changed: folders are opened read-only (EXAMINE) and bodies are read with
BODY.PEEK. Every call has a deadline; after any deadline the connection is dropped, because its
state is unknown then. Raises ConnectionBroken, Refused, or OSError while connecting.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aioimaplib.aioimaplib import Response  # type: ignore[import-untyped]

from ingest.domain.mailboxes import Auth, Mailbox, Tls
from ingest.mail.folders import Folder
from ingest.mail.imap_protocol import (
    NOISE_MAX,
    Asked,
    CarefulProtocol,
    ConnectionBroken,
    InsecureServer,
    Refused,
)
from ingest.mail.imap_words import (
    Fetched,
    Part,
    Unparsable,
    answers,
    from_wire_name,
    quoted,
    read_fetch,
    read_list,
    uid_set,
)

KIB, MIB = 1024, 1024 * 1024
LIST_MAX = 4 * MIB  #: octets of a whole list of folders
SLACK = 64 * KIB  #: octets that an answer may hold beside the mail itself
HEADER_MAX = 1 * MIB  #: octets of a message's header that are read


class LoginRefused(Refused):
    """The server does not accept this login with this password or token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long we wait and how much we take."""

    patience_s: float = 30.0  #: for an answer, before its size is counted
    slowest_bytes_per_s: int = 50_000
    mail_max_bytes: int = 50 * MIB  #: of a larger mail only the header is kept
    slice_bytes: int = 1 * MIB  #: larger mails are read in slices of this size


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A folder as it was found when it was opened."""

    uidvalidity: int
    exists: int


class Session:
    """One connection, used by one task at a time."""

    def __init__(self, protocol: CarefulProtocol, limits: Limits) -> None:
        self._protocol = protocol
        self._limits = limits

    @property
    def exists(self) -> int:
        """Return how many messages the open folder holds, as far as the server told."""
        return self._protocol.exists

    @property
    def can_idle(self) -> bool:
        """Tell whether the server announces news by itself."""
        return self.offers("IDLE")

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the server offers, in upper case."""
        return frozenset(self._protocol.capabilities)

    def offers(self, capability: str) -> bool:
        """Tell whether the server offers this."""
        return capability in self._protocol.capabilities

    def close(self) -> None:
        """Drop the connection."""
        self._protocol.give_up(ConnectionBroken("we closed the connection"))

    # -- folders -------------------------------------------------------------------------

    async def folders(self) -> list[Folder]:
        """Return every folder that the server lists, but those with names nobody could type."""
        returning = self.offers("SPECIAL-USE") and self.offers("LIST-EXTENDED")
        args = ('""', '"*"', *(("RETURN (SPECIAL-USE)",) if returning else ()))
        lines = await self._ask("LIST", *args, wanted=b"LIST", allowance=LIST_MAX)
        found = [_read(read_list, answer) for answer in lines]
        folders = [
            Folder(
                name=from_wire_name(name),
                wire_name=name.decode("utf-8", "surrogateescape"),
                attributes=attributes,
            )
            for attributes, name in (entry for entry in found if entry)
        ]
        return [folder for folder in folders if folder.name.isprintable()]

    async def open(self, wire_name: str) -> Opened:
        """Open a folder read-only."""
        self._protocol.exists = 0
        try:
            lines = await self._ask("EXAMINE", quoted(wire_name), wanted=b"OK")
        except Refused:
            self._protocol.state = "AUTH"
            raise
        self._protocol.state = "SELECTED"
        self._protocol.notice.clear()
        codes = dict(_code(answer) for answer in lines)
        uidvalidity = codes.get(b"UIDVALIDITY")
        if uidvalidity is None:
            raise ConnectionBroken("the server names no UIDVALIDITY for the folder")
        return Opened(uidvalidity=uidvalidity, exists=self._protocol.exists)

    async def noop(self) -> None:
        """Give the server an opportunity to tell news."""
        await self._ask("NOOP")

    async def idle(self, for_s: float) -> bool:
        """Wait until the server says something about the open folder; False: it did not."""
        protocol = self._protocol
        protocol.begin(NOISE_MAX)
        protocol._idle_event.clear()
        running = asyncio.ensure_future(protocol.execute(Asked("IDLE", protocol.new_tag())))
        try:
            granted = asyncio.ensure_future(protocol.wait_for_idle_response())
            await self._first_of(running, granted, for_s=self._limits.patience_s)
            if not running.done():
                if not protocol._idle_event.is_set():
                    raise self._out_of_patience("IDLE")
                noticed = asyncio.ensure_future(protocol.notice.wait())
                await self._first_of(running, noticed, for_s=for_s)
            if not running.done():
                protocol.idle_done()
                await asyncio.wait({running}, timeout=self._limits.patience_s)
            if not running.done():
                raise self._out_of_patience("IDLE")
            _checked("IDLE", await running)
        finally:
            running.cancel()
        news = protocol.notice.is_set()
        protocol.notice.clear()
        return news

    # -- messages ------------------------------------------------------------------------

    async def uids_at(self, first: int, last: int) -> list[int]:
        """Return, in order, the UIDs of the messages with these sequence numbers.

        By sequence number, because a window of UIDs may hold any number of messages; and by FETCH,
        because there are servers whose UID SEARCH takes sequence numbers for UIDs.
        """
        lines = await self._ask(
            "FETCH",
            f"{first}:{last}",
            "(UID)",
            wanted=b"FETCH",
            allowance=NOISE_MAX + 64 * (last - first),
        )
        found = [_read(read_fetch, answer) for answer in lines]
        uids = sorted({each.uid for each in found if each is not None})
        if not uids:
            await self.noop()  # all of them may have been expunged
            if self.exists >= last:
                raise ConnectionBroken("the server does not list messages that it says it has")
        return uids

    async def outlines(self, uids: Sequence[int]) -> dict[int, Fetched]:
        """Return size, date and flags of those of these messages that still exist."""
        return await self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE FLAGS)")

    async def headers(self, uids: Sequence[int]) -> dict[int, Fetched]:
        """Return the raw headers of those of these messages that still exist."""
        part = f"(UID BODY.PEEK[HEADER]<0.{HEADER_MAX}>)"
        return await self._fetch(uids, part, octets=len(uids) * SLACK)

    async def bodies(self, outlines: Sequence[Fetched]) -> dict[int, bytes]:
        """Return the raw bytes of those of these messages that still exist.

        Messages up to a slice in size are read together; the caller bounds their sum.
        """
        most = self._limits.slice_bytes
        small = [each for each in outlines if each.size is not None and each.size <= most]
        found: dict[int, bytes] = {}
        if small:
            octets = sum(each.size or 0 for each in small)
            got = await self._fetch([each.uid for each in small], "(UID BODY.PEEK[])", octets)
            found = {uid: each.content for uid, each in got.items() if each.content is not None}
        for each in outlines:
            if each.size is None or each.size > most:
                content = await self._sliced(each.uid)
                if content is not None:
                    found[each.uid] = content
        return found

    async def _sliced(self, uid: int) -> bytes | None:
        size, most = self._limits.slice_bytes, self._limits.mail_max_bytes
        whole = bytearray()
        while True:
            part = f"(UID BODY.PEEK[]<{len(whole)}.{size}>)"
            got = (await self._fetch([uid], part, size)).get(uid)
            if got is None or got.content is None:
                return None
            whole += got.content
            if len(whole) > most:
                error = ConnectionBroken("a mail is larger than the server said it is")
                self._protocol.give_up(error)
                raise error
            if len(got.content) < size:
                return bytes(whole)

    async def _fetch(self, uids: Sequence[int], parts: str, octets: int = 0) -> dict[int, Fetched]:
        if not uids:
            return {}
        # Some servers state wrong sizes, so that room is left; what lies has to stop somewhere.
        room = self._limits.mail_max_bytes + octets if octets else NOISE_MAX
        lines = await self._ask(
            "FETCH",
            uid_set(uids),
            parts,
            prefix="UID",
            wanted=b"FETCH",
            allowance=room + SLACK,
            octets=octets,
        )
        asked, found = set(uids), dict[int, Fetched]()
        for answer in lines:
            each = _read(read_fetch, answer)
            if each is not None and each.uid in asked and not _says_less(each, found):
                found[each.uid] = each
        return found

    # -- commands ------------------------------------------------------------------------

    async def _ask(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        wanted: bytes | None = None,
        allowance: int = NOISE_MAX,
        octets: int = 0,
        replies: tuple[bytes, ...] = (),
    ) -> list[list[Part]]:
        """Run one command and return the untagged answers it wanted."""
        protocol = self._protocol
        protocol.begin(allowance)
        command = Asked(
            name,
            protocol.new_tag(),
            *args,
            prefix=prefix,
            wanted=frozenset({wanted} if wanted else ()),
            replies=replies,
        )
        try:
            async with asyncio.timeout(self._deadline_s(octets)):
                response = await protocol.execute(command)
        except TimeoutError:
            raise self._out_of_patience(name) from None
        except asyncio.CancelledError:
            self.close()
            raise
        _checked(name, response, command.challenges)
        return list(answers(response.lines[:-1]))

    def _deadline_s(self, octets: int) -> float:
        return self._limits.patience_s + octets / self._limits.slowest_bytes_per_s

    def _out_of_patience(self, name: str) -> ConnectionBroken:
        error = ConnectionBroken(f"the server did not answer {name} in time")
        self._protocol.give_up(error)
        return error

    async def _first_of(
        self, running: asyncio.Future[Any], other: asyncio.Future[Any], *, for_s: float
    ) -> None:
        try:
            await asyncio.wait({running, other}, timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            other.cancel()

    # -- beginning -----------------------------------------------------------------------

    async def learn_capabilities(self) -> None:
        """Ask what the server offers; it may offer other things after TLS and after login."""
        lines = await self._ask("CAPABILITY", wanted=b"CAPABILITY")
        words = [word for answer in lines for word in bytes(answer[0]).split()[1:]]
        self._protocol.capabilities = {word.decode("ascii", "replace").upper() for word in words}

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Protect the connection. Raises InsecureServer if the server does not let us."""
        if not self.offers("STARTTLS"):
            raise InsecureServer("the server does not offer STARTTLS")
        try:
            await self._ask("STARTTLS")
        except Refused as refusal:
            raise InsecureServer(f"the server refused STARTTLS: {refusal.text}") from refusal
        if self._protocol.broken:
            raise self._protocol.broken
        loop, transport = asyncio.get_running_loop(), self._protocol.transport
        assert transport is not None
        async with asyncio.timeout(self._limits.patience_s):
            protected = await loop.start_tls(
                transport, self._protocol, context, server_hostname=host
            )
        assert protected is not None
        self._protocol.resume_protected(protected)
        await self.learn_capabilities()

    async def sign_in(self, mailbox: Mailbox) -> None:
        """Say who we are. Raises LoginRefused."""
        if self._protocol.state != "NONAUTH":
            return
        try:
            await self._prove(mailbox)
        except Refused as refusal:
            raise LoginRefused("sign-in", refusal.text) from refusal
        self._protocol.state = "AUTH"
        await self.learn_capabilities()

    async def _prove(self, mailbox: Mailbox) -> None:
        login, secret = mailbox.login, mailbox.secret
        if mailbox.auth is Auth.XOAUTH2:
            proof = f"user={login}\1auth=Bearer {secret}\1\1"
            await self._authenticate("XOAUTH2", proof)
        elif mailbox.auth is Auth.OAUTHBEARER:
            name = login.replace("=", "=3D").replace(",", "=2C")
            await self._authenticate("OAUTHBEARER", f"n,a={name},\1auth=Bearer {secret}\1\1")
        elif self.offers("AUTH=PLAIN"):
            await self._authenticate("PLAIN", f"\0{login}\0{secret}")
        elif self.offers("LOGINDISABLED"):
            raise InsecureServer("the server does not allow passwords on this connection")
        else:
            await self._ask("LOGIN", quoted(login), quoted(secret))

    async def _authenticate(self, mechanism: str, proof: str) -> None:
        await self._ask("AUTHENTICATE", mechanism, replies=(b64encode(proof.encode()),))


@asynccontextmanager
async def connected(mailbox: Mailbox, limits: Limits) -> AsyncIterator[Session]:
    """Give a connection that was greeted and, where asked, protected; not yet signed in."""
    session = await _dial(mailbox, limits)
    try:
        yield session
    finally:
        session.close()


async def _dial(mailbox: Mailbox, limits: Limits) -> Session:
    loop = asyncio.get_running_loop()
    protocol = CarefulProtocol(loop)
    context = None if mailbox.tls is Tls.NONE else await asyncio.to_thread(tls_context, mailbox)
    implicit = context if mailbox.tls is Tls.IMPLICIT else None
    session = Session(protocol, limits)
    try:
        async with asyncio.timeout(limits.patience_s):
            await loop.create_connection(
                lambda: protocol,
                mailbox.host,
                mailbox.port,
                ssl=implicit,
                server_hostname=mailbox.host if implicit else None,
            )
            greeting = await protocol.greeting
        if mailbox.tls is Tls.NONE:
            _refuse_strangers(protocol)
        await _welcome(session, greeting, mailbox, context)
    except TimeoutError:
        session.close()
        raise ConnectionBroken("the server did not answer in time") from None
    except BaseException:
        session.close()
        raise
    return session


def tls_context(mailbox: Mailbox) -> ssl.SSLContext:
    """Return what checks the server's certificate and name. Reads files: call it in a thread."""
    return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=mailbox.ca_file)


def _refuse_strangers(protocol: CarefulProtocol) -> None:
    """Raise InsecureServer unless the other end of the plain connection is this machine."""
    assert protocol.transport is not None
    peer = protocol.transport.get_extra_info("peername")
    if not peer or not ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback:
        raise InsecureServer("tls = none is allowed only to a server on this machine")


async def _welcome(
    session: Session, greeting: bytes, mailbox: Mailbox, context: ssl.SSLContext | None
) -> None:
    protocol = session._protocol
    word = greeting[2:].split(b" ", 1)[0].upper() if greeting.startswith(b"* ") else b""
    if word == b"PREAUTH":
        if mailbox.tls is Tls.STARTTLS:
            raise InsecureServer("the server signed us in before the connection was protected")
        protocol.state = "AUTH"
    elif word == b"OK":
        protocol.state = "NONAUTH"
    else:
        text = greeting[:200].decode("utf-8", "replace")
        raise ConnectionBroken(f"this is no greeting of a mail server: {text}")
    await session.learn_capabilities()
    if mailbox.tls is Tls.STARTTLS:
        assert context is not None
        await session.start_tls(context, mailbox.host)


def _checked(name: str, response: Response, challenges: Sequence[bytes] = ()) -> None:
    if response.result == "OK":
        return
    text = bytes(response.lines[-1]).decode("utf-8", "replace")[:300]
    if len(challenges) > 1:  # the second one tells why a token was not accepted
        with suppress(ValueError):
            text += " " + b64decode(challenges[1]).decode("utf-8", "replace")[:300]
    raise Refused(name, text)


def _code(answer: Sequence[Part]) -> tuple[bytes, int | None]:
    """Return a response code that carries a number, such as UIDVALIDITY."""
    found = re.match(rb"OK \[([A-Z]+) (\d{1,10})\]", bytes(answer[0]), re.IGNORECASE)
    return (found[1].upper(), int(found[2])) if found else (b"", None)


def _read(reader: Callable[[Sequence[Part]], Any], answer: Sequence[Part]) -> Any:
    try:
        return reader(answer)
    except Unparsable as error:
        raise ConnectionBroken(f"the server's answer cannot be read: {error}") from error


def _says_less(each: Fetched, found: dict[int, Fetched]) -> bool:
    """Tell whether this is mere news of flags about a message that was already told."""
    return each.uid in found and each.size is None and each.content is None
