"""Where Lotus Notes begins to quote: its blocks bear no labels such as "From:".

    Anna Visser/Client@CLIENT              "Anna Visser"
    03.05.2024 12:04                       <anna@client.example>              To
                                           03/05/2024 12:04 PM    sales@keep.example
    To                                                                        cc
    sales@keep.example
    cc                                                                   Subject
                                                          Order
    Subject
    Order                                  Anna Visser---03.05.2024 12:04:11---Boxes

A line that is nothing but a date and a time, and below it three words of a table in their order,
each alone at the end of its line: nobody writes that by hand. With one of them missing it is new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LABELS = {
    **dict.fromkeys(("to", "an", "aan", "кому"), "to"),
    **dict.fromkeys(("cc", "kopie", "копия"), "cc"),
    **dict.fromkeys(("subject", "thema", "betreff", "onderwerp", "тема"), "subject"),
}
_LONGEST_LABEL = max(map(len, _LABELS)) + 1
_ORDER = ("to", "cc", "subject")

_ABOVE = 4  #: lines of the sender's name and address
_BELOW = 14  #: lines in which the table stands
_LONGEST = 200  #: characters of its lines

_DAY = r"(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}-\d\d-\d\d)"
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s[AaPp]\.?[Mm]\.?)?"
_MOMENT = re.compile(rf"{_DAY}\s{{1,3}}{_TIME}(?:\s.*)?")
_FOLDED = re.compile(rf"[^-].{{0,80}}---{_DAY} {_TIME}---")
_IN_COLUMNS = re.compile(r"[ \t\u00a0]{2,}")


def notes_block_at(lines: Sequence[str], at: int) -> tuple[int, int] | None:
    """Return where the block whose date stands in this line begins and ends, or None."""
    if len(lines[at]) > _LONGEST:
        return None
    line = _plain(lines[at])
    if _FOLDED.match(line):
        return at, at + 1
    if not line[:1].isdigit() or not _MOMENT.fullmatch(line) or not _is_alone(line):
        return None
    start = _start(lines, at)
    end = _end(lines, start, at)
    return None if end is None else (start, end)


def _plain(line: str) -> str:
    return line[:_LONGEST].lstrip(">| \t\u00a0").rstrip()


def _is_alone(line: str) -> bool:
    """Tell whether a moment has nothing behind it in its column."""
    cells = _IN_COLUMNS.split(line)
    words = cells[0].split()
    return len(words) <= 3 and (len(words) < 3 or words[2][:1] in "AaPp")


def _label(line: str) -> str | None:
    """Return which field the last word of a line names, where it stands in a column alone."""
    text = line[:_LONGEST].rstrip()
    word = text[-_LONGEST_LABEL:].split()[-1:]
    if not word or (found := _LABELS.get(word[0].casefold())) is None:
        return None
    before = text[: -len(word[0])].lstrip(">| \t\u00a0")
    return found if not before or _IN_COLUMNS.search(before[-2:]) else None


def _start(lines: Sequence[str], at: int) -> int:
    """Return where the name and address above the date begin."""
    start = at
    for above in range(at - 1, max(at - 1 - _ABOVE, -1), -1):
        line = _plain(lines[above])
        names = any(mark in line for mark in '@/"<') or _label(lines[above]) is not None
        is_name = above == at - 1 and len(line.split()) <= 4 and line[-1:] not in (*".,;:!?",)
        if not line or not (names or is_name):
            break
        start = above
    return start


def _end(lines: Sequence[str], start: int, at: int) -> int | None:
    """Return the line behind the table, None where it is none."""
    wanted = list(_ORDER)
    for below in range(start, min(len(lines), at + _BELOW)):
        label = _label(lines[below])
        if label is None:
            continue
        if label != wanted.pop(0):
            return None
        if not wanted:
            return below + 1 if below > at else None
    return None
