"""Novofon's two platforms: the new one is asked as UIS is, the old one as Zadarma is.

The source's secrets tell which: an `access_token` is the new platform's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.histories import notify, uis
from ingest.telephony.pulled import answered_object, host_named, kept_json

_ask_old = notify.asking(notify.NOVOFON_HOST)
OLD_LIST = "stats"  #: the member by which an answer of the old platform is known


def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
    """Ask the platform whose secrets the source has."""
    ask = uis.request_novofon if _is_new(account) else _ask_old
    return ask(account, since, until, page)


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go on as that platform's answers are gone on with."""
    new = "jsonrpc" in answered_object(response)
    return (uis.turn if new else notify.turn)(account, response, page)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what the answer says, in its own platform's words."""
    found = kept_json(delivery)
    old = isinstance(found, Mapping) and OLD_LIST in found
    return (notify.read if old else uis.read)(delivery, account)


def _is_new(account: Account) -> bool:
    return any(held.get("access_token") for held in account.secrets)


HISTORY = History(
    request=request,
    turn=turn,
    api="get.calls_report, v1/statistics/pbx",
    window=timedelta(days=7),
    every=timedelta(minutes=30),
    per_minute=6,
    secrets=("access_token",),
    or_secrets=("api_key", "api_secret"),
    hosts=(uis.NOVOFON_HOST, notify.NOVOFON_HOST),
    hosts_of=lambda account: host_named(account, uis.HOST),
)
