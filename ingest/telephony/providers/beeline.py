"""Beeline Cloud PBX: Xsi-Events, signed by nobody, sent while a subscription lives. Not tried live.

Every user of the account reports the half of the call that he sees. A user is named by the ten
digits of his number. The subscription is asked for a day and made anew before it ends: two that
overlap report the same, which changes nothing.
Facts: cloudpbx.beeline.ru/apis/portal (subscription); schema.broadsoft.com/xsi.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingest.domain.calls import CallEvent, CallStage
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.domain.recordings import Recordings
from ingest.domain.subscriptions import Subscription
from ingest.telephony.fields import text
from ingest.telephony.protocols import beeline_api, xsi
from ingest.telephony.signatures import require_path_token, same

_NUMBER = re.compile(r"[0-9]{10}")  #: a user's name that is his number without the country


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part.

    A source that names a `subscription_id` takes events of that subscription only.
    """
    require_path_token(request, account)
    named = account.config.get("subscription_id")
    known = {each["subscription_id"] for each in account.secrets if each.get("subscription_id")}
    wanted = known or ({named} if isinstance(named, str) and named else set())
    if wanted and not any(same(_subscription_of(request), each) for each in wanted):
        raise BadSignature("the event is of another subscription")


def key(request: HookRequest, account: Account) -> str | None:
    """Return the event's id. Raises UnreadableDelivery for a body that is no event."""
    return text(xsi.event_of(request).texts(), "eventID")


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says."""
    event = xsi.event_of(request)
    target = xsi.target_of(event) or ""
    user = target.partition("@")[0]
    told = xsi.read(event, line=f"+7{user}" if _NUMBER.fullmatch(user) else None)
    if account.config.get("recordings") is not True:
        return told
    return [_recorded(each, target) for each in told]


def _recorded(event: CallEvent, target: str) -> CallEvent:
    """Return the end of a talk with its recording: events do not tell whether there is one."""
    if event.stage is not CallStage.ENDED or event.answered_at is None or not target:
        return event
    return replace(event, recording_id=target, recording_ready=True)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: any 2xx is enough."""
    return HookResponse()


def ended(request: HookRequest, account: Account) -> str | None:
    """Return the id of the subscription that this event says has ended; None: it says no such."""
    event = xsi.event_of(request)
    if xsi.type_of(event) != xsi.TERMINATED:
        return None
    return text(event.texts(), "subscriptionId") or ""


def _subscription_of(request: HookRequest) -> str:
    try:
        return text(xsi.event_of(request).texts(), "subscriptionId") or ""
    except UnreadableDelivery:
        return ""


BEELINE = Provider(
    name="beeline",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("path_token",),
    signs=False,
    subscription=Subscription(
        request=beeline_api.ask,
        subscribed=beeline_api.subscribed,
        renew_at=0.9,
        secrets=beeline_api.NAMES,
        hosts=(beeline_api.HOST,),
        ended=ended,
    ),
    recordings=Recordings(
        request=beeline_api.ask_sound, hosts=(beeline_api.HOST,), secrets=("api_token",)
    ),
)
