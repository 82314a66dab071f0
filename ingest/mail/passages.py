"""A mail's text parted into what was newly written, what was quoted, and the signature.

What cannot be told is new: a quote that is shown costs a look, a sentence of the client's that is
hidden costs the client. Linear in the text: every line is looked at once, with a few around it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate

from ingest.domain.mails import Passage, PassageKind
from ingest.mail.quotes import (
    MOST_LINES,
    attribution_at,
    banner_of,
    header_block_at,
    is_rule,
    lines_of,
    only_words,
)
from ingest.mail.quotes_notes import notes_block_at
from ingest.mail.signatures import signature_start

MOST_PASSAGES = 200

#: Lines are told apart by one letter each, so that whole texts are searched and changed at once.
_NEW, _QUOTE, _SIGNATURE = b"N", b"Q", b"S"
_KINDS = {b"N": PassageKind.NEW, b"Q": PassageKind.QUOTE, b"S": PassageKind.SIGNATURE}
_RUN = re.compile(rb"N+|Q+|S+")
_WRAPPED_AT = 60  #: characters of a quoted line whose end a program may wrap without a mark


def part(
    text: str,
    *,
    quotes: Sequence[tuple[int, int]] = (),
    answers: bool = True,
    sender: str | None = None,
) -> tuple[Passage, ...]:
    """Return the passages of a text, in order and without gaps.

    `quotes`: places that the HTML marked as quoted; `answers`: the mail answers or forwards
    another, so that it may begin with a header block; `sender`: the name in From.
    """
    if not text or text.isspace():
        return ()
    lines, looked_at = lines_of(text)
    has_rest = len(lines) > MOST_LINES
    if has_rest:
        lines, looked_at = lines[:MOST_LINES], [at for at in looked_at if at < MOST_LINES]
    marked = _marked(lines, quotes) if quotes else ()
    kinds = _kinds(lines, range(len(lines)) if marked else looked_at, marked, answers)
    _sign(lines, kinds, sender)
    if has_rest:
        kinds += _NEW
    return _joined(kinds, lines, len(text))


def _starts(lines: Sequence[str]) -> list[int]:
    """Return where each line begins, and where the one behind them would."""
    return [at + ends for ends, at in enumerate(accumulate(map(len, lines), initial=0))]


def _marked(lines: Sequence[str], quotes: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Return which lines lie in places that the HTML marked."""
    starts = _starts(lines)
    marked: set[int] = set()
    for begin, end in quotes:
        first = bisect_right(starts, begin) - 1
        if begin > starts[first]:
            first += 1  # the quote begins within a line: that line is its writer's
        for at in range(first, len(lines)):
            if starts[at] >= end:
                break
            marked.add(at)
    return frozenset(marked)


def _kinds(
    lines: Sequence[str], looked_at: Iterable[int], marked: Collection[int], answers: bool
) -> bytearray:
    """Return for each line whether it is new or quoted; those not looked at are words."""
    kinds = bytearray(_NEW * len(lines))
    behind, seen_words = 0, False  # behind the last line that was looked at
    for at in looked_at:
        if at < behind:
            continue
        seen_words = seen_words or at > behind  # what was passed over are words
        behind, line = at + 1, lines[at]
        if at in marked or _is_quoted(lines, at, kinds):
            kinds[at:behind] = _QUOTE
        elif not line.strip():
            pass
        elif only_words(line):
            seen_words = True
        elif (begins := _quote_begins(lines, at, marked, answers or seen_words)) is not None:
            start, behind, swallows = begins
            behind = len(lines) if swallows else behind
            kinds[start:behind] = _QUOTE * (behind - start)
        else:
            seen_words = True
    return _smoothed(lines, kinds)


def _is_followed(lines: Sequence[str], marked: Collection[int], at: int) -> bool:
    """Tell whether the next line with words behind this one is marked as quoted."""
    for below in range(at + 1, len(lines)):
        if line := lines[below].lstrip():
            return below in marked or line.startswith(">")
    return False


def _is_quoted(lines: Sequence[str], at: int, kinds: bytearray) -> bool:
    """Tell whether a line bears the mark of quotes; one like ">50 pieces" alone does not."""
    line = lines[at].lstrip()
    if not line.startswith(">"):
        return False
    if line[1:2] in ("", " ", ">", "\t", "\u00a0"):
        return True
    beside = lines[at + 1].lstrip().startswith(">") if at + 1 < len(lines) else False
    return beside or (at > 0 and kinds[at - 1 : at] == _QUOTE)


def _quote_begins(
    lines: Sequence[str], at: int, marked: Collection[int], inside: bool
) -> tuple[int, int, bool] | None:
    """Return where a quote begins, where its introduction ends, and whether all behind is quoted.

    `inside`: words or another mail came before, so a header block is no form that was filled in.
    """
    if banner_of(lines[at]) is not None:
        return at, at + 1, not _is_followed(lines, marked, at)
    if is_rule(lines[at]):
        behind = _next_words(lines, at)
        if behind is not None and inside and header_block_at(lines, behind) is not None:
            return at, at + 1, True
        return None
    if inside and (block := header_block_at(lines, at)) is not None:
        return at, block.end, not _is_followed(lines, marked, block.end - 1)
    found = attribution_at(lines, at)
    if found is None:
        notes = notes_block_at(lines, at) if inside else None
        return None if notes is None else (*notes, not _is_followed(lines, marked, notes[1] - 1))
    followed = _is_followed(lines, marked, at)
    return (found.start, found.end, not followed) if found.sure or followed else None


def _next_words(lines: Sequence[str], at: int) -> int | None:
    return next(
        (below for below in range(at + 1, min(at + 4, len(lines))) if lines[below].strip()), None
    )


def _smoothed(lines: Sequence[str], kinds: bytearray) -> bytearray:
    """Give empty lines to what stands around them, and wrapped ends to their quote."""
    above = kinds.find(b"QNQ")
    while above >= 0:
        line = lines[above + 1]
        wrapped = len(lines[above]) >= _WRAPPED_AT and 0 < len(line) < 40 and line[:1].islower()
        if wrapped or not line.strip():
            kinds[above + 1 : above + 2] = _QUOTE
        above = kinds.find(b"QNQ", above + 2)
    return kinds


def _sign(lines: Sequence[str], kinds: bytearray, sender: str | None) -> None:
    """Mark the signature: at the end of the last run of new lines that holds words."""
    end = len(kinds)
    while end:
        end = kinds.rfind(_NEW, 0, end) + 1
        if end and not lines[end - 1].strip():
            end -= 1
            continue
        if not end:
            return
        start = kinds.rfind(_QUOTE, 0, end) + 1
        found = signature_start(lines[start:end], sender=sender)
        if found is not None:
            first, last = found
            kinds[start + first : start + last] = _SIGNATURE * (last - first)
            return
        if start == 0 or end < len(kinds) - 200:
            return
        end = start


def _joined(kinds: bytearray, lines: Sequence[str], size: int) -> tuple[Passage, ...]:
    """Return the runs of lines of one kind; of too many, the last one holds all that is left."""
    runs = [(_KINDS[it[0][:1]], it.start(), it.end()) for it in _RUN.finditer(bytes(kinds))]
    if len(runs) == 1:
        return (Passage(kind=runs[0][0], start=0, end=size),)
    if len(runs) >= MOST_PASSAGES:
        runs[MOST_PASSAGES - 1 :] = [(PassageKind.NEW, runs[MOST_PASSAGES - 1][1], len(kinds))]
    starts = _starts(lines)
    ends = [*starts[: len(kinds)], size]
    return tuple(
        Passage(kind=kind, start=starts[begin], end=ends[end]) for kind, begin, end in runs
    )
