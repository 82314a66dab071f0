"""What runs for a source beside the public door, by what its provider needs.

A companion is started for each source that wants it, ends when its desk says stop, and is started
again after a while when it fails. A new kind of companion is a line in `COMPANIONS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ingest.domain.deliveries import Account, Provider
from ingest.telephony.desk import SourceDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One kind of companion."""

    part: str  #: its name in states and log lines
    wanted: Callable[[Provider, Account], bool]
    run: Callable[[SourceDesk], Awaitable[None]]


COMPANIONS: tuple[Companion, ...] = ()
