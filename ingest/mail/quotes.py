"""Where a mail's text begins to repeat earlier mails: attributions, header blocks, banners.

No library does this for Russian or Dutch. One pass over the lines; whatever is looked at around
a line is a few lines of bounded length, so that hostile text costs no more than long text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest.mail.quote_words import (
    FORWARD,
    FORWARD_LINES,
    LABELS,
    OPENERS,
    ORIGINAL,
    VERBS,
    WEEKDAYS,
)

MOST_LINES = 20_000  #: what stands behind them is new: nobody wrote it by hand
_LONGEST = 400  #: characters of a line that are looked at
_MOST_LINES = 4  #: an attribution is wrapped over
_BLOCK_LINES = 24  #: a header block, with its wrapped lists of recipients

_WORD = re.compile(r"[^\W\d_]+")
_TIME = re.compile(r"(?<!\d)\d{1,2}[:.]\d{2}(?!\d)")
_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|(?:19|20)\d\d)(?!\d)")
_AROUND = " \t\u00a0*_\u200b\u200e\u200f\ufeff\u202a\u202c"


_DRAWN = ("-", "–", "—", "=", "_")  #: what banners and rules are drawn with
_LONGEST_FORWARD_LINE = max(map(len, FORWARD_LINES)) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Lines such as "On 3 May 2024 Anna wrote:"."""

    start: int  #: its first line
    end: int  #: the line behind it
    text: str
    sure: bool  #: False: it counts only before text that is marked as quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderBlock:
    """Lines such as "From: ... Sent: ... To: ... Subject: ..."."""

    start: int
    end: int
    fields: Mapping[str, str]  #: from, date, to, cc, subject


@lru_cache(maxsize=1)  # a text is parted, and then asked who wrote what it forwards
def lines_of(text: str) -> tuple[Sequence[str], Sequence[int]]:
    """Return the lines of a text, all that stand behind `MOST_LINES` as one, and `worth_a_look`."""
    lines = text.split("\n", MOST_LINES)
    return lines, worth_a_look(lines)


def worth_a_look(lines: Sequence[str]) -> list[int]:
    """Return which lines may announce another mail, be marked as quoted, or be empty.

    The others are words: most lines, told without a closer look. They begin with a letter or a
    digit, so none is a banner, a rule or a quote's mark; none is a header line or an attribution
    (no colon in it), and none that is short says that another mail follows.
    """
    return [
        at
        for at, line in enumerate(lines)
        if ":" in line
        or not line[:1].isalnum()
        or (
            len(line) <= _LONGEST_FORWARD_LINE
            and line.rstrip(" \t\u00a0*").casefold() in FORWARD_LINES
        )
    ]


def only_words(line: str) -> bool:
    """Tell whether a line can announce no other mail, though it is `worth_a_look`.

    It is no banner or rule (not drawn, and too long to be words alone), no header line and no
    attribution (no colon in it).
    """
    if ":" in line or len(line) <= _LONGEST_FORWARD_LINE:
        return False
    return not line.lstrip("> \t\u00a0*").startswith(_DRAWN)


def plain(line: str) -> str:
    """Return a line without quote marks, bold type and space around it, shortened."""
    return line[:_LONGEST].lstrip(">| \t\u00a0").strip(_AROUND).replace("*", "")


def attribution_at(lines: Sequence[str], end: int) -> Attribution | None:
    """Return the attribution whose last line this is, or None."""
    last = lines[end][: _LONGEST + 9].rstrip(_AROUND)
    if not last.endswith(":") or len(last) > _LONGEST:
        return None
    start = end
    first = max(0, end - _MOST_LINES + 1)
    for at in range(end, first - 1, -1):
        if not lines[at].strip() or len(lines[at]) > _LONGEST:
            break
        if _begins(plain(lines[at])):
            start = at
            break
    text = " ".join(plain(line) for line in lines[start : end + 1])
    sure = _certainty(text)
    if sure is None:
        return None
    return Attribution(start=start, end=end + 1, text=text, sure=sure)


def _begins(text: str) -> bool:
    """Tell whether the text begins as an attribution does that states its date first."""
    if text[:1].isdigit():
        return True
    found = _WORD.match(text)
    if not found:
        return False
    word = found[0].casefold()
    dated = any(char.isdigit() for char in text)
    return dated and (word in OPENERS or word in WEEKDAYS)


def _certainty(text: str) -> bool | None:
    """Tell whether the text is an attribution for sure, or only before marked quotes; None: no."""
    words = _WORD.findall(text.casefold())
    date, time, address = bool(_DATE.search(text)), bool(_TIME.search(text)), "@" in text
    begins = _begins(text)
    if VERBS.isdisjoint(words):
        return True if begins and date and time and address else None
    if len(words) > 40:
        return None
    if address and (date or time):
        return True
    if date and time:
        return True
    if begins and time and words[-1] in VERBS:
        return True
    return False if begins or address or words[-1] in VERBS else None


def header_block_at(lines: Sequence[str], start: int) -> HeaderBlock | None:
    """Return the block of header lines that begins at this line, or None."""
    if label_of(lines[start]) is None:
        return None
    fields: dict[str, str] = {}
    end, last, loose = start, "", 0
    for at in range(start, min(len(lines), start + _BLOCK_LINES)):
        text = plain(lines[at])
        label = label_of(lines[at])
        if label is not None:
            if label in fields:
                break
            fields[label] = text.partition(":")[2].strip()
            end, last, loose = at + 1, label, 0
        elif not text:
            loose += 1
            if loose > 1 or (len(fields) >= 4 and "subject" in fields):
                break
        elif loose or last not in ("from", "to", "cc", "subject", "date"):
            break  # words behind an empty line are no header
        elif last in ("to", "cc") or not fields[last] or lines[at][:1] in " \t":
            fields[last] = f"{fields[last]} {text}".strip()[:_LONGEST]
            end = at + 1
        else:
            break
    # "From: Leeds, To: London, Date: Monday" orders a lorry.
    told = "subject" in fields or "@" in fields.get("from", "")
    whole = "from" in fields and len(fields) >= 3 and told
    return HeaderBlock(start=start, end=end, fields=fields) if whole else None


def label_of(line: str) -> str | None:
    """Return which header field a line of a block begins, or None."""
    head, colon, _ = line[:80].partition(":")
    if not colon or len(head) > 40:
        return None
    return LABELS.get(head.lstrip(">| \t\u00a0").strip(_AROUND).casefold())


def banner_of(line: str) -> str | None:
    """Return "original" or "forward" for a line that announces another mail, or None."""
    if len(line) > 160:
        return None
    text = line.lstrip("> ").strip(" \t\u00a0*")
    if text.rstrip(":").casefold() in FORWARD_LINES:
        return "forward"
    inside = text.strip("-–—=_ \t:")
    if len(text) - len(inside) < 6 or text[:1] not in "-–—=_":
        return None
    inside = inside.casefold()
    if inside.startswith("конец ") or inside.startswith("end "):
        return None
    if inside in FORWARD or inside.partition(" by ")[0] in FORWARD:
        return "forward"
    return "original" if inside in ORIGINAL else None


def is_rule(line: str) -> bool:
    """Tell whether a line is drawn, as programs draw one above what they quote."""
    text = line.strip()
    return len(text) >= 5 and not text.strip("_-–—=") and len(text) < 200
