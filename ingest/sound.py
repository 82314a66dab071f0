"""Where the sound of calls is kept: files named by their content, here or in an S3 bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from ingest.settings import Settings
from storage.blobs import sync_directory

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a bucket may take: a call of the store ends, whatever the other side does."""

    connect: timedelta = timedelta(seconds=5)
    request: timedelta = timedelta(seconds=60)  #: of one request, 5 MB of an upload among them
    retries: timedelta = timedelta(seconds=60)  #: after which a request is not tried again


PATIENCE = Patience()
RETRIES = 3


class SoundStore(Protocol):
    """Keeps sound under its SHA-256. Its functions block: call them in threads."""

    def take(self, digest: str, draft: Path) -> None:
        """Keep the file durably under its digest; the draft is used up. Raises OSError."""

    def size(self, digest: str) -> int | None:
        """Return how many octets it has, or None if it is not here."""

    def read(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the octets from start up to, not including, end. Raises OSError."""

    def remove(self, digest: str) -> None:
        """Forget it; nothing happens if it is not here."""


class SoundFiles:
    """Sound in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest[2:]

    def take(self, digest: str, draft: Path) -> None:
        """Keep the file durably under its digest."""
        path = self._path(digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.replace(path)
        sync_directory(path.parent)
        sync_directory(self._directory)

    def size(self, digest: str) -> int | None:
        """Return how many octets it has, or None."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the octets from start up to end."""
        with self._path(digest).open("rb") as file:
            file.seek(start)
            while start < end and (chunk := file.read(min(CHUNK, end - start))):
                start += len(chunk)
                yield chunk

    def remove(self, digest: str) -> None:
        """Delete the file."""
        self._path(digest).unlink(missing_ok=True)


class SoundBucket:
    """Sound in a bucket of an S3-compatible storage."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @staticmethod
    def _key(digest: str) -> str:
        return f"{digest[:2]}/{digest[2:]}"

    def take(self, digest: str, draft: Path) -> None:
        """Upload the file under its digest."""
        self._store.put(self._key(digest), draft)
        draft.unlink(missing_ok=True)

    def size(self, digest: str) -> int | None:
        """Return how many octets it has, or None."""
        try:
            return int(self._store.head(self._key(digest))["size"])
        except FileNotFoundError:
            return None

    def read(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the octets from start up to end, each piece asked for when it is needed."""
        while start < end:
            length = min(CHUNK * 4, end - start)
            chunk = bytes(self._store.get_range(self._key(digest), start=start, length=length))
            if not chunk:
                raise OSError("the bucket gave less than it said")
            start += len(chunk)
            yield chunk

    def remove(self, digest: str) -> None:
        """Delete the object."""
        try:
            self._store.delete(self._key(digest))
        except FileNotFoundError:
            return


def open_sound(settings: Settings, *, patience: Patience = PATIENCE) -> SoundStore:
    """Return the store that the settings name. Raises ValueError that names what is missing."""
    if settings.recordings_s3 is None:
        return SoundFiles(settings.data_dir / "recordings")
    try:
        from obstore.store import S3Store
    except ImportError:
        raise ValueError(
            "recordings_s3: the client for S3 is not installed; install keepline[s3]"
        ) from None
    endpoint = settings.recordings_s3_endpoint
    client: dict[str, Any] = {"timeout": patience.request, "connect_timeout": patience.connect}
    options: dict[str, Any] = {
        "client_options": client,
        "retry_config": {"max_retries": RETRIES, "retry_timeout": patience.retries},
    }
    if endpoint:
        options["endpoint"] = endpoint
        options["virtual_hosted_style_request"] = False
        client["allow_http"] = endpoint.startswith("http://")
    # Keys and region come from the AWS_... variables or the machine's role, as everywhere.
    return SoundBucket(S3Store.from_url(settings.recordings_s3, **options))
