"""The local socket: who may open it, and what a caller hears when the other side is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from ingest import local


@contextmanager
def answering(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[None]:
    """Let another side take one connection and do with it what the test wants."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def take() -> None:
            connection, _ = listening.accept()
            with connection:
                behave(connection)

        thread = Thread(target=take)
        thread.start()
        yield
        thread.join(10)


def heard(connection: socket.socket) -> bytes:
    return connection.makefile("rb").readline()


def test_nobody_at_the_socket_means_it_was_not_done(tmp_path: Path):
    with pytest.raises(local.NotRunning):
        local.ask(tmp_path / "socket", "token.add", {})


def test_a_socket_left_behind_by_a_crash_means_it_was_not_done(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "socket"))

    with pytest.raises(local.NotRunning):
        local.ask(tmp_path / "socket", "token.add", {})


def test_an_end_after_it_was_asked_is_told_as_such(tmp_path: Path):
    def did_it_and_died(connection: socket.socket) -> None:
        assert b"token.add" in heard(connection)

    with (
        answering(tmp_path / "socket", did_it_and_died),
        pytest.raises(local.Lost, match="it may have been done; look before you repeat it"),
    ):
        local.ask(tmp_path / "socket", "token.add", {"name": "x"})


def test_half_an_answer_is_no_answer(tmp_path: Path):
    def died_over_the_answer(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b'{"done": {"tok')

    with answering(tmp_path / "socket", died_over_the_answer), pytest.raises(local.Lost):
        local.ask(tmp_path / "socket", "token.add", {})


def test_who_cannot_wait_for_ever_gives_up(tmp_path: Path):
    def says_nothing(connection: socket.socket) -> None:
        heard(connection)
        heard(connection)  # until the caller has left

    with (
        answering(tmp_path / "socket", says_nothing),
        pytest.raises(local.Lost, match="no answer within"),
    ):
        local.ask(tmp_path / "socket", "append", {}, patience_s=0.05)


async def test_a_command_that_did_not_come_whole_is_not_done(tmp_path: Path):
    done: list[Mapping[str, Any]] = []

    async def do(asked: Mapping[str, Any], tell: local.Tell) -> None:
        done.append(asked)

    server = await local.serve(tmp_path / "socket", {"do": do})
    reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    writer.write(b'{"do": "do", "with": {}}')
    writer.write_eof()
    await reader.read()
    writer.close()
    server.close()

    assert done == []


async def test_only_its_owner_may_open_the_socket_and_files_made_meanwhile_keep_their_mode(
    tmp_path: Path,
):
    wrong: list[str] = []
    opened = Event()

    def make_directories() -> None:
        while not opened.is_set():
            made = tmp_path / "made"
            made.mkdir(mode=0o700)
            if (mode := made.stat().st_mode & 0o777) != 0o700:
                wrong.append(oct(mode))
            made.rmdir()

    thread = Thread(target=make_directories)
    thread.start()
    for _ in range(100):
        server = await local.serve(tmp_path / "socket", {})
        assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
        server.close()
    opened.set()
    thread.join(10)

    assert wrong == []


async def test_what_is_asked_is_answered(tmp_path: Path):
    async def add(asked: Mapping[str, Any], tell: local.Tell) -> int:
        await asyncio.to_thread(tell, 1, 2)
        return int(asked["a"]) + int(asked["b"])

    told: list[tuple[int, int]] = []
    server = await local.serve(tmp_path / "socket", {"add": add})

    done = await asyncio.to_thread(
        local.ask,
        tmp_path / "socket",
        "add",
        {"a": 1, "b": 2},
        lambda done, total: told.append((done, total)),
    )

    server.close()
    assert (done, told) == (3, [(1, 2)])
