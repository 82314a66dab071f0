"""What a text that should be a telephone number spells: digits, an extension, or a word.

Only the text is looked at here; what its digits mean in a region stands in `numbers`.
Everything works on at most `LONGEST` characters, so hostile texts cost no more than others.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

LONGEST = 200  #: characters; the longest URI with a number that was seen has 120
MOST_DIGITS = 30  #: a number has at most 15, behind a prefix of at most 5


@dataclass(frozen=True, slots=True)
class Hidden:
    """The caller hid the number, or the network sent none."""

    reason: str


@dataclass(frozen=True, slots=True)
class Garbled:
    """No number can be made of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Service:
    """A code dialled to a machine, such as `*97`."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """Digits as they would be dialled; without digits, only an extension was named."""

    digits: str
    plus: bool = False
    ext: str | None = None
    context: str = ""  #: digits of an international `phone-context` of a tel URI
    worded: bool = False  #: other words stand beside the digits


HIDDEN_WORDS = frozenset(
    {
        "anonymous", "anon", "private", "restricted", "unavailable", "unknown", "withheld",
        "hidden", "blocked", "unassigned", "none", "null", "undefined", "na", "no",
        "anonym", "unbekannt", "unterdrückt", "anoniem", "onbekend", "geheim", "privé",
        "afgeschermd", "anonyme", "inconnu", "masqué", "anônimo", "anonimo", "desconhecido",
        "privado", "confidencial", "аноним", "анонимный", "анонимно", "скрыт", "скрытый",
        "скрыто", "неизвестен", "неизвестный", "неизвестно", "неопределен", "неопределён",
        "определен", "определён", "закрытый"
    }
)  # fmt: skip
FILLERS = frozenset(
    {
        "number", "caller", "id", "cid", "callerid", "name", "not", "available", "is", "the",
        "nummer", "numéro", "numero", "número", "номер", "абонент", "абонента", "не", "n", "a",
        "party", "user", "identity"
    }
)  # fmt: skip
KEYPAD_WORDS = ("anonymous", "restricted", "blocked", "unknown", "unavailable", "private")
_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
#: hidden callers as some networks type them: +266696687 is ANONYMOUS on a keypad
KEYPAD_DIGITS = frozenset(word.translate(_KEYS) for word in KEYPAD_WORDS)

#: words in front of a number that say only that it is one
LABELS = frozenset(
    {
        "tel", "telephone", "phone", "mobile", "mob", "cell", "fax", "call", "gsm", "тел",
        "телефон", "моб", "мобильный", "сот", "факс", "т", "telefon", "mobil", "handy",
        "telefoon", "mobiel", "tél", "téléphone", "telefone", "celular", "p", "t", "m"
    }
)  # fmt: skip

_PLAIN = re.compile(r"(\+?)([0-9]{7,20})")
_SCHEME = re.compile(r"\s*(?:sips?|tel|callto)\s*:/{0,2}", re.IGNORECASE)
_ANGLES = re.compile(r"<([^<>]*)>")
#: CLIR codes before a number hide or show the caller for that call; they are no part of it
_HIDE_NEXT = re.compile(r"^\s*(?:[*#]31#|\*67|\*82)(?=\s*\+?\d{5})")
#: 8~10 and 8w10: the tilde is the pause for the second tone
_SECOND_TONE = re.compile(r"^\s*8\s?[~wW]\s?10")
_EXTENSION = re.compile(
    r"(?:(?<![^\W\d_])(?:ext(?:ension|n)?|доб(?:авочный|авочн)?|вн(?:утр(?:енний)?)?|toestel|tst"
    r"|durchwahl|dw|poste|ramal|int|x|х)|#)[\s.:=-]{0,4}([0-9]{1,8})[\s).]{0,4}$"
)
_PAUSE = re.compile(r"([0-9][\s)]{0,2})[,;]{1,5}\s?([0-9]{1,6})#?$")
_ACCOUNT_STAR = re.compile(r"[0-9]{1,12}\*([0-9]{2,6})")
_STAR_CODE = re.compile(r"(?:\*|#[0-9]{0,5}[*#])[0-9*#]{0,20}")
#: no country code is 8 alone: "+8 (495)" is Russia's trunk prefix with a plus before it
_PLUS_AND_TRUNK = re.compile(r"\+8(?![0-9])")
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS_INSIDE = re.compile(r"[0-9][^0-9]*[^\W\d_][^0-9]*[0-9]")


def spell(text: str) -> Hidden | Garbled | Service | Dialled:
    """Return what the text spells. Never raises, whatever the text is."""
    if plain := _PLAIN.fullmatch(text):
        return Dialled(digits=plain[2], plus=bool(plain[1]))
    if len(text) > LONGEST:
        return Garbled(f"longer than {LONGEST} characters")
    address = _address(clean(text))
    return address if isinstance(address, Hidden) else _dialled(address)


def clean(text: str) -> str:
    """Return at most `LONGEST` characters: ASCII digits, one kind of space, no unseen marks."""
    whole = unicodedata.normalize("NFKC", text[:LONGEST])[:LONGEST]
    return "".join(map(_cleaned, whole)).strip()


@lru_cache(maxsize=4096)
def _cleaned(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(char)
    if category == "Pd":
        return "-"
    if char.isspace() or category[0] == "Z":
        return " "
    return "" if category[0] in "CM" else char


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """The part of a text that may hold a number, with the parameters of a URI."""

    text: str
    uri: bool = False
    ext: str | None = None
    context: str = ""


def _address(text: str) -> _Address | Hidden:
    inner = _ANGLES.search(text)
    if inner and inner[1].strip():
        text = inner[1]
    scheme = _SCHEME.match(text)
    text = text[scheme.end() :] if scheme else text
    user, at, host = text.rpartition("@")
    if not scheme and not at:
        return _Address(text=text)
    if at and host.lower().strip().startswith("anonymous.invalid"):
        return Hidden("the caller hid the number")
    user, *params = (user if at else text).split(";")
    given = {name.strip().lower(): value for name, _, value in (p.partition("=") for p in params)}
    context = given.get("phone-context", "")
    ext = re.sub(r"[^0-9]", "", given.get("ext", ""))[:8]
    return _Address(
        text=unquote(user.partition(":")[0] if at else user),
        uri=True,
        ext=ext or None,
        context=re.sub(r"[^0-9]", "", context) if context.startswith("+") else "",
    )


def _dialled(address: _Address) -> Hidden | Garbled | Service | Dialled:
    text = address.text.strip().lower()
    if not any(char.isascii() and char.isdigit() for char in text):
        return _wordless(text)
    if star := _ACCOUNT_STAR.fullmatch(text):
        return Dialled(digits="", ext=star[1])  # `account*extension`, as Telphin names telephones
    text = _SECOND_TONE.sub("810", _HIDE_NEXT.sub("", text))
    if _STAR_CODE.fullmatch(text):
        return Service(text)
    number, ext = _without_extension(text)
    return _number(number, ext or address.ext, address)


def _wordless(text: str) -> Hidden | Garbled:
    words = _WORD.findall(text)
    telling = [word for word in words if word not in FILLERS]
    if not words:
        return Hidden("no number was sent")
    hidden = all(word in HIDDEN_WORDS for word in telling)
    if hidden and (telling or {"not", "available"} <= set(words) or words == ["n", "a"]):
        return Hidden("the caller hid the number")
    return Garbled("a word, not a number")


def _without_extension(text: str) -> tuple[str, str | None]:
    if marked := _EXTENSION.search(text):
        return text[: marked.start()].rstrip(" ,;("), marked[1]
    if paused := _PAUSE.search(text):
        before = text[: paused.start() + 1]
        if sum(map(str.isdigit, before)) >= 7:
            return before, paused[2]
    return text, None


def _number(text: str, ext: str | None, address: _Address) -> Garbled | Dialled:
    digits = re.sub(r"[^0-9]", "", text)
    head, plus, tail = text.partition("+")
    if (re.search(r"[0-9]", head) and plus) or "+" in tail or _is_list(text):
        return Garbled("more than one number")
    words = [word for word in _WORD.findall(text) if word not in LABELS]
    if _LETTERS_INSIDE.search(text) or (address.uri and words):
        return Garbled("letters among the digits")
    if re.search(r"[*#]", text.rstrip("#")):
        return Garbled("signs that only a machine understands")
    if len(digits) > MOST_DIGITS:
        return Garbled("too many digits for a number")
    return Dialled(
        digits=digits,
        plus=bool(plus) and not _PLUS_AND_TRUNK.search(text),
        ext=ext,
        context=address.context,
        worded=bool(words),
    )


def _is_list(text: str) -> bool:
    """Tell whether at least two parts are each long enough for a number of their own."""
    parts = re.split(r"[,;/|]", text)
    return sum(sum(map(str.isdigit, part)) >= 7 for part in parts) > 1
