"""What runs for a source beside the public door, in a supervisor's words: how it is, since when.

From the states that companions remember (`telephony/companions`); pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.review.words import PART_STATES, PARTS, _

MOST_GAPS = 5  #: the newest that a page shows

#: How parts are told: by the table of their states, and which of their moments are shown.
_LOOKS = {"stream": "connection", "listening": "connection"}
_MOMENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "connection": (("message", _("last event")),),
    "history": (
        ("asked_at", _("last asked")),
        ("upto", _("complete up to")),
        ("not_before", _("next try")),
    ),
    "subscription": (("expires_at", _("renewed before")),),
    "file": (("record", _("last call")), ("begun_anew_at", _("begun anew"))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which nothing was heard."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Return how long it lasted."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that Keepline does for a source."""

    title: str
    state: str  #: word of the chip
    tone: str  #: ok, info, warn, alert or none
    since: datetime | None
    because: str | None  #: why it is not well, as its doer says
    moments: tuple[tuple[str, datetime], ...] = ()
    gaps: tuple[Gap, ...] = ()  #: the newest first
    more_gaps: int = 0  #: older ones that are known and not shown

    @property
    def well(self) -> bool:
        """Tell whether nobody needs to look."""
        return self.tone not in ("warn", "alert")


def parts_of(states: Mapping[str, Mapping[str, Any]]) -> tuple[Part, ...]:
    """Return the parts of one source; what is not well comes first."""
    found = [_part(name, state) for name, state in states.items()]
    return tuple(sorted(found, key=lambda part: part.well))


def _part(name: str, state: Mapping[str, Any]) -> Part:
    kind = _LOOKS.get(name) or (name if name in PART_STATES else "file")
    word = str(state.get("state"))
    said, tone = PART_STATES[kind].get(word, (word, ""))
    gaps = [
        Gap(begin=begin, end=end)
        for told in reversed(state.get("gaps") or ())
        if (begin := _moment(told.get("from"))) and (end := _moment(told.get("to")))
    ]
    moments = ((label, _moment(state.get(key))) for key, label in _MOMENTS[kind])
    return Part(
        title=PARTS.get(name, name),
        state=said,
        tone=tone,
        since=_moment(state.get("since")),
        because=state.get("because"),
        moments=tuple((label, moment) for label, moment in moments if moment is not None),
        gaps=tuple(gaps[:MOST_GAPS]),
        more_gaps=max(0, len(gaps) - MOST_GAPS),
    )


def _moment(written: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
