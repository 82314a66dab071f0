"""Compression of a connection, and what a server could do with it."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from ingest.mail.imap_protocol import Asked, CarefulProtocol, ConnectionBroken
from ingest.mail.imap_squeeze import PIECE, BadStream, Squeezed


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)


def test_what_is_sent_can_be_read_by_any_server() -> None:
    squeezed, server = Squeezed(), zlib.decompressobj(-15)
    for line in (b"a1 NOOP\r\n", b"a2 UID FETCH 1:9 (UID)\r\n"):
        assert server.decompress(squeezed.closed(line)) == line


def test_a_bomb_is_handed_on_in_bounded_pieces() -> None:
    pieces = Squeezed().opened(deflated(b"x" * 50_000_000))
    assert max(len(next(pieces)) for _ in range(5)) <= PIECE


@pytest.mark.parametrize("garbage", [b"\xff" * 20, b"* 1 EXISTS\r\n"])
def test_what_is_not_compressed_is_refused(garbage: bytes) -> None:
    with pytest.raises(BadStream):
        list(Squeezed().opened(garbage))


def test_a_stream_that_ended_is_not_read_on() -> None:
    closer = zlib.compressobj(9, zlib.DEFLATED, -15)
    ended = closer.compress(b"* 1 EXISTS\r\n") + closer.flush()
    squeezed = Squeezed()
    assert list(squeezed.opened(ended)) == [b"* 1 EXISTS\r\n"]
    with pytest.raises(BadStream):
        list(squeezed.opened(b"more"))


class Sink(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: object) -> None:
        self.written += bytes(data)  # type: ignore[call-overload]

    def abort(self) -> None:
        self.aborted = True


async def squeezed_protocol(more: bytes = b"") -> tuple[CarefulProtocol, Sink]:
    """Return a protocol to which COMPRESS was granted, with what came in the same chunk."""
    protocol, sink = CarefulProtocol(asyncio.get_running_loop()), Sink()
    protocol.transport = sink
    protocol.data_received(b"* OK ready\r\n")
    protocol.state = "AUTH"
    command = Asked("COMPRESS", protocol.new_tag(), "DEFLATE")
    protocol.start(command)
    protocol.data_received(command.tag.encode() + b" OK granted\r\n" + more)
    await command.wait()
    return protocol, sink


async def test_what_stands_behind_the_grant_is_compressed_already() -> None:
    protocol, _ = await squeezed_protocol(deflated(b"* 7 EXISTS\r\n"))
    assert protocol.exists == 7


async def test_after_the_grant_nothing_is_sent_in_the_clear() -> None:
    protocol, sink = await squeezed_protocol()
    before = len(sink.written)
    protocol.send("a9 NOOP")
    assert b"NOOP" not in sink.written[before:]
    assert zlib.decompressobj(-15).decompress(sink.written[before:]) == b"a9 NOOP\r\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (deflated(b"* 1 EXISTS\r\n" * 10_000_000), "more than was asked for"),
        (b"plain text\r\n" * 3, "cannot be decompressed"),
    ],
)
async def test_a_bomb_or_garbage_ends_the_connection(data: bytes, reason: str) -> None:
    protocol, sink = await squeezed_protocol()
    protocol.data_received(data)
    assert sink.aborted
    assert isinstance(protocol.broken, ConnectionBroken)
    assert reason in str(protocol.broken)
