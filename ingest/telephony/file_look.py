"""Looking at a file that another program writes: what came since, also over its rotation.

A file is known by its first octets, not by its name or inode: both are used anew. If another file
stands under the name, the rest of the known one is looked for beside it (`Master.csv.1`), before
the new one is begun. Blocking; to be called in a thread.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CHUNK = 262_144  #: octets of one look
HEAD = 1_024  #: first octets by which a file is known
SIBLINGS = 200  #: of files beside it, newest first, so many are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a file was read, and which file it was."""

    offset: int = 0
    head_size: int = 0
    head: str = ""  #: SHA-256 of the first `head_size` octets

    def plain(self) -> dict[str, Any]:
        """Return JSON values, for `cursor_of` to understand."""
        return {
            "offset": self.offset,
            "head_size": self.head_size,
            "head": self.head,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found. `octets` begin at the cursor's offset."""

    cursor: Cursor
    octets: bytes
    final: bool = False  #: the file was put away: its last line may lack its end
    begun_anew: bool = False  #: the known file is nowhere: what it held last may be missing


def cursor_of(plain: Mapping[str, Any] | None) -> Cursor | None:
    """Return a cursor as it was remembered."""
    if not plain:
        return None
    return Cursor(
        offset=int(plain["offset"]),
        head_size=int(plain["head_size"]),
        head=str(plain["head"]),
    )


def look(path: Path, known: Cursor | None) -> Look:
    """Return what came since. Raises OSError; ValueError if it is no plain file."""
    with _open(path) as file:
        if known is None:
            return _read(file, Cursor())
        if _is(file, known):
            return _read(file, known)
        rest, found = _rest(path, known)
        if rest is not None:
            return rest
        anew = _read(file, Cursor())
        return replace(anew, begun_anew=not found)


def _open(path: Path) -> Any:
    """Open a plain file without waiting for a writer, should it be a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is no plain file")
    return os.fdopen(descriptor, "rb")


def _is(file: Any, known: Cursor) -> bool:
    """Tell whether this is the known file; one of which nothing was read may be any."""
    if os.fstat(file.fileno()).st_size < known.offset:
        return False
    return _digest(file, known.head_size) == known.head


def _digest(file: Any, size: int) -> str:
    file.seek(0)
    return hashlib.sha256(file.read(size)).hexdigest()


def _read(file: Any, at: Cursor) -> Look:
    if at.head_size < HEAD:
        size = min(HEAD, os.fstat(file.fileno()).st_size)
        at = replace(at, head_size=size, head=_digest(file, size))
    file.seek(at.offset)
    return Look(cursor=at, octets=file.read(CHUNK))


def _rest(path: Path, known: Cursor) -> tuple[Look | None, bool]:
    """Return what is unread of the known file where it was put away, and whether it was found."""
    found = False
    for sibling in _siblings(path):
        try:
            with _open(sibling) as file:
                if not _is(file, known):
                    continue
                found = True
                rest = _read(file, known)
                at_end = known.offset + len(rest.octets) >= os.fstat(file.fileno()).st_size
        except (OSError, ValueError):
            continue
        if rest.octets:
            return replace(rest, final=at_end), True
    return None, found


def _siblings(path: Path) -> list[Path]:
    stem = path.stem
    beside = [each for each in path.parent.iterdir() if each.name.startswith(stem) and each != path]
    dated: list[tuple[float, Path]] = []
    for each in beside:
        try:
            dated.append((each.stat().st_mtime, each))
        except OSError:
            continue
    return [each for _, each in sorted(dated, reverse=True)[:SIBLINGS]]
