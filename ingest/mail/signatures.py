"""Signatures: where one begins in newly written lines. What is in it is read by `signed`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.mail.quote_words import (
    CARD_LABELS,
    CLOSINGS,
    DEVICES,
    POSTSCRIPTS,
    SHORT_CLOSINGS,
)
from ingest.mail.signed import MOST_LINES, is_name, is_sender, words_of

_SHORT = 80  #: characters of a line in a card
_CARD_LINES = 10

_LONG_ONES = tuple(CLOSINGS)
_SHORT_AND_MORE = re.compile(f"(?:{'|'.join(map(re.escape, SHORT_CLOSINGS))})(?=[ ,.])")
_ALONE = frozenset(SHORT_CLOSINGS)
#: How phrases begin, as asking that first passes over nearly every line.
_CLOSE_LONG = frozenset(phrase[:3] for phrase in CLOSINGS)
_CLOSE_SHORT = frozenset(phrase[:2] for phrase in SHORT_CLOSINGS)
_MARKS = frozenset({",", ".", "!"})  #: that may stand before short closing words
_TELL_DEVICE = frozenset(phrase[:2] for phrase in DEVICES)
_LABELLED = re.compile(r"([^\W\d_]{1,12})[.:\s]")


def signature_start(lines: Sequence[str], *, sender: str | None) -> tuple[int, int] | None:
    """Return first and last (exclusive) line of the signature that ends these lines, or None.

    What stands behind a postscript is new again, so a signature may end before the lines do.
    A line too long for a card is folded only where it is looked at: it takes most of the time.
    """
    bottom = max(0, len(lines) - MOST_LINES)
    bare = [line[:200].strip(" \t\u00a0*_") for line in lines[bottom:]]
    folded = [line if len(line) > _SHORT else line.casefold() for line in bare]
    first = next(
        (
            at
            for find in (_delimiter, _closing, _card, _device)
            if (at := find(folded, lines[bottom:], sender)) is not None
        ),
        None,
    )
    if first is None:
        return None
    last = _before_postscript(folded, first)
    return bottom + first, bottom + last


def _delimiter(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return the line "-- " of RFC 3676, or one alike."""
    drawn = [at for at, line in enumerate(lines[:-1]) if line[:1] in "-—–"]
    for at in drawn:
        if lines[at].rstrip() in ("--", "---", "—", "–"):
            return _from_closing(folded, lines, at)
    return None


def _from_closing(folded: Sequence[str], lines: Sequence[str], at: int) -> int:
    """Return the closing words just above a delimiter, else the delimiter."""
    for above in range(at - 1, max(-1, at - 5), -1):
        if folded[above] and _is_closing(folded[above].casefold()):
            return above
        if len(folded[above]) > 40:
            break
    return at


def _closing(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return the line of the closing words."""
    likely = [
        at
        for at, line in enumerate(folded)
        if len(line) <= _SHORT
        and (line[:3] in _CLOSE_LONG or line[:2] in _CLOSE_SHORT or line[:1] in _MARKS)
    ]
    for at in likely:
        line = folded[at]
        if _is_closing(line) or (at and _is_short_closing_at(folded, at, sender)):
            return at
    return None


def _is_short_closing_at(folded: Sequence[str], at: int, sender: str | None) -> bool:
    """Tell whether a line is short closing words, with the sender's name or a card beneath it."""
    line = folded[at]
    named, alone = _names_himself(line, sender), _is_short_closing(line)
    if not (named or alone):
        return False
    below = [text for text in folded[at + 1 :] if text]
    if named and len(below) <= 4:
        return True
    card = len(below) <= 8 and all(len(text) < 60 for text in below)
    return alone and card and bool(below) and not below[0].endswith((".", "?", "!"))


def _is_closing(line: str) -> bool:
    return _begins_with(line, _LONG_ONES, most_words=6)


def _is_short_closing(line: str) -> bool:
    return line.strip(" ,.!") in _ALONE


def _names_himself(line: str, sender: str | None) -> bool:
    """Tell whether a line is short closing words with the sender's own name behind them."""
    found = _SHORT_AND_MORE.match(line)
    return bool(found and is_sender(line[found.end() :], words_of(sender or "")))


def _begins_with(line: str, phrases: tuple[str, ...], *, most_words: int) -> bool:
    """Tell whether a line is one of the phrases, perhaps with a name or a second one behind it."""
    if not line.startswith(phrases):  # all at once, as nearly every line is none
        return False
    for phrase in phrases:
        if not line.startswith(phrase):
            continue
        behind = line[len(phrase) :]
        if not behind.strip(" ,.!-–—"):
            return True
        if behind[:1] in ",./!;|" or behind[:3] in (" / ", " - ", " | "):
            return len(behind.split()) <= most_words
        words = behind.split()
        if behind[:1] == " " and len(words) <= 3 and not behind.rstrip().endswith((".", "?", ":")):
            return True
    return False


def _card(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return where a card without closing words begins: a name, then labelled contacts."""
    top = max(0, len(lines) - _CARD_LINES)
    known = words_of(sender or "")
    if _is_contact_only(folded):
        return None
    for at in range(top, len(lines)):
        line = lines[at].strip()
        if not line or len(line) > _SHORT:
            continue
        himself = is_sender(line, known)
        if at and lines[at - 1].strip() and not himself:
            continue  # in the midst of a paragraph
        if not (himself or is_name(line)):
            continue
        below = [text for text in folded[at + 1 :] if text]
        if not all(len(text) <= _SHORT for text in below):
            continue
        contacts = sum(1 for text in below if _is_contact(text))
        if himself and (contacts or (len(below) <= 3 and at)):
            return at
        if contacts and at and is_name(line):
            return at
    return None


def _is_contact_only(folded: Sequence[str]) -> bool:
    return len([line for line in folded if line]) < 2


def _is_contact(line: str) -> bool:
    found = _LABELLED.match(line)
    if found and found[1] in CARD_LABELS:
        return True
    return line.startswith(("www.", "http")) or ("@" in line and " " not in line)


def _device(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return the line that a telephone or program adds beneath a mail."""
    top = max(0, len(folded) - 6)
    for at in range(top, len(folded)):
        if not _is_device(folded[at]):
            continue
        if all(_is_device(line) or not line.strip("_-–— ") for line in folded[at + 1 :]):
            ruled = at and lines[at - 1].strip() and not lines[at - 1].strip(" _-–—")
            return at - 1 if ruled else at
    return None


def _is_device(line: str) -> bool:
    if line[:2].casefold()[:2] not in _TELL_DEVICE:
        return False
    line = line.casefold()
    return line.startswith(DEVICES) and len(line) <= 120


def _before_postscript(folded: Sequence[str], first: int) -> int:
    for at in range(first + 1, len(folded)):
        if folded[at].casefold().startswith(POSTSCRIPTS):
            return at
    return len(folded)
