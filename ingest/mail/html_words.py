"""The words of an HTML body, and where in them earlier mails stand.

No parser of HTML: one pass over the tags, in linear time. Most tags are taken whole, with the words
before them, by one pattern; what it does not fit is looked at closer. It serves matching and
reading; the page shows the sanitised HTML itself.
"""

from __future__ import annotations

import html as entities
import re

from ingest.mail.quoting_html import Quoting

_SPACES = re.compile(r"[ \t\r\n\f\u00a0\u200b\ufeff]+")

#: Elements whose words are not for the reader.
_HIDDEN = frozenset({"head", "script", "style", "template", "title", "noframes", "svg", "math"})
_PARAGRAPHS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "hr")
_BLOCKS = (
    *("address", "article", "body", "caption", "center", "dd", "div", "dl", "dt", "fieldset"),
    *("footer", "form", "header", "li", "main", "pre", "section", "tbody", "thead", "tr"),
)
#: How many line ends stand at least before and behind an element.
_LINE_ENDS = {**dict.fromkeys(_BLOCKS, 1), **dict.fromkeys(_PARAGRAPHS, 2)}
#: Elements that have no end tag.
_EMPTY = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_NO_DISPLAY = re.compile(r"\bstyle\s*=\s*[\"'][^\"']{0,600}display\s*:\s*none")
_UNSEEN = re.compile(r"\shidden(?=[\s=/]|$)")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_MOST_ATTRIBUTES = 600  #: characters of them that are looked at
_OPENING = re.compile(r"<(?=[a-zA-Z/!?])")
#: Words and the tag behind them (slash, name, attributes), if that is short and closes.
_WORDS_AND_TAG = re.compile(
    rf"([^<]*+)<(/?)([a-zA-Z][a-zA-Z0-9:-]{{0,30}}+)([^<>]{{0,{_MOST_ATTRIBUTES}}}+)>"
)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]{0,30})")


class _Words:
    """The words found so far, and how many line ends stand behind the last of them."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.ends = 2
        self.quoting = Quoting()
        self.marks: list[int] = []  #: how many pieces came before a quote's begin or end

    def add(self, text: str) -> None:
        begins = self.ends or (self.pieces and self.pieces[-1].endswith(" "))
        if begins:
            text = text.lstrip()
        # Of `_SPACES` only the space itself is printable. Where all are, each stands alone already.
        if "  " in text or not text.isprintable():
            text = _SPACES.sub(" ", text)
            text = text.lstrip() if begins else text
        if text:
            self.pieces.append(text)
            self.ends = 0

    def end_line(self, at_least: int) -> None:
        if self.pieces and self.ends < at_least:
            self.pieces.append("\n" * (at_least - self.ends))
            self.ends = at_least


def html_to_text(html: str) -> str:
    """Return the words of an HTML body, blocks on lines of their own."""
    return html_to_parts(html)[0]


def html_to_parts(html: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the words of an HTML body, and from where to where in them earlier mails stand."""
    words = _Words()
    at, size = 0, len(html)
    missing: set[str] = set()  # ends that do not come any more: searched for once
    while at < size:
        found = _WORDS_AND_TAG.match(html, at)
        if not found:
            at = _past_odd(html, at, words, missing)
            continue
        text, slash, name, attributes = found.groups()
        if text:
            words.add(entities.unescape(text) if "&" in text else text)
        at = found.end()
        if name == "br":  # half of all tags
            words.end_line(2 if words.ends else 1)
        else:
            attributes = None if slash else attributes
            at = _take(html, at, name.lower(), attributes, words, missing) or at
    return _tidied(words)


def _tidied(words: _Words) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text without spaces before line ends, and the quotes' places in it."""
    raw = "".join(words.pieces)
    text = "\n".join([line.rstrip() for line in raw.split("\n")]).strip()
    if not words.marks:
        return text, ()
    marks = [*words.marks, len(words.pieces)]
    places, at = [], 0
    for begin, end in zip(marks[::2], marks[1::2], strict=False):
        before = sum(map(_letters, words.pieces[at:begin]))
        within = sum(map(_letters, words.pieces[begin:end]))
        at = end
        places.append((before, within))
    return text, tuple(_found(text, places))


def _letters(piece: str) -> int:
    return len("".join(piece.split()))


def _found(text: str, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where in the text runs of so many letters stand: what is tidied keeps its letters."""
    found, at = [], 0
    for before, within in places:
        begin = _after(text, at, before)
        while begin < len(text) and text[begin].isspace():
            begin += 1
        at = _after(text, begin, within)
        if within:
            found.append((begin, at))
    return found


def _after(text: str, at: int, letters: int) -> int:
    """Return the place behind so many letters."""
    while letters and at < len(text):
        letters -= not text[at].isspace()
        at += 1
    return at


def _past_odd(html: str, at: int, words: _Words, missing: set[str]) -> int:
    """Take the words at `at` and what opens behind them, no whole tag; return where to go on."""
    opening = _OPENING.search(html, at)
    end = opening.start() if opening else len(html)
    if end > at:
        words.add(entities.unescape(html[at:end]))
    return _past_opening(html, end, words, missing) if opening else end


def _past_opening(html: str, at: int, words: _Words, missing: set[str]) -> int:
    """Take what opens at `at`; return where reading goes on."""
    if html.startswith("<!--", at):
        return _past(html, "-->", at, missing)
    if html.startswith(("<!", "<?"), at):
        return _past(html, ">", at, missing)
    found = _TAG.match(html, at)
    if not found:
        words.add("<")
        return at + 1
    attributes = _attributes(html, found.end()) if html[at + 1] != "/" else None
    behind = _take(html, found.end(), found[1].lower(), attributes, words, missing)
    return behind or _past(html, ">", found.end(), missing)


def _take(
    html: str, at: int, name: str, attributes: str | None, words: _Words, missing: set[str]
) -> int | None:
    """Take a tag (attributes None: an end tag) whose name ends before `at`.

    Return the place behind its element where that is not for the reader, else None.
    """
    if attributes and name not in _EMPTY and _is_unseen(attributes):
        behind = _past_element(html, name, at, missing)
        if behind is not None:
            return behind
    if words.quoting.turns(name, attributes):
        words.marks.append(len(words.pieces))
    if name == "br":
        words.end_line(2 if words.ends else 1)
    elif name in _LINE_ENDS:
        words.end_line(_LINE_ENDS[name])
    elif name in ("td", "th") and attributes is not None and not words.ends:
        words.add(" ")
    if attributes is None:
        return None
    if name == "li":
        words.add("- ")
    return _past_hidden(html, name, at, missing) if name in _HIDDEN else None


def _past(html: str, end: str, at: int, missing: set[str]) -> int:
    """Return the place behind the next `end`; where none comes, one character on."""
    place = -1 if end in missing else html.find(end, at)
    if place < 0:
        missing.add(end)
        return at + 1
    return place + len(end)


def _attributes(html: str, at: int) -> str:
    """Return what stands between a tag's name and its end, or the next tag where it has none."""
    return html[at : at + _MOST_ATTRIBUTES].partition(">")[0].partition("<")[0]


def _is_unseen(attributes: str) -> bool:
    """Tell whether an element's attributes say that no reader sees it."""
    attributes = attributes.lower()
    if "none" in attributes and _NO_DISPLAY.search(attributes):
        return True
    return "hidden" in attributes and bool(_UNSEEN.search(_QUOTED.sub("", attributes)))


def _past_element(html: str, name: str, at: int, missing: set[str]) -> int | None:
    """Return the place behind an element's own end tag, None where it never closes."""
    if f"end of {name}" in missing:
        return None
    depth = 1
    for found in re.compile(rf"<(/?){name}\b", re.IGNORECASE).finditer(html, at):
        depth += -1 if found[1] else 1
        if depth == 0:
            return _past(html, ">", found.end(), missing)
    missing.add(f"end of {name}")
    return None


def _past_hidden(html: str, name: str, at: int, missing: set[str]) -> int | None:
    """Return the place behind the end tag of an element that is not for the reader, or None."""
    if name not in missing:
        found = re.compile(rf"</{name}\b[^>]{{0,200}}>", re.IGNORECASE).search(html, at)
        if found:
            return found.end()
        missing.add(name)
    return None
