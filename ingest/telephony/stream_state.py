"""What is remembered of a source's stream: how it is, and when nothing was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

PART = "stream"
GAPS = 20  #: so many of the newest are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which nothing was heard: what happened then is known from elsewhere, or not."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """The state of a stream, as pages show it and as a restart finds it."""

    state: str = "connecting"  #: connected, connecting, refused, away
    since: datetime
    because: str | None = None  #: why it is not connected, for people
    heard: datetime | None = None  #: up to then nothing was missed
    message: datetime | None = None  #: when the last message was kept
    gaps: tuple[Gap, ...] = ()  #: the newest, oldest first

    def become(self, state: str, because: str | None, now: datetime) -> StreamState:
        """Return it in another state; the same one goes on since it began."""
        since = self.since if state == self.state else now
        return replace(self, state=state, because=because, since=since)

    def connected(self, now: datetime) -> StreamState:
        """Return it logged in; what passed since the last word is a gap."""
        gaps = self.gaps
        if self.heard is not None and self.state != "connected":
            gaps = (*gaps, Gap(begin=self.heard, end=now))[-GAPS:]
        return replace(self.become("connected", None, now), heard=now, gaps=gaps)

    def heard_at(self, now: datetime) -> StreamState:
        """Return it with a word heard, if it counts: before the login nothing is told."""
        return replace(self, heard=now) if self.state == "connected" else self

    def told_at(self, now: datetime) -> StreamState:
        """Return it with a message that was worth keeping."""
        return replace(self.heard_at(now), message=now)

    def plain(self) -> dict[str, Any]:
        """Return JSON values, for `recalled` to understand."""
        return {
            "state": self.state,
            "since": self.since.isoformat(),
            "because": self.because,
            "heard": self.heard and self.heard.isoformat(),
            "message": self.message and self.message.isoformat(),
            "gaps": [
                {"from": gap.begin.isoformat(), "to": gap.end.isoformat()} for gap in self.gaps
            ],
        }


def recalled(plain: Mapping[str, Any] | None, now: datetime) -> StreamState:
    """Return what was remembered, as of a stream that is about to connect."""
    if not plain:
        return StreamState(since=now)
    return StreamState(
        since=now,
        heard=_moment(plain.get("heard")),
        message=_moment(plain.get("message")),
        gaps=tuple(
            Gap(begin=datetime.fromisoformat(gap["from"]), end=datetime.fromisoformat(gap["to"]))
            for gap in plain.get("gaps", ())
        ),
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
