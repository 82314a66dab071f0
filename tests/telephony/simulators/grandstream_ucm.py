"""Grandstream UCM: `cdrapi` behind HTTP Digest, in the PBX's own time, groups of legs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import Script
from tests.telephony.simulators.serving import Simulated

HOSTS = ("192.0.2.10",)
ZONE = ZoneInfo("Europe/Berlin")
REALM, NONCE = "UCM", "nonce1"


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def cdrapi(request: web.Request) -> web.Response:
        if not proved(request, knows.secrets["api_user"], knows.secrets["api_password"]):
            challenge = f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        since, until = (
            datetime.fromisoformat(request.query[name]).replace(tzinfo=ZONE)
            for name in ("startTime", "endTime")
        )
        begin, size = int(request.query["offset"]), int(request.query["numRecords"])
        groups = [group(call) for call in knows.between(since, until)]
        return web.json_response({"cdr_root": groups[begin : begin + size]})

    return [web.get("/cdrapi", cdrapi)]


def proved(request: web.Request, user: str, password: str) -> bool:
    sent = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("Authorization", "")))
    if sent.get("username") != user or sent.get("nonce") != NONCE:
        return False
    one = md5(f"{user}:{REALM}:{password}")
    two = md5(f"{request.method}:{sent['uri']}")
    parts = (one, NONCE, sent["nc"], sent["cnonce"], sent["qop"], two)
    return sent["uri"] == request.raw_path and sent["response"] == md5(":".join(parts))


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def group(call: Script) -> dict[str, object]:
    legs = [leg(call, phone) for phone in call.rings]
    if len(legs) == 1:
        return legs[0]
    return {"main_cdr": legs[0], **{f"sub_cdr_{at}": each for at, each in enumerate(legs, 1)}}


def leg(call: Script, phone: str) -> dict[str, object]:
    taken = call.taken and phone == call.taken_by
    src, dst = (phone, call.remote) if call.outbound else (call.remote, phone)
    return {
        "AcctId": f"{call.key}-{phone}",
        "src": src,
        "dst": dst,
        "lastapp": "Dial",
        "start": local(call.begins_at),
        "answer": local(call.at(call.ring_s)) if taken else "0000-00-00 00:00:00",
        "end": local(call.ends_at),
        "disposition": "ANSWERED" if taken else "NO ANSWER",
        "uniqueid": call.key,
        "userfield": "Outbound" if call.outbound else "Inbound",
        "channel_ext": src,
        "dstchannel_ext": dst,
    }


def local(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
