"""OnlinePBX: `mongo_history/search.json`, behind a key that `auth.json` gives for the account's.

Facts: alexbournemsk/onlinepbx-calls; animetrity/onlinepbx-telephony. Not tried live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.domain.tokens import Grant, Token
from ingest.telephony.fields import Fields, epoch, part, required, seconds, text, url
from ingest.telephony.protocols.callers import is_extension
from ingest.telephony.pulled import (
    answered_object,
    count,
    host_named,
    kept_json,
    known,
    rows,
    secret,
    setting,
)

# {"status": "1", "data": [{"uuid": "7f00e2b5-0001", "caller_id_number": "74951230007",
#   "destination_number": "+79268915301", "start_stamp": 1794988800, "end_stamp": 1794988831,
#   "duration": 31, "user_talk_time": 7, "accountcode": "outbound", "gateway": "74951230007",
#   "events": [{"type": "user", "number": "700", "answered_stamp": 1794988824}]}]}
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "local": Direction.INTERNAL,
    "internal": Direction.INTERNAL,
}
#: Why nobody talked, in FreeSWITCH's words; all others are simply no answer.
CAUSES = {
    "user_busy": Outcome.BUSY,
    "call_rejected": Outcome.REJECTED,
    "originator_cancel": Outcome.CANCELLED,
    "unallocated_number": Outcome.FAILED,
    "invalid_number_format": Outcome.FAILED,
    "no_route_destination": Outcome.FAILED,
    "normal_temporary_failure": Outcome.FAILED,
}
HOST = "api.onlinepbx.ru"
API_HOST = "api_host"  #: the setting that names another one, such as api2.onlinepbx.ru
DOMAIN = "domain"  #: the setting that names the account, such as example.onpbx.ru
FULL = 1000  #: an answer of so many may have been cut short: there are no pages
LIST = ("data",)
GOOD_FOR = timedelta(hours=12)  #: of a key; one that ended sooner is noticed by its refusal
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask for the calls of a period."""
    asked = {
        "start_stamp_from": str(int(since.timestamp())),
        "start_stamp_to": str(int(until.timestamp())),
    }
    return _posted(account, "mongo_history/search.json", asked)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """End after one answer; a very long one may hide what there is more."""
    full = count(_granted(response), *LIST) >= FULL
    return Turned(cut=full, keep=not full)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of each call, and the part of each telephone."""
    found = [event for row in rows(kept_json(delivery), *LIST) for event in _call(row, account)]
    if not found:
        raise IgnoredDelivery("there were no calls in this period")
    return found


def ask_key(account: Account, old: Token | None, now: datetime) -> ApiRequest:
    """Ask for a key with the account's own."""
    return _posted(account, "auth.json", {"auth_key": secret(account, "api_key")})


def key_given(account: Account, response: ApiResponse, now: datetime) -> Token:
    """Return the key. Raises UnreadableDelivery if it was refused."""
    given = part(_granted(response), "data")
    value = f"{required(given, 'key_id')}:{required(given, 'key')}"
    return Token(value=value, expires_at=now + GOOD_FOR)


def with_key(asked: ApiRequest, token: Token) -> ApiRequest:
    """Return the request with the key as this service wants it shown."""
    headers = {**asked.headers, "x-pbx-authentication": token.value}
    return ApiRequest(method=asked.method, url=asked.url, headers=headers, body=asked.body)


def _posted(account: Account, path: str, form: Mapping[str, str]) -> ApiRequest:
    host = next(iter(host_named(account, API_HOST)), HOST)
    base = f"https://{host}/{quote(setting(account, DOMAIN), safe='')}/{path}"
    return ApiRequest(method="POST", url=base, headers=FORM, body=urlencode(form).encode())


def _granted(response: ApiResponse) -> Mapping[str, object]:
    found = answered_object(response)
    if str(found.get("status")) != "1":
        why = " ".join(str(found.get("comment") or "no reason given").split())[:200]
        raise UnreadableDelivery(f"the interface refused: {why}")
    return found


def _call(row: Fields, account: Account) -> list[CallEvent]:
    keys = (required(row, "uuid"),)
    direction = known(row, "accountcode", DIRECTIONS)
    talk_s = seconds(row, "user_talk_time") or 0.0
    people = [each for each in rows(row, "events") if text(each, "type") == "user"]
    took = [each for each in people if epoch(each, "answered_stamp")]
    answers = [at for each in took if (at := epoch(each, "answered_stamp"))]
    outbound = direction is Direction.OUTBOUND
    caller, callee = text(row, "caller_id_number"), text(row, "destination_number")
    cause = CAUSES.get((text(row, "hangup_cause") or "").lower(), Outcome.NO_ANSWER)
    ended = CallEvent(
        call_keys=keys,
        stage=CallStage.ENDED,
        direction=direction,
        caller=None if outbound else caller,
        callee=None if direction is Direction.INBOUND else callee,
        withheld=direction is Direction.INBOUND and caller is None,
        line=text(row, "gateway"),
        agent=_agent(took[-1:] or people[:1] if outbound else took[-1:], account),
        outcome=Outcome.ANSWERED if talk_s else cause,
        started_at=epoch(row, "start_stamp"),
        answered_at=min(answers, default=None) if talk_s else None,
        ended_at=epoch(row, "end_stamp"),
        duration_s=seconds(row, "duration"),
        talk_s=talk_s,
        recording_url=url(row, "download_url"),
    )
    legs = [] if outbound else [leg for each in people for leg in _leg(keys, each, account)]
    return [*legs, ended]


def _leg(keys: tuple[str, ...], person: Fields, account: Account) -> list[CallEvent]:
    agent = _agent([person], account)
    stages = {
        CallStage.RINGING: epoch(person, "timestamp"),
        CallStage.ANSWERED: epoch(person, "answered_stamp"),
    }
    return [
        CallEvent(call_keys=keys, stage=stage, occurred_at=at, agent=agent, leg=agent)
        for stage, at in stages.items()
        if at and agent
    ]


def _agent(people: Sequence[Fields], account: Account) -> str | None:
    number = text(people[0], "number") if people else None
    return number if is_extension(number, account) else None


HISTORY = History(
    request=request,
    turn=turn,
    api="mongo_history/search.json",
    window=timedelta(days=1),  # a week at most
    secrets=("api_key",),
    hosts=(HOST,),
    hosts_of=lambda account: host_named(account, API_HOST),
    grant=Grant(request=ask_key, granted=key_given, authorised=with_key),
)
