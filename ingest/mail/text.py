"""Text of a mail: what may be stored, and how its lines end."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def clean(text: str) -> str:
    """Return the text with U+FFFD where a database or UTF-8 would refuse a character."""
    return text if _is_storable(text) else _UNSTORABLE.sub("\ufffd", text)


def _is_storable(text: str) -> bool:
    """Tell whether nothing is to be replaced; encoding asks that faster than any pattern."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def lines(text: str) -> str:
    """Return body text with `\\n` between lines and nothing but words at its end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip()
