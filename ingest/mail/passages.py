"""A mail's text parted into what was newly written, what was quoted, and the signature.

What cannot be told is new: a quote that is shown costs a look, a sentence of the client's that is
hidden costs the client. Linear in the text: every line is looked at once, with a few around it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ingest.domain.mails import Passage, PassageKind
from ingest.mail.quotes import attribution_at, banner_of, header_block_at, is_rule, only_words
from ingest.mail.signatures import signature_start

MOST_LINES = 20_000  #: what stands behind them is new: nobody wrote it by hand
MOST_PASSAGES = 200

_NEW, _QUOTE, _SIGNATURE = PassageKind.NEW, PassageKind.QUOTE, PassageKind.SIGNATURE
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
    if not text.strip():
        return ()
    lines = text.split("\n", MOST_LINES)
    rest = lines.pop() if len(lines) > MOST_LINES else None
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    kinds = _kinds(lines, _marked(starts, len(lines), quotes), answers)
    _sign(lines, kinds, sender)
    if rest is not None:
        kinds.append(_NEW)
    ends = [*starts[1 : len(lines)], len(text)] if rest is None else [*starts[1:], len(text)]
    return _joined(kinds, starts, ends)


def _marked(starts: Sequence[int], size: int, quotes: Sequence[tuple[int, int]]) -> list[bool]:
    """Return which lines lie in places that the HTML marked."""
    marked = [False] * size
    for begin, end in quotes:
        first = bisect_right(starts, begin) - 1
        if begin > starts[first]:
            first += 1  # the quote begins within a line: that line is its writer's
        for at in range(first, size):
            if starts[at] >= end:
                break
            marked[at] = True
    return marked


def _kinds(lines: Sequence[str], marked: Sequence[bool], answers: bool) -> list[PassageKind]:
    """Return for each line whether it is new or quoted."""
    kinds = [_NEW] * len(lines)
    following = _next_is_quoted(lines, marked)
    at, seen_words = 0, False
    while at < len(lines):
        line = lines[at]
        if marked[at] or _is_quoted(lines, at, kinds):
            kinds[at] = _QUOTE
        elif not line.strip():
            pass
        elif only_words(line):
            seen_words = True
        elif (begins := _quote_begins(lines, at, following, answers or seen_words)) is not None:
            start, behind, swallows = begins
            end = len(lines) if swallows else behind
            kinds[start:end] = [_QUOTE] * (end - start)
            at = end
            continue
        else:
            seen_words = True
        at += 1
    return _smoothed(lines, kinds)


def _next_is_quoted(lines: Sequence[str], marked: Sequence[bool]) -> list[bool]:
    """Return for each line whether the next line with words behind it is marked as quoted."""
    found, quoted = [False] * len(lines), False
    for at in range(len(lines) - 1, -1, -1):
        found[at] = quoted
        if lines[at].strip():
            quoted = marked[at] or lines[at].lstrip().startswith(">")
    return found


def _is_quoted(lines: Sequence[str], at: int, kinds: Sequence[PassageKind]) -> bool:
    """Tell whether a line bears the mark of quotes; one like ">50 pieces" alone does not."""
    line = lines[at].lstrip()
    if not line.startswith(">"):
        return False
    if line[1:2] in ("", " ", ">", "\t", "\u00a0"):
        return True
    beside = lines[at + 1].lstrip().startswith(">") if at + 1 < len(lines) else False
    return beside or (at > 0 and kinds[at - 1] is _QUOTE)


def _quote_begins(
    lines: Sequence[str], at: int, following: Sequence[bool], inside: bool
) -> tuple[int, int, bool] | None:
    """Return where a quote begins, where its introduction ends, and whether all behind is quoted.

    `inside`: words or another mail came before, so a header block is no form that was filled in.
    """
    if banner_of(lines[at]) is not None:
        return at, at + 1, not following[at]
    if is_rule(lines[at]):
        behind = _next_words(lines, at)
        if behind is not None and inside and header_block_at(lines, behind) is not None:
            return at, at + 1, True
        return None
    if inside and (block := header_block_at(lines, at)) is not None:
        return at, block.end, not following[block.end - 1]
    found = attribution_at(lines, at)
    if found is None or not (found.sure or following[at]):
        return None
    return found.start, found.end, not following[at]


def _next_words(lines: Sequence[str], at: int) -> int | None:
    return next(
        (below for below in range(at + 1, min(at + 4, len(lines))) if lines[below].strip()), None
    )


def _smoothed(lines: Sequence[str], kinds: list[PassageKind]) -> list[PassageKind]:
    """Give empty lines to what stands around them, and wrapped ends to their quote."""
    for at in range(1, len(lines) - 1):
        if kinds[at] is not _NEW or kinds[at - 1] is not _QUOTE or kinds[at + 1] is not _QUOTE:
            continue
        line, above = lines[at], lines[at - 1]
        wrapped = len(above) >= _WRAPPED_AT and 0 < len(line) < 40 and line[:1].islower()
        if wrapped or not line.strip():
            kinds[at] = _QUOTE
    return kinds


def _sign(lines: Sequence[str], kinds: list[PassageKind], sender: str | None) -> None:
    """Mark the signature: at the end of the last run of new lines that holds words."""
    end = len(kinds)
    while end:
        while end and (kinds[end - 1] is not _NEW or not lines[end - 1].strip()):
            end -= 1
        if not end:
            return
        start = end
        while start and kinds[start - 1] is _NEW:
            start -= 1
        found = signature_start(lines[start:end], sender=sender)
        if found is not None:
            first, last = found
            kinds[start + first : start + last] = [_SIGNATURE] * (last - first)
            return
        if start == 0 or end < len(kinds) - 200:
            return
        end = start


def _joined(
    kinds: Sequence[PassageKind], starts: Sequence[int], ends: Sequence[int]
) -> tuple[Passage, ...]:
    passages: list[Passage] = []
    begin = 0
    for at, kind in enumerate(kinds):
        if at + 1 < len(kinds) and kinds[at + 1] is kind:
            continue
        if len(passages) == MOST_PASSAGES - 1:
            passages.append(Passage(kind=_NEW, start=starts[begin], end=ends[-1]))
            break
        passages.append(Passage(kind=kind, start=starts[begin], end=ends[at]))
        begin = at + 1
    return tuple(passages)
