"""One call as it really goes, and what is told of it at which moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Secrets = Mapping[str, str]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def plain(number: str) -> str:
    """Return the number without its plus."""
    return number.removeprefix("+")


def whole(moment: datetime) -> datetime:
    """Return the moment in whole seconds."""
    return moment.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One call as it really goes, before anybody reports it."""

    key: str  #: the provider's id of it
    remote: str  #: E.164
    line: str  #: our number, E.164
    begins_at: datetime
    ring_s: float
    talk_s: float = 0.0  #: 0: nobody takes it
    rings: tuple[str, ...] = ()  #: telephones that ring, or the one that dials
    taken_by: str | None = None  #: the telephone that takes it; None: the line itself
    outbound: bool = False
    live: bool = True  #: False: told afterwards, with stated times alone

    @property
    def taken(self) -> bool:
        """Tell whether two people talk."""
        return self.talk_s > 0

    @property
    def length_s(self) -> float:
        """Return seconds from the first ring to the end."""
        return self.ring_s + self.talk_s

    @property
    def ends_at(self) -> datetime:
        """Return when it is over."""
        return self.at(self.length_s)

    def at(self, after_s: float) -> datetime:
        """Return the moment so many seconds after the beginning."""
        return self.begins_at + timedelta(seconds=after_s)


@dataclass(frozen=True, slots=True)
class Report:
    """What is told at one moment of a call."""

    after_s: float
    path: str  #: beneath the source
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A signed HTTP request, to be posted as it is."""

    url: str
    headers: Mapping[str, str]
    body: bytes
