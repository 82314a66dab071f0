"""Who wrote a mail before it was forwarded: stated by the forwarder's program, or attached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingest.domain.mails import Forwarded
from ingest.mail.headers import split
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.participants import read_addresses
from ingest.mail.quote_words import FORWARD_PREFIXES, REPLY_PREFIXES
from ingest.mail.quotes import (
    HeaderBlock,
    attribution_at,
    banner_of,
    header_block_at,
    is_rule,
    lines_of,
    only_words,
)
from ingest.mail.text import clean

MOST = 5  #: mails forwarded one within the other
_MOST_LINES = 2_000
_LONGEST = 300  #: characters of a name, date or subject
_COUNTED = re.compile(r"\[\d{1,3}\]$")  #: how often it was answered, as in "Re[2]"
_MAILTO = re.compile(r"[\[<]mailto:([^\]>\s]{1,320})[\]>]", re.IGNORECASE)


def prefix_of(subject: str) -> str | None:
    """Return "forward" or "reply" by what a subject begins with, or None."""
    head, colon, _ = subject[:24].partition(":")
    if not colon:
        return None
    word = _COUNTED.sub("", head.strip().casefold()).rstrip(". ")
    if word in FORWARD_PREFIXES:
        return "forward"
    return "reply" if word in REPLY_PREFIXES else None


def senders_within(text: str, subject: str) -> tuple[Forwarded, ...]:
    """Return who wrote the mails that this text forwards, the outermost first.

    Only if it is a forward: its first sign of another mail announces one, or is a header block
    under a subject such as "FW: ...". A forward that a reply quotes is none of this mail's.
    """
    lines, looked_at = lines_of(text)
    if len(lines) > _MOST_LINES:
        lines, looked_at = lines[:_MOST_LINES], [at for at in looked_at if at < _MOST_LINES]
    start = _first_forward(lines, looked_at, forwards=prefix_of(subject) == "forward")
    if start is None:
        return ()
    found: list[Forwarded] = []
    at = start
    while at < len(lines) and len(found) < MOST:
        block = header_block_at(lines, at)
        if block is not None:
            found.append(_of_block(block))
            at = block.end
            continue
        if not found and at - start < 8 and (stated := attribution_at(lines, at)) is not None:
            found.append(_of_attribution(stated.text))
        at += 1
    return tuple(it for it in found if it.address or it.name)


def _first_forward(lines: Sequence[str], looked_at: Iterable[int], *, forwards: bool) -> int | None:
    """Return the line behind the first sign of a forwarded mail; None: it is no forward."""
    for at in looked_at:
        line = lines[at]
        if only_words(line) and not line.lstrip().startswith(">"):
            continue
        if not line.strip() or is_rule(line):
            continue
        kind = banner_of(line)
        if line.lstrip().startswith(">"):
            return None
        if kind == "forward" or (kind == "original" and forwards):
            return at + 1
        if header_block_at(lines, at) is not None:
            return at if forwards else None
        if kind == "original":
            return None
        stated = attribution_at(lines, at)
        if stated is not None and stated.sure:
            return at if forwards else None
    return None


def _of_block(block: HeaderBlock) -> Forwarded:
    address, name = _person(block.fields["from"])
    return Forwarded(
        address=address,
        name=name,
        date=_short(block.fields.get("date")),
        subject=_short(block.fields.get("subject")),
    )


def _of_attribution(text: str) -> Forwarded:
    """Return who "03.05.2024, 12:04, "Anna" <anna@client.example>:" names."""
    address, name = _person(text.rstrip(": ").rpartition(",")[2])
    if name and any(char.isdigit() for char in name):
        name = None
    return Forwarded(address=address, name=name, date=_short(text.rpartition(",")[0]))


def _person(field: str) -> tuple[str | None, str | None]:
    people = read_addresses(_MAILTO.sub(r"<\1>", field), limit=1)
    if not people:
        return None, None
    name = people[0].name
    return people[0].address or None, _short(name.strip("\"' ") if name else None)


def _short(text: str | None) -> str | None:
    return clean(" ".join(text.split()))[:_LONGEST] or None if text else None


def sender_of_attached(raw: bytes, limits: Limits = LIMITS) -> Forwarded | None:
    """Return who wrote an attached message, by its own header; None: it states nobody."""
    headers, _ = split(raw[: limits.header_octets], limits=limits)
    people = read_addresses(headers.raw("from") or "", limit=1)
    if not people:
        return None
    return Forwarded(
        address=people[0].address or None,
        name=_short(people[0].name),
        date=_short(headers.text("date")),
        subject=_short(headers.text("subject")),
        attached=True,
    )


def senders_attached(messages: Iterable[bytes]) -> tuple[Forwarded, ...]:
    """Return who wrote each of these attached messages, in order."""
    found = (sender_of_attached(raw.lstrip(b"\r\n")) for raw in list(messages)[:MOST])
    return tuple(it for it in found if it is not None and (it.address or it.name))
