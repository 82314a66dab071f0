"""Live answers: a provider asks who is calling and where to put the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account, HookRequest, HookResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A provider's question."""

    number: str | None  #: of the caller, as sent; None: withheld
    line: str | None = None  #: our number that was called, as sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """The employee who shall take the call, as providers may name him."""

    employee: str | None  #: id; None: not a person, the duty line
    login: str | None = None
    extension: str | None = None  #: at the asking source, held at this moment
    direct_number: str | None = None  #: E.164, held at this moment, never the line that was called


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Who is calling, and who takes it. Both may be unknown."""

    client_name: str | None = None  #: None: nobody known, or a number that two clients hold
    answerer: Answerer | None = None  #: effective primary, his successor, or the duty employee
    duty: Answerer | None = None  #: who is on duty, for providers without a routing of their own


@dataclass(frozen=True, slots=True)
class Lookup:
    """How one provider asks and is answered: pure functions."""

    asks: Callable[[HookRequest, Account], Asked | None]  #: None: this request asks nothing
    answer: Callable[[HookRequest, Account, Found], HookResponse]
    #: `Found()` gives the provider's neutral answer
    usual: bool = True  #: False: few sources of it ask, so one that does says `live_answer`
