"""The body of a mail out of its parts: text, HTML, attachments."""

from __future__ import annotations

import hashlib
import html as entities
import re
from dataclasses import dataclass, field

from ingest.domain.mails import Attachment
from ingest.mail.charsets import decode, says_nothing
from ingest.mail.flowed import unflowed
from ingest.mail.html_words import html_to_parts
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.pgp import unarmoured
from ingest.mail.sniff import looks_like
from ingest.mail.text import clean, lines
from ingest.mail.tree import Part

_TEXTS = frozenset({"text/plain", "text/html"})
_META = re.compile(
    rb"<(?:meta|\?xml)\b[^>]{0,400}?(?:charset|encoding)=[\"']?([\w.:-]{2,40})", re.I
)
_LOOKED_AT = 4_096  #: octets of HTML in which it may name its character set
_LONGEST_NAME = 255  #: characters, as file systems have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a person sees of a mail beneath its header."""

    text: str = ""  #: the plain text, or the words of the HTML where there is none
    html: str = ""  #: as sent: whoever shows it sanitises it
    quotes: tuple[tuple[int, int], ...] = ()  #: where in the text the HTML marks earlier mails
    attachments: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Piece:
    """One thing to read, in plain text, in HTML, or in both."""

    plain: str = ""
    html: str = ""


@dataclass(slots=True)
class _Reading:
    limits: Limits
    attachments: list[Attachment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_body(root: Part, *, limits: Limits = LIMITS) -> Body:
    """Return text, HTML and attachments of a tree of parts."""
    reading = _Reading(limits=limits)
    pieces = _pieces(root, reading)
    text, quotes = _words(pieces)
    html = ""
    if any(piece.html for piece in pieces):
        html = "\n".join(piece.html or _as_html(piece.plain) for piece in pieces)
    return Body(
        text=_capped(text.rstrip(), limits.text_chars, "text", reading),
        html=_capped(html, limits.html_chars, "html", reading),
        quotes=quotes,
        attachments=tuple(reading.attachments),
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )


def _words(pieces: list[_Piece]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the words of all pieces, and where in them the HTML marks earlier mails."""
    texts: list[str] = []
    quotes: list[tuple[int, int]] = []
    at = 0
    for piece in pieces:
        text = lines(piece.plain.strip("\n"))
        if not text:
            text, marked = html_to_parts(piece.html)
            quotes += [(at + begin, at + end) for begin, end in marked]
        texts.append(text)
        at += len(text) + 1
    return "\n".join(texts), tuple(quotes)


def _pieces(part: Part, reading: _Reading) -> list[_Piece]:
    """Return what is to be read, in order; note what is attached."""
    if part.children:
        pieces = [piece for child in part.children for piece in _pieces(child, reading)]
        if part.type == "multipart/alternative" and len(pieces) > 1:
            return [_alternative(pieces)]
        return pieces
    if part.type.startswith("multipart/"):
        return []
    if _is_attached(part):
        reading.attachments.append(_attachment(part))
        if part.torn:
            reading.warnings.append("an attached file is torn: its size is a guess")
        return []
    if part.torn:
        reading.warnings.append("a text is torn: it is left unread")
    text = _text(part, reading)
    if not text.strip():
        return []
    return [_Piece(html=text) if part.type == "text/html" else _Piece(plain=text)]


def attached_parts(part: Part) -> list[Part]:
    """Return the attached parts beneath a part, in the order of `Body.attachments`."""
    if part.children:
        return [found for child in part.children for found in attached_parts(child)]
    return [part] if not part.type.startswith("multipart/") and _is_attached(part) else []


def _is_attached(part: Part) -> bool:
    return part.type not in _TEXTS or part.disposition == "attachment" or _is_file(part)


def _alternative(pieces: list[_Piece]) -> _Piece:
    """Make one piece of several that say the same."""
    return _Piece(
        plain="\n".join(piece.plain for piece in pieces if piece.plain),
        html="\n".join(piece.html for piece in pieces if piece.html),
    )


def _is_file(part: Part) -> bool:
    """Tell whether a text is a file. A name in Content-Type alone is some mailer's habit."""
    return part.file_name is not None and part.disposition is not None


def _text(part: Part, reading: _Reading) -> str:
    most = 4 * max(reading.limits.text_chars, reading.limits.html_chars)
    data = part.content[:most]
    text, wrong = decode(data, _charset(part), whole=len(data) == len(part.content))
    if wrong:
        reading.warnings.append(wrong)
    text = clean(text).removeprefix("\ufeff").replace("\r\n", "\n")[: most // 4 + 1]
    return text if part.type == "text/html" else unarmoured(unflowed(text, part.params))


def _charset(part: Part) -> str | None:
    """Return the declared character set: of HTML without one the one that it names itself."""
    declared = part.params.get("charset")
    if part.type != "text/html" or not says_nothing(declared):
        return declared
    found = _META.search(part.content[:_LOOKED_AT])
    named = found[1].decode("ascii").lower() if found else ""
    return declared if named.startswith("utf-16") else named or declared


def _attachment(part: Part) -> Attachment:
    name = part.file_name
    if name is None and part.type == "message/rfc822":
        name = "message.eml"
    return Attachment(
        name=" ".join(clean(name).split())[:_LONGEST_NAME] or None if name else None,
        type=part.type,
        size=part.torn * 3 // 4 or len(part.content),
        digest=None if part.torn else hashlib.sha256(part.content).hexdigest(),
        looks=looks_like(part.content),
    )


def _capped(text: str, most: int, what: str, reading: _Reading) -> str:
    if len(text) <= most:
        return text
    reading.warnings.append(f"{what} longer than {most} characters, the rest is left out")
    return text[:most]


def _as_html(plain: str) -> str:
    return f"<pre>{entities.escape(plain)}</pre>"
