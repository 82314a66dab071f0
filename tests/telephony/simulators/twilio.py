"""Twilio: a list of legs, with the address of the next page in the answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from aiohttp import web

from ingest.demo.pbx.script import Script, plain
from tests.telephony.simulators.serving import Rows, Simulated, refused

HOSTS = ("api.twilio.com",)
MOST = 3  #: of a page, whatever is asked for


def routes(
    knows: Simulated, *, tell: Rows | None = None, most: int = MOST
) -> Sequence[web.RouteDef]:
    told = tell or legs

    async def calls(request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        pair = base64.b64encode(f"{sid}:{knows.secrets['auth_token']}".encode()).decode()
        known = sid == knows.secrets["account_sid"]
        if not known or request.headers.get("Authorization") != f"Basic {pair}":
            return refused()
        since = moment(request.query["StartTime>"])
        rows = [row for call in knows.between(since, until(request)) for row in told(call)]
        page = int(request.query.get("Page", "0"))
        more = len(rows) > (page + 1) * most
        onward = {**request.query, "Page": str(page + 1), "PageToken": "PA1"}
        return web.json_response(
            {
                "calls": rows[page * most : (page + 1) * most],
                "page": page,
                "next_page_uri": f"{request.path}?{urlencode(onward)}" if more else None,
            }
        )

    return [web.get("/2010-04-01/Accounts/{sid}/Calls.json", calls)]


def until(request: web.Request) -> datetime:
    """Return the end of the period: the day is all that is looked at, as it is documented."""
    return moment(request.query["StartTime<"]).replace(hour=0, minute=0, second=0)


def moment(written: str) -> datetime:
    return datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def legs(call: Script) -> list[dict[str, object]]:
    over = "no-answer" if call.outbound and not call.taken else "completed"
    parent: dict[str, object] = {
        "sid": call.key,
        "parent_call_sid": None,
        "from": call.line if call.outbound else call.remote,
        "to": call.remote if call.outbound else call.line,
        "direction": "outbound-api" if call.outbound else "inbound",
        "status": over,
        "duration": str(round(call.talk_s if call.outbound else call.length_s)),
        "start_time": written(call.begins_at),
        "end_time": written(call.ends_at),
    }
    children: list[dict[str, object]] = [
        {
            "sid": f"{call.key}{plain(phone)}",
            "parent_call_sid": call.key,
            "from": call.remote,
            "to": phone,
            "direction": "outbound-dial",
            "status": "completed" if phone == call.taken_by else "no-answer",
            "duration": str(round(call.talk_s)) if phone == call.taken_by else "0",
            "start_time": written(call.at(call.ring_s)),
            "end_time": written(call.ends_at if phone == call.taken_by else call.at(call.ring_s)),
        }
        for phone in (call.rings if not call.outbound else ())
    ]
    return [parent, *children]


def written(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC))
