"""Reaching a mailbox's server: connection, certificate, greeting, protection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from ingest.domain.mailboxes import Mailbox, Tls
from ingest.mail.imap import Limits, Session
from ingest.mail.imap_protocol import CarefulProtocol, ConnectionBroken, InsecureServer


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
            _refuse_strangers(session)
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
    changed_at = Path(mailbox.ca_file).stat().st_mtime_ns if mailbox.ca_file else 0
    return _context(mailbox.ca_file, changed_at)


@lru_cache(maxsize=32)
def _context(ca_file: str | None, changed_at: int) -> ssl.SSLContext:
    """Return one context for all connections that trust the same: each holds all authorities."""
    return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)


def _refuse_strangers(session: Session) -> None:
    """Raise InsecureServer unless the other end of the plain connection is this machine."""
    if not session.is_near:
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
