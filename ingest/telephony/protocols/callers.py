"""Numbers and extensions as PBXs write them, told apart without asking our lines."""

from __future__ import annotations

import re
from functools import lru_cache

from ingest.domain.deliveries import Account
from ingest.matching.spellings import Hidden, spell

EXTENSION = re.compile(r"[0-9]{2,6}")  #: unless the source's config names its own pattern


def shown(number: str | None) -> str | None:
    """Return the number, or None where the text only says that the caller hides it."""
    if number is None or not number.strip("0 "):
        return None
    return None if isinstance(spell(number), Hidden) else number


def is_extension(number: str | None, account: Account) -> bool:
    """Tell whether the text is a colleague's extension, by the source's `internal_ext_pattern`."""
    if not number:
        return False
    written = account.config.get("internal_ext_pattern")
    own = _pattern(written) if isinstance(written, str) and written else EXTENSION
    return bool(own.fullmatch(number))


@lru_cache(maxsize=64)
def _pattern(written: str) -> re.Pattern[str]:
    try:
        return re.compile(written)
    except re.error:
        return EXTENSION
