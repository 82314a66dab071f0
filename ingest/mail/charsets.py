"""Octets to text: declared character sets, wrong ones, and none at all."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

#: What mailers write, and what Python calls the set that they mean. The larger of two nested
#: sets stands for both: gb18030 holds gb2312, cp1252 holds iso-8859-1.
MEANT = {
    "ansi_x3.4-1968": "us-ascii",
    "cp-1251": "cp1251",
    "cp-866": "cp866",
    "cn-big5": "big5",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-2022-jp": "iso2022-jp-ext",  # with half-width katakana, which Windows sends
    "iso-gb2312": "gb18030",
    "koi8": "koi8-u",
    "koi8-r": "koi8-u",
    "koi8-ru": "koi8-u",
    "ks-c-5601-1987": "cp949",
    "latin1": "cp1252",
    "shift-jis": "cp932",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "win-1251": "cp1251",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "windows1251": "cp1251",
    "x-big5": "big5",
    "x-cp1251": "cp1251",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc-jp",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "x-sjis": "cp932",
    "x-windows-874": "cp874",
    "x-windows-949": "cp949",
}

#: Names that say nothing about octets above 127: mailers write them by default.
EMPTY_WORDS = frozenset(
    {"", "us-ascii", "ascii", "cp1252", "windows-1252", "unknown-8bit", "x-unknown", "8bit"}
)

#: Python calls these text encodings, but they run code paths that a stranger must not choose.
_REFUSED = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
_NAME = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,39}")

_SHIFTS = (b"\x1b", b"~", b"+", b"&")  #: with one of them ASCII octets may mean other letters
_HIGH = re.compile(rb"[\x80-\xff]+")
_SINGLE_OCTET = re.compile(r"(?:cp|windows-)125\d|cp866|koi8-[ru]|iso-?8859-\d+|mac-cyrillic")

#: Letters by how often Russian uses them, per thousand; the rarer ones of its neighbours get 1.
_OFTEN = {
    "о": 110, "е": 85, "а": 80, "и": 74, "н": 67, "т": 63, "с": 55, "р": 47, "в": 45, "л": 44,
    "к": 35, "м": 32, "д": 30, "п": 28, "у": 26, "я": 20, "ы": 19, "ь": 17, "г": 17, "з": 16,
    "б": 16, "ч": 14, "й": 12, "х": 10, "ж": 9, "ш": 7, "ю": 6, "ц": 5, "щ": 4, "э": 3, "ф": 3,
    "ъ": 1, "ё": 1, "і": 1, "ї": 1, "є": 1, "ґ": 1, "ў": 1,
}  # fmt: skip
_VOWELS = frozenset("аеёиоуыэюяіїє")


def says_nothing(charset: str | None) -> bool:
    """Tell whether a declared character set says nothing of octets above 127."""
    return _meant(charset) in EMPTY_WORDS


def decode(data: bytes, charset: str | None, *, whole: bool = True) -> tuple[str, str | None]:
    """Return the text, and what was wrong with the declared set (None: nothing).

    `whole=False` says that the data were cut, perhaps within a character. Never raises.
    """
    declared = _meant(charset)
    if _is_plain(data) and not declared.startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return data.decode("ascii"), None
    codec = _codec(declared)
    if codec is None or declared in EMPTY_WORDS:
        text, found = guess(data, whole=whole)
        unknown = codec is None and declared not in EMPTY_WORDS
        return (
            text,
            f"character set {declared[:40]!r} unknown, read as {found}" if unknown else None,
        )
    if _SINGLE_OCTET.fullmatch(declared) and _is_utf8(data, whole):
        return _decoded(data, "utf-8", "replace", whole), f"declared {declared}, read as utf-8"
    try:
        return _decoded(data, codec, "strict", whole), None
    except (UnicodeError, ValueError):
        pass
    if declared in ("utf-8", "utf8") and not _mostly_utf8(data):
        text, found = guess(data, whole=whole)
        return text, f"declared utf-8, read as {found}"
    try:
        return _decoded(data, codec, "replace", whole), f"octets that are not {declared}"
    except (UnicodeError, ValueError):  # utf-16 and its like without their mark
        text, found = guess(data, whole=whole)
        return text, f"octets that are not {declared}, read as {found}"


def _is_plain(data: bytes) -> bool:
    """Tell whether octets are the same letters in every set but the wide ones."""
    return data.isascii() and not any(octet in data for octet in _SHIFTS)


def guess(data: bytes, *, hint: str | None = None, whole: bool = True) -> tuple[str, str]:
    """Return text for octets without a declared set, and the name of the set chosen.

    utf-8 if it fits; iso-2022-jp by its escapes; else windows-1251, koi8-r, gb18030 or
    windows-1252, by which letters come out. `hint` is a set named elsewhere in the mail.
    """
    if data.isascii() and b"\x1b" not in data:
        return data.decode("ascii"), "us-ascii"
    if b"\x1b$" in data or b"\x1b(" in data:
        return _decoded(data, "iso2022_jp_2", "replace", whole), "iso-2022-jp"
    try:
        return _decoded(data, "utf-8", "strict", whole), "utf-8"
    except UnicodeError:
        pass
    if _mostly_utf8(data):  # cut or torn somewhere: one character is lost, not all
        return _decoded(data, "utf-8", "replace", whole), "utf-8"
    found = _likely(data[:4096], _meant(hint))
    return _decoded(data, found, "replace", whole), found


def _likely(data: bytes, hint: str) -> str:
    if hint and hint not in EMPTY_WORDS and hint not in ("utf-8", "utf8") and _codec(hint):
        return hint
    if _between_latin(data):
        return "cp1252"
    scores = {name: _russian(data.decode(name, "replace")) for name in ("cp1251", "koi8-u")}
    best = max(scores, key=lambda name: scores[name])
    # Chinese comes in pairs of octets throughout; as Russian it looks like a half of it, at most.
    if scores[best] < (0.5 if _in_pairs(data) else 0.25) and _is_chinese(data):
        return "gb18030"
    return best


#: Octets as `_between_latin` counts them: Latin letters, letters of cp1252, other high ones.
_SORTS = bytes(
    ord("h") if octet >= 0xC0
    else ord("x") if octet >= 0x80
    else ord("a") if chr(octet).isalpha()
    else ord(".")
    for octet in range(256)
)  # fmt: skip


def _between_latin(data: bytes) -> bool:
    """Tell whether most high octets stand alone or in pairs beside Latin letters, as in Gr??e.

    Counted: one or two of them behind a Latin letter, and one or two letters of cp1252 before one.
    """
    sorts = b"." + data.translate(_SORTS)
    letters = sorts.count(b"h")
    behind = sorts.replace(b"x", b"h")
    ones_and_more, pairs_and_more = behind.count(b"ah"), behind.count(b"ahh")
    beside = ones_and_more + pairs_and_more - 2 * behind.count(b"ahhh")
    beside += sorts.count(b".ha") + 2 * sorts.count(b".hha")
    return letters <= 2 * beside


def _russian(text: str) -> float:
    """Return how Russian the high characters look: about 1 for words, below 0 for noise."""
    score, count, before, before_upper = 0.0, 0, "", False
    for char in text:
        if char.isascii():
            before = ""
            continue
        count += 1
        low = char.lower()
        weight = _OFTEN.get(low)
        if weight is None:
            score -= 1.0
            before = ""
            continue
        score += min(weight, 60) / 60
        if before:
            score += 0.4 if (before in _VOWELS) != (low in _VOWELS) else -0.2
            if char != low and not before_upper:
                score -= 0.6
        before, before_upper = low, char != low
    return score / count if count else 0.0


def _is_chinese(data: bytes) -> bool:
    """Tell whether every high pair is one of the 3,755 common characters of gb2312."""
    try:
        data.decode("gb18030")
    except UnicodeError:
        return False
    pairs = re.findall(rb"[\x80-\xff].", data)
    common = sum(1 for pair in pairs if 0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1)
    return common * 10 >= len(pairs) * 7


def _in_pairs(data: bytes) -> bool:
    return all(len(run) % 2 == 0 for run in _HIGH.findall(data))


def _is_utf8(data: bytes, whole: bool) -> bool:
    try:
        _decoded(data, "utf-8", "strict", whole)
    except UnicodeError:  # told first: nearly always at the first high octet
        return False
    return len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]", data[:4096])) >= 3


def _mostly_utf8(data: bytes) -> bool:
    text = data[:4096].decode("utf-8", "replace")
    high = len(text) - len(text.encode("ascii", "ignore"))
    return high > 4 * text.count("\ufffd")


def _meant(charset: str | None) -> str:
    name = (charset or "").strip(" \t\"'").lower().replace("_", "-")
    name = name.partition("*")[0]  # RFC 2231 adds a language
    return MEANT.get(name, name)


@lru_cache(maxsize=256)
def _codec(name: str) -> str | None:
    """Return Python's name of a character set, or None where it is not one."""
    if not _NAME.fullmatch(name):
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if info.name.replace("_", "-") in _REFUSED or not getattr(info, "_is_text_encoding", False):
        return None
    return info.name


def _decoded(data: bytes, codec: str, errors: str, whole: bool) -> str:
    if codec in ("utf-16", "utf-32") and data[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\0\0"):
        codec += "-le" if sum(data[1:400:2]) <= sum(data[0:400:2]) else "-be"
    if whole and codec == "utf-8":
        return data.decode("utf-8", errors)
    return codecs.getincrementaldecoder(codec)(errors).decode(data, whole)
