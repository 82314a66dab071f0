"""Vonage: legs of an application that shows a token of its own; events with a signed token."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingest.demo.pbx.script import Report, Request, Script, Secrets, plain
from tests.telephony.simulators.serving import Simulated, refused

HOSTS = ("api.nexmo.com",)
MOST = 3  #: of a page, whatever is asked for
ENDS = ("from", "to")
UNANSWERED: Mapping[str, object] = {"status": "unanswered", "start_time": None, "end_time": None}


@functools.cache
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 1024)  # small: it is made anew for each run


def private_key() -> str:
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        said = claims(request.headers.get("Authorization", ""))
        if said is None or said["application_id"] != knows.secrets["application_id"]:
            return refused()
        since, until = (
            datetime.fromisoformat(request.query[f"date_{name}"]) for name in ("start", "end")
        )
        rows = [row for call in knows.between(since, until) for row in legs(call)]
        first = int(request.query["record_index"])
        return web.json_response(
            {
                "count": len(rows),
                "page_size": MOST,
                "record_index": first,
                "_embedded": {"calls": rows[first : first + MOST]},
            }
        )

    return [web.get("/v1/calls", calls)]


def claims(shown: str) -> dict[str, Any] | None:
    """Return what a token says that our key signed."""
    signed, _, proof = shown.removeprefix("Bearer ").rpartition(".")
    try:
        key().public_key().verify(decoded(proof), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return None
    said = json.loads(decoded(signed.partition(".")[2]))
    assert said["exp"] > said["iat"]
    assert said["jti"]
    return dict(said)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def legs(call: Script) -> list[dict[str, object]]:
    first = {
        "uuid": f"leg-{call.key}",
        "conversation_uuid": call.key,
        "direction": "outbound" if call.outbound else "inbound",
        "from": phone(call.line if call.outbound else call.remote),
        "to": phone(call.remote if call.outbound else call.line),
    }
    whole = UNANSWERED
    if call.taken or not call.outbound:
        whole = over(call.at(call.ring_s) if call.outbound else call.begins_at, call.ends_at)
    telephones = () if call.outbound else call.rings
    return [{**first, **whole}, *(of_telephone(call, telephone) for telephone in telephones)]


def of_telephone(call: Script, telephone: str) -> dict[str, object]:
    took = call.taken and telephone == call.taken_by
    return {
        "uuid": f"leg-{call.key}-{telephone}",
        "conversation_uuid": call.key,
        "direction": "outbound",
        "from": phone(call.line),
        "to": {"type": "app", "user": telephone},
        **(over(call.at(call.ring_s), call.ends_at) if took else UNANSWERED),
    }


def phone(number: str) -> dict[str, str]:
    return {"type": "phone", "number": plain(number)}


def over(began: datetime, ended: datetime) -> Mapping[str, object]:
    return {
        "status": "completed",
        "start_time": written(began),
        "end_time": written(ended),
        "duration": str(round((ended - began).total_seconds())),
    }


def written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def reports(call: Script) -> Iterator[Report]:
    first, *others = legs(call)
    yield event(first, "started", 0.0, call)
    for leg, telephone in zip(others, call.rings, strict=False):
        took = call.taken and telephone == call.taken_by
        yield event(leg, "ringing", 0.0, call)
        if took:
            yield event(leg, "answered", call.ring_s, call)
        yield event(leg, str(leg["status"]), call.length_s if took else call.ring_s, call)
    if call.outbound and call.taken:
        yield event(first, "answered", call.ring_s, call)
    yield event(first, str(first["status"]), call.length_s, call)


def event(leg: Mapping[str, Any], status: str, after_s: float, call: Script) -> Report:
    ends = {name: next(value for key, value in leg[name].items() if key != "type") for name in ENDS}
    told: dict[str, Any] = {
        **{name: leg[name] for name in ("uuid", "conversation_uuid", "direction")},
        **ends,
        "status": status,
        "timestamp": written(call.at(after_s)),
    }
    if status == "completed":
        told |= {name: leg[name] for name in ("start_time", "end_time", "duration")}
    return Report(after_s, "/event", told)


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    body = json.dumps(dict(report.fields)).encode()
    said = {"iat": int(now.timestamp()), "payload_hash": hashlib.sha256(body).hexdigest()}
    head = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(encoded(json.dumps(each).encode()) for each in (head, said))
    secret = secrets["signature_secret"].encode()
    proof = encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())
    return Request(
        url=url + report.path, headers={"Authorization": f"Bearer {signed}.{proof}"}, body=body
    )
