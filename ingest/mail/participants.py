"""The people in a header: lists of addresses, written lawfully or as mailers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.domain.mails import MailAddress
from ingest.mail.text import clean
from ingest.mail.words import decode_words
from ingest.matching.addresses import normalise_address

_TOKEN = re.compile(
    r"=\?[\w.:+*-]{1,60}\?[bBqQ]\?[^?\"<>]{0,2000}\?="  # an encoded word is one token
    r"|[^,;:\"()<=]+|."
)
_BREAKS = re.compile(r"[\s<>()\[\],;:\"]+")
#: One person of a list as nearly all are written, with the comma behind: a name within quotes or
#: without, or none at all. What is written otherwise is read piece by piece.
_PERSON = re.compile(
    r"(?:[ \t]*\"(?P<quoted>[^\"\\<>]*)\"[ \t]*|(?P<name>[^,;:\"()<>@]*))"
    r"<(?P<angle>[\w.+-]+@[\w.-]+)>[ \t]*(?:,|\Z)"
    r"|[ \t]*(?P<bare>[\w.+-]+@[\w.-]+)[ \t]*(?:,|\Z)",
    re.ASCII,
)
_LITERAL = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@\[[^\s\]]{1,64}\]")
_LONGEST_NAME = 500  #: characters


@dataclass(slots=True)
class _Piece:
    """What stood between two commas."""

    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: str | None = None

    def empty(self) -> bool:
        return self.angle is None and not "".join(self.words).strip() and not self.comments


def read_addresses(text: str, *, limit: int = 1_000) -> tuple[MailAddress, ...]:
    """Return the addresses of one header, its encoded words not yet decoded.

    Groups are flattened, comments serve as names where there is none, a name that an
    unquoted comma cut in two is put together again. A piece without an address gives a
    MailAddress whose address is "". Linear in the text; never raises.
    """
    people = _as_usual(text, limit)
    return tuple(_piece_by_piece(text, limit) if people is None else people)


def _as_usual(text: str, limit: int) -> list[MailAddress] | None:
    """Return the people of a list in which all are written as usual, else None."""
    people: list[MailAddress] = []
    at = 0
    while at < len(text) and len(people) < limit:
        found = _PERSON.match(text, at)
        if not found:
            return None
        quoted, name, angle, bare = found.groups()
        people.append(_named((quoted or name or "").strip(" \t"), angle or bare))
        at = found.end()
    return people


def _piece_by_piece(text: str, limit: int) -> list[MailAddress]:
    people: list[MailAddress] = []
    waiting: list[str] = []  # pieces without an address: the first half of a name, perhaps
    for piece in _pieces(text):
        if len(people) >= limit:
            break
        name, address = _person(piece)
        if address is None:
            waiting.append(name)
            continue
        if waiting and piece.angle is not None:
            name = ", ".join([*waiting, name]) if name else ", ".join(waiting)
        elif waiting:
            people += [_named(lost, None) for lost in waiting]
        waiting = []
        people.append(_named(name, address))
    people += [_named(", ".join(waiting), None)] if waiting else []
    return people


def _named(name: str, address: str | None) -> MailAddress:
    name = " ".join(clean(decode_words(name[:4_000])).split())[:_LONGEST_NAME].strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    normal = normalise_address(address) if address else None
    if not normal and not name:
        name = clean(address or "")[:_LONGEST_NAME]
    return MailAddress(address=normal or "", name=name or None)


def _pieces(text: str) -> list[_Piece]:
    """Cut the text at commas and semicolons that stand outside quotes and brackets."""
    pieces = [_Piece()]
    at = 0
    missing: set[str] = set()  # closing marks that do not come any more: searched for once
    while at < len(text):
        char, piece = text[at], pieces[-1]
        if char in ",;":
            pieces.append(_Piece())
        elif char == '"' and char not in missing:
            at = _quoted(text, at, piece, missing)
        elif char == "(" and char not in missing:
            at = _comment(text, at, piece, missing)
        elif char == "<":
            at = _angle(text, at, piece, missing)
        elif char == ":" and piece.angle is None and "@" not in "".join(piece.words[-64:]):
            _drop_group(piece)
        elif char not in '"(':
            found = _TOKEN.match(text, at)
            word = found[0] if found else char
            piece.words.append(word)
            at += len(word) - 1
        at += 1
    return [piece for piece in pieces if not piece.empty()]


def _drop_group(piece: _Piece) -> None:
    """Forget the name of a group; of `Anna [mailto:` only the last word."""
    words = "".join(piece.words)
    piece.words = [words[:-6].rstrip("[ ") + " "] if words.lower().endswith("mailto") else []


def _quoted(text: str, at: int, piece: _Piece, missing: set[str]) -> int:
    """Take a quoted string; return where it closes.

    A quote that never closes is left out: what stands behind it still holds addresses.
    """
    out: list[str] = []
    end = at + 1
    while end < len(text) and text[end] != '"':
        if text[end] == "\\" and end + 1 < len(text):
            end += 1
        out.append(text[end])
        end += 1
    if end >= len(text):
        missing.add('"')
        return at
    inside = "".join(out)
    local = text[end + 1 : end + 2] == "@"  # a quoted local part keeps its quotes
    piece.words.append(f'"{inside}"' if local else inside)
    return end


def _comment(text: str, at: int, piece: _Piece, missing: set[str]) -> int:
    """Take a comment, nested ones within; return where it closes."""
    depth = 0
    for end in range(at, len(text)):
        if text[end] == "(":
            depth += 1
        elif text[end] == ")":
            depth -= 1
            if depth == 0:
                piece.comments.append(text[at + 1 : end].strip())
                return end
    missing.add("(")
    return at


def _angle(text: str, at: int, piece: _Piece, missing: set[str]) -> int:
    """Take an address in angle brackets; return where it ends.

    One that never closes ends at the next comma.
    """
    end = -1 if ">" in missing else text.find(">", at)
    if end < 0:
        missing.add(">")
    comma = text.find(",", at, end if end >= 0 else len(text))
    if comma >= 0 and (end < 0 or ("@" in text[at:comma] and text.find("<", comma, end) > 0)):
        end = comma - 1
    if end < 0:
        end = len(text) - 1
    inside = text[at + 1 : end + 1].strip("<> \t")
    if inside.startswith("@") and ":" in inside:  # a source route of RFC 822
        inside = inside.rpartition(":")[2]
    if "@" in inside or piece.angle is None:
        piece.angle = inside
    return end


def _person(piece: _Piece) -> tuple[str, str | None]:
    """Return the name of one piece and its address, or None where it has none."""
    words = "".join(piece.words).strip(" \t")
    if words.count("<") != words.count(">"):  # a bracket that lost its other half
        words = words.strip(" \t<>")
    comment = next((comment for comment in piece.comments if comment), "")
    if piece.angle:
        return words or comment, piece.angle
    if piece.angle is None and "@" in words:
        found = _LITERAL.search(words[-200:])
        bare = (
            found[0]
            if found
            else next(
                (word for word in reversed(_BREAKS.split(words)) if "@" in word.strip("@")), None
            )
        )
        if bare:
            before, _, behind = words.rpartition(bare)
            return f"{before} {behind}".strip(" []") or comment, bare
        return comment, words
    return words or comment, None
