"""Plivo: legs by the time they ended, the latest first, in pages; callbacks signed with V3."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.plivo.com",)
ZONE = ZoneInfo("Asia/Kolkata")
MOST = 3  #: of a page, whatever is asked for
NONCE = "1794924600"


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        pair = f"{knows.secrets['auth_id']}:{knows.secrets['auth_token']}".encode()
        wanted = f"Basic {base64.b64encode(pair).decode()}"
        known = request.match_info["auth_id"] == knows.secrets["auth_id"]
        if not known or request.headers.get("Authorization") != wanted:
            return refused()
        since, until = (moment(request.query[f"end_time__{name}"]) for name in ("gte", "lt"))
        all_of_them = [row for call in knows.calls for row in legs(call)]
        rows = [row for row in all_of_them if since <= ended(row) < until]
        rows.sort(key=ended, reverse=True)
        offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), MOST)
        more = len(rows) > offset + limit
        onward = f"{request.path}?limit={limit}&offset={offset + limit}"
        return web.json_response(
            {
                "api_id": "a",
                "meta": {"limit": limit, "offset": offset, "next": onward if more else None},
                "objects": rows[offset : offset + limit],
            }
        )

    return [web.get("/v1/Account/{auth_id}/Call/", calls)]


def moment(sent: str) -> datetime:
    return datetime.strptime(sent, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def ended(row: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(row["end_time"]))


def legs(call: Script) -> list[dict[str, object]]:
    over = call.taken or not call.outbound
    first = row(
        call.key,
        None,
        call.line if call.outbound else call.remote,
        call.remote if call.outbound else call.line,
        "outbound" if call.outbound else "inbound",
        call.begins_at,
        (call.at(call.ring_s) if call.outbound else call.begins_at) if over else None,
        call.ends_at,
    )
    telephones = () if call.outbound else call.rings
    return [first, *(of_telephone(call, telephone) for telephone in telephones)]


def of_telephone(call: Script, telephone: str) -> dict[str, object]:
    took = call.taken and telephone == call.taken_by
    return row(
        f"{call.key}-{telephone}",
        call.key,
        call.remote,
        telephone,
        "outbound",
        call.begins_at,
        call.at(call.ring_s) if took else None,
        call.ends_at if took else call.at(call.ring_s),
    )


def row(
    key: str,
    parent: str | None,
    sender: str,
    receiver: str,
    direction: str,
    began: datetime,
    answered: datetime | None,
    ended: datetime,
) -> dict[str, object]:
    return {
        "call_uuid": key,
        "parent_call_uuid": parent,
        "from_number": plain(sender),
        "to_number": plain(receiver),
        "call_direction": direction,
        "initiation_time": written(began),
        "answer_time": written(answered) if answered else None,
        "end_time": written(ended),
        "call_duration": round((ended - began).total_seconds()),
        "hangup_cause_code": 4000 if answered else 3000,
        "hangup_cause_name": "Normal Hangup" if answered else "No Answer",
    }


def written(at: datetime) -> str:
    return at.astimezone(ZONE).isoformat(sep=" ")


def reports(call: Script) -> Iterator[Report]:
    both = {
        "CallUUID": call.key,
        "Direction": "outbound" if call.outbound else "inbound",
        "From": plain(call.line if call.outbound else call.remote),
        "To": plain(call.remote if call.outbound else call.line),
    }
    if not call.outbound:
        yield Report(0.0, "/hangup", {**both, "CallStatus": "ringing", "Event": "StartApp"})
        for telephone in call.rings:
            yield from of_dialled(call, telephone, both)
    stated = {"StartTime": call.begins_at, "EndTime": call.ends_at}
    if not call.outbound:
        stated["AnswerTime"] = call.begins_at
    elif call.taken:
        stated["AnswerTime"] = call.at(call.ring_s)
    over = {name: at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") for name, at in stated.items()}
    status = "completed" if call.taken or not call.outbound else "no-answer"
    lasted = call.talk_s if call.outbound else call.length_s
    yield Report(
        call.length_s,
        "/hangup",
        {**both, **over, "CallStatus": status, "Event": "Hangup", "Duration": round(lasted)},
    )


def of_dialled(call: Script, telephone: str, both: dict[str, str]) -> Iterator[Report]:
    took = call.taken and telephone == call.taken_by
    leg = {**both, "DialBLegUUID": f"{call.key}-{telephone}", "DialBLegTo": telephone}
    if took:
        yield Report(call.ring_s, "/hangup", {**leg, "DialBLegStatus": "answer"})
    yield Report(
        call.length_s if took else call.ring_s,
        "/hangup",
        {
            **leg,
            "DialBLegStatus": "hangup",
            "DialBLegHangupCause": "NORMAL_CLEARING" if took else "NO_ANSWER",
        },
    )


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    fields = {name: str(value) for name, value in report.fields.items()}
    whole = url + report.path
    signed = whole + "?" + "".join(name + fields[name] for name in sorted(fields)) + "." + NONCE
    digest = hmac.new(secrets["auth_token"].encode(), signed.encode(), hashlib.sha256).digest()
    proof = {
        "X-Plivo-Signature-V3": base64.b64encode(digest).decode(),
        "X-Plivo-Signature-V3-Nonce": NONCE,
    }
    return Request(url=whole, headers={**FORM, **proof}, body=urlencode(fields).encode())
