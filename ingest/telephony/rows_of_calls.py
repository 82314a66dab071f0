"""One row of an operator's file: what it says of a call, by a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.contacts import PointKind
from ingest.domain.deliveries import Account, IgnoredDelivery, UnreadableDelivery
from ingest.matching.numbers import to_point
from ingest.telephony.columns_of_calls import Column, Profile
from ingest.telephony.fields import EARLIEST, LATEST, LONGEST_CALL_S, formatted
from ingest.telephony.request import storable

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
_MINUTES = re.compile(r"мин|min", re.IGNORECASE)
_HOURS = re.compile(r"чч?\s*:\s*мм?(?!\s*:)|h+\s*:\s*m+(?!\s*:)", re.IGNORECASE)
_TOLD = re.compile(
    r"(?:(?P<h>\d+)\s*(?:ч|час\w*|h|hr|hours?)\.?)?\s*(?:(?P<m>\d+)\s*(?:м|мин\w*|m|min\w*)\.?)?"
    r"\s*(?:(?P<s>\d+)\s*(?:с|сек\w*|s|sec\w*)\.?)?",
    re.IGNORECASE,
)
_DATES = (
    (re.compile(r"(?P<y>\d{4})[-./](?P<m>\d{1,2})[-./](?P<d>\d{1,2})"), None),
    (re.compile(r"(?P<d>\d{1,2})[-./](?P<m>\d{1,2})[-./](?P<y>\d{4}|\d{2})\b"), True),
    (re.compile(r"(?P<m>\d{1,2})[-./](?P<d>\d{1,2})[-./](?P<y>\d{4}|\d{2})\b"), False),
)
_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}))?(?:[.,]\d+)?\s*(?P<half>[ap]\.?m)?",
    re.IGNORECASE,
)
_WITH_OFFSET = re.compile(r"\d{2}:\d{2}(:\d{2})?(\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})$")
_SERIAL = re.compile(r"\d{5}(\.\d+)?")  #: a workbook's day, counted from 1899-12-30


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
    at = _moment(written, said.get(Column.TIME, ""), profile, account, near)
    heading = profile.columns.get(Column.DURATION, "")
    talk_s = _seconds(duration, heading) if duration else None
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
    """Return what tells the call from all others, however its row is written."""
    direction = row.direction.value if row.direction else "?"
    sides = "/".join(_normal(text, account) for text in (row.sim, row.caller, row.callee))
    return f"{row.at:%Y%m%dT%H%M%SZ}/{direction}/{sides}"


def row_key(row: CallRow, account: Account) -> str:
    """Return what makes a row a repeat of another: what it says, not how it is written."""
    talk = "?" if row.talk_s is None else f"{row.talk_s:g}"
    return f"{call_key(row, account)}/{talk}{'!' if row.missed else ''}"


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


def _seconds(text: str, heading: str) -> float:
    small = text.replace(",", ".").strip()
    found: float | None = None
    if match := re.fullmatch(r"(?:(\d+):)?(\d+):(\d{2})(?:\.\d+)?", small):
        first, second, third = match.groups()
        whole = [int(first or 0), int(second), int(third)]
        if first is None and _HOURS.search(heading):
            whole = [int(second), int(third), 0]
        found = float(whole[0] * 3600 + whole[1] * 60 + whole[2])
    elif re.fullmatch(r"\d+(\.\d+)?", small):
        in_minutes = _MINUTES.search(heading) and not re.search(r"сек|sec", heading, re.IGNORECASE)
        found = float(small) * (60 if in_minutes else 1)
    elif (match := _TOLD.fullmatch(small)) and any(match.groups()):
        found = float(
            sum(int(match[it] or 0) * by for it, by in (("h", 3600), ("m", 60), ("s", 1)))
        )
    if found is None or not 0 <= found <= LONGEST_CALL_S:
        raise UnreadableDelivery(f"the duration is none: {text!r}")
    return found


def _moment(date: str, time: str, profile: Profile, account: Account, near: datetime) -> datetime:
    written = f"{date} {time}".strip() if time and ":" not in date else date
    try:
        zone = ZoneInfo(profile.zone) if profile.zone else account.zone
    except (KeyError, ValueError) as error:
        raise UnreadableDelivery(f"there is no zone {profile.zone}") from error
    if _WITH_OFFSET.search(written):
        try:
            found = datetime.fromisoformat(written.replace(" ", "T", 1).replace(" ", ""))
            if EARLIEST <= found < LATEST:
                return found.astimezone(ZoneInfo("UTC"))
        except ValueError:
            pass
    naive = _naive(written, profile)
    if naive is None:
        raise UnreadableDelivery(f"the date is none: {written!r}")
    plain = {"at": naive.strftime("%Y-%m-%d %H:%M:%S")}
    found_at = formatted(plain, "at", "%Y-%m-%d %H:%M:%S", zone, near)
    assert found_at is not None
    return found_at


def _naive(written: str, profile: Profile) -> datetime | None:
    if match := _SERIAL.fullmatch(written):
        return datetime(1899, 12, 30) + timedelta(seconds=round(float(match[0]) * 86_400))  # noqa: DTZ001
    clock = _CLOCK.search(written)
    if clock is None:
        return None
    for pattern, day_first in _DATES:
        match = pattern.search(written)
        if match is None or (day_first is not None and day_first is not profile.day_first):
            continue
        hour = int(clock["h"])
        if clock["half"]:
            hour = hour % 12 + (12 if clock["half"].lower().startswith("p") else 0)
        year = int(match["y"]) + (2000 if len(match["y"]) == 2 else 0)
        try:
            return datetime(  # noqa: DTZ001 - the caller knows the zone
                year, int(match["m"]), int(match["d"]), hour, int(clock["m"]), int(clock["s"] or 0)
            )
        except ValueError:
            return None
    return None
