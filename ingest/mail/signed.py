"""What is in a signature: the name and the telephone numbers."""

from __future__ import annotations

import re

from ingest.mail.quote_words import CLOSINGS, SHORT_CLOSINGS

MOST_LINES = 40  #: of a signature with its disclaimer
MOST_NUMBERS = 6

_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"(?<![\w@./])[+(]{0,2}\d[\d \u00a0()./\u2010-\u2015-]{5,22}\d(?![\w@])")
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d")


def words_of(text: str) -> frozenset[str]:
    """Return the words of a name, folded."""
    return frozenset(_WORD.findall(text.casefold()))


def is_sender(line: str, known: frozenset[str]) -> bool:
    """Tell whether a line is nothing but the sender's name, or a part of it."""
    folded = line.strip(" ,.").casefold()
    first = _WORD.search(folded) if known else None
    if not first or first[0] not in known or any(char in line for char in "?:!@"):
        return False
    found = _WORD.findall(folded)
    return len(found) <= 4 and known.issuperset(found)


_NO_NAME = re.compile(r"[@:/?!+|()]")
_PARTICLES = frozenset({"van", "de", "der", "den", "von", "zu", "ter", "ten", "la", "di"})


def is_name(line: str) -> bool:
    """Tell whether a line can be a person's name: two to four capitalised words, nothing else."""
    text = line.strip(" ,.*_")
    if not 4 <= len(text) <= 60 or _NO_NAME.search(text) or any(map(str.isdigit, text)):
        return False
    words = text.split()
    whole = [word for word in words if word.casefold() not in _PARTICLES]
    if not 2 <= len(words) <= 5 or not 2 <= len(whole) <= 4:
        return False
    return all(word[:1].isupper() for word in whole) and not text.isupper()


def name_in(signature: str, sender: str | None) -> str | None:
    """Return the name that a signature gives, or None."""
    known = words_of(sender or "")
    for line in signature.split("\n", MOST_LINES)[:8]:
        text = _behind_closing(line[:300].partition("|")[0].strip(" \t*_,"))
        if text and (is_name(text) or (is_sender(text, known) and len(text) <= 60)):
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
