"""One row of an operator's file: what it says of a call, by a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.contacts import PointKind
from ingest.domain.deliveries import Account, IgnoredDelivery, UnreadableDelivery
from ingest.matching.numbers import to_point
from ingest.telephony.columns_of_calls import Column, Profile
from ingest.telephony.request import storable
from ingest.telephony.times_of_calls import moment, seconds

MAX_CELL = 200  #: characters that are looked at

#: Words in a row's service or direction; the first line that fits counts.
_NO_CALL = re.compile(
    r"\b(sms|смс|mms|ммс|gprs|lte|интернет|internet|трафик|ussd|data)\b|сообщени|абонентск\w* плат"
    r"|подписк|\bитого\b|\btotal\b|[км]байт|\b[kmg]b\b|\b[кмг]б\b",
    re.IGNORECASE,
)
_SENT_ON = re.compile(r"переадрес|forward", re.IGNORECASE)
_MISSED = re.compile(
    r"пропущ|неотвеч|не отвеч|без ответа|missed|no.?answer|unanswered|not answered|failed"
    r"|cancel|занят|\bbusy\b|rejected|отклон",
    re.IGNORECASE,
)
_IN = re.compile(r"\bвх|<[-=]|←|\bin\b|inbound|incoming|received|\bmt\b|\bmtc\b", re.IGNORECASE)
_OUT = re.compile(r"\bисх|[-=]>|→|\bout\b|outbound|outgoing|dial|\bmo\b|\bmoc\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What one row says."""

    at: datetime
    direction: Direction | None
    caller: str | None
    callee: str | None
    sim: str | None
    talk_s: float | None  #: None: not said
    missed: bool


def read_row(
    cells: Mapping[str, str],
    profile: Profile,
    account: Account,
    *,
    sim: str | None,
    near: datetime,
) -> CallRow:
    """Return the call that a row tells of.

    `sim`: our number, where the file says it elsewhere; `near`: decides the hour that clocks
    repeat. Raises IgnoredDelivery for what is no call, UnreadableDelivery for what is none yet.
    """
    said = {
        column: storable(cells.get(heading, "")[:MAX_CELL]).strip()
        for column, heading in profile.columns.items()
    }
    kind = " ".join(said.get(it, "") for it in (Column.DIRECTION, Column.RESULT, Column.OTHER))
    duration = said.get(Column.DURATION, "")
    written = said.get(Column.WHEN) or said.get(Column.DATE) or ""
    if _NO_CALL.search(f"{written} {kind} {duration}") or not any(said.values()):
        raise IgnoredDelivery("the row is no call")
    if _SENT_ON.search(said.get(Column.DIRECTION, "")):
        raise IgnoredDelivery("the operator sent the call on; no telephone of ours took it")
    if not written:
        raise IgnoredDelivery("the row has no date: it is no call")
    at = moment(written, said.get(Column.TIME, ""), profile, account, near)
    heading = profile.columns.get(Column.DURATION, "")
    talk_s = seconds(duration, heading) if duration else None
    sides = _sides(said, account, sim)
    missed = bool(_MISSED.search(kind)) or talk_s == 0
    return CallRow(
        at=at,
        direction=sides[0],
        caller=sides[1],
        callee=sides[2],
        sim=sides[3],
        talk_s=talk_s,
        missed=missed,
    )


def event_of(row: CallRow, account: Account) -> CallEvent:
    """Return the report that a row makes. Operators count from the answer."""
    ended = row.at + timedelta(seconds=row.talk_s or 0.0)
    answered = not row.missed and row.talk_s is not None
    return CallEvent(
        call_keys=(call_key(row, account),),
        stage=CallStage.ENDED,
        occurred_at=ended,
        direction=row.direction,
        caller=row.caller,
        callee=row.callee,
        line=row.sim,
        withheld=row.direction is Direction.INBOUND and row.caller is None,
        outcome=Outcome.NO_ANSWER if row.missed else Outcome.ANSWERED,
        started_at=row.at,
        answered_at=row.at if answered else None,
        ended_at=ended,
        talk_s=0.0 if row.missed else row.talk_s,
    )


def call_key(row: CallRow, account: Account) -> str:
    """Return what tells the call from all others, whatever else is known of it.

    Many operators write whole minutes. A client who reaches us at the second try within a minute
    made two calls, which only their lengths tell apart.
    """
    sides = "/".join(_normal(text, account) for text in (row.caller, row.callee))
    length = "" if row.at.second else f"/{_length(row)}"
    return f"{row.at:%Y%m%dT%H%M%SZ}/{sides}{length}"


def row_key(row: CallRow, account: Account) -> str:
    """Return what makes a row a repeat of another: what it says, not how it is written."""
    direction = row.direction.value if row.direction else "?"
    ours = _normal(row.sim, account)
    return f"{call_key(row, account)}/{direction}/{ours}/{_length(row)}"


def _length(row: CallRow) -> str:
    talk = "?" if row.talk_s is None else f"{row.talk_s:g}"
    return f"{talk}{'!' if row.missed else ''}"


def _normal(text: str | None, account: Account) -> str:
    return "" if text is None else to_point(text, account.region, account.source).value


def _sides(
    said: Mapping[Column, str], account: Account, sim: str | None
) -> tuple[Direction | None, str | None, str | None, str | None]:
    """Return direction, caller, callee and our number."""
    sim = said.get(Column.SIM) or sim
    other = said.get(Column.OTHER) or None
    told = said.get(Column.DIRECTION, "")
    if other is not None and (arrow := re.match(r"(<[-=]+|[-=]+>)\s*", other)):
        told, other = f"{told} {arrow[1]}", other[arrow.end() :]
    direction = _direction(told)
    caller, callee = said.get(Column.CALLER) or None, said.get(Column.CALLEE) or None
    if caller is None and callee is None:
        if direction is None:
            raise UnreadableDelivery(
                f"the direction is not known: {told!r}" if told else "the direction is missing"
            )
        if sim is None:
            raise UnreadableDelivery("the number of our SIM is not known; say it with --sim")
        inbound = direction is Direction.INBOUND
        caller, callee = (other, sim) if inbound else (sim, other)
    elif direction is None and sim is not None:
        ours = _normal(sim, account)
        if caller and _normal(caller, account) == ours:
            direction = Direction.OUTBOUND
        elif callee and _normal(callee, account) == ours:
            direction = Direction.INBOUND
    if sim is None and direction is not None:
        sim = callee if direction is Direction.INBOUND else caller
    caller, callee = _shown(caller, account), _shown(callee, account)
    if direction is Direction.OUTBOUND and callee is None:
        raise UnreadableDelivery("the number that was called is missing")
    return direction, caller, callee, sim


def _shown(text: str | None, account: Account) -> str | None:
    """Return a number; of one that was hidden, None."""
    if text is None:
        return None
    kind = to_point(text, account.region, account.source).kind
    return None if kind in (PointKind.WITHHELD, PointKind.UNREADABLE) else text


def _direction(text: str) -> Direction | None:
    inbound, outbound = bool(_IN.search(text)), bool(_OUT.search(text))
    if inbound == outbound:
        # A missed call is one that came, unless the same words say that it went out.
        came = not outbound and re.search(r"пропущ|missed", text, re.IGNORECASE)
        return Direction.INBOUND if came else None
    return Direction.INBOUND if inbound else Direction.OUTBOUND
