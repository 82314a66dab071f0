"""Commands on one connection to an IMAP server: deadlines, protection, signing in.

Every command has a deadline; after any deadline the connection is dropped, because its state is
unknown then. Raises ConnectionBroken, InsecureServer or Refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from base64 import b64decode, b64encode
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aioimaplib.aioimaplib import Response  # type: ignore[import-untyped]

from ingest.domain.mailboxes import Auth, Mailbox
from ingest.mail.imap_protocol import (
    NOISE_MAX,
    Asked,
    CarefulProtocol,
    ConnectionBroken,
    InsecureServer,
    Refused,
)
from ingest.mail.imap_words import Part, answers, quoted

KIB, MIB = 1024, 1024 * 1024


class LoginRefused(Refused):
    """The server does not accept this login with this password or token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long we wait and how much we take."""

    patience_s: float = 30.0  #: for an answer, before its size is counted
    slowest_bytes_per_s: int = 50_000
    mail_max_bytes: int = 50 * MIB  #: of a larger mail only the header is kept
    slice_bytes: int = 1 * MIB  #: larger mails are read in slices of this size
    squeeze_near: bool = False  #: compress to this very machine as well: costs more than it saves


class Connection:
    """One connection, used by one task at a time."""

    def __init__(self, protocol: CarefulProtocol, limits: Limits) -> None:
        self._protocol = protocol
        self._limits = limits

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
        command = self._command(name, *args, prefix=prefix, wanted=wanted, replies=replies)
        await self._run([command], allowance=allowance, octets=octets)
        return granted(command)

    def _command(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        wanted: bytes | None = None,
        replies: tuple[bytes, ...] = (),
        uids: Container[int] | None = None,
    ) -> Asked:
        return Asked(
            name,
            self._protocol.new_tag(),
            *args,
            prefix=prefix,
            wanted=frozenset({wanted} if wanted else ()),
            replies=replies,
            uids=uids,
        )

    async def _run(
        self, commands: Sequence[Asked], *, allowance: int = NOISE_MAX, octets: int = 0
    ) -> None:
        """Send these commands one behind the other and return when all have ended."""
        protocol = self._protocol
        protocol.begin(allowance)
        try:
            async with asyncio.timeout(self._deadline_s(octets)):
                for command in commands:
                    protocol.start(command)
                for command in commands:
                    await command.wait()
        except TimeoutError:
            raise self._out_of_patience(commands[0].name) from None
        except asyncio.CancelledError:
            self.close()
            raise

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

    async def squeeze(self) -> bool:
        """Have both directions compressed, where that is offered and worth it; tell whether."""
        if not self.offers("COMPRESS=DEFLATE") or (self.is_near and not self._limits.squeeze_near):
            return False
        try:
            await self._ask("COMPRESS", "DEFLATE")
        except Refused:  # TLS does it already, or the server thinks better of it
            return False
        return True

    @property
    def is_near(self) -> bool:
        """Tell whether the other end is this very machine."""
        transport = self._protocol.transport
        peer = transport.get_extra_info("peername") if transport else None
        if not peer:
            return False
        return ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback

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


def granted(command: Asked) -> list[list[Part]]:
    """Return the untagged answers that a command wanted. Raises Refused."""
    response = command.response
    checked(command.name, response, command.challenges)
    return list(answers(response.lines[:-1]))


def checked(name: str, response: Response, challenges: Sequence[bytes] = ()) -> None:
    """Raise Refused unless the command was granted."""
    if response.result == "OK":
        return
    text = bytes(response.lines[-1]).decode("utf-8", "replace")[:300]
    if len(challenges) > 1:  # the second one tells why a token was not accepted
        with suppress(ValueError):
            text += " " + b64decode(challenges[1]).decode("utf-8", "replace")[:300]
    raise Refused(name, text)
