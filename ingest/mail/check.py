"""Checking a mailbox step by step: what works, and for what does not, the setting to correct."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ingest.domain.mailboxes import Mailbox, Tls
from ingest.mail.folders import INBOX, to_follow
from ingest.mail.imap import Limits, LoginRefused, Session
from ingest.mail.imap_dial import connected
from ingest.mail.imap_protocol import ConnectionBroken, InsecureServer, Refused

#: What the follower uses where it is offered, and what it does without.
WELCOME_CAPABILITIES = {
    "IDLE": "new mail is noticed at once; without it, by looking once a minute",
    "CONDSTORE": "an unchanged folder costs one command; without it, two or three",
    "SPECIAL-USE": "the folder of sent mail is found by its mark; without it, by its name",
}

NEEDED = frozenset({"resolve", "connect", "tls", "login"})  #: nothing can be tried after a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a check."""

    name: str
    ok: bool
    text: str  #: what was found; if not ok, which setting to correct and how


class _Failed(Exception):
    """A step failed; the text says which setting to correct."""


async def check(mailbox: Mailbox, *, limits: Limits | None = None) -> AsyncIterator[Step]:
    """Try a mailbox and yield each step as it ends; up to the login each needs the one before."""
    limits = limits or Limits(patience_s=10.0)
    async with AsyncExitStack() as stack:
        held: list[Session] = []

        async def dial() -> str:
            held.append(await stack.enter_async_context(connected(mailbox, limits)))
            return _protection(mailbox)

        checks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("resolve", lambda: _resolve(mailbox)),
            ("connect", lambda: _connect(mailbox, limits)),
            ("tls", dial),
            ("login", lambda: _login(held[0], mailbox)),
            ("capabilities", lambda: _capabilities(held[0])),
            ("folders", lambda: _folders(held[0], mailbox)),
            ("test fetch", lambda: _fetch(held[0])),
        ]
        for name, run in checks:
            try:
                yield Step(name=name, ok=True, text=await run())
            except (_Failed, ConnectionBroken, Refused, OSError, ValueError) as error:
                yield Step(name=name, ok=False, text=_advice(name, error, mailbox))
                if name in NEEDED:
                    return


async def _resolve(mailbox: Mailbox) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(mailbox.host, mailbox.port, type=1)
    return f"{mailbox.host} is {', '.join(dict.fromkeys(str(each[4][0]) for each in found))}"


async def _connect(mailbox: Mailbox, limits: Limits) -> str:
    async with asyncio.timeout(limits.patience_s):
        _, writer = await asyncio.open_connection(mailbox.host, mailbox.port)
    writer.transport.abort()
    return f"port {mailbox.port} answers"


def _protection(mailbox: Mailbox) -> str:
    if mailbox.tls is Tls.NONE:
        return "not protected, which is allowed because the server is this machine"
    return f"protected ({mailbox.tls.value}), the certificate is valid for {mailbox.host}"


async def _login(session: Session, mailbox: Mailbox) -> str:
    await session.sign_in(mailbox)
    return f"signed in as {mailbox.login}"


async def _capabilities(session: Session) -> str:
    lacking = [
        f"no {name}: {what.partition('; ')[2]}"
        for name, what in WELCOME_CAPABILITIES.items()
        if not session.offers(name)
    ]
    return "; ".join(lacking) or "all that the follower likes to use is offered"


async def _folders(session: Session, mailbox: Mailbox) -> str:
    listed = await session.folders()
    followed = to_follow(listed, mailbox.folders)
    names = {folder.name for folder in followed}
    if missing := [name for name in mailbox.folders if name not in names]:
        there = ", ".join(sorted(folder.name for folder in listed)[:30])
        raise _Failed(
            f"folders: the server has no folder {', '.join(missing)}. It has: {there}. "
            "Correct the setting folders."
        )
    if not any(folder.sent for folder in followed):
        raise _Failed(
            "folders: no folder of sent mail was found. Name it in the setting folders, or create "
            "it; without it the mails that colleagues send are not seen."
        )
    return "follows " + ", ".join(folder.name for folder in followed)


async def _fetch(session: Session) -> str:
    opened = await session.open(INBOX)
    if not opened.exists:
        return "INBOX can be opened; there is no mail in it yet"
    uids = await session.uids_at(opened.exists, opened.exists)
    found = await session.headers(uids)
    if not any(each.content for each in found.values()):
        raise _Failed("the server lists mail in INBOX and does not give it out")
    return f"INBOX can be read; it holds {opened.exists} mails"


def _advice(name: str, error: Exception, mailbox: Mailbox) -> str:
    """Return what went wrong, which setting it is about, and what to do."""
    where = f"{mailbox.host}:{mailbox.port}"
    if isinstance(error, _Failed):
        return str(error)
    if name == "resolve":
        return f"host: no address is known for {mailbox.host}. Correct the name of the mail server."
    if name == "connect":
        return (
            f"host, port: nothing answers at {where}. Usual ports are 993 (tls = implicit) and "
            "143 (tls = starttls); a firewall may be in between."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"tls: the certificate of {where} was not accepted: {error.verify_message}. Use the "
            "name that the certificate was made for as host, or name the company's own authority "
            "in ca_file."
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"tls: {where} does not speak TLS from the first byte. Set tls = starttls (port 143), "
            "or correct the port."
        )
    if isinstance(error, FileNotFoundError):
        return f"ca_file: there is no file {mailbox.ca_file}."
    if isinstance(error, InsecureServer):
        return f"tls: {error}. Set tls = implicit (port 993)."
    if isinstance(error, LoginRefused):
        return (
            f"login, password: the server refused them: {error.text}. Many providers want a "
            "password made for this program, and IMAP switched on in the mailbox's settings."
        )
    return f"{name}: {error or type(error).__name__}"
