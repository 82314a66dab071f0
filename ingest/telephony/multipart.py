"""Forms sent in parts (multipart/form-data, RFC 7578), read as the few plain fields they hold."""

from __future__ import annotations

import re

from ingest.domain.deliveries import UnreadableDelivery

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"\r\n]{0,200})"', re.IGNORECASE)
_FILE = re.compile(rb"\bfilename\*?=", re.IGNORECASE)


def multipart_pairs(body: bytes, content_type: str, *, most: int) -> list[tuple[bytes, bytes]]:
    """Return names and values in order, as octets; files among the parts are left out.

    Raises UnreadableDelivery without a boundary, for a cut body, or for too many parts.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise UnreadableDelivery("the form in parts names no boundary")
    line = b"\r\n--" + found[1].encode("ascii")
    whole = b"\r\n" + body
    if whole.count(line) > most:
        raise UnreadableDelivery(f"the form has more than {most} parts")
    _, *parts = whole.split(line)
    if not parts or not parts[-1].startswith(b"--"):
        raise UnreadableDelivery("the form in parts is cut short")
    pairs = (_pair(part) for part in parts[:-1])
    return [pair for pair in pairs if pair is not None]


def _pair(part: bytes) -> tuple[bytes, bytes] | None:
    head, _, value = part.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    return None if name is None or _FILE.search(head) else (name[1], value)
