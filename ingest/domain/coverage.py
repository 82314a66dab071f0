"""Coverage: a provider's history and ours compared, and the certificate that says what came of it.

Pure. Two sets are the same if they hold the same calls, by the ids that the provider gives them;
what differs is named, with its time and a reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

VERSION = 1  #: of the certificate's form


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirCall:
    """A call as the provider's history tells it."""

    keys: tuple[str, ...]  #: sorted; the first names it
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OurCall:
    """A call as it is recorded here."""

    keys: tuple[str, ...]  #: the source's own ids of it, sorted
    began_at: datetime
    ended: bool
    internal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A call that only one side has."""

    id: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A time in which nothing was heard, and whether the history filled it."""

    begin: datetime
    end: datetime
    why: str
    recovered: bool
    because: str | None = None  #: why it could not be


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What comparing the two sets came to."""

    theirs: tuple[str, ...]  #: ids, sorted
    ours: tuple[str, ...]  #: the same ids where both sides have the call
    missing: tuple[Difference, ...]  #: theirs that we do not have
    extra: tuple[Difference, ...]  #: ours that they do not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What explains a difference."""

    now: datetime
    settles: timedelta
    keeps: timedelta | None  #: how far back the provider's history reaches; None: not known
    unrecorded: str | None = None  #: why what came from the history may not be recorded yet


def compare(
    theirs: Sequence[TheirCall],
    ours: Sequence[OurCall],
    *,
    since: datetime,
    until: datetime,
    rules: Rules,
) -> Compared:
    """Compare the calls that began in a period. What lies just outside of it may still match."""
    our_keys = {key for call in ours for key in call.keys}
    names = {key: call.keys[0] for call in theirs for key in call.keys}
    wanted = [call for call in theirs if since <= call.began_at < until]
    missing = [call for call in wanted if not our_keys.intersection(call.keys)]
    here = {
        names[key]: call for call in ours for key in call.keys if key in names
    }  # ours, by their names
    both = {call.keys[0] for call in wanted} & set(here)
    extra = [
        call
        for call in ours
        if since <= call.began_at < until and not any(key in names for key in call.keys)
    ]
    return Compared(
        theirs=tuple(sorted(call.keys[0] for call in wanted)),
        ours=tuple(sorted(both | {call.keys[0] for call in extra})),
        missing=_differences(
            (call.keys[0], call.began_at, _why_missing(call, rules)) for call in missing
        ),
        extra=_differences(
            (call.keys[0], call.began_at, _why_extra(call, rules)) for call in extra
        ),
    )


def _differences(found: Iterable[tuple[str, datetime, str]]) -> tuple[Difference, ...]:
    rows = (Difference(id=id_, at=at, why=why) for id_, at, why in found)
    return tuple(sorted(rows, key=lambda row: (row.at, row.id)))


def _why_missing(call: TheirCall, rules: Rules) -> str:
    if call.ended_at is None or call.ended_at > rules.now - rules.settles:
        return "not settled yet: its last reports may still be under way"
    return rules.unrecorded or "its report was read and gave no call; see the parked deliveries"


def _why_extra(call: OurCall, rules: Rules) -> str:
    if rules.keeps is not None and call.began_at < rules.now - rules.keeps:
        return f"outside of what the provider keeps: {rules.keeps.days} days"
    if not call.ended:
        return "still going on, or no end was reported: histories tell of calls that are over"
    if call.began_at > rules.now - rules.settles:
        return "not settled yet: the provider's history may still get it"
    if call.internal:
        return "between colleagues: the provider's history does not tell of it"
    return "the provider's history does not have it"


def digest(ids: Iterable[str]) -> str:
    """Return the SHA-256 of sorted ids, one a line: equal for equal sets."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was compared, when, by which versions, and what came of it."""

    source: str
    provider: str
    api: str | None  #: None: the provider has no history that can be asked
    since: datetime
    until: datetime
    made_at: datetime
    made_with: str  #: version of Keepline
    compared: Compared | None  #: None: the history could not be asked
    failed: str | None = None  #: why not
    answers: int = 0  #: of the provider, that were compared
    unread: tuple[str, ...] = ()  #: why answers could not be read
    restored: int = 0  #: calls that only the history told of
    intervals: tuple[Interval, ...] = ()

    @property
    def same(self) -> bool:
        """Tell whether both sets were compared, and are one."""
        found = self.compared
        return found is not None and not (found.missing or found.extra or self.unread)

    def plain(self) -> dict[str, Any]:
        """Return the certificate as JSON values."""
        found = self.compared
        return {
            "certificate": "keepline coverage",
            "version": VERSION,
            "made_with": self.made_with,
            "made_at": _written(self.made_at),
            "source": self.source,
            "provider": self.provider,
            "history": self.api,
            "from": _written(self.since),
            "to": _written(self.until),
            "same": self.same,
            "failed": self.failed,
            "answers": self.answers,
            "unread": list(self.unread),
            "restored": self.restored,
            "theirs": _side(found.theirs) if found else None,
            "ours": _side(found.ours) if found else None,
            "missing": [_row(it) for it in found.missing] if found else [],
            "extra": [_row(it) for it in found.extra] if found else [],
            "intervals": [
                {
                    "from": _written(it.begin),
                    "to": _written(it.end),
                    "why": it.why,
                    "recovered": it.recovered,
                    "because": it.because,
                }
                for it in self.intervals
            ],
        }


def _side(ids: Sequence[str]) -> dict[str, Any]:
    return {"calls": len(ids), "sha256": digest(ids)}


def _row(it: Difference) -> dict[str, Any]:
    return {"id": it.id, "at": _written(it.at), "why": it.why}


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def as_text(plain: Mapping[str, Any]) -> str:
    """Return a certificate's JSON values as a page of plain text."""
    return "\n".join(_lines(plain)) + "\n"


def _lines(it: Mapping[str, Any]) -> Iterable[str]:
    yield "Certificate of coverage"
    yield ""
    yield f"Source:    {it['source']} ({it['provider']})"
    yield f"Period:    {it['from']} to {it['to']}"
    yield f"History:   {it['history'] or 'the provider has none that can be asked'}"
    yield f"Made:      {it['made_at']} by Keepline {it['made_with']}"
    yield f"Result:    {result(it)}"
    for name, label in (("theirs", "Theirs:   "), ("ours", "Ours:     ")):
        if it[name]:
            yield f"{label} {it[name]['calls']} calls, SHA-256 of their ids {it[name]['sha256']}"
    if it["restored"]:
        yield f"Restored:  {it['restored']} calls are known from the history alone"
    yield from _listed("Calls that we do not have", it["missing"])
    yield from _listed("Calls that the provider does not have", it["extra"])
    if it["unread"]:
        yield ""
        yield "Answers that could not be read:"
        yield from (f"  {why}" for why in it["unread"])
    if it["intervals"]:
        yield ""
        yield "Times in which nothing was heard:"
        for row in it["intervals"]:
            end = "recovered" if row["recovered"] else f"not recovered: {row['because']}"
            yield f"  {row['from']} to {row['to']}: {row['why']}; {end}"


def result(it: Mapping[str, Any]) -> str:
    """Return a certificate's result in one line."""
    if it["failed"]:
        return f"not compared: {it['failed']}"
    if it["same"]:
        return "the provider's history and ours are the same set of calls"
    parts = [f"{len(it['missing'])} missing here", f"{len(it['extra'])} missing there"]
    if it["unread"]:
        parts.append(f"{len(it['unread'])} answers unread")
    return "the sets differ: " + ", ".join(parts)


def _listed(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if rows:
        yield ""
        yield f"{title}:"
        yield from (f"  {row['at']}  {row['id']}  {row['why']}" for row in rows)
