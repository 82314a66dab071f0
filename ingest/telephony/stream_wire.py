"""One connection to a telephone system: opened, over TLS if asked, read and written with patience.

Every trouble with it is `Lost`, with a reason that names the setting which it is about.
"""

from __future__ import annotations

import asyncio
import ssl

from ingest.telephony.endpoints import Endpoint

READ_BYTES = 65_536  #: of one read; what is read beyond is held back by the socket


class Lost(Exception):
    """The connection is over; the text says why, for people."""

    def __init__(self, because: str, *, refused: bool = False) -> None:
        super().__init__(because)
        self.refused = refused  #: the login itself was refused


class Wire:
    """An open connection; every trouble with it is Lost."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience_s = patience_s

    async def read(self, patience_s: float) -> bytes | None:
        """Return what came; None: nothing within the patience. Raises Lost."""
        try:
            async with asyncio.timeout(patience_s):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return None
        except OSError as error:
            raise Lost(f"the connection broke: {error.strerror or error}") from error
        if not data:
            raise Lost("the other side closed the connection")
        return data

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises Lost."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._patience_s):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Lost("the connection broke while we spoke") from error

    def close(self) -> None:
        """Let go of it; what was not sent is not."""
        self._writer.transport.abort()


async def open_wire(endpoint: Endpoint, patience_s: float) -> Wire:
    """Return an open connection. Raises Lost."""
    try:
        context = await asyncio.to_thread(_context, endpoint) if endpoint.tls else None
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection(
                endpoint.host,
                endpoint.port,
                limit=READ_BYTES,
                ssl=context,
                server_hostname=endpoint.host if context else None,
            )
    except (OSError, TimeoutError, UnicodeError) as error:  # the last: a name that is none
        raise Lost(_why_not(endpoint, error)) from error
    return Wire(reader, writer, patience_s)


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return what checks certificate and name. Reads files: call it in a thread."""
    return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=endpoint.ca_file)


def _why_not(endpoint: Endpoint, error: Exception) -> str:
    """Return why no connection came about, and which setting it is about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: the certificate of {endpoint} was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {endpoint} does not speak TLS from the first byte, or ca_file holds none"
    if isinstance(error, FileNotFoundError):
        return f"ca_file: there is no file {endpoint.ca_file}"
    if isinstance(error, ConnectionRefusedError):
        return f"host, port: nothing listens at {endpoint}"
    if isinstance(error, TimeoutError):
        return f"host, port: {endpoint} does not answer; a firewall may be in between"
    if isinstance(error, UnicodeError):
        return f"host: {endpoint.host} is no name of a host"
    return f"host, port: {endpoint} cannot be reached: {getattr(error, 'strerror', None) or error}"
