"""One attachment out of a kept message: read where every message is read, in a child process."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ingest.domain.deliveries import UnreadableDelivery
from ingest.mail.body import attached_parts
from ingest.mail.message import tree_of
from ingest.mail.tree import UnreadBody

ORDINAL = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """An attachment's octets, decoded."""

    content: bytes


def question(raw: bytes, number: int) -> bytes:
    """Return what `extract` is asked: which attachment, from 0, of which message."""
    return ORDINAL.pack(number) + raw


def extract(asked: bytes) -> Extracted:
    """Return an attachment of a message. Raises UnreadableDelivery if there is none such."""
    (number,) = ORDINAL.unpack_from(asked)
    try:
        root = tree_of(asked[ORDINAL.size :])
    except UnreadBody as error:
        raise UnreadableDelivery(str(error)) from error
    parts = attached_parts(root)
    if number >= len(parts):
        raise UnreadableDelivery("the message has no such attachment")
    if parts[number].torn:
        raise UnreadableDelivery("the file is torn: its octets cannot be decoded")
    return Extracted(content=parts[number].content)
