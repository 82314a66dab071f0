r"""The words of an RTF text, or the HTML that Outlook has hidden in one.

Source: the Rich Text Format specification 1.9.1 and, for HTML within RTF (`\fromhtml1`),
[MS-OXRTFEX]. One pass over the tokens: what makes letters is read, what makes looks is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.mail.rtf_words import LETTERS, SETS, SIGNS, UNSEEN, code_page

_MOST_TOKENS = 150_000  #: that are looked at: more than half a MiB of HTML has
_MOST_DEPTH = 1_000  #: of groups; a deeper one ends the reading
_MOST_FONTS = 1_000
_MOST_SKIPPED = 16  #: letters that stand beside one of Unicode for programs that know none

_TOKEN = re.compile(
    r"""\\(?P<word>[A-Za-z]{1,32})(?P<number>-?[0-9]{1,10})?[ ]?
      | \\'(?P<octet>[0-9A-Fa-f]{2})
      | \\(?P<sign>[\s\S])
      | (?P<brace>[{}])
      | [\r\n\0]+
      | (?P<text>[^\\{}\r\n\0]+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an RTF says: a text, or the HTML that it was made of."""

    text: str = ""
    html: str = ""


@dataclass(slots=True)
class _Group:
    """What holds until the group ends. It changes within: a copy for each change costs more."""

    unseen: bool = False  #: its text is nobody's
    markup: bool = False  #: it holds HTML as it stood in the original
    made_up: bool = False  #: what Outlook wrote beside the HTML, for readers of RTF
    hidden: bool = False
    fonts: bool = False  #: the table of fonts
    font: int | None = None  #: None: the usual one
    beside: int = 1  #: letters that stand beside one of Unicode

    def inner(self) -> _Group:
        """Return what holds at the beginning of a group within this one."""
        return _Group(
            self.unseen,
            self.markup,
            self.made_up,
            self.hidden,
            self.fonts,
            self.font,
            self.beside,
        )


@dataclass(slots=True)
class _Reading:
    """A text that is being read."""

    group: _Group = field(default_factory=_Group)
    outer: list[_Group] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)  #: their code pages
    described: int | None = None  #: the font that the table is at
    usual: int = 0  #: the font of what names none
    set: str = "cp1252"  #: the code page of fonts that name none
    of_html: bool = False
    star: bool = False  #: `\*` came: the next word begins what may be passed over
    skip: int = 0  #: letters that are yet to be passed over
    pieces: list[str] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)  #: of one code page, not yet letters
    octets_set: str = ""

    def add_octets(self, octets: bytes) -> None:
        """Take text in the code page that holds here."""
        font = self.usual if self.group.font is None else self.group.font
        name = self.fonts.get(font, self.set)
        if name != self.octets_set:
            self.flush()
            self.octets_set = name
        self.octets += octets

    def add(self, letters: str) -> None:
        """Take letters that need no code page."""
        self.flush()
        self.pieces.append(letters)

    def flush(self) -> None:
        """Turn octets into letters: together, for a letter may be two of them."""
        if self.octets:
            self.pieces.append(self.octets.decode(self.octets_set, "replace"))
            self.octets.clear()

    @property
    def is_seen(self) -> bool:
        """Tell whether what stands here is text of the mail."""
        group = self.group
        if group.unseen or group.fonts:
            return False
        if self.of_html:
            return group.markup or not group.made_up
        return not group.hidden


def words(data: bytes) -> Words:
    """Return what an RTF says, as far as it can be read. Linear; never raises."""
    reading = _Reading()
    source = data.decode("latin-1")
    at = source.find("{\\rtf")
    if at < 0:
        return Words()
    for _ in range(_MOST_TOKENS):
        found = _TOKEN.match(source, at)
        if found is None:
            break
        at = found.end()
        kind = found.lastgroup
        if kind == "text":
            _text(reading, found[0])
        elif kind == "octet":
            _octet(reading, int(found["octet"], 16))
        elif kind == "brace":
            if not _brace(reading, found[0]):
                break
        elif kind == "sign":
            _sign(reading, found["sign"])
        elif kind is not None:
            word, number = found["word"], found["number"]
            if word == "bin":
                at += max(int(number or 0), 0)
            else:
                _word(reading, word, None if number is None else int(number))
    reading.flush()
    return _whole(reading)


def _whole(reading: _Reading) -> Words:
    # Letters beyond the first plane come as two halves.
    joined = "".join(reading.pieces).encode("utf-16-le", "surrogatepass")
    letters = joined.decode("utf-16-le", "replace")
    if reading.of_html:
        return Words(html=letters.strip())
    return Words(text="\n".join(line.rstrip() for line in letters.split("\n")).strip())


def _text(reading: _Reading, text: str) -> None:
    if reading.group.fonts:
        return
    passed = min(reading.skip, len(text))
    reading.skip -= passed
    if reading.is_seen and passed < len(text):
        reading.add_octets(text[passed:].encode("latin-1"))


def _octet(reading: _Reading, octet: int) -> None:
    if reading.skip:
        reading.skip -= 1
    elif reading.is_seen:
        reading.add_octets(bytes((octet,)))


def _brace(reading: _Reading, brace: str) -> bool:
    """Begin or end a group. Return whether the text goes on."""
    reading.skip, reading.star = 0, False
    if brace == "{":
        reading.outer.append(reading.group)
        reading.group = reading.group.inner()
        return len(reading.outer) <= _MOST_DEPTH
    if reading.outer:
        reading.group = reading.outer.pop()
    return bool(reading.outer)


def _sign(reading: _Reading, sign: str) -> None:
    if sign == "*":
        reading.star = True
    elif reading.skip:
        reading.skip -= 1
    elif reading.is_seen and sign in SIGNS:
        _letter(reading, SIGNS[sign])


def _letter(reading: _Reading, letter: str) -> None:
    """Take a letter that was written as a word or sign; plain ones leave octets together."""
    if letter.isascii() and letter != "\n":
        reading.add_octets(letter.encode())
    else:
        reading.add(letter)


def _word(reading: _Reading, word: str, number: int | None) -> None:
    star, reading.star = reading.star, False
    group = reading.group
    if word == "u" and number is not None:  # never one that stands beside another
        if reading.is_seen:
            reading.add(chr(number & 0xFFFF))
        reading.skip = group.beside
    elif reading.skip and word in LETTERS:
        reading.skip -= 1
    elif word in LETTERS:
        if reading.is_seen:
            _letter(reading, LETTERS[word])
    elif star:
        if word == "htmltag" and reading.of_html:
            group.markup = True
        else:
            group.unseen = True
    elif word in UNSEEN:
        group.unseen = True
    elif word in _SETTINGS:
        _SETTINGS[word](reading, number)


# --- Words that change how the rest is read -----------------------------------------------


def _font_table(reading: _Reading, number: int | None) -> None:
    reading.group.fonts = True


def _font(reading: _Reading, number: int | None) -> None:
    if reading.group.fonts:
        reading.described = number
    else:
        reading.group.font = number


def _font_set(reading: _Reading, number: int | None) -> None:
    if number in SETS:
        _name_set(reading, SETS[number])


def _font_page(reading: _Reading, number: int | None) -> None:
    if number:
        _name_set(reading, code_page(number))


def _name_set(reading: _Reading, name: str) -> None:
    known, font = reading.fonts, reading.described
    if reading.group.fonts and font is not None and len(known) < _MOST_FONTS:
        known[font] = name


def _usual_font(reading: _Reading, number: int | None) -> None:
    reading.usual = number or 0


def _plain(reading: _Reading, number: int | None) -> None:
    reading.group.font, reading.group.hidden = None, False


def _page(reading: _Reading, number: int | None) -> None:
    reading.set = code_page(number or 0)


def _of_html(reading: _Reading, number: int | None) -> None:
    reading.of_html = True


def _made_up(reading: _Reading, number: int | None) -> None:
    reading.group.made_up = number != 0


def _hidden(reading: _Reading, number: int | None) -> None:
    reading.group.hidden = number != 0


def _beside(reading: _Reading, number: int | None) -> None:
    reading.group.beside = min(max(number or 0, 0), _MOST_SKIPPED)


_SETTINGS = {
    "fonttbl": _font_table,
    "f": _font,
    "fcharset": _font_set,
    "cpg": _font_page,
    "deff": _usual_font,
    "plain": _plain,
    "ansicpg": _page,
    "fromhtml": _of_html,
    "htmlrtf": _made_up,
    "v": _hidden,
    "uc": _beside,
}
