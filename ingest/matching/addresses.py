"""Mail addresses: one spelling for every way of writing the same address."""

from __future__ import annotations

import re
import unicodedata

import idna

LONGEST = 320  #: characters; RFC 3696 erratum 1690 allows 254, real ones stay far below

_WRAPPING = "<>\"' \t\r\n\u00a0\u200b\u200e\u200f\u2060\ufeff"
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_LITERAL = re.compile(r"\[[0-9a-f.:]+\]|\[ipv6:[0-9a-f.:]+\]")
_NAME = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
#: An address as nearly all are: written so, its lower case is its one spelling.
_ORDINARY = re.compile(rf"[a-z0-9._+-]+@(?:{_NAME}\.)*{_NAME}")
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})


def normalise_address(text: str) -> str | None:
    """Return the one spelling of a mail address, or None where the text is none.

    Lower case, the domain in A-labels, the local part in NFC, without brackets,
    quotes and space around it. The local part is lowered too: no mailbox in use
    tells `Ivan@` from `ivan@`, people do not either.
    """
    if len(text) > 4 * LONGEST:
        return None
    text = text.strip(_WRAPPING)
    if len(text) <= LONGEST and text.isascii() and _ORDINARY.fullmatch(lowered := text.lower()):
        return lowered
    if text[:7].lower() == "mailto:":
        text = text[7:].strip(_WRAPPING)
    local, at, domain = text.rpartition("@")
    if not at:
        return None
    name, place = _local(local), _domain(domain)
    if name is None or place is None or len(name) + len(place) >= LONGEST:
        return None
    return f"{name}@{place}"


def _local(text: str) -> str | None:
    text = text.strip(_WRAPPING).replace("\\", "")
    text = _folded(text)
    if not text or "@" in text or any(_unprintable(char) for char in text):
        return None
    return text


def _folded(text: str) -> str:
    """Return the text lowered and composed, so that folding it again changes nothing."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _unprintable(char: str) -> bool:
    return char.isspace() or char in '<>"(),;:[]' or unicodedata.category(char) in _REFUSED


_REFUSED = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


def _domain(text: str) -> str | None:
    text = text.strip(_WRAPPING).translate(_DOTS).strip(".").lower()
    if text.startswith("["):
        return text if _LITERAL.fullmatch(text) else None
    labels = [_label(label) for label in text.split(".")]
    known = [label for label in labels if label is not None]
    return ".".join(known) if len(known) == len(labels) else None


def _label(label: str) -> str | None:
    """Return one label in ASCII, or None. Underscores pass: some real domains have them."""
    if not label.isascii():
        label = _a_label(label)
    return label if len(label) <= 63 and _LABEL.fullmatch(label) else None


def _a_label(label: str) -> str:
    if len(label) > 63:
        return ""
    try:
        return idna.encode(label, uts46=True, std3_rules=False).decode("ascii")
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        pass
    try:  # what IDNA 2008 forbids is still somebody's domain: emoji, old spellings
        folded = unicodedata.normalize("NFKC", _folded(label)).lower()
        if any(_unprintable(char) for char in folded) or "." in folded:
            return ""
        return folded if folded.isascii() else "xn--" + folded.encode("punycode").decode("ascii")
    except UnicodeError:
        return ""
