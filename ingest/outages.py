"""Outages of ours: when nothing could be kept, as the pulses in the delivery log show it.

Every few seconds the edges write a pulse. What lies between the last pulse before a stop and the
first one after it was heard by nobody, and so was what the door refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

MEMORY = "outages"  #: the name under which they are remembered in the log of calls
UNNOTICED = timedelta(seconds=30)  #: pulses further apart than this tell of an outage
JOINED = timedelta(seconds=30)  #: refusals no further apart than this are one outage
MOST = 200  #: the newest that are remembered

DOWN = "the service was not running, or could not write its log"
REFUSING = "senders were refused: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which deliveries could not be kept."""

    begin: datetime
    end: datetime
    why: str


def noted(
    known: Sequence[Outage], last: datetime | None, now: datetime, full: str | None
) -> tuple[Outage, ...]:
    """Return the outages as known after one more pulse.

    `last` is the pulse before, None for the very first; `full` is why senders are refused now.
    """
    if last is None or now <= last:
        return tuple(known)
    if now - last > UNNOTICED:
        return (*known, Outage(begin=last, end=now, why=DOWN))[-MOST:]
    if full is None:
        return tuple(known)
    why = REFUSING + full
    before = known[-1] if known else None
    if before is not None and before.why == why and last - before.end <= JOINED:
        return (*known[:-1], replace(before, end=now))
    return (*known, Outage(begin=last, end=now, why=why))[-MOST:]


def plain(known: Sequence[Outage]) -> list[dict[str, str]]:
    """Return JSON values, for `recalled` to understand."""
    return [{"from": it.begin.isoformat(), "to": it.end.isoformat(), "why": it.why} for it in known]


def recalled(remembered: Any) -> tuple[Outage, ...]:
    """Return what was remembered; what is not understood is left out."""
    rows = remembered if isinstance(remembered, list) else []
    return tuple(
        Outage(
            begin=datetime.fromisoformat(row["from"]),
            end=datetime.fromisoformat(row["to"]),
            why=str(row.get("why", DOWN)),
        )
        for row in rows
        if isinstance(row, Mapping) and "from" in row and "to" in row
    )


class Pulses:
    """The pulse of the log of calls: what to write with each, and what was written."""

    def __init__(self, last: str | None = None, remembered: Any = None) -> None:
        self._last = datetime.fromisoformat(last) if last else None
        self._known = recalled(remembered)
        self._next: tuple[datetime, tuple[Outage, ...]] | None = None

    def memory(self, now: datetime, full: str | None) -> dict[str, Any]:
        """Return what is to be remembered with a pulse now."""
        known = noted(self._known, self._last, now, full)
        self._next = (now, known)
        return {} if known == self._known else {MEMORY: plain(known)}

    def written(self) -> None:
        """Take the pulse for durable: what follows is measured from it."""
        if self._next is not None:
            self._last, self._known = self._next
