"""Looking at a file that another program writes: what came since, also over its rotation.

A file is known by its first octets, not by its name or inode: both are used anew. If another file
stands under the name, the rest of the known one is looked for beside it (`Master.csv.1`), then what
was put away after it, before the new one is begun. Blocking; to be called in a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CHUNK = 262_144  #: octets of one look
HEAD = 1_024  #: first octets by which a file is known
SIBLINGS = 200  #: of files beside it, newest first, so many are looked at
#: How a file begins that was squeezed after it was put away.
SQUEEZED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


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
    begun_anew: bool = False  #: what came before, after the known octets, was not to be found


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
        siblings = _siblings(path)
        at, rest = _rest(siblings, known)
        if rest is not None:
            return rest
        missing = at is None
        for later in reversed(siblings[:at]) if at is not None else ():
            if not _is_rotated(path, later):
                continue
            begun = _begun(later)
            if begun is None:
                missing = True
            elif begun.octets:
                return replace(begun, begun_anew=missing)
        return replace(_read(file, Cursor()), begun_anew=missing)


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


def _rest(siblings: list[Path], known: Cursor) -> tuple[int | None, Look | None]:
    """Return where the known file was put away, and what is unread of it; None: nothing."""
    at: int | None = None
    for number, sibling in enumerate(siblings):
        try:
            with _open(sibling) as file:
                if not _is(file, known):
                    continue
                at = number if at is None else at
                rest = _put_away(file, known)
        except (OSError, ValueError):
            continue
        if rest.octets:
            return at, rest
    return at, None


def _begun(path: Path) -> Look | None:
    """Return the beginning of a file that was put away; None: it cannot be read."""
    try:
        with _open(path) as file:
            found = _put_away(file, Cursor())
    except (OSError, ValueError):
        return None
    return None if found.octets.startswith(SQUEEZED) else found


def _put_away(file: Any, at: Cursor) -> Look:
    """Read from a file that nobody writes to any more: at its end its last line is whole."""
    found = _read(file, at)
    ends = at.offset + len(found.octets) >= os.fstat(file.fileno()).st_size
    return replace(found, final=ends)


def _is_rotated(path: Path, sibling: Path) -> bool:
    """Tell whether a name is one that a rotation gives: Master.csv.1, Master.csv-20261121.gz."""
    number = r"[.-]\d[\d.T_-]*"
    stem, ending = re.escape(path.stem), re.escape(path.suffix)
    named = rf"{stem}(?:{ending}{number}|{number}{ending})(?:\.(?:gz|bz2|xz|zst|zip|Z))?"
    return re.fullmatch(named, sibling.name) is not None


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
