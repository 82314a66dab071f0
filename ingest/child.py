"""The child side of `ingest.children`: runs one pure function over what comes down a pipe.

The wire: frames of a four-octet length and that many octets. Items come in; back go `R` with
the result in MessagePack, or `U` (unreadable) or `E` (error) with a reason. The first frame
back is `ready`, or why the function could not be found.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from ingest.domain.deliveries import UnreadableDelivery
from ingest.pauses import settle

LENGTH = struct.Struct(">I")
MIB = 1024 * 1024


def serve(name: str, memory: int, cpu_s: float) -> None:
    """Be the child: run the named function over the items on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end is told by the pipe
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb", closefd=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print breaks no frame
    try:
        function = _named(name)
    except Exception as error:
        _put(target, f"{type(error).__name__}: {error}".encode())
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ceiling = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    settle()
    _put(target, b"ready")
    encode = msgspec.msgpack.Encoder().encode
    while (item := _take(source)) is not None:
        signal.setitimer(signal.ITIMER_PROF, cpu_s)  # its signal ends the process
        answer = _answer(function, item, encode)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _put(target, answer)


def _answer(
    function: Callable[[bytes], object], item: bytes, encode: Callable[[object], bytes]
) -> bytes:
    try:
        return b"R" + encode(function(item))
    except UnreadableDelivery as error:
        return b"U" + str(error).encode("utf-8", "replace")
    except MemoryError:
        raise  # what is left of the process is not to be trusted
    except Exception as error:
        return b"E" + f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


def _named(name: str) -> Callable[[bytes], Any]:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def _address_space() -> int:
    """Return the octets of address space in use; where no /proc tells, a guess."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 512 * MIB


def _take(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    item = source.read(size)
    return item if len(item) == size else None


def _put(target: BinaryIO, frame: bytes) -> None:
    target.write(LENGTH.pack(len(frame)) + frame)
    target.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
