"""What is read from the wire does not depend on how the wire cuts it, and never raises."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mail.imap import answered
from ingest.mail.imap_protocol import Asked, CarefulProtocol, ConnectionBroken
from ingest.mail.imap_words import Fetched, Part, answers

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
    command = Asked("FETCH", "A1", wanted=frozenset({b"FETCH"}))
    return await read_for(command, chunks)


async def taken(chunks: list[bytes], uids: set[int]) -> tuple[dict[int, Fetched], dict[int, bytes]]:
    command = Asked("FETCH", "A1", wanted=frozenset({b"FETCH"}), uids=uids)
    await read_for(command, chunks)
    return answered(command)


async def read_for(
    command: Asked, chunks: list[bytes]
) -> tuple[list[list[Part]], CarefulProtocol, Wire]:
    protocol = CarefulProtocol(asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(cast(asyncio.Transport, wire))
    protocol.state = "SELECTED"
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


FETCHED = (
    b"* OK hello\r\n"
    b"* 1 FETCH (UID 7 BODY[] {17}\r\nA1 OK\r\n* 9 EXISTS)\r\n"
    b'* 1 FETCH (UID 7 FLAGS (\\Seen $x) INTERNALDATE "17-Jul-2026 02:44:25 +0300"'
    b" RFC822.SIZE 17)\r\n"
    b"* 1 FETCH (UID 7 FLAGS ())\r\n"  # news of flags: says less than what was told before
    b"* 2 FETCH (FLAGS (\\Seen))\r\n"
    b"* 3 FETCH (UID 9 BODY[] {2}\r\nno)\r\n"  # nobody asked for it
    b"* 3 FETCH (UID 9 RFC822.SIZE 2)\r\n"
    b"* 4 FETCH (uid 8 BODY[HEADER]<0> {0}\r\n)\r\n"
    b"A1 OK done\r\n"
)


@given(st.lists(st.integers(0, len(FETCHED))))
def test_what_was_asked_for_is_taken_alike_however_the_wire_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(FETCHED)]
    chunks = [FETCHED[a:b] for a, b in pairwise(ends)]
    outlines, contents = asyncio.run(taken(chunks, {7, 8}))
    assert contents == {7: b"A1 OK\r\n* 9 EXISTS", 8: b""}
    moment = datetime(2026, 7, 16, 23, 44, 25, tzinfo=UTC)
    told = Fetched(uid=7, size=17, internal_date=moment, flags=("\\Seen", "$x"))
    assert outlines == {7: told}


def test_a_line_too_long_is_no_outline_either() -> None:
    line = b"* 1 FETCH (UID 7 FLAGS (" + b"a" * 70_000 + b"))\r\n"
    _, protocol, _ = asyncio.run(read([b"* OK hello\r\n", line]))
    assert "longer than" in str(protocol.broken)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (b"VANISHED 3:5,8", 5),
        (b"vanished 8", 8),
        (b"VANISHED (EARLIER) 1:300", 9),  # gone before we looked: never counted
        (b"VANISHED 1:4294967295", 0),
        (b"VANISHED " + b"9" * 5_000, 9),
        (b"VANISHED", 9),
    ],
)
def test_vanished_messages_are_counted_off(said: bytes, left: int) -> None:
    stream = b"* OK hello\r\n* 9 EXISTS\r\n* " + said + b"\r\nA1 OK done\r\n"
    _, protocol, _ = asyncio.run(read([stream]))
    assert protocol.exists == left


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
        b"VANISHED 1:9,",
        b"* 1 FETCH (UID 7 FLAGS (a) RFC822.SIZE 5)\r\n",
        b"* 1 FETCH (UID 7 BODY[] {5}\r\n",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8))))
def test_no_octets_of_a_server_raise(pieces: list[bytes]) -> None:
    _, protocol, wire = asyncio.run(read(pieces))
    assert protocol.broken is not None  # by what was sent, at the latest by the lost connection
    assert wire.aborted
