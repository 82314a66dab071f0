"""Parameters of the API: each is read into a value, or refused with its name and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.matching.addresses import normalise_address
from ingest.matching.numbers import to_point

MOST = 500  #: rows of one page
USUAL = 50  #: rows of one page unless asked otherwise
LONGEST = 400  #: characters of one value

E = TypeVar("E", bound=StrEnum)


class Refused(Exception):
    """A request that is answered with an error: its status, a word for programs, a sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter
        self.headers = dict(headers or {})


def bad(parameter: str, message: str) -> Refused:
    """Return the refusal of one parameter."""
    return Refused(400, "bad_parameter", f"{parameter}: {message}", parameter=parameter)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was asked in the address, each name at most once."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], allowed: Sequence[str]) -> Parameters:
        """Return the parameters. Raises Refused for one unknown, repeated or unreadable."""
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                known = ", ".join(allowed) or "none"
                raise bad(name[:50], f"there is no such parameter here; there are: {known}")
            if name in values:
                raise bad(name, "given twice; give it once")
            if len(value) > LONGEST or not is_plain(value):
                raise bad(name, f"write plain text of at most {LONGEST} characters")
            values[name] = value
        return cls(values)

    def text(self, name: str) -> str | None:
        """Return the value as it is; None: not given."""
        value = self.values.get(name)
        if value is not None and not value.strip():
            raise bad(name, "it is empty; leave it out or give a value")
        return value.strip() if value else None

    def moment(self, name: str) -> datetime | None:
        """Return a moment, which must say its zone."""
        value = self.text(name)
        if value is None:
            return None
        # A plus that was not percent-encoded arrives as a space.
        try:
            found = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", value))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise bad(name, "write a moment with its zone, such as 2026-05-01T00:00:00Z")
        return found

    def word(self, name: str, words: type[E]) -> E | None:
        """Return one of the words of an enumeration."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return words(value)
        except ValueError:
            known = ", ".join(word.value for word in words)
            raise bad(name, f"{value[:50]} is none of: {known}") from None

    def limit(self) -> int:
        """Return how many rows are wanted."""
        value = self.text("limit")
        if value is None:
            return USUAL
        if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= MOST:
            raise bad("limit", f"write a whole number from 1 to {MOST}")
        return int(value)

    def cursor(self) -> str | None:
        """Return where the page begins."""
        return self.text("cursor") or self.text("next")

    def number(self, regions: Callable[[], Sequence[str]]) -> str | None:
        """Return the contact point that `number` names, as stored.

        A number without a plus is read as dialled in `region`, else in the one region of `source`
        or of all our lines.
        """
        value = self.text("number")
        if value is None:
            return None
        point = self._point(value, regions)
        if point.kind in (PointKind.UNREADABLE, PointKind.WITHHELD):
            raise bad("number", "write a number such as +74951234567, or a mail address")
        return str(point)

    def _point(self, value: str, regions: Callable[[], Sequence[str]]) -> ContactPoint:
        kind, colon, rest = value.partition(":")
        if colon and kind in [known.value for known in PointKind]:
            return ContactPoint(PointKind(kind), rest)
        # In an address a plus that was not percent-encoded has become a space at the beginning,
        # which `text` has taken away: whole digits of a foreign number are read with it again.
        if "@" in value:
            address = normalise_address(value)
            return ContactPoint(PointKind.EMAIL, address) if address else _UNREADABLE
        region = self.text("region")
        if region is None and self.values.get("number", "").startswith(" "):
            value = f"+{value}"
        if value.startswith("+"):
            return to_point(value, "ZZ", self.text("source") or "")
        if region is None:
            known = sorted(set(regions()) - {"ZZ"})
            if len(known) != 1:
                raise bad(
                    "number",
                    "write it with + and the country's code (as %2B), or name its region, "
                    "such as region=RU",
                )
            [region] = known
        if not re.fullmatch(r"[A-Za-z]{2}", region):
            raise bad("region", "write two letters of ISO 3166, such as RU")
        return to_point(value, region.upper(), self.text("source") or "")


_UNREADABLE = ContactPoint(PointKind.UNREADABLE, "")


def is_plain(value: str) -> bool:
    """Tell whether a database can take the text: no NUL, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
