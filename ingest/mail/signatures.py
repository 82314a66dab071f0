"""Signatures: where one begins in newly written lines, and the name and numbers in it."""

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

MOST_LINES = 40  #: of a signature with its disclaimer
MOST_NUMBERS = 6
_SHORT = 80  #: characters of a line in a card
_CARD_LINES = 10

_LONG_ONES, _SHORT_ONES = tuple(CLOSINGS), tuple(SHORT_CLOSINGS)
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"(?<![\w@./])[+(]{0,2}\d[\d \u00a0()./\u2010-\u2015-]{5,22}\d(?![\w@])")
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d")
_LABELLED = re.compile(r"([^\W\d_]{1,12})[.:\s]")


def signature_start(lines: Sequence[str], *, sender: str | None) -> tuple[int, int] | None:
    """Return first and last (exclusive) line of the signature that ends these lines, or None.

    What stands behind a postscript is new again, so a signature may end before the lines do.
    """
    bottom = max(0, len(lines) - MOST_LINES)
    folded = [line[:200].strip(" \t\u00a0*_").casefold() for line in lines[bottom:]]
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
    for at, line in enumerate(lines):
        if line.rstrip() in ("--", "---", "—", "–") and at < len(lines) - 1:
            return _from_closing(folded, lines, at)
    return None


def _from_closing(folded: Sequence[str], lines: Sequence[str], at: int) -> int:
    """Return the closing words just above a delimiter, else the delimiter."""
    for above in range(at - 1, max(-1, at - 5), -1):
        if folded[above] and _is_closing(folded[above]):
            return above
        if len(folded[above]) > 40:
            break
    return at


def _closing(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return the line of the closing words."""
    for at, line in enumerate(folded):
        if not line or len(line) > _SHORT:
            continue
        if _is_closing(line):
            return at
        below = [text for text in folded[at + 1 :] if text]
        if at and _names_himself(line, sender) and len(below) <= 4:
            return at
        if _is_short_closing(line):
            card = len(below) <= 8 and all(len(text) < 60 for text in below)
            ends = bool(below) or line.startswith(("gr", "lg", "mfg"))
            if at and card and ends and below and not below[0].endswith((".", "?", "!")):
                return at
    return None


def _is_closing(line: str) -> bool:
    return _begins_with(line, _LONG_ONES, most_words=6)


def _is_short_closing(line: str) -> bool:
    return line.strip(" ,.!") in SHORT_CLOSINGS


def _names_himself(line: str, sender: str | None) -> bool:
    """Tell whether a line is short closing words with the sender's own name behind them."""
    if not line.startswith(_SHORT_ONES):
        return False
    for phrase in SHORT_CLOSINGS:
        behind = line[len(phrase) :]
        if line.startswith(phrase) and behind[:1] in (" ", ",", "."):
            return _is_sender(behind, _words(sender or ""))
    return False


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
    known = _words(sender or "")
    if _is_contact_only(folded):
        return None
    for at in range(top, len(lines)):
        line = lines[at].strip()
        if not line or len(line) > _SHORT:
            continue
        if at and lines[at - 1].strip() and not _is_sender(line, known):
            continue  # in the midst of a paragraph
        below = [text for text in folded[at + 1 :] if text]
        if not all(len(text) <= _SHORT for text in below):
            continue
        contacts = sum(1 for text in below if _is_contact(text))
        if _is_sender(line, known) and (contacts or (len(below) <= 3 and at)):
            return at
        if is_name(line) and contacts and at:
            return at
    return None


def _is_contact_only(folded: Sequence[str]) -> bool:
    return len([line for line in folded if line]) < 2


def _is_contact(line: str) -> bool:
    found = _LABELLED.match(line)
    if found and found[1] in CARD_LABELS:
        return True
    return line.startswith(("www.", "http")) or ("@" in line and " " not in line)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _is_sender(line: str, known: frozenset[str]) -> bool:
    """Tell whether a line is nothing but the sender's name, or a part of it."""
    words = _WORD.findall(line.strip(" ,.").casefold())
    if not words or len(words) > 4 or not known or any(char in "?:!@" for char in line):
        return False
    return known.issuperset(words) and not line.rstrip().endswith(":")


def _device(folded: Sequence[str], lines: Sequence[str], sender: str | None) -> int | None:
    """Return the line that a telephone or program adds beneath a mail."""
    for at in range(max(0, len(folded) - 6), len(folded)):
        if not _is_device(folded[at]):
            continue
        if all(_is_device(line) or not line.strip("_-–— ") for line in folded[at + 1 :]):
            ruled = at and lines[at - 1].strip() and not lines[at - 1].strip(" _-–—")
            return at - 1 if ruled else at
    return None


def _is_device(line: str) -> bool:
    return line.startswith(DEVICES) and len(line) <= 120


def _before_postscript(folded: Sequence[str], first: int) -> int:
    for at in range(first + 1, len(folded)):
        if folded[at].startswith(POSTSCRIPTS):
            return at
    return len(folded)


# What is in it ---------------------------------------------------------------------------------


def is_name(line: str) -> bool:
    """Tell whether a line can be a person's name: two to four capitalised words, nothing else."""
    text = line.strip(" ,.*_")
    if not 4 <= len(text) <= 60 or any(char.isdigit() or char in "@:/?!+|()" for char in text):
        return False
    words = text.split()
    particles = {"van", "de", "der", "den", "von", "zu", "ter", "ten", "la", "di"}
    whole = [word for word in words if word.casefold() not in particles]
    if not 2 <= len(words) <= 5 or not 2 <= len(whole) <= 4:
        return False
    return all(word[:1].isupper() for word in whole) and not text.isupper()


def name_in(signature: str, sender: str | None) -> str | None:
    """Return the name that a signature gives, or None."""
    known = _words(sender or "")
    for line in signature.split("\n", MOST_LINES)[:8]:
        text = _behind_closing(line[:300].partition("|")[0].strip(" \t*_,"))
        if text and (is_name(text) or (_is_sender(text, known) and len(text) <= 60)):
            return text
    return None


def _behind_closing(line: str) -> str:
    """Return what stands behind closing words on the same line; the line where it has none."""
    folded = line.casefold()
    for phrase in (*CLOSINGS, *SHORT_CLOSINGS):
        if folded.startswith(phrase) and not folded[len(phrase) :][:1].isalpha():
            return line[len(phrase) :].strip(" ,.!/-–—")
    return line


def numbers_written(signature: str) -> tuple[str, ...]:
    """Return what may be telephone numbers in a signature, as written, each once.

    Which are numbers depends on the region of who reads them; that is asked later.
    """
    found: dict[str, None] = {}
    for line in signature.split("\n", MOST_LINES)[:MOST_LINES]:
        if _is_no_phone(line):
            continue
        for written in _NUMBER.findall(line[:300]):
            if 7 <= sum(map(str.isdigit, written)) <= 15 and not _DATE.match(written):
                found.setdefault(" ".join(written.split()))
    return tuple(found)[:MOST_NUMBERS]


#: Lines whose digits are something else.
_OTHER_DIGITS = re.compile(
    r"\b(?:инн|кпп|огрн|огрнип|бик|р/с|к/с|окпо|kvk|btw|iban|bic|ust|ustid|ust-idnr|hrb|hra"
    r"|vat|kvk-nr|fax|факс|ф|f|telefax|reg|coc|steuernummer|hr|rsin)\b"
)


def _is_no_phone(line: str) -> bool:
    """Tell whether the digits of a line are a tax number, an account or a fax."""
    folded = line[:300].casefold()
    found = _OTHER_DIGITS.search(folded)
    return found is not None and not re.search(r"\b(?:tel|тел|mob|моб|phone|t|т)\b", folded)
