"""Bandwidth: calls by the time they began, pages named by a header; webhooks with a password."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from ingest.demo.pbx.script import Report, Request, Script, Secrets
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("voice.bandwidth.com",)
ACCOUNT = "9900000"
MOST = 3  #: of a page, whatever is asked for


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        wanted = basic(knows.secrets["api_user"], knows.secrets["api_password"])
        if request.headers.get("Authorization") != wanted:
            return refused()
        since, until = (
            datetime.fromisoformat(request.query[f"{name}StartTime"]) for name in ("min", "max")
        )
        begun = knows.between(since, until + timedelta(microseconds=1))  # the end is in it
        rows = [row for call in begun for row in legs(call)]
        first = int(request.query.get("pageToken", "p0")[1:])
        headers = {}
        if len(rows) > first + MOST:
            onward = urlencode({**request.query, "pageToken": f"p{first + MOST}"})
            headers["Link"] = f'<https://{HOSTS[0]}{request.path}?{onward}>; rel="next"'
        return web.json_response(rows[first : first + MOST], headers=headers)

    return [web.get(f"/api/v2/accounts/{ACCOUNT}/calls", calls)]


def legs(call: Script) -> list[dict[str, object]]:
    telephones = () if call.outbound else call.rings
    return [told(call), *(told_of(call, telephone) for telephone in telephones)]


def told(call: Script) -> dict[str, object]:
    """Return the call itself, in the words of the history."""
    answered = call.at(call.ring_s) if call.outbound else call.begins_at
    up = call.taken or not call.outbound
    return {
        "callId": call.key,
        "parentCallId": None,
        "from": call.line if call.outbound else call.remote,
        "to": call.remote if call.outbound else call.line,
        "direction": "outbound" if call.outbound else "inbound",
        "state": "disconnected",
        "startTime": written(call.begins_at),
        "answerTime": written(answered) if up else None,
        "endTime": written(call.ends_at),
        "disconnectCause": "hangup" if up else "timeout",
    }


def told_of(call: Script, telephone: str) -> dict[str, object]:
    """Return what one telephone did that the call was transferred to."""
    took = call.taken and telephone == call.taken_by
    return {
        "callId": f"{call.key}-{telephone}",
        "parentCallId": call.key,
        "from": call.remote,
        "to": telephone,
        "direction": "outbound",
        "state": "disconnected",
        "startTime": written(call.begins_at),
        "answerTime": written(call.at(call.ring_s)) if took else None,
        "endTime": written(call.ends_at if took else call.at(call.ring_s)),
        "disconnectCause": "hangup" if took else "timeout",
    }


def written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def reports(call: Script) -> Iterator[Report]:
    whole = told(call)
    same = {name: whole[name] for name in ("callId", "from", "to", "direction", "startTime")}
    if not call.outbound:
        yield event("initiate", 0.0, call, same)
        for telephone in call.rings:
            yield from of_telephone(call, telephone, same)
    elif call.taken:
        yield event("answer", call.ring_s, call, {**same, "answerTime": whole["answerTime"]})
    ended = {"answerTime": whole["answerTime"], "endTime": whole["endTime"]}
    cause = {"cause": whole["disconnectCause"]}
    yield event("disconnect", call.length_s, call, {**same, **ended, **cause})


def of_telephone(call: Script, telephone: str, same: dict[str, object]) -> Iterator[Report]:
    leg = told_of(call, telephone)
    both = {
        **same,
        **{name: leg[name] for name in ("callId", "parentCallId", "direction", "answerTime")},
        "transferTo": telephone,
    }
    took = leg["answerTime"] is not None
    if took:
        yield event("transferAnswer", call.ring_s, call, both)
    ended = {"endTime": leg["endTime"], "cause": leg["disconnectCause"]}
    after_s = call.length_s if took else call.ring_s
    yield event("transferDisconnect", after_s, call, {**both, **ended})


def event(kind: str, after_s: float, call: Script, fields: dict[str, object]) -> Report:
    at = written(call.at(after_s))
    return Report(after_s, "/status", {"eventType": kind, "eventTime": at, **fields})


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    return Request(
        url=url + report.path,
        headers={"Authorization": basic(secrets["basic_user"], secrets["basic_password"])},
        body=json.dumps(dict(report.fields)).encode(),
    )
