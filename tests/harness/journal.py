"""What the other side knows to have been accepted: written and synced before it is counted."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Journal:
    """A file of names, one a line; a name is in it before anybody counts it as accepted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._count = 0

    def add(self, name: str) -> None:
        """Write a name and return when it is on the disk."""
        with self._lock:
            os.write(self._handle, f"{name}\n".encode())
            os.fsync(self._handle)
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def names(self) -> set[str]:
        """Return every name, as read from the file."""
        return set(self.path.read_text().split("\n")) - {""}

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
