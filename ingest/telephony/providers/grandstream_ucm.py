"""Grandstream UCM: its call detail records, asked for or pushed. Not tried against a live PBX.

Asked by `cdrapi` with HTTP Digest; the same rows may be in a file. A call of several legs comes as
`main_cdr`, their sum, with `sub_cdr_1` and so on; each leg is told, the sum is not. Times are the
PBX's own. What its "CDR Real-Time Output" pushes has no public description: JSON with the same rows
and HTTP Basic is what is understood.
Facts: Grandstream CDR and REC API Guide; `main_cdr` and `recordfiles` by other people's code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    Delivery,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, local_time, required, text
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.protocols.zones import pbx_zone
from ingest.telephony.pulled import (
    address,
    answered_object,
    count,
    kept_json,
    rows,
    secret,
    setting,
)
from ingest.telephony.request import json_value
from ingest.telephony.signatures import require_basic
from ingest.telephony.sounds import OWN_SOUND

# {"cdr_root": [{"AcctId": "62", "src": "03023125042", "dst": "1000", "lastapp": "Dial",
#   "start": "2026-11-17 14:00:00", "answer": "2026-11-17 14:00:06", "end": "2026-11-17 14:00:46",
#   "disposition": "ANSWERED", "uniqueid": "1795000300.0", "userfield": "Inbound",
#   "channel_ext": "03023125042", "dstchannel_ext": "1000", "session": "1795000300123456-1000",
#   "recordfiles": "2026-11/auto-1795000300-03023125042-1000.wav@"}]}
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
}
DISPOSITIONS = {
    "answered": Outcome.ANSWERED,
    "no answer": Outcome.NO_ANSWER,
    "noanswer": Outcome.NO_ANSWER,
    "busy": Outcome.BUSY,
    "failed": Outcome.FAILED,
    "congestion": Outcome.FAILED,
    "cancel": Outcome.CANCELLED,
}
VOICEMAIL = frozenset({"voicemail", "voicemailmain", "vm"})  #: `lastapp`
DIAL = "dial"  #: `lastapp` of a row whose `dst` is a telephone
FORKED = "forkcdr"  #: `lastapp` of a row that only repeats another one
NEVER = "0000-00-00 00:00:00"
SUB = re.compile(r"sub_cdr_\d{1,3}")
ROOT = ("cdr_root",)
PER_PAGE = 1_000  #: groups; the greatest number that is answered
HOST = "api_host"  #: the setting that names the PBX, with its port: 192.0.2.10:8443
MOST_LEGS = 200  #: of one call


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Authorization holds the source's name and password."""
    require_basic(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: pushes have no id of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the pushed rows say."""
    return _told(json_value(request.body), account, request.received_at)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: nothing else is read."""
    return HookResponse()


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what an answer of `cdrapi` says, asked for or out of a file."""
    return _told(kept_json(delivery), account, delivery.received_at)


def ask(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for the rows that began in a period, in the PBX's own time."""
    zone = pbx_zone(account)
    query = {
        "format": "json",
        "startTime": since.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"),
        "endTime": until.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"),
        "numRecords": PER_PAGE,
        "offset": page or 0,
    }
    return ApiRequest(
        url=address(f"https://{setting(account, HOST)}/cdrapi", **query),
        digest=(secret(account, "api_user"), secret(account, "api_password")),
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on as long as pages are full."""
    came = count(answered_object(response), *ROOT)
    return Turned(next=str(int(page or 0) + PER_PAGE) if came >= PER_PAGE else None)


def hosts_of(account: Account) -> tuple[str, ...]:
    """Return the PBX's name without its port."""
    named = account.config.get(HOST)
    return (re.sub(r":\d+$", "", named),) if isinstance(named, str) and named else ()


def _told(found: Any, account: Account, near: datetime) -> list[CallEvent]:
    events = [_row(leg, account, near) for leg in _legs(found)]
    if not events:
        raise IgnoredDelivery("no call of this period")
    return events


def _legs(found: Any) -> Iterator[Fields]:
    """Yield the single legs of whatever a list, a group or a row holds."""
    if isinstance(found, Mapping) and "cdr_root" not in found:
        found = [found]  # one row, or one group, by itself
    groups = rows(found) if isinstance(found, list) else rows(found, *ROOT)
    for group in groups:
        legs = [leg for name, leg in group.items() if SUB.fullmatch(name)]
        if len(legs) > MOST_LEGS:
            raise UnreadableDelivery(f"a call of more than {MOST_LEGS} legs")
        for leg in legs or [group.get("main_cdr", group)]:
            if not isinstance(leg, Mapping):
                raise UnreadableDelivery("a group holds something else than a row")
            if (text(leg, "lastapp") or "").lower() != FORKED:
                yield leg


def _row(row: Fields, account: Account, near: datetime) -> CallEvent:
    zone = pbx_zone(account)

    def moment(name: str) -> datetime | None:
        return None if text(row, name) == NEVER else local_time(row, name, zone, near)

    sides = _sides(row, account)
    outcome = _outcome(row, sides)
    ended_at = moment("end")
    recorded = (text(row, "recordfiles") or "").split("@")[0].strip() or None
    return CallEvent(
        call_keys=_keys(row),
        stage=CallStage.ENDED,
        occurred_at=ended_at,
        started_at=moment("start"),
        answered_at=moment("answer") if outcome is Outcome.ANSWERED else None,
        ended_at=ended_at,
        outcome=outcome,
        recording_id=recorded,
        recording_ready=recorded is not None,
        **sides,
    )


def _keys(row: Fields) -> tuple[str, ...]:
    """Return what ties the legs of a call: its session, where the PBX tells it."""
    unique, session = text(row, "uniqueid"), text(row, "session")
    found = tuple(dict.fromkeys(each for each in (unique, session) if each))
    return found or (required(row, "AcctId"),)


def _sides(row: Fields, account: Account) -> dict[str, Any]:
    direction = DIRECTIONS.get((text(row, "userfield") or "").lower())
    caller, called = text(row, "src"), text(row, "dst")
    dialled = (text(row, "lastapp") or "").lower() == DIAL  # else `dst` is a menu or a queue
    inner = _extension(row, "dstchannel_ext", account)
    inner = inner or (_extension(row, "dst", account) if dialled else None)
    outer = _extension(row, "channel_ext", account) or _extension(row, "src", account)
    match direction:
        case Direction.OUTBOUND:
            return {"direction": direction, "callee": called, "agent": outer}
        case Direction.INTERNAL:
            return {"direction": direction, "caller": caller, "callee": called, "agent": inner}
        case Direction.INBOUND:
            told = {"direction": direction, "caller": shown(caller), "agent": inner}
            return told | {"withheld": shown(caller) is None, "line": text(row, "did")}
    return {"caller": shown(caller), "callee": called, "agent": inner or outer}


def _outcome(row: Fields, sides: Mapping[str, Any]) -> Outcome:
    outcome = DISPOSITIONS.get((text(row, "disposition") or "").lower(), Outcome.NO_ANSWER)
    if outcome is not Outcome.ANSWERED or sides.get("direction") is Direction.OUTBOUND:
        return outcome
    if (text(row, "lastapp") or "").lower() in VOICEMAIL:
        return Outcome.VOICEMAIL
    # a menu or a queue answers too; only a row with a telephone behind it is a person's
    return outcome if text(row, "dstchannel_ext") else Outcome.NO_ANSWER


def _extension(row: Fields, name: str, account: Account) -> str | None:
    found = text(row, name)
    return found if is_extension(found, account) else None


GRANDSTREAM_UCM = Provider(
    name="grandstream_ucm",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("api_user", "api_password", "basic_user", "basic_password"),
    any_secret=True,
    reads={Kind.PULL: read, Kind.RECORD: read},
    history=History(
        api="cdrapi",
        request=ask,
        turn=turn,
        window=timedelta(days=1),
        secrets=("api_user", "api_password"),
        hosts_of=hosts_of,
    ),
    recordings=OWN_SOUND,
)
