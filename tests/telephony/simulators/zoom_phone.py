"""Zoom Phone: a token for an account, pages that a token leads on; events of one telephone each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from aiohttp import web

from ingest.demo.pbx.script import Report, Request, Script, Secrets
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.zoom.us", "zoom.us")
PER_PAGE = 2


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def token(request: web.Request) -> web.Response:
        pair = f"{knows.secrets['client_id']}:{knows.secrets['client_secret']}".encode()
        known = request.headers["Authorization"] == f"Basic {base64.b64encode(pair).decode()}"
        if not known or request.query["grant_type"] != "account_credentials":
            return refused(400)
        if request.query["account_id"] != knows.secrets["account_id"]:
            return refused(400)
        value = f"token{len(knows.tickets)}"
        knows.tickets[value] = True
        return web.json_response({"access_token": value, "expires_in": 3599})

    async def history(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not knows.tickets.get(shown):
            return refused()
        since, until = (
            datetime.strptime(request.query[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            for name in ("from", "to")
        )
        begin = int(request.query.get("next_page_token", "from0").removeprefix("from"))
        found = [row(call) for call in knows.between(since, until)]
        end = begin + PER_PAGE
        return web.json_response(
            {
                "page_size": PER_PAGE,
                "total_records": len(found),
                "next_page_token": f"from{end}" if end < len(found) else "",
                "call_history": found[begin:end],
            }
        )

    return [web.post("/oauth/token", token), web.get("/v2/phone/call_history", history)]


def row(call: Script) -> dict[str, object]:
    ours, theirs = ("caller", "callee") if call.outbound else ("callee", "caller")
    missed = "no_answer" if call.outbound else "ring_timeout"
    return {
        "call_history_uuid": f"uuid-{call.key}",
        "call_id": call.key,
        "direction": "outbound" if call.outbound else "inbound",
        "connect_type": "external",
        "call_result": ("connected" if call.outbound else "answered") if call.taken else missed,
        "start_time": written(call.begins_at),
        "answer_time": written(call.at(call.ring_s)) if call.taken else "",
        "end_time": written(call.ends_at),
        f"{ours}_did_number": call.line,
        f"{ours}_ext_number": call.taken_by or call.rings[0],
        f"{ours}_ext_type": "user",
        f"{theirs}_did_number": call.remote,
    }


def reports(call: Script) -> Iterator[Report]:
    """Yield what events tell of a call, in order of time."""
    side = "caller" if call.outbound else "callee"
    begun = {
        "call_id": call.key,
        "caller": {"phone_number": call.line if call.outbound else call.remote},
        "callee": {"phone_number": call.remote if call.outbound else call.line},
        "ringing_start_time": written(call.begins_at),
    }
    begun[side] = {**begun[side], "extension_number": call.taken_by or call.rings[0]}  # type: ignore[dict-item]
    yield told(0.0, f"phone.{side}_ringing", begun)
    ended = {**begun, "call_end_time": written(call.ends_at)}
    if call.taken:
        taken = {**begun, "answer_start_time": written(call.at(call.ring_s))}
        yield told(
            call.ring_s, f"phone.{side}_{'connected' if call.outbound else 'answered'}", taken
        )
        ended |= {"handup_result": "Call connected"}
    elif call.outbound:
        ended |= {"handup_result": "No Answer"}
    missed = not call.outbound and not call.taken
    yield told(call.length_s, f"phone.{side}_{'missed' if missed else 'ended'}", ended)


def told(after_s: float, event: str, call: object) -> Report:
    return Report(after_s, "", {"event": event, "payload": {"account_id": "acc1", "object": call}})


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the signed request."""
    body, stamp = json.dumps(dict(report.fields)).encode(), str(int(now.timestamp()))
    proof = hmac.new(
        secrets["secret_token"].encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256
    )
    headers = {"x-zm-request-timestamp": stamp, "x-zm-signature": f"v0={proof.hexdigest()}"}
    return Request(url=url, headers=headers, body=body)


def written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
