"""The local socket: how a command reaches the running core, and the core the edges.

One JSON object a line, both ways: `{"do": name, "with": {...}}` is answered by any number of
`{"progress": [done, total]}` and one `{"done": ...}` or `{"failed": sentence}`. The socket's mode
is 0600: whoever may open it may already read the databases.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

LONGEST_LINE = 64 * 1024 * 1024
CONNECT_S = 2.0
PATIENCE_S = 30.0  #: of one part of the service that asks the other

_MAYBE = "it may have been done; look before you repeat it"

Tell = Callable[[int, int], None]
Handler = Callable[[Mapping[str, Any], Tell], Awaitable[Any]]


class NotRunning(Exception):
    """Nothing answers at the socket; nothing was asked."""


class Lost(Exception):
    """It was asked and no answer came: it may have been done."""


class Refused(Exception):
    """The other side understood and said no; the text says why."""


async def serve(path: Path, handlers: Mapping[str, Handler]) -> asyncio.Server:
    """Answer requests at the socket until the server is closed."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (line := await reader.readline()).endswith(b"\n"):
                await _answer(line, handlers, writer)
        writer.close()

    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # noqa: ASYNC240 (a socket left behind by a crash)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody can connect before it listens, and by then its mode is right. A umask would be the
        # whole process's.
        listening.bind(str(path))
        path.chmod(0o600)  # noqa: ASYNC240
        listening.setblocking(False)
        return await asyncio.start_unix_server(talk, sock=listening, limit=LONGEST_LINE)
    except BaseException:
        listening.close()
        raise


async def _answer(
    line: bytes, handlers: Mapping[str, Handler], writer: asyncio.StreamWriter
) -> None:
    loop = asyncio.get_running_loop()

    def say(what: dict[str, Any]) -> None:
        writer.write(json.dumps(what).encode() + b"\n")

    def tell(done: int, total: int) -> None:
        loop.call_soon_threadsafe(say, {"progress": [done, total]})

    try:
        asked = json.loads(line)
        handler = handlers.get(asked["do"])
        if handler is None:
            say({"failed": f"there is no command {asked['do']}"})
        else:
            say({"done": await handler(asked["with"], tell)})
    except Refused as error:
        say({"failed": str(error)})
    except Exception as error:
        log.exception("local.failed")
        say({"failed": f"it failed inside: {type(error).__name__}; the log says more"})
    await writer.drain()


def ask(
    path: Path,
    do: str,
    arguments: Mapping[str, Any],
    tell: Tell | None = None,
    *,
    patience_s: float | None = None,
) -> Any:
    """Ask the process at the socket and return its answer.

    `patience_s`: the longest to wait for the next line of it; None: for ever. Raises NotRunning if
    it was not asked, Refused if it said no, and Lost if it was asked and did not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(str(path))
            connection.settimeout(patience_s)
            connection.sendall(json.dumps({"do": do, "with": dict(arguments)}).encode() + b"\n")
        except (FileNotFoundError, ConnectionError, TimeoutError) as error:
            raise NotRunning(str(path)) from error  # a line without its end is not obeyed
        try:
            return _answered(connection, tell)
        except TimeoutError as error:
            raise Lost(f"{do}: no answer within {patience_s:g} s; {_MAYBE}") from error
        except (ConnectionError, EOFError) as error:
            raise Lost(f"{do}: the service ended before it answered; {_MAYBE}") from error


def _answered(connection: socket.socket, tell: Tell | None) -> Any:
    """Return the answer. Raises Refused, or EOFError if there is none."""
    with connection.makefile("rb") as answers:
        for line in answers:
            if not line.endswith(b"\n"):
                break
            said = json.loads(line)
            if "progress" in said and tell is not None:
                tell(*said["progress"])
            elif "failed" in said:
                raise Refused(said["failed"])
            elif "done" in said:
                return said["done"]
    raise EOFError
