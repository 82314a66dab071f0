"""What is read from the wire does not depend on how the wire cuts it, and never raises."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from ingest.mail.imap_protocol import Asked, CarefulProtocol, ConnectionBroken
from ingest.mail.imap_words import Part, answers

STREAM = (
    b"* OK hello\r\n"
    b"* 3 EXISTS\r\n"
    b"* OK [NOTICE] this ends like a literal {7}\r\n"
    b"* 1 FETCH (UID 7 BODY[] {17}\r\nA1 OK\r\n* 9 EXISTS FLAGS ())\r\n"
    b'* 2 FETCH (UID 8 BODY[] {0}\r\n X "* quoted * (" Y {2}\r\n))Z {1}\r\n\r)\r\n'
    b"* 2 EXPUNGE\r\n"
    b"noise\r\n"
    b"A1 OK done\r\n"
)


class Wire:
    """A transport that nobody listens to."""

    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None:
        """Send nothing."""

    def abort(self) -> None:
        """Take note."""
        self.aborted = True

    def pause_reading(self) -> None:
        """Do nothing."""


async def read(chunks: list[bytes]) -> tuple[list[list[Part]], CarefulProtocol, Wire]:
    protocol = CarefulProtocol(asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(cast(asyncio.Transport, wire))
    protocol.state = "SELECTED"
    command = Asked("FETCH", "A1", wanted=frozenset({b"FETCH"}))
    running = asyncio.ensure_future(protocol.execute(command))
    await asyncio.sleep(0)
    for chunk in chunks:
        protocol.data_received(chunk)
    protocol.connection_lost(None)
    try:
        response = await running
    except ConnectionBroken:
        return [], protocol, wire
    return list(answers(response.lines[:-1])), protocol, wire


@given(st.lists(st.integers(0, len(STREAM))))
def test_every_cutting_of_the_wire_reads_alike(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(ends)]
    found, protocol, _ = asyncio.run(read(chunks))
    assert found == [
        [b"1 FETCH (UID 7 BODY[] {17}", b"A1 OK\r\n* 9 EXISTS", b" FLAGS ())"],
        [
            b"2 FETCH (UID 8 BODY[] {0}",
            b"",
            b' X "* quoted * (" Y {2}',
            b"))",
            b"Z {1}",
            b"\r",
            b")",
        ],
    ]
    assert protocol.exists == 2


PIECES = st.sampled_from(
    [
        b"* ",
        b"A1 OK",
        b"\r\n",
        b"{5}",
        b"{99999999999}",
        b"FETCH (",
        b")",
        b"+ ",
        b"BYE",
        b"1 EXISTS",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8))))
def test_no_octets_of_a_server_raise(pieces: list[bytes]) -> None:
    _, protocol, wire = asyncio.run(read(pieces))
    assert protocol.broken is not None  # by what was sent, at the latest by the lost connection
    assert wire.aborted
