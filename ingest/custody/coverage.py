"""Coverage of a source: its provider's history asked anew, compared with ours, and certified."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest import outages
from ingest.custody.office import Office, moment, start_of_day
from ingest.domain.calls import Call, Report
from ingest.domain.coverage import (
    Certificate,
    Compared,
    Interval,
    Rules,
    TheirCall,
    compare,
)
from ingest.domain.deliveries import (
    Account,
    Delivery,
    End,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)
from ingest.domain.interactions import call_key_id
from ingest.local import Refused, Tell
from ingest.telephony import stream_state
from ingest.telephony.calls import fold, tie
from ingest.telephony.desk import part_state_name
from storage import coverage, facts
from storage.log import LogUnavailable

NEARBY = timedelta(hours=2)  #: a call that began just outside of the period may still match
LONGEST = timedelta(days=92)  #: of one period
RECORDED_S, LOOK_S = 60.0, 0.1  #: how long the worker may take for what was asked for
VERSION = "0.1.0"  #: of Keepline, as `keepline --version` says
NO_HISTORY = "the provider has no history that can be asked"


def certify(
    office: Office, *, tell: Tell, source: str, since: str, until: str, by: str | None = None
) -> dict[str, Any]:
    """Compare a source's calls with its provider's history, and store the certificate.

    A date as the end is that whole day. Returns the certificate's JSON values with its id.
    """
    known = office.book.sources().get(source)
    if known is None:
        told = ", ".join(sorted(office.book.sources())) or "none"
        raise Refused(f"--source: there is no source {source}; there are: {told}")
    begin, end = period(office, since, until)
    made = compared(office, *known, begin, end, tell)
    body = made.plain()
    row = facts.new_id()
    with office.database.write() as connection:
        coverage.put_certificate(
            connection,
            body,
            id=row,
            since=begin,
            until=end,
            at=made.made_at,
            by=by or office.by,
        )
    return {"id": row, "made_by": by or office.by, **body}


def period(office: Office, since: str, until: str) -> tuple[datetime, datetime]:
    """Return the period that a person wrote, in the company's zone. Raises Refused."""
    now = office.clock()
    with office.database.read() as connection:
        zone = office.zone(connection)
    try:
        begin = moment(since, zone)
        end = moment(until, zone)
        if len(until.strip()) == len("2026-05-31"):
            end = start_of_day(until.strip(), zone) + timedelta(days=1)
    except ValueError as error:
        raise Refused("--from, --to: write them like 2026-05-01 or 2026-05-01T09:00") from error
    end = min(end, now)
    if begin >= end:
        raise Refused("--to: the period ends before it begins, or lies ahead of us")
    if end - begin > LONGEST:
        raise Refused(
            f"--from: a period of at most {LONGEST.days} days; certify longer ones in parts"
        )
    return begin, end


def compared(
    office: Office,
    provider: Provider,
    account: Account,
    since: datetime,
    until: datetime,
    tell: Tell,
) -> Certificate:
    """Ask the history and compare. What could not be asked is said in the certificate."""
    history = provider.history
    if history is None:
        failed: str | None = NO_HISTORY
    elif not history.equipped(account):
        needed = ", ".join(history.secrets)
        failed = f"the source lacks what its history needs: {needed}"
    else:
        failed = None
    found: Compared | None = None
    answers: Sequence[Delivery] = ()
    unread: list[str] = []
    restored = 0
    if failed is None:
        said = office.pull(account.source, since - NEARBY, until + NEARBY, tell)
        failed = said["failed"]
        answers = _answers(office, said["places"])
    if failed is None and history is not None:
        theirs = _theirs(provider, account, answers, unread)
        unrecorded = _wait_until_recorded(office, account.source, answers)
        rules = Rules(
            now=office.clock(),
            settles=history.settles,
            keeps=history.keeps,
            unrecorded=unrecorded,
        )
        found, restored = _compare(office, account.source, theirs, since, until, rules)
    return Certificate(
        source=account.source,
        provider=provider.name,
        api=history.api if history else None,
        since=since,
        until=until,
        made_at=office.clock(),
        made_with=VERSION,
        compared=found,
        failed=failed,
        answers=len(answers),
        unread=tuple(unread),
        restored=restored,
        intervals=intervals(office, account.source, since, until, failed),
    )


def intervals(
    office: Office, source: str, since: datetime, until: datetime, failed: str | None
) -> tuple[Interval, ...]:
    """Return the times in which nothing was heard, as far as they are remembered."""
    log = office.logs["calls"]
    try:
        ours = outages.recalled(log.memory(outages.MEMORY))
        stream = log.memory(part_state_name(source, stream_state.PART))
    except LogUnavailable as error:
        if failed is not None:
            return ()  # nothing was ever kept, or nothing is compared anyway
        raise Refused("the log of calls cannot be read now; try again") from error
    gaps = stream_state.recalled(stream, office.clock()).gaps
    heard: list[tuple[datetime, datetime, str]] = [(it.begin, it.end, it.why) for it in ours]
    heard += [
        (gap.begin, gap.end, "the connection to the telephone system was away") for gap in gaps
    ]
    return tuple(
        Interval(begin=begin, end=end, why=why, recovered=failed is None, because=failed)
        for begin, end, why in sorted(heard)
        if begin < until and end > since
    )


def _answers(office: Office, places: Iterable[Sequence[int]]) -> list[Delivery]:
    log = office.logs["calls"]
    found = (log.get(partition, position) for partition, position in places)
    by_key = {it.key: it for it in found if it is not None}
    return list(by_key.values())


def _theirs(
    provider: Provider, account: Account, answers: Sequence[Delivery], unread: list[str]
) -> list[TheirCall]:
    """Return the calls that the answers tell of; why one could not be read goes into `unread`."""
    reports: list[Report] = []
    for delivery in answers:
        try:
            events = provider.reads[Kind.PULL](delivery, account)
        except IgnoredDelivery:
            continue
        except UnreadableDelivery as error:
            unread.append(f"{delivery.id}: {error}")
            continue
        reports += [Report(event=event, received_at=delivery.received_at) for event in events]
    return [_their_call(fold(group)) for group in tie(reports)]


def _their_call(call: Call) -> TheirCall:
    return TheirCall(keys=call.keys, began_at=call.started_at, ended_at=call.ended_at)


def _wait_until_recorded(office: Office, source: str, answers: Sequence[Delivery]) -> str | None:
    """Wait until the worker dealt with what was asked for; return why something is missing."""
    keys = [it.key for it in answers]
    office.wake()
    ends = time.monotonic() + RECORDED_S
    while True:
        with office.database.read() as connection:
            known = coverage.ends_of(connection, source, keys)
        if len(known) == len(keys):
            break
        if time.monotonic() > ends:
            return "kept and not recorded yet: the worker is behind"
        time.sleep(LOOK_S)
    parked = sorted({reason or "" for end, reason in known.values() if end == End.PARKED})
    return f"its answer is parked: {parked[0]}" if parked else None


def _compare(
    office: Office,
    source: str,
    theirs: Sequence[TheirCall],
    since: datetime,
    until: datetime,
    rules: Rules,
) -> tuple[Compared, int]:
    """Return the comparison, and how many calls of the period only the history told of."""
    keys = [key for call in theirs for key in call.keys]
    with office.database.read() as connection:
        ours = coverage.our_calls(connection, source, since, until, keys)
        ids = {call_key_id(source, key): key for key in keys}
        pushed = {ids[it] for it in coverage.pushed_keys(connection, list(ids))}
    found = compare(theirs, ours, since=since, until=until, rules=rules)
    missing = {row.id for row in found.missing}
    restored = [
        call
        for call in theirs
        if since <= call.began_at < until
        and call.keys[0] not in missing
        and not pushed.intersection(call.keys)
    ]
    return found, len(restored)
