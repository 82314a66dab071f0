"""PGP within the text itself (RFC 9580, section 7), as it is sent without MIME."""

from __future__ import annotations

import re

_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_SIGNATURE_ENDS = "-----END PGP SIGNATURE-----"
_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"
_HASHES = re.compile(r"\n(?:[A-Za-z-]{1,40}: [^\n]{0,200}\n){0,10}[ \t]*\n")


def unarmoured(text: str) -> str:
    """Return the text without the marks and numbers of a signature around signed words."""
    if _SIGNED not in text:
        return text
    begin = text.find(_SIGNED)
    head = _HASHES.match(text, begin + len(_SIGNED))
    signature = text.find("\n" + _SIGNATURE, begin)
    end = text.find("\n" + _SIGNATURE_ENDS, signature)
    if head is None or signature < head.end() - 1 or end < 0:
        return text
    words = text[head.end() : signature + 1]
    words = words.removeprefix("- ").replace("\n- ", "\n")
    return text[:begin] + words + text[end + 1 + len(_SIGNATURE_ENDS) :].removeprefix("\n")


def is_encrypted(text: str) -> bool:
    """Tell whether a text is nothing but an encrypted message."""
    return text.lstrip()[: len(_ENCRYPTED)] == _ENCRYPTED
