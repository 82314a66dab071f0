"""Parts that wrap others without MIME: winmail.dat, signed S/MIME, uuencoded files in a text.

They are replaced in the tree by what they hold, so that text and attachments are read, listed and
given out as those of any other mail. Encrypted parts stay as they are; `sealed` names them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from ingest.mail import cms, tnef
from ingest.mail.charsets import decode
from ingest.mail.tree import Part

#: Octets to a tree, as a message of its own. Raises UnreadBody.
Reader = Callable[[bytes], Part]

MOST_WRAPPERS = 5  #: one within another

_MOST_TEXT = 8 * 1024 * 1024  #: octets in which uuencoded files are looked for
_MOST_BEGINNINGS = 10_000  #: of such files in one text

_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255}?)[ \t]*\r?\n", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class Budget:
    """What may still be opened in one message."""

    wrappers: int = 20
    files: int = 1_000
    rtf: int = 1  #: packed texts of a winmail.dat: a mail has one


def opened(root: Part, read: Reader, budget: Budget) -> Part:
    """Return the tree with what wrappers hold in their place. `read`: a message, deeper down."""
    return _opened(root, read, _has_words(root), budget)


def _opened(part: Part, read: Reader, has_words: bool, budget: Budget) -> Part:
    if part.children:
        children = tuple(_opened(child, read, has_words, budget) for child in part.children)
        if all(new is old for new, old in zip(children, part.children, strict=True)):
            return part
        return replace(part, children=children)
    if part.type == "text/plain" and part.disposition != "attachment":
        return _of_uu(part, budget) if _may_hold_uu(part) else part
    if budget.wrappers and part.type in _SMIME:
        budget.wrappers -= 1
        return _of_smime(part, read)
    if budget.wrappers and (part.type in _TNEF or part.content.startswith(tnef.MARK)):
        budget.wrappers -= 1
        return _of_tnef(part, has_words, budget)
    return part


def sealed(root: Part) -> str | None:
    """Return why the body of a tree cannot be read: it is encrypted. None: it is not."""
    for part in root.walk():
        if part.type == "multipart/encrypted":
            return "encrypted with PGP"
        if part.type in _SMIME and (_says_so(part) or cms.is_encrypted(part.content)):
            return "encrypted with S/MIME"
    return None


def _says_so(part: Part) -> bool:
    return "enveloped" in part.params.get("smime-type", "").lower()


def _container(part: Part, children: list[Part]) -> Part:
    return Part(type="multipart/mixed", disposition=part.disposition, children=tuple(children))


def _has_words(root: Part) -> bool:
    return any(
        part.type in ("text/plain", "text/html")
        and part.disposition != "attachment"
        and part.content.strip()
        for part in root.walk()
    )


# --- S/MIME -------------------------------------------------------------------------------


def _of_smime(part: Part, read: Reader) -> Part:
    content = cms.signed_content(part.content)
    return part if content is None else read(content)


# --- winmail.dat --------------------------------------------------------------------------


def _of_tnef(part: Part, has_words: bool, budget: Budget) -> Part:
    found = tnef.unwrap(part.content)
    if found is None:
        return part
    if found.packed_rtf and budget.rtf and not has_words:
        budget.rtf -= 1
        found = tnef.with_words_of_rtf(found)
    children: list[Part] = []
    if not has_words and (found.text or found.html):
        bodies = []
        if found.text:
            bodies.append(_text("text/plain", found.text.encode(errors="replace"), "utf-8"))
        if found.html:
            bodies.append(_text("text/html", found.html, found.html_charset))
        children.append(Part(type="multipart/alternative", children=tuple(bodies)))
    files = found.files[: budget.files]
    budget.files -= len(files)
    children += [
        Part(type=file.type, disposition="attachment", file_name=file.name, content=file.content)
        for file in files
    ]
    return _container(part, children) if children else part


def _text(kind: str, content: bytes, charset: str | None) -> Part:
    return Part(type=kind, params={"charset": charset} if charset else {}, content=content)


# --- uuencode -----------------------------------------------------------------------------


def _may_hold_uu(part: Part) -> bool:
    if len(part.content) > _MOST_TEXT:
        return False
    return part.content.startswith(b"begin ") or b"\nbegin " in part.content


def _of_uu(part: Part, budget: Budget) -> Part:
    """Return the text without the files in it, and the files behind it."""
    data, at = part.content, 0
    words: list[bytes] = []
    files: list[Part] = []
    for begin in islice(_UU_BEGIN.finditer(data), _MOST_BEGINNINGS):
        if len(files) == budget.files:
            break
        if begin.start() < at:
            continue
        found = _uudecoded(data, begin.end())
        if found is None:
            continue
        content, end = found
        words.append(data[at : begin.start()])
        at = end
        name, _ = decode(begin[1], None)
        files.append(
            Part(
                type="application/octet-stream",
                disposition="attachment",
                file_name=name,
                content=content,
            )
        )
    if not files:
        return part
    budget.files -= len(files)
    words.append(data[at:])
    return _container(part, [replace(part, content=b"".join(words)), *files])


def _uudecoded(data: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the octets of a file and where its lines end, None where a line is none of a file.

    The line that begins another file is none: all lines of a text are looked at once.
    """
    pieces: list[bytes] = []
    while at < len(data):
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        line, at = data[at:stop].rstrip(b"\r"), stop + 1
        if line.rstrip() == b"end":
            return (b"".join(pieces), at) if pieces else None
        size = (line[0] - 32) & 63 if line else 0
        if line and (not 32 <= line[0] <= 96 or len(line.rstrip()) > 2 + (size + 2) // 3 * 4):
            return None
        try:
            pieces.append(binascii.a2b_uu(line) if size else b"")
        except binascii.Error:
            return None
    return None
