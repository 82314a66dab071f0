"""Archives that a provider answers with: one file comes out, or a refusal."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.packed import unpacked

TABLE = b"one;two\r\n" * 100


class Unseekable(io.BytesIO):
    """What an archive is written to as it goes: its sizes stand behind the file."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("it goes on")


def a_zip(content: bytes, *, method: int = zipfile.ZIP_DEFLATED, into: io.BytesIO) -> bytes:
    with zipfile.ZipFile(into, "w", method) as archive:
        archive.writestr("history.csv", content)
        archive.writestr("another.txt", b"never looked at")
    return into.getvalue()


@pytest.mark.parametrize(
    "octets",
    [
        gzip.compress(TABLE),
        a_zip(TABLE, into=io.BytesIO()),
        a_zip(TABLE, into=Unseekable()),
        a_zip(TABLE, method=zipfile.ZIP_STORED, into=io.BytesIO()),
        TABLE,
    ],
    ids=["gzip", "zip", "zip written as it goes", "zip that packs nothing", "not packed"],
)
def test_the_file_in_an_archive_comes_out(octets: bytes) -> None:
    assert unpacked(octets, most=1000) == TABLE


@pytest.mark.parametrize(
    "octets",
    [
        gzip.compress(TABLE)[:-12],
        gzip.compress(TABLE)[:4] + b"\xff" * 60,
        a_zip(TABLE, into=io.BytesIO())[:60],
        a_zip(TABLE, into=io.BytesIO())[:20],
        a_zip(TABLE, method=zipfile.ZIP_STORED, into=io.BytesIO())[:400],
        a_zip(TABLE, method=zipfile.ZIP_STORED, into=Unseekable())[:400],
        a_zip(TABLE, method=zipfile.ZIP_LZMA, into=io.BytesIO()),
    ],
    ids=["cut", "broken", "zip cut", "head cut", "stored cut", "without size", "another method"],
)
def test_a_broken_archive_is_refused(octets: bytes) -> None:
    with pytest.raises(UnreadableDelivery):
        unpacked(octets, most=1000)


@pytest.mark.parametrize("packed", [gzip.compress, lambda it: a_zip(it, into=io.BytesIO())])
def test_a_file_that_grows_beyond_all_bounds_is_refused(packed: object) -> None:
    assert callable(packed)
    with pytest.raises(UnreadableDelivery, match="more than 1000"):
        unpacked(packed(b"\x00" * 50_000_000), most=1000)
