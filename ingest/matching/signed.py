"""Telephone numbers of a signature: which of the written ones are numbers in a region."""

from __future__ import annotations

from collections.abc import Sequence

import phonenumbers
from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher

_LONGEST = 60  #: characters of one number as written
_MOST = 10


def numbers_in(written: Sequence[str], region: str) -> tuple[str, ...]:
    """Return the valid numbers in E.164, each once; national ones are read in the region."""
    found: dict[str, None] = {}
    for text in written[:_MOST]:
        matcher = PhoneNumberMatcher(
            text[:_LONGEST], region if region != "ZZ" else None, Leniency.VALID, max_tries=20
        )
        for match in matcher:
            found.setdefault(phonenumbers.format_number(match.number, PhoneNumberFormat.E164))
    return tuple(found)
