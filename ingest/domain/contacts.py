"""Contact points: one normal form for every number, address and extension."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PointKind(StrEnum):
    """What kind of thing a contact point is."""

    PHONE = "tel"  #: E.164 with the plus
    EMAIL = "mail"  #: lower case, domain in A-labels
    EXTENSION = "ext"  #: `digits@source`
    SHORT = "short"  #: a short code or service number, never a client: `code@region`
    WITHHELD = "withheld"  #: the caller hid the number; value: our line's id, or ""
    UNREADABLE = "unreadable"  #: text that is no number and no address


@dataclass(frozen=True, slots=True, order=True)
class ContactPoint:
    """A normalised number, address or extension; `str()` is its one spelling in storage."""

    kind: PointKind
    value: str

    def __str__(self) -> str:
        # Asked for very often, and a kind is a text: what formats one takes three times as long.
        return self.kind + ":" + self.value

    @classmethod
    def parse(cls, text: str) -> ContactPoint:
        """Read back what `str()` wrote. Raises ValueError for anything else."""
        kind, _, value = text.partition(":")
        return cls(PointKind(kind), value)

    @property
    def can_belong_to_a_client(self) -> bool:
        """Tell whether a client may hold it: only whole numbers and addresses."""
        return self.kind in (PointKind.PHONE, PointKind.EMAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """What a raw spelling turned out to be."""

    kind: PointKind
    e164: str | None = None  #: for PHONE
    ext: str | None = None  #: digits of an extension, also behind a whole number
    reason: str | None = None  #: why it is not a PHONE or EXTENSION
