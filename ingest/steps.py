"""The steps of the story told in `pipeline`, each over one batch in one write transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from ingest.domain.calls import Call, CallEvent, CallStage
from ingest.domain.directory import Change, Directory
from ingest.domain.interactions import FlagKind, Policies, Touch, call_key_id
from ingest.domain.mails import Mail, Sighting
from ingest.matching.decide import CLOSABLE, OfPoint, Timeline, decide
from ingest.matching.knowledge import Knowledge
from ingest.matching.merging import Told, merge
from ingest.matching.touches import points_of_call, touch_of_call
from ingest.matching.touches_of_mails import points_of_mail, touch_of_mail
from ingest.readers import Reading
from ingest.telephony.calls import fold
from storage import decided, decisions, derived, directory, facts, recordings, timelines, wire
from storage.derived import Written
from storage.wire import StoredReport

CALL_READER = 2  #: raised when a provider's reading changes what it says
MAIL_READER = 3  #: raised when the reading of mails changes what it says

Regions = Callable[[str], str]  #: source -> region of its national numbers
Verdict = tuple[FlagKind, str, datetime]  #: what a person decided about a flag, and when


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a batch changed, for pages that show it and for counting."""

    interactions: frozenset[str] = frozenset()
    decided: frozenset[str] = frozenset()  #: ids of flags, review items, touches closed
    keys: frozenset[str] = frozenset()  #: of calls that became known or moved
    subjects: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Return how many derived rows are not what they were."""
        return len(self.interactions | self.decided | self.keys)


@dataclass(slots=True)
class Directories:
    """The directory and the policies, loaded again only when something in them changed."""

    directory: Directory = field(default_factory=lambda: Directory(version=-1))
    policies: Policies = field(default_factory=Policies)

    def now(self, connection: Connection) -> tuple[Directory, Policies]:
        """Return directory and policies as they are until this write transaction ends."""
        if facts.hold_version(connection) != self.directory.version:
            loaded = directory.load_directory(connection), directory.load_policies(connection)
            self.directory, self.policies = loaded  # both or neither
        return self.directory, self.policies

    def forget(self) -> None:
        """Load anew at the next question, as after a transaction that was rolled back."""
        self.directory = Directory(version=-1)


def not_dealt_with(connection: Connection, readings: Sequence[Reading]) -> list[Reading]:
    """Leave out what was read before, as after a log was replaced and is read from 0."""
    ids = [wire.delivery_id(it.delivery.source, it.delivery.key) for it in readings]
    known = wire.known_deliveries(connection, ids)
    again = [it.delivery for it, key in zip(readings, ids, strict=True) if key in known]
    wire.note_places(connection, again)
    return [it for it, key in zip(readings, ids, strict=True) if key not in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What deliveries spoke of, now that they are stored."""

    keys: set[str]  #: of calls
    mails: set[str]
    fresh: wire.SeenMails  #: those of the mails of which nothing was stored before


def store(
    connection: Connection, readings: Sequence[Reading], *, now: datetime
) -> tuple[set[str], set[str]]:
    """Insert what was read; returns the call keys and the mails it speaks of."""
    stored = take_in(connection, readings, now=now)
    return stored.keys, stored.mails


def take_in(connection: Connection, readings: Sequence[Reading], *, now: datetime) -> Stored:
    """Insert what was read, of deliveries not dealt with before."""
    wire.record_ends(connection, [(it.delivery, it.end, it.reason) for it in readings])
    keys: set[str] = set()
    reports, mails, seen, sounds = [], [], [], []
    for reading in readings:
        delivery = wire.delivery_id(reading.delivery.source, reading.delivery.key)
        received_at = reading.delivery.received_at
        for source, event in reading.events:
            ids = tuple(call_key_id(source, key) for key in event.call_keys)
            keys.update(ids)
            reports.append((delivery, source, ids, event, received_at))
            if event.recording_url or event.recording_id:
                sounds.append(_sound(source, ids[0], event))
        if reading.mail is not None:
            mails.append((delivery, reading.mail, received_at))
        if reading.sighting is not None:
            seen.append((delivery, reading.sighting))
    wire.insert_reports(connection, reports, reader=CALL_READER)
    fresh = wire.insert_mails(connection, mails, seen, reader=MAIL_READER)
    recordings.note(connection, sounds, now=now)
    return Stored(keys=keys, mails={sighting.mail for _, sighting in seen}, fresh=fresh)


def _sound(source: str, key: str, event: CallEvent) -> recordings.Named:
    ended = event.stage in (CallStage.ENDED, CallStage.RECORDING)
    return recordings.Named(
        source=source,
        call_key=key,
        provider_key=event.call_keys[0],
        url=event.recording_url,
        provider_id=event.recording_id,
        ready=event.recording_ready or ended,
    )


def decide_subjects(
    connection: Connection,
    subjects: Iterable[str],
    known: Directories,
    *,
    now: datetime,
    since: Mapping[str, datetime] | None = None,
    written: Written | None = None,
) -> set[str]:
    """Decide the timelines of these subjects anew and store what differs; returns what did.

    Of a subject in `since` nothing before that moment changed: where the past is settled it is
    not told again, so that a client who calls every day does not cost more every day. `written`:
    touches just stored, which need not be read back.
    """
    now_known, _ = known.now(connection)
    subjects = set(subjects)
    clients = [subject.removeprefix("client:") for subject in subjects if subject[:7] == "client:"]
    primaries = directory.load_primaries(connection, clients) if clients else {}
    steady = {
        f"client:{client}"
        for client in clients
        if _never_left(now_known, primaries.get(client, ()))
    }
    recent = {subject: at for subject, at in (since or {}).items() if subject in steady}
    settled = timelines.settled_before(connection, recent, sorted(CLOSABLE))
    window = {subject: recent[subject] for subject in settled}
    moments = timelines.timelines(
        connection, subjects, window, written.touches if written is not None else None
    )
    told = [
        Timeline(
            subject=subject,
            moments=its,
            primary=primaries.get(subject.removeprefix("client:"), ()),
        )
        for subject, its in moments.items()
    ]
    results = {timeline.subject: decide(timeline, now_known) for timeline in told}
    # What people said of flags can only take flags away, or mark them: it is asked for where there
    # are any.
    flagged = [timeline for timeline in told if results[timeline.subject].flags]
    for timeline in _with_verdicts(connection, flagged):
        results[timeline.subject] = decide(timeline, now_known)
    return decided.write_decided(
        connection, list(results.values()), moments, now=now, written=written
    )


def _with_verdicts(connection: Connection, told: Sequence[Timeline]) -> list[Timeline]:
    """Return the timelines with what people decided about their flags."""
    points = {
        timeline.subject: {it.point for it in timeline.moments if it.point} for timeline in told
    }
    verdicts = decisions.flag_verdicts(connection, points.keys() | set().union(*points.values()))
    if not verdicts:
        return []
    found = []
    for timeline in told:
        about = verdicts.get(timeline.subject, [])
        theirs = points[timeline.subject] - {timeline.subject}
        found.append(
            replace(
                timeline,
                dismissed=[(kind, at) for kind, verdict, at in about if verdict == "dismiss"],
                acknowledged=[(kind, at) for kind, verdict, at in about if verdict == "ack"],
                covered=_of_points(theirs, verdicts, "dismiss"),
                seen=_of_points(theirs, verdicts, "ack"),
            )
        )
    return found


def _never_left(known: Directory, primary: Sequence[Change]) -> bool:
    """Tell whether nobody who was ever named as the client's manager has left, or is to leave."""
    named = (known.employees.get(change.employee) for change in primary if change.employee)
    return all(
        person is not None and all(change.employed for change in person.employment)
        for person in named
    )


def _of_points(
    points: Iterable[str], verdicts: Mapping[str, Sequence[Verdict]], wanted: str
) -> list[OfPoint]:
    """Return what people decided about flags of these points before they had a client."""
    return [
        (kind, point, at)
        for point in sorted(points)
        for kind, verdict, at in verdicts.get(point, ())
        if verdict == wanted
    ]


# Fold ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A call with the ids of its keys; the first is the interaction's id."""

    source: str
    ids: tuple[str, ...]
    call: Call

    @property
    def id(self) -> str:
        return self.ids[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedCalls:
    """Every call that some keys belong to, with the interactions that those keys were of."""

    calls: list[Folded] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    before: dict[str, str] = field(default_factory=dict)  #: key -> interaction, where known

    def add(self, more: FoldedCalls) -> None:
        """Take in other calls."""
        self.calls.extend(more.calls)
        self.keys.update(more.keys)
        self.before.update(more.before)


def fold_calls(connection: Connection, keys: set[str]) -> FoldedCalls:
    """Fold every call that these keys belong to."""
    if not keys:
        return FoldedCalls()
    before = _with_theirs(connection, derived.interactions_of_keys(connection, keys))
    keys = keys | before.keys()
    reports = wire.reports_of(connection, keys)
    while tied := {key for stored in reports for key in stored.keys} - keys:
        # Only where the table of keys is not what the reports say, as in a rebuild from nothing:
        # whatever a key leads to is looked up until nothing new is found.
        before |= derived.interactions_of_keys(connection, tied)
        before = _with_theirs(connection, before)
        keys |= tied | before.keys()
        reports = wire.reports_of(connection, keys)
    folded: list[Folded] = []
    for group in group_by_keys(reports):
        source = group[0].source
        call = fold(stored.report for stored in group)
        ids = tuple(call_key_id(source, key) for key in call.keys)
        folded.append(Folded(source=source, ids=ids, call=call))
    return FoldedCalls(calls=folded, keys=keys, before=before)


def _with_theirs(connection: Connection, before: dict[str, str]) -> dict[str, str]:
    """Return the keys given, with their interactions, and every other key of those."""
    return before | derived.keys_with_interactions(connection, before.values())


def write_keys(
    connection: Connection, folded: FoldedCalls, touch_of: Mapping[str, str]
) -> set[str]:
    """Store which touch each key belongs to, of calls tied to others by `touch_of`.

    Returns the keys whose rows changed.
    """
    rows = {
        key: (it.source, name, touch_of.get(it.id, it.id))
        for it in folded.calls
        for key, name in zip(it.ids, it.call.keys, strict=True)
    }
    moved = derived.forget_call_keys(connection, folded.before.keys() - rows.keys())
    return moved | derived.write_call_keys(connection, rows, folded.before)


def group_by_keys(reports: Sequence[StoredReport]) -> list[list[StoredReport]]:
    """Return the reports of each call together: those that share a key, directly or by others."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for stored in reports:
        for other in stored.keys[1:]:
            leader[find(other)] = find(stored.keys[0])
    groups: dict[str, list[StoredReport]] = defaultdict(list)
    for stored in reports:
        groups[find(stored.keys[0])].append(stored)
    return list(groups.values())


# Match -----------------------------------------------------------------------------------------


def match_touches(
    connection: Connection,
    calls: Sequence[Folded],
    mails: Mapping[str, tuple[Mail, Sequence[Sighting]]],
    known: Directories,
    regions: Regions,
) -> list[tuple[str, Touch]]:
    """Return the touch that each call and mail is, with its source."""
    if not calls and not mails:
        return []
    knowledge = _knowledge(connection, calls, mails, known, regions)
    region_of = _regions_of(knowledge.directory, calls, regions)
    touches = []
    for it in calls:
        touch = touch_of_call(
            it.call, keys=it.ids, source=it.source, region=region_of[it.source], known=knowledge
        )
        if touch is not None:
            touches.append((it.source, touch))
    for mail, seen in mails.values():
        touches.append((seen[0].mailbox, touch_of_mail(mail, seen, knowledge)))
    return touches


def match_tied(
    connection: Connection,
    groups: Sequence[Sequence[Folded]],
    known: Directories,
    regions: Regions,
) -> list[tuple[str, Touch]]:
    """Return the one touch that the calls of each group are, with the source that leads it."""
    if not groups:
        return []
    calls = [it for group in groups for it in group]
    knowledge = _knowledge(connection, calls, {}, known, regions)
    return [merge(_told(group, knowledge, regions), knowledge) for group in groups]


def _told(group: Sequence[Folded], knowledge: Knowledge, regions: Regions) -> list[Told]:
    """Return each source's touch at the moment of all: late facts find it by that alone."""
    begin = min(it.call.started_at for it in group)
    region_of = _regions_of(knowledge.directory, group, regions)
    told = []
    for it in group:
        touch = touch_of_call(
            replace(it.call, started_at=begin),
            keys=it.ids,
            source=it.source,
            region=region_of[it.source],
            known=knowledge,
        )
        assert touch is not None  # only touches are tied
        told.append(Told(source=it.source, call=it.call, touch=touch))
    return told


def _knowledge(
    connection: Connection,
    calls: Sequence[Folded],
    mails: Mapping[str, tuple[Mail, Sequence[Sighting]]],
    known: Directories,
    regions: Regions,
) -> Knowledge:
    """Load all that is known of the points on these calls and mails."""
    now_known, policies = known.now(connection)
    region_of = _regions_of(now_known, calls, regions)
    points: set[str] = set()
    for it in calls:
        region = region_of[it.source]
        points |= points_of_call(it.call, source=it.source, region=region, directory=now_known)
    for mail, seen in mails.values():
        points |= points_of_mail(mail, seen, now_known, policies)
    return Knowledge(
        directory=now_known,
        policies=policies,
        points=directory.load_points(connection, points),
        statuses=decisions.statuses(connection, {*(key for it in calls for key in it.ids), *mails}),
    )


def _regions_of(known: Directory, calls: Iterable[Folded], regions: Regions) -> dict[str, str]:
    # What main says of the source outranks what this process could open of its secrets.
    sources = {it.source for it in calls}
    return {source: known.regions.get(source) or regions(source) for source in sources}
