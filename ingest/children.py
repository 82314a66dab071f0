"""Readers of hostile formats, in child processes with limits of memory and time.

A child runs one pure function over octets. Whatever a message does to it (exhausts memory,
loops, crashes a native parser) costs that message alone: what was read before it stays read,
what comes after goes on in a fresh child.

A child starts as a program of its own (`ingest.child`), never as a fork of a process with
threads, and ends when its pipe closes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Generic, Self, TypeVar, get_type_hints

import msgspec

from ingest.child import LENGTH, MIB

T = TypeVar("T")

START_S = 30.0  #: a child that has not said hello by then is given up

SHARE = 8  #: items that are worth a child of their own

_CHUNK = MIB  #: written to or read from a pipe at once
_PIPE = MIB  #: octets that a pipe holds, where the system lets it
_GATHER_S = 0.003  #: that answers to many items gather before they are taken


class FailureKind(StrEnum):
    """Why an item gave no result."""

    UNREADABLE = "unreadable"  #: the function said so: UnreadableDelivery
    ERROR = "error"  #: the function raised something else: a fault of ours
    DIED = "died"  #: the child ended over it: memory, or a crash
    TIMEOUT = "timeout"  #: CPU or wall time was up


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An item that could not be read, and why: the sentence an operator reads."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one child may use."""

    memory: int = 512 * MIB  #: octets of address space above what it has when idle
    cpu_s: float = 2.0  #: for one item
    wall_s: float = 5.0  #: for one item


class ReaderNotStarted(Exception):
    """The process that reads messages could not be started, or not any more; the text says why."""


class Readers(Generic[T]):
    """A pool of child processes that all run `function` over octets.

    Synchronous and safe to use from several threads. Many items are shared among the children;
    few borrow one. Children start when first needed and live until `close`.
    """

    def __init__(
        self,
        function: Callable[[bytes], T],
        *,
        children: int = 1,
        limits: ChildLimits | None = None,
    ) -> None:
        self._name = f"{function.__module__}:{function.__qualname__}"
        self._decode = msgspec.msgpack.Decoder(get_type_hints(function)["return"]).decode
        self._limits = limits or ChildLimits()
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._children = children
        for _ in range(children):
            self._idle.put(None)  # a place for a child, not yet started
        self._sharers = ThreadPoolExecutor(children, thread_name_prefix="readers")
        self._at_work: set[_Child] = set()
        self._stopped = False

    @property
    def at_work(self) -> int:
        """Return how many children are reading."""
        return len(self._at_work)

    def read(self, item: bytes) -> T | Failure:
        """Return what the function makes of one item, or why it makes nothing of it."""
        return self.read_many([item])[0]

    def read_many(self, items: Sequence[bytes]) -> list[T | Failure]:
        """Return a result or a Failure for each item, in order.

        Raises ReaderNotStarted only if no child can be started at all, or after `stop`.
        """
        shares = min(self._children, len(items) // SHARE)
        if shares <= 1:
            return self._read_by_one(items)
        size = -(-len(items) // shares)
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        return [result for part in self._sharers.map(self._read_by_one, parts) for result in part]

    def _read_by_one(self, items: Sequence[bytes]) -> list[T | Failure]:
        results: list[T | Failure] = []
        child = self._idle.get()
        try:
            while len(results) < len(items):
                if child is None:
                    child = _Child(self._name, self._limits)
                self._at_work.add(child)
                if self._stopped:  # also while the child was being started
                    raise ReaderNotStarted("reading has been stopped")
                for frame in child.run(items[len(results) :]):
                    results.append(self._result(frame))
                self._at_work.discard(child)
                if len(results) < len(items) and not self._stopped:
                    results.append(child.end())
                    child = None
        except BaseException:
            if child is not None:  # its pipes hold half an answer: never used again
                self._at_work.discard(child)
                child.end()
                child = None
            raise
        finally:
            self._idle.put(child)
        return results

    def stop(self) -> None:
        """Break off what is being read: those calls raise ReaderNotStarted, and all later ones."""
        self._stopped = True
        for child in list(self._at_work):
            child.kill()

    def close(self) -> None:
        """End all children; waits for calls that still run."""
        self._sharers.shutdown()
        for child in [self._idle.get() for _ in range(self._children)]:
            if child is not None:
                child.end()
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _result(self, frame: bytes) -> T | Failure:
        tag, payload = frame[:1], frame[1:]
        if tag == b"R":
            return self._decode(payload)  # type: ignore[no-any-return]
        kind = FailureKind.UNREADABLE if tag == b"U" else FailureKind.ERROR
        return Failure(kind=kind, reason=payload.decode("utf-8", "replace"))


class _Child:
    """One running child, as the parent sees it."""

    def __init__(self, name: str, limits: ChildLimits) -> None:
        self._limits = limits
        self._late = False
        self._process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "ingest.child", name, str(limits.memory), str(limits.cpu_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # What strangers wrote is read here: the child learns no setting and no secret.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._to, self._from):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # so many pipes of this user that it refuses
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        hello = next(self._frames([], 1, START_S), b"it ended before it said why")
        if hello != b"ready":
            self.end()
            raise ReaderNotStarted(f"{name}: {hello.decode('utf-8', 'replace')}")

    def run(self, items: Sequence[bytes]) -> Iterator[bytes]:
        """Yield one frame for each item, fewer if the child dies or is late over one."""
        return self._frames(items, len(items), self._limits.wall_s)

    def kill(self) -> None:
        """Let whoever waits for the child find it gone; from any thread."""
        self._process.kill()

    def end(self) -> Failure:
        """End the child; return why it did not answer."""
        self._process.kill() if self._late else self._close_and_wait()
        code = self._process.wait()
        self._close_pipes()
        if self._late:
            reason = f"not read within {self._limits.wall_s:g} s"
            return Failure(kind=FailureKind.TIMEOUT, reason=reason)
        if code == -signal.SIGPROF:
            reason = f"not read within {self._limits.cpu_s:g} s of CPU time"
            return Failure(kind=FailureKind.TIMEOUT, reason=reason)
        return Failure(kind=FailureKind.DIED, reason=f"the reader died over it ({_cause(code)})")

    def _close_and_wait(self) -> None:
        self._close_pipes()
        try:
            self._process.wait(timeout=self._limits.wall_s)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _frames(self, items: Sequence[bytes], wanted: int, patience_s: float) -> Iterator[bytes]:
        """Feed the items and yield the answers as they come, neither waiting for the other."""
        feed = _Feed(items)
        got = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            if feed.waiting:
                selector.register(self._to, selectors.EVENT_WRITE)
            deadline = time.monotonic() + patience_s
            while wanted:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready and time.monotonic() >= deadline:
                    self._late = True
                    return
                for key, _ in ready:
                    if key.fd == self._from:
                        if not self._receive(got):
                            return
                    elif not feed.send(self._to):
                        selector.unregister(self._to)
                for frame in _complete(got):
                    yield frame
                    wanted -= 1
                    deadline = time.monotonic() + patience_s
                if wanted > SHARE:  # waking for each would take the interpreter from others
                    time.sleep(_GATHER_S)

    def _receive(self, got: bytearray) -> bool:
        """Take what the child sent; False: it is gone."""
        try:
            data = os.read(self._from, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        got += data
        return bool(data)


class _Feed:
    """Items on their way to a child, a chunk at a time."""

    def __init__(self, items: Sequence[bytes]) -> None:
        self._chunks = _chunks_of(items)
        self._rest = memoryview(next(self._chunks, b""))

    @property
    def waiting(self) -> bool:
        """Tell whether anything is still to be sent."""
        return bool(self._rest)

    def send(self, pipe: int) -> bool:
        """Send what fits; return whether more is waiting. A dead child takes nothing more."""
        try:
            self._rest = self._rest[os.write(pipe, self._rest[:_CHUNK]) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        return self.waiting


def _chunks_of(items: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the items as frames, small ones together: each piece written is a call of its own."""
    pieces: list[bytes] = []
    size = 0
    for item in items:
        pieces += (LENGTH.pack(len(item)), item)
        size += LENGTH.size + len(item)
        if size >= _CHUNK:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _complete(got: bytearray) -> Iterator[bytes]:
    """Take the complete frames off the front of what came."""
    at = 0
    try:
        while len(got) - at >= LENGTH.size:
            (size,) = LENGTH.unpack_from(got, at)
            end = at + LENGTH.size + size
            if len(got) < end:
                return
            frame = bytes(memoryview(got)[at + LENGTH.size : end])
            at = end
            yield frame
    finally:
        del got[:at]


def _cause(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit {code}"
