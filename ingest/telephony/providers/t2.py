"""T2 (formerly Tele2), corporate SIM cards and its virtual PBX: polled. Not tried live.

It calls no webhook, so the calls of the day are asked for again and again. A SIM's number is our
line, and both sides look external: our lines decide the direction where `callType` does not. The
token that renews itself is good for one renewal, so it is kept sealed.
Facts: ats2.t2.ru/crm/openapi by several public readers of it (paths, rows, words, tokens); whether
durations are seconds on every tariff is unconfirmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.domain.tokens import Grant, Token
from ingest.telephony.fields import Fields, later, number, required, rfc3339, seconds, text
from ingest.telephony.protocols import no_requests
from ingest.telephony.protocols.callers import shown
from ingest.telephony.pulled import (
    address,
    answered,
    answered_object,
    count,
    kept_json,
    rows,
    secret,
)
from ingest.telephony.request import storable

# [{"uuid": "89f69952", "date": "2026-11-17T07:27:06.348Z", "callType": "OUTGOING",
#   "destinationNumber": "79031234567", "callerNumber": "79000000101", "callerName": "Anna",
#   "calleeNumber": "79031234567", "callDuration": 20, "conversationDuration": 6,
#   "callStatus": "ANSWERED_COMMON", "recordFileName": "2026-11-17/mo_166030684915821522"}]
HOST = "ats2.t2.ru"
BASE = f"https://{HOST}/crm/openapi"
PER_PAGE = 500
ACCESS_LIFE = timedelta(hours=12)  #: a token is good for a day; it is renewed at half of it
#: `callType` that tells the direction. SINGLE_CHANNEL is either: our lines decide.
DIRECTIONS = {
    "OUTGOING": Direction.OUTBOUND,
    "CRM_OUTGOING": Direction.OUTBOUND,
    "MULTI_CHANNEL": Direction.INBOUND,
    "VOICEMAIL": Direction.INBOUND,
    "INTERNAL": Direction.INTERNAL,
    "INTERNAL_QUEUE": Direction.INTERNAL,
    "HIMSELF": Direction.INTERNAL,
}
#: `callStatus`. One that is not here: no answer, unless somebody talked.
OUTCOMES = {
    "ANSWERED_COMMON": Outcome.ANSWERED,
    "ANSWERED_BY_ORIGINAL_CLIENT": Outcome.ANSWERED,
    "ANSWERED_BY_BUSY_FORWARD_CLIENT": Outcome.ANSWERED,
    "ANSWERED_BY_NO_ANSWER_FORWARD_CLIENT": Outcome.ANSWERED,
    "CANCELLED_BY_PICKUP": Outcome.ANSWERED,
    "NOT_ANSWERED_COMMON": Outcome.NO_ANSWER,
    "CANCELLED_BY_CALLER": Outcome.CANCELLED,
    "DESTINATION_BUSY": Outcome.BUSY,
    "DENIED_DUE_TO_BLACK_LISTED": Outcome.REJECTED,
    "DENIED_NOT_IN_WHITE_LIST": Outcome.REJECTED,
    "DENIED_DUE_TO_INCOMING_CALLS_BLOCKED": Outcome.REJECTED,
    "DENIED_DUE_TO_NOT_WORK_TIME": Outcome.NO_ANSWER,
    "DENIED_DUE_TO_MAX_SESSION": Outcome.FAILED,
    "DENIED_DUE_TO_MAX_CHANNEL_LIMIT": Outcome.FAILED,
    "DENIED_DUE_TO_OUTGOING_CALLS_BLOCKED": Outcome.FAILED,
    "DENIED_DUE_TO_ONLY_INTERNAL_CALLS_ENABLED": Outcome.FAILED,
    "DENIED_DUE_TO_UNKNOWN_NUMBER": Outcome.FAILED,
}
MILLISECONDS_FROM = 1e11  #: an epoch beyond it is told in milliseconds


def ask(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls of a period; `grant` adds the token."""
    query = {
        "start": since.astimezone(UTC).isoformat(timespec="seconds"),
        "end": until.astimezone(UTC).isoformat(timespec="seconds"),
        "size": PER_PAGE,
        "page": page or 0,
        "sort": "date,ASC",
    }
    return ApiRequest(
        url=address(f"{BASE}/call-records/info", **query), headers={"Accept": "application/json"}
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on as long as pages are full."""
    came = count(answered(response), *_where(answered(response)))
    return Turned(next=str(int(page or 0) + 1) if came >= PER_PAGE else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call of a page."""
    found = kept_json(delivery)
    events = [_call(row) for row in rows(found, *_where(found))]
    if not events:
        raise IgnoredDelivery("no call of this period")
    return events


def ask_token(account: Account, old: Token | None, now: datetime) -> ApiRequest:
    """Renew the token that is held; the first time, by what the administrator entered."""
    renewing = str(old.more["refresh"]) if old else secret(account, "refresh_token")
    return ApiRequest(
        method="PUT",
        url=f"{BASE}/authorization/refresh/token",
        headers={"Authorization": renewing, "Accept": "application/json"},
    )


def granted(account: Account, response: ApiResponse, now: datetime) -> Token:
    """Return the new pair of tokens. Raises UnreadableDelivery for a refusal, in plain words."""
    if response.status in (401, 403):
        raise UnreadableDelivery(
            "refresh_token: T2 does not accept it any more; make a new one in its cabinet"
        )
    if response.status != 200:
        raise UnreadableDelivery(f"T2 gave no token: {response.status}")
    fields = answered_object(response)
    return Token(
        value=required(fields, "accessToken"),
        expires_at=now + ACCESS_LIFE,
        more={"refresh": required(fields, "refreshToken")},
    )


def authorised(request: ApiRequest, token: Token) -> ApiRequest:
    """Return the request with the token as T2 wants it: alone, without a word before it."""
    headers = {**request.headers, "Authorization": token.value}
    return ApiRequest(method=request.method, url=request.url, headers=headers, body=request.body)


def _where(found: Any) -> tuple[str, ...]:
    """Return beneath which name the rows lie; a bare list is usual."""
    return () if isinstance(found, list) else ("content",)


def _call(row: Fields) -> CallEvent:
    started_at = _moment(row)
    whole_s, talk_s = seconds(row, "callDuration"), seconds(row, "conversationDuration") or 0.0
    kind = (text(row, "callType") or "").upper()
    direction = DIRECTIONS.get(kind)
    status = (text(row, "callStatus") or "").upper()
    outcome = OUTCOMES.get(status, Outcome.ANSWERED if talk_s else Outcome.NO_ANSWER)
    if kind == "VOICEMAIL":
        outcome = Outcome.VOICEMAIL
    ended_at = later(started_at, whole_s)
    talked = outcome is Outcome.ANSWERED and whole_s is not None
    recorded = text(row, "recordFileName")
    return CallEvent(
        call_keys=(_key(row),),
        stage=CallStage.ENDED,
        occurred_at=ended_at,
        direction=direction,
        started_at=started_at,
        answered_at=later(started_at, max(0.0, (whole_s or 0.0) - talk_s)) if talked else None,
        ended_at=ended_at,
        outcome=outcome,
        recording_id=recorded,
        recording_ready=recorded is not None,
        **_sides(row, direction),
    )


def _sides(row: Fields, direction: Direction | None) -> dict[str, Any]:
    """Return both numbers; who took a call to a shared number is its employee's own number."""
    caller, dialled = text(row, "callerNumber"), text(row, "destinationNumber")
    taker = text(row, "calleeNumber")
    if direction is Direction.OUTBOUND:
        return {"callee": dialled or taker, "line": caller, "agent": caller}
    told: dict[str, Any] = {"caller": shown(caller), "callee": dialled or taker}
    if direction is not Direction.INTERNAL:
        told["withheld"] = shown(caller) is None
    if direction is Direction.INBOUND and taker and taker != dialled:
        told["agent"] = taker
    return told


def _moment(row: Fields) -> datetime:
    """Return when the call began: a text with its offset, or an epoch."""
    if stated := rfc3339(row, "date") or rfc3339(row, "callDate"):
        return stated
    since = number(row, "callTimestamp")
    if not since:
        raise UnreadableDelivery("a call without its time")
    try:
        return datetime.fromtimestamp(since / 1000 if since > MILLISECONDS_FROM else since, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableDelivery("a call whose time is none") from error


def _key(row: Fields) -> str:
    """Return the call's id; older rows have none, so what they say of it stands for it."""
    if found := text(row, "uuid") or text(row, "id"):
        return found
    told = [_moment(row).isoformat()]
    told += [text(row, name) or "" for name in ("callerNumber", "destinationNumber")]
    return storable("t2-" + hashlib.sha256("|".join(told).encode("utf-8", "replace")).hexdigest())


T2 = Provider(
    name="t2",
    verify=no_requests.verify,
    key=no_requests.key,
    parse=no_requests.parse,
    answer=no_requests.answer,
    secrets=("refresh_token",),
    hooks=False,
    reads={Kind.PULL: read},
    history=History(
        api="call-records/info",
        request=ask,
        turn=turn,
        window=timedelta(days=1),
        every=timedelta(minutes=5),
        secrets=("refresh_token",),
        hosts=(HOST,),
        grant=Grant(
            request=ask_token,
            granted=granted,
            authorised=authorised,
            refusals=(401, 403),  # 403 with "The token is expired"
            remembered=True,
        ),
    ),
)
