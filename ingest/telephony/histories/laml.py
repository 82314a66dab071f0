"""Lists of calls in the manner of Twilio's `Calls.json`, which SignalWire serves as well.

A row is one leg, with the status callback's facts under other names; so it is read as if it were
the last callback of that leg. Facts: twilio/twilio-oai; developer.signalwire.com.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from ingest.domain.calls import CallEvent, CallStage
from ingest.domain.deliveries import Account, Delivery, IgnoredDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.fields import Fields, later, rfc2822, seconds, text
from ingest.telephony.protocols import laml
from ingest.telephony.pulled import answered_object, basic, count, kept_json, rows, utc

# {"calls": [{"sid": "CA42", "parent_call_sid": null, "from": "+12025550143", "to": "+13125550188",
#   "direction": "inbound", "status": "completed", "duration": "95",
#   "start_time": "Mon, 16 Nov 2026 18:00:01 +0000", "end_time": "..."}],
#  "next_page_uri": "/2010-04-01/Accounts/AC1/Calls.json?Page=1&PageSize=500&PageToken=PACA42"}
NAMES = {
    "CallSid": "sid",
    "ParentCallSid": "parent_call_sid",
    "From": "from",
    "To": "to",
    "Direction": "direction",
    "CallStatus": "status",
    "CallDuration": "duration",
    "Timestamp": "end_time",
}
OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
LIST = ("calls",)
PAGE_SIZE = 500

Where = Callable[[Account], tuple[str, str, str, str]]
#: Host, beginning of the path, name and password of the account.


def history(
    where: Where, secrets: tuple[str, ...], hosts: Callable[[Account], tuple[str, ...]]
) -> History:
    """Return how the calls of such a cloud are asked for."""

    def request(account: Account, since: datetime, until: datetime, page: str | None) -> ApiRequest:
        host, base, name, password = where(account)
        if page is None:
            # A server that knows whole days only reads "before" as before that day.
            upto = until + timedelta(days=1)
            asked = {"StartTime>": utc(since), "StartTime<": utc(upto), "PageSize": str(PAGE_SIZE)}
            page = f"{base}/Accounts/{quote(name, safe='')}/Calls.json?{urlencode(asked)}"
        elif not page.startswith(f"{base}/Accounts/"):
            raise UnreadableDelivery("the next page lies outside of the interface")
        return ApiRequest(url=f"https://{host}{page}", headers=basic(name, password))

    return History(
        request=request,
        turn=turn,
        api="Calls.json",
        window=timedelta(days=1),
        per_minute=60,
        secrets=secrets,
        hosts_of=hosts,
    )


def turn(account: Account, response: ApiResponse, page: str | None) -> Turned:
    """Go where the answer says that the next page is."""
    found = answered_object(response)
    count(found, *LIST)
    next_page = found.get("next_page_uri")
    return Turned(next=next_page if isinstance(next_page, str) and next_page else None)


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what became of each leg that is over."""
    found = [_leg(row) for row in rows(kept_json(delivery), *LIST) if text(row, "status") in OVER]
    if not found:
        raise IgnoredDelivery("no call of this period was over")
    return found


def _leg(row: Fields) -> CallEvent:
    as_callback = {name: row.get(told) for name, told in NAMES.items()}
    event = laml.leg_event(as_callback, text(row, "status") or "")
    start = rfc2822(row, "start_time")
    if event.stage is not CallStage.ENDED:
        return event
    end = rfc2822(row, "end_time") or later(start, seconds(row, "duration"))
    return replace(event, started_at=start, ended_at=end)
