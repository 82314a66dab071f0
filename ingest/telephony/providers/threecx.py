"""3CX: its call detail records, a line of CSV for each call. Not tried against a live account.

They come over a TCP connection, which 3CX opens ("active socket") or we do ("passive socket"), and
the same lines lie in its CDR files. Columns are chosen by the administrator; `cdr_fields` of the
source names them. Nothing proves the sender, and what was sent while nobody listened is lost, so
the files are what fills gaps.
Facts: 3cx.com/blog/docs/cdr-call-data-records; times in UTC and the words of `reason-terminated`
come from other people's readers and are unconfirmed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)
from ingest.domain.records import Record
from ingest.domain.streams import Message, Said
from ingest.telephony.fields import Fields, formatted, required, text
from ingest.telephony.protocols import no_requests
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.framing import Frames, TooLong
from ingest.telephony.protocols.zones import pbx_zone
from ingest.telephony.records import cells, columns_are, split

# Call 1201,00000B4A1,00:00:52,2026.11.17 11:00:00,2026.11.17 11:00:09,2026.11.17 11:01:01,
# TerminatedBySrc,493023125042,Ext.101,10000,101,493023125000,,,,,,,,Chain: Ext.10000;Ext.101;,
# external_line,extension,extension,,,,
COLUMNS = (
    "historyid", "callid", "duration", "time-start", "time-answered", "time-end",
    "reason-terminated", "from-no", "to-no", "from-dn", "to-dn", "dial-no", "reason-changed",
    "final-number", "final-dn", "bill-code", "bill-rate", "bill-cost", "bill-name", "chain",
    "from-type", "to-type", "final-type", "from-dispname", "to-dispname", "final-dispname",
    "missed-queue-calls",
)  # fmt: skip
TIME = "%Y.%m.%d %H:%M:%S"
PREFIX = "Call "  #: before the first cell of a line
LEAST_CELLS = 6  #: a line of fewer is none of calls
#: `*-type` in letters alone: versions write `external_line`, `ExternalLine` or `External line`.
EXTERNAL = frozenset({"externalline", "external", "provider", "line", "bridge"})
PERSON = frozenset({"extension", "ext"})
VOICEMAIL = frozenset({"voicemail", "voicemailbox"})
QUEUES = frozenset({"queue", "ringgroup"})
#: `reason-terminated` of a call that nobody answered, in letters alone. Any other: no answer.
REASONS = {
    "terminatedbysrc": Outcome.CANCELLED,
    "srcparticipantterminated": Outcome.CANCELLED,
    "cancelled": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
    "failedbusy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "failed": Outcome.FAILED,
    "failedcancelled": Outcome.CANCELLED,
    "notfound": Outcome.FAILED,
}
TRANSFERRED = frozenset({"replaceddst", "replacedsrc"})  #: `reason-changed`


class Lines:
    """One connection's side of the talk: 3CX speaks alone, line by line."""

    def __init__(self) -> None:
        self._frames = Frames(b"\n")

    def opened(self) -> Said:
        """Wait: nobody greets."""
        return Said(ready=True)

    def received(self, data: bytes, now: datetime) -> Said:
        """Return the whole lines that came."""
        self._frames.feed(data)
        lines: list[Message] = []
        try:
            for line in self._frames.all():
                if body := line.strip(b"\r\0 "):
                    lines.append(Message(body=body))
        except TooLong as error:
            return Said(keep=tuple(lines), failed=f"this is not 3CX: {error}")
        return Said(keep=tuple(lines))

    def quiet(self) -> Said:
        """Say nothing: 3CX does not listen, and is silent while nobody calls."""
        return Said()


def files(name: str, octets: bytes, final: bool, account: Account) -> tuple[Sequence[Record], int]:
    """Return the lines of a CDR file."""
    wide = len(_columns(account))
    return split(octets, final=final, is_record=columns_are(wide, wide + 1))


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the one call that a line tells of, and each telephone of ours that took it."""
    row = _row(delivery.body or b"", account)
    call_id = text(row, "callid") or required(row, "historyid")
    zone = pbx_zone(account, usual="UTC")

    def moment(name: str) -> datetime | None:
        return formatted(row, name, TIME, zone, delivery.received_at)

    answered_at, ended_at = moment("time-answered"), moment("time-end")
    if ended_at is None:
        raise UnreadableDelivery("the line has no time-end: name its columns in `cdr_fields`")
    sides, people = _sides(row, account), _people(row, account)
    outcome = _outcome(row, sides["direction"], answered_at is not None)
    ended = CallEvent(
        call_keys=(call_id,),
        stage=CallStage.ENDED,
        occurred_at=ended_at,
        started_at=moment("time-start"),
        answered_at=answered_at if outcome is Outcome.ANSWERED else None,
        ended_at=ended_at,
        outcome=outcome,
        agent=people[-1] if people else None,
        transfer="blind" if _letters(row, "reason-changed") in TRANSFERRED else None,
        **sides,
    )
    if outcome is not Outcome.ANSWERED or len(people) < 2:
        return [ended]
    first = CallEvent(
        call_keys=(call_id,),
        stage=CallStage.ANSWERED,
        occurred_at=answered_at,
        agent=people[0],
        outcome=Outcome.ANSWERED,
    )
    return [first, ended]


def _row(body: bytes, account: Account) -> Fields:
    found = cells(body.strip())
    if len(found) < LEAST_CELLS:
        raise IgnoredDelivery("a line that tells of no call")
    columns = _columns(account)
    if tuple(cell.strip().lower() for cell in found[:3]) == columns[:3]:
        raise IgnoredDelivery("the head line of a file")
    found[0] = found[0].removeprefix(PREFIX)
    # 3CX leaves a separator behind the last column on some versions
    if len(found) > len(columns) and any(cell.strip() for cell in found[len(columns) :]):
        raise UnreadableDelivery(
            f"a line of {len(found)} cells where {len(columns)} are expected: name the columns in"
            " the source's setting `cdr_fields`"
        )
    return dict(zip(columns, found, strict=False))


def _columns(account: Account) -> tuple[str, ...]:
    named = account.config.get("cdr_fields")
    return tuple(map(str, named)) if isinstance(named, list | tuple) and named else COLUMNS


def _sides(row: Fields, account: Account) -> dict[str, Any]:
    caller, callee = _number(row, "from-no"), _number(row, "to-no")
    line = text(row, "dial-no")
    from_us = _is_ours(row, "from", account)
    to_us = _is_ours(row, "to", account)
    if from_us and to_us:
        dialled = callee or text(row, "to-dn")
        inner = caller or text(row, "from-dn")
        return {"direction": Direction.INTERNAL, "caller": inner, "callee": dialled}
    if from_us:
        number = line if line and not is_extension(line, account) else callee
        return {"direction": Direction.OUTBOUND, "callee": number}
    told: dict[str, Any] = {
        "direction": Direction.INBOUND,
        "caller": shown(caller),
        "withheld": shown(caller) is None,
        "line": line if line and not is_extension(line, account) else None,
    }
    if _letters(row, "to-type") in QUEUES:
        told["queue"] = text(row, "to-dispname") or text(row, "to-dn")
    if _letters(row, "final-type") in EXTERNAL:
        told["forwarded_to"] = _number(row, "final-number")
    return told


def _people(row: Fields, account: Account) -> list[str]:
    """Return our telephones that took part, in order: who was called, and who took it at last."""
    if _is_ours(row, "from", account):
        own = text(row, "from-dn") or _number(row, "from-no")
        return [own] if own else []
    final_type, to_type = _letters(row, "final-type"), _letters(row, "to-type")
    called = text(row, "to-dn") or _number(row, "to-no")
    taken = text(row, "final-dn") or _number(row, "final-number")
    people = []
    if called and (to_type in PERSON or (not to_type and is_extension(called, account))):
        people.append(called)
    if taken and (final_type in PERSON or (not final_type and is_extension(taken, account))):
        people.append(taken)
    return list(dict.fromkeys(people))


def _outcome(row: Fields, direction: Direction, answered: bool) -> Outcome:
    taker = _letters(row, "final-type") or _letters(row, "to-type")
    if answered and direction is Direction.INBOUND:
        if taker in VOICEMAIL:
            return Outcome.VOICEMAIL
        if taker in EXTERNAL:
            return Outcome.FORWARDED
        return Outcome.ANSWERED if not taker or taker in PERSON else Outcome.NO_ANSWER
    if answered:
        return Outcome.ANSWERED
    return REASONS.get(_letters(row, "reason-terminated"), Outcome.NO_ANSWER)


def _is_ours(row: Fields, side: str, account: Account) -> bool:
    """Tell whether a side is a telephone or a machine of ours: by its type, else by its number."""
    kind = _letters(row, f"{side}-type")
    if kind:
        return kind not in EXTERNAL
    number = text(row, f"{side}-no") or ""
    return number.startswith("Ext.") or is_extension(number, account)


def _number(row: Fields, name: str) -> str | None:
    found = text(row, name)
    return found.removeprefix("Ext.") or None if found else None


def _letters(row: Fields, name: str) -> str:
    return re.sub(r"[^a-z]", "", (text(row, name) or "").lower())


def _talk(account: Account) -> Lines:
    return Lines()


THREECX = Provider(
    name="3cx",
    verify=no_requests.verify,
    key=no_requests.key,
    parse=no_requests.parse,
    answer=no_requests.answer,
    hooks=False,
    talk=_talk,
    dials_us=True,
    reads={Kind.STREAM: read, Kind.RECORD: read},
    files=files,
)
