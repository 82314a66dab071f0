"""What a file is by its first octets: its name and its declared type were written by a stranger."""

from __future__ import annotations

#: Octets, where they lie, and what begins so. The first that fits is told.
MARKS: tuple[tuple[bytes, int, str], ...] = (
    (b"%PDF-", 0, "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"BM", 0, "image/bmp"),
    (b"II*\x00", 0, "image/tiff"),
    (b"MM\x00*", 0, "image/tiff"),
    (b"PK\x03\x04", 0, "application/zip"),
    (b"PK\x05\x06", 0, "application/zip"),
    (b"Rar!\x1a\x07", 0, "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", 0, "application/x-7z-compressed"),
    (b"\x1f\x8b", 0, "application/gzip"),
    (b"BZh", 0, "application/x-bzip2"),
    (b"\xfd7zXZ\x00", 0, "application/x-xz"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "application/x-ole-storage"),
    (b"{\\rtf", 0, "application/rtf"),
    (b"MZ", 0, "application/x-msdownload"),
    (b"\x7fELF", 0, "application/x-executable"),
    (b"#!", 0, "text/x-script"),
    (b"ID3", 0, "audio/mpeg"),
    (b"OggS", 0, "audio/ogg"),
    (b"WAVE", 8, "audio/wav"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x78\x9f\x3e\x22", 0, "application/ms-tnef"),
    (b"BEGIN:VCALENDAR", 0, "text/calendar"),
    (b"BEGIN:VCARD", 0, "text/vcard"),
    (b"<?xml", 0, "application/xml"),
    (b"-----BEGIN PGP", 0, "application/pgp-encrypted"),
    (b"ISO-8859-1\x00", 0, "application/octet-stream"),
)

#: Names inside a zip's first entries that tell what kind of document it is.
ZIPPED: tuple[tuple[bytes, str], ...] = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
)

#: What runs when it is opened: shown with a warning.
RUNS = frozenset(
    {
        "application/x-msdownload",
        "application/x-executable",
        "application/vnd.android.package-archive",
        "text/x-script",
    }
)

#: What a browser may be told that it is; everything else is octets.
HARMLESS = frozenset(
    {"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"}
)

LOOKED_AT = 4096


def looks_like(content: bytes) -> str | None:
    """Return the media type that the first octets tell, or None if they tell nothing."""
    head = content[:LOOKED_AT]
    for octets, start, kind in MARKS:
        if head[start : start + len(octets)] == octets:
            return _zipped(head) if kind == "application/zip" else kind
    if not head:
        return None
    begin = head.lstrip()[:64].lower()
    if begin.startswith((b"<!doctype html", b"<html", b"<script", b"<svg")):
        return "image/svg+xml" if begin.startswith(b"<svg") else "text/html"
    if b"\x00" not in head and _is_text(head):
        return "text/plain"
    return None


def _zipped(head: bytes) -> str:
    return next((kind for name, kind in ZIPPED if name in head), "application/zip")


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > LOOKED_AT - 4 and len(head) == LOOKED_AT  # cut in a character
    return all(octet >= 32 or octet in (9, 10, 12, 13) for octet in head)
