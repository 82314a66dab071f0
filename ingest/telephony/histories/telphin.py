"""Telphin: `call_history`, one record for a call with the legs beneath it; times in UTC.

Facts: xdimedrolx/telphin-go-sdk (telphin/call.go, types.go, testdata). Not tried live. That the
questions' times are in UTC, as those of the answers are, is not documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.domain.tokens import Grant, Token
from ingest.telephony.fields import Fields, local_time, number, required, seconds, text
from ingest.telephony.pulled import address, answered_object, count, kept_json, known, rows, secret

# {"page": 1, "per_page": 100, "order": "asc", "call_history": [{"call_uuid": "CAA308E3",
#   "flow": "in", "result": "bridged", "start_time_gmt": "2026-11-18 07:00:00",
#   "bridged_time_gmt": "...", "hangup_time_gmt": "...", "bridged_duration": 24,
#   "from_username": "79666660401", "to_username": "74951230009", "did_number": "74951230009",
#   "cdr": [{"extension_type": "phone", "extension_name": "12345*101@sipproxy.telphin.ru",
#            "result": "answered", "init_time_gmt": "...", "start_time_gmt": "..."}]}]}
HOST = "apiproxy.telphin.ru"
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}
RESULTS = {
    "bridged": Outcome.ANSWERED,
    "answered": Outcome.NO_ANSWER,  # of the whole call: a menu answered, and no person
    "not answered": Outcome.NO_ANSWER,
    "busy": Outcome.BUSY,
    "rejected": Outcome.REJECTED,
    "failed": Outcome.FAILED,
}
PHONE = "phone"  #: extension_type of a telephone, as against a menu or a queue
TOOK = "answered"
LIST = ("call_history",)
PER_PAGE = 100
GMT = ZoneInfo("UTC")


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for one page of the calls of a period."""
    query = {
        "start_datetime": _written(since),
        "end_datetime": _written(until),
        "per_page": PER_PAGE,
        "page": page or 1,
    }
    base = f"https://{HOST}/api/ver1.0/client/@me/call_history/"
    return ApiRequest(url=address(base, **query), headers={"Accept": "application/json"})


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on as long as pages are full."""
    found = answered_object(response)
    full = number(found, "per_page") or PER_PAGE
    return Turned(next=str(int(page or 1) + 1) if count(found, *LIST) >= full else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call, and the part of each telephone."""
    near = delivery.received_at
    found = [event for row in rows(kept_json(delivery), *LIST) for event in _call(row, near)]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def ask_token(account: Account, old: Token | None, now: datetime) -> ApiRequest:
    """Ask for a token by the application's own secrets (RFC 6749, section 4.4)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": secret(account, "client_id"),
        "client_secret": secret(account, "client_secret"),
    }
    return ApiRequest(
        method="POST",
        url=f"https://{HOST}/oauth/token",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
    )


def token_given(account: Account, response: ApiResponse, now: datetime) -> Token:
    """Return the token. Raises UnreadableDelivery if it was refused."""
    if response.status != 200:
        raise UnreadableDelivery(f"a token was refused with status {response.status}")
    given = answered_object(response)
    lasts_s = seconds(given, "expires_in") or 3600.0
    value = given.get("access_token")
    if not isinstance(value, str) or not value:
        raise UnreadableDelivery("the answer holds no token")
    return Token(value=value, expires_at=now + timedelta(seconds=lasts_s))


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _call(row: Fields, near: datetime) -> list[CallEvent]:
    keys = (required(row, "call_uuid"),)
    direction = known(row, "flow", DIRECTIONS)
    outcome = known(row, "result", RESULTS)
    outbound = direction is Direction.OUTBOUND
    caller, callee = text(row, "from_username"), text(row, "to_username")
    if outbound and caller and callee and "*" in caller and "*" in callee:
        direction, outbound = Direction.INTERNAL, False
    phones = [leg for leg in rows(row, "cdr") if text(leg, "extension_type") == PHONE]
    took = [leg for leg in phones if text(leg, "result") == TOOK]
    ended = CallEvent(
        call_keys=keys,
        stage=CallStage.ENDED,
        direction=direction,
        caller=None if outbound else _bare(caller),
        callee=None if direction is Direction.INBOUND else _bare(callee),
        withheld=direction is Direction.INBOUND and caller is None,
        line=text(row, "did_number"),
        agent=_extension(row) if outbound else _extension(took[-1]) if took else None,
        outcome=outcome,
        started_at=_at(row, "start_time_gmt", near),
        answered_at=_at(row, "bridged_time_gmt", near),
        ended_at=_at(row, "hangup_time_gmt", near),
        duration_s=seconds(row, "duration"),
        talk_s=seconds(row, "bridged_duration") if outcome is Outcome.ANSWERED else 0.0,
        recording_id=next((it for leg in phones if (it := text(leg, "record_uuid"))), None),
    )
    legs = [] if outbound else [event for leg in phones for event in _leg(keys, leg, near)]
    return [*legs, ended]


def _leg(keys: tuple[str, ...], leg: Fields, near: datetime) -> list[CallEvent]:
    agent = _extension(leg)
    answered = text(leg, "result") == TOOK
    stages = {
        CallStage.RINGING: _at(leg, "init_time_gmt", near),
        CallStage.ANSWERED: _at(leg, "start_time_gmt", near) if answered else None,
        CallStage.LEG_ENDED: _at(leg, "hangup_time_gmt", near),
    }
    return [
        CallEvent(call_keys=keys, stage=stage, occurred_at=at, agent=agent, leg=agent)
        for stage, at in stages.items()
        if at and agent
    ]


def _at(row: Fields, name: str, near: datetime) -> datetime | None:
    return local_time(row, name, GMT, near)


def _extension(row: Fields) -> str | None:
    """Return an extension without the account's number before it and the domain behind it."""
    return _bare((text(row, "extension_name") or "").partition("@")[0])


def _bare(name: str | None) -> str | None:
    return (name or "").rpartition("*")[2] or None


HISTORY = History(
    request=request,
    turn=turn,
    api="call_history",
    window=timedelta(days=7),
    per_minute=20,
    secrets=("client_id", "client_secret"),
    hosts=(HOST,),
    grant=Grant(request=ask_token, granted=token_given),
)
