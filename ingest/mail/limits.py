"""What one message may cost: every limit of the reader in one place."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a message is read. Beyond a limit the rest is left, and a warning says so."""

    header_octets: int = 256 * KIB  #: of the block; 5,000 recipients are 150 KiB
    header_fields: int = 1_000  #: beyond it only the fields that make a Mail are read
    field_octets: int = 64 * KIB  #: of one field
    addresses: int = 1_000  #: in one field
    references: int = 50  #: the last ones
    parts: int = 1_000  #: more: the body stays unread, with a reason
    depth: int = 50  #: of nesting; more: the body stays unread, with a reason
    delimiters: int = 50_000  #: lines that may begin a part, for the slow parser
    slow_octets: int = 16 * KIB * KIB  #: of a message for the slow parser: it takes 8 times that
    slow_lines: int = 300_000  #: of a message for the slow parser: each costs microseconds
    text_chars: int = 256 * KIB
    html_chars: int = 512 * KIB


LIMITS = Limits()
