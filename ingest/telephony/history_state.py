"""What is remembered of asking one source's history: how far, what is under way, how it goes.

Values and pure steps; `history` does the asking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.histories import History, Turned

PART = "history"
FIRST_LOOK = timedelta(days=1)  #: how far back a new source is asked
DEEP_EVERY = timedelta(hours=24)  #: between looks for calls that lasted longer than the overlap
DEEP_BACK = timedelta(hours=36)
SHORTEST = timedelta(seconds=60)  #: a period is not cut into shorter ones
MOST_PLACES = 2_000  #: of answers that one wish may name


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time that is asked for."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is being asked: the first period at this page, then the others."""

    why: str  #: schedule, outage, deep, wish
    periods: tuple[Period, ...]
    page: str | None = None
    wish: str | None = None  #: id of who asked for it
    places: tuple[tuple[int, int], ...] = ()  #: where the answers to a wish lie in the log
    kept: int = 0  #: answers that were new

    @property
    def until(self) -> datetime:
        """Return where the last period ends."""
        return self.periods[-1].until


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A period that somebody asked for."""

    id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What came of a wish."""

    id: str
    places: tuple[tuple[int, int], ...] = ()
    kept: int = 0
    failed: str | None = None  #: why the history could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryState:
    """How it stands with one source's history."""

    state: str = "waiting"  #: waiting, asking, away, refused, asked to wait
    since: datetime  #: it is in that state
    because: str | None = None
    upto: datetime | None = None  #: what had settled before it was asked for
    asked_at: datetime | None = None  #: when a look last ended
    deep_at: datetime | None = None  #: when a look far back last ended
    kept: int = 0  #: answers that were new
    failures: int = 0  #: one after another
    not_before: datetime | None = None  #: what failed is not gone on with before
    task: Task | None = None
    granted: Granted | None = None  #: the last wish

    def become(self, state: str, because: str | None, now: datetime) -> HistoryState:
        """Return it in another state; the same one goes on since it began."""
        since = self.since if state == self.state else now
        return replace(self, state=state, because=because, since=since)


def next_task(
    history: History,
    state: HistoryState,
    now: datetime,
    *,
    wish: Wish | None = None,
    outage_ended: datetime | None = None,
) -> Task | None:
    """Return what is to be asked now; None: nothing yet.

    A wish goes first, then what an outage hid, then what the schedule asks for.
    """
    if wish is not None and (state.granted is None or state.granted.id != wish.id):
        periods = split(history, wish.since, min(wish.until, now))
        return Task(why="wish", periods=periods, wish=wish.id) if periods else None
    settled = now - history.settles
    deep = state.deep_at is None or now - state.deep_at >= DEEP_EVERY
    due = state.asked_at is None or now - state.asked_at >= history.every
    hurried = outage_ended is not None and _hides_calls(outage_ended + history.settles, state, now)
    if not (deep or due or hurried):
        return None
    since = (state.upto or now - FIRST_LOOK) - history.overlap
    if deep and state.upto is not None:
        since = min(since, now - DEEP_BACK)
    if history.keeps is not None:  # some refuse to be asked for what they keep no more
        since = max(since, now - history.keeps)
    periods = split(history, since, settled)
    why = "outage" if hurried else "deep" if deep else "schedule"
    return Task(why=why, periods=periods) if periods else None


def _hides_calls(settled_at: datetime, state: HistoryState, now: datetime) -> bool:
    """Tell whether what an outage hid has settled by now, and had not at the last look."""
    return settled_at <= now and (state.asked_at is None or state.asked_at < settled_at)


def split(history: History, since: datetime, until: datetime) -> tuple[Period, ...]:
    """Return the periods, each no longer than one question may be."""
    periods = []
    while since < until:
        end = min(since + history.window, until)
        periods.append(Period(since=since, until=end))
        since = end
    return tuple(periods)


def turned(
    task: Task, found: Turned, *, place: tuple[int, int] | None = None, new: bool = False
) -> Task | None:
    """Return what is left of a task after one answer; None: nothing."""
    current, *others = task.periods
    periods: Sequence[Period] = task.periods
    page = found.next
    if found.cut and current.until - current.since > SHORTEST:
        middle = current.since + (current.until - current.since) / 2
        halves = (replace(current, until=middle), replace(current, since=middle))
        periods, page = (*halves, *others), None
    elif found.next is None:
        periods = others
    places = task.places
    if task.wish is not None and place is not None and len(places) < MOST_PLACES:
        places = (*places, place)
    left = replace(task, periods=tuple(periods), page=page, places=places, kept=task.kept + new)
    return left if periods else None


def ended(
    state: HistoryState, task: Task, now: datetime, *, place: tuple[int, int] | None, new: bool
) -> HistoryState:
    """Return the state when the last answer of a task came."""
    kept = task.kept + new
    state = replace(
        state.become("waiting", None, now),
        task=None,
        failures=0,
        not_before=None,
        kept=state.kept + kept,
    )
    if task.wish is not None:
        places = task.places if place is None else (*task.places, place)
        return replace(state, granted=Granted(id=task.wish, places=places, kept=kept))
    upto = task.until if state.upto is None else max(state.upto, task.until)
    state = replace(state, upto=upto, asked_at=now)
    first = state.deep_at is None  # a first look reaches back as far as it ever will
    return replace(state, deep_at=now) if task.why == "deep" or first else state


# JSON ------------------------------------------------------------------------------------------


def plain(state: HistoryState) -> dict[str, Any]:
    """Return JSON values, for `recalled` to understand."""
    return {
        "state": state.state,
        "since": state.since.isoformat(),
        "because": state.because,
        "upto": _written(state.upto),
        "asked_at": _written(state.asked_at),
        "deep_at": _written(state.deep_at),
        "kept": state.kept,
        "failures": state.failures,
        "not_before": _written(state.not_before),
        "task": _plain_task(state.task) if state.task else None,
        "granted": {
            "id": state.granted.id,
            "places": [list(place) for place in state.granted.places],
            "kept": state.granted.kept,
            "failed": state.granted.failed,
        }
        if state.granted
        else None,
    }


def recalled(remembered: Any, now: datetime) -> HistoryState:
    """Return what was remembered; a new state if that is nothing or of another version."""
    try:
        held: Mapping[str, Any] = remembered
        task, granted = held["task"], held["granted"]
        return HistoryState(
            state=held["state"],
            since=datetime.fromisoformat(held["since"]),
            because=held["because"],
            upto=_moment(held["upto"]),
            asked_at=_moment(held["asked_at"]),
            deep_at=_moment(held["deep_at"]),
            kept=held["kept"],
            failures=held["failures"],
            not_before=_moment(held["not_before"]),
            task=_task(task) if task else None,
            granted=Granted(
                id=granted["id"],
                places=tuple((int(one), int(two)) for one, two in granted["places"]),
                kept=granted["kept"],
                failed=granted["failed"],
            )
            if granted
            else None,
        )
    except (KeyError, TypeError, ValueError):
        return HistoryState(since=now)


def wish_of(remembered: Any) -> Wish | None:
    """Return the wish that was remembered."""
    try:
        return Wish(
            id=remembered["id"],
            since=datetime.fromisoformat(remembered["since"]),
            until=datetime.fromisoformat(remembered["until"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _plain_task(task: Task) -> dict[str, Any]:
    return {
        "why": task.why,
        "periods": [[it.since.isoformat(), it.until.isoformat()] for it in task.periods],
        "page": task.page,
        "wish": task.wish,
        "places": [list(place) for place in task.places],
        "kept": task.kept,
    }


def _task(held: Mapping[str, Any]) -> Task:
    return Task(
        why=held["why"],
        periods=tuple(
            Period(since=datetime.fromisoformat(since), until=datetime.fromisoformat(until))
            for since, until in held["periods"]
        ),
        page=held["page"],
        wish=held["wish"],
        places=tuple((int(one), int(two)) for one, two in held["places"]),
        kept=held["kept"],
    )


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
