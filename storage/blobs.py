"""Bodies too long for a row: files named by their content.

A file is complete and durable under its name before the row that names it commits. A crash may
leave a file that no row names; never a row that names no file.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

#: Longer bodies lie in files: a row this long still fits a few pages.
INLINE_BYTES = 256 * 1024


class Blobs:
    """A directory of files named by the SHA-256 of what they hold."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, digest: bytes) -> Path:
        """Return where the content of this hash lies, or would lie."""
        name = digest.hex()
        return self._directory / name[:2] / name[2:]

    def write(self, digest: bytes, body: bytes) -> None:
        """Make the content durable under its name: written, fsynced, renamed, then the directory.

        Raises OSError; then no file of that name was made.
        """
        path = self.path(digest)
        self._make(path.parent)
        if not path.exists():
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                _write_durably(draft, body)
                draft.rename(path)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        # Also where the file was there: whoever renamed it may have died before this.
        sync_directory(path.parent)

    def read(self, digest: bytes) -> bytes | None:
        """Return the content, or None if there is no such file."""
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, digest: bytes) -> None:
        """Delete the file; no row may name it any more."""
        self.path(digest).unlink(missing_ok=True)

    def _make(self, directory: Path) -> None:
        if directory.is_dir():
            return
        for each in (self._directory, directory):
            each.mkdir(mode=0o700, exist_ok=True)
        sync_directory(self._directory)
        sync_directory(self._directory.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_durably(path: Path, body: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
