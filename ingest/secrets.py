"""Secrets at rest: encrypted with the key file, and tied to the row they belong to.

Fernet has no associated data, so the row's id is inside the plaintext and checked: a ciphertext
moved to another row is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from storage.blobs import sync_directory


class BadKey(Exception):
    """The key file does not open the stored secrets."""


class Secrets:
    """Seals and opens secrets. The first key seals; every key opens."""

    def __init__(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        #: Names the key without telling it.
        self.key_id = sha256(keys[0]).hexdigest()[:12]

    def seal(self, row: str, value: Any) -> str:
        """Return the ciphertext of a JSON value that belongs to that row."""
        return self._fernet.encrypt(json.dumps([row, value]).encode()).decode()

    def open(self, row: str, sealed: str) -> Any:
        """Return the value. Raises BadKey for another key, or another row's ciphertext."""
        try:
            owner, value = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise BadKey(f"key_file: the key {self.key_id} does not open this secret") from error
        if owner != row:
            raise BadKey("a stored secret belongs to another row; the database was tampered with")
        return value

    def open_all(self, rows: Mapping[str, str]) -> dict[str, Any]:
        """Return the value of each row."""
        return {row: self.open(row, sealed) for row, sealed in rows.items()}


def load_secrets(path: Path, *, create: bool = False) -> Secrets:
    """Return the key file's secrets; made with mode 0600 if asked to. Raises BadKey."""
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)  # what it seals must not outlive it
    try:
        lines = [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
        return Secrets(lines)
    except FileNotFoundError as error:
        raise BadKey(f"key_file: there is no {path}; run `keepline init`") from error
    except (ValueError, IndexError) as error:
        raise BadKey(f"key_file: {path} holds no key; restore it from your backup") from error
