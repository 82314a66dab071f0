"""Signed requests of several providers as they stand on the wire, for the load clients."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

from benchmarks._common import NOW, SECRET, SOURCE, deliveries, number

MANGO = {"vpbx_api_key": "k" * 32, "vpbx_api_salt": "s" * 32}
ZADARMA = {"api_secret": "z" * 20}
MEGAFON = {"crm_token": "3f1c9d7e-5b2a-4c88-9e10-6a7b8c9d0e1f"}
FORM = "application/x-www-form-urlencoded"

Requests = Callable[[int, int, int, int], Iterator[bytes]]  #: count, clients, first call, sources


def request(path: str, body: bytes, content_type: str, headers: str = "") -> bytes:
    """Return one POST."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


def generic(count: int, size: int, first: int, sources: int) -> Iterator[bytes]:
    """Yield our own JSON, 600 octets, signed as Standard Webhooks say."""
    key = b64decode(SECRET.removeprefix("whsec_"))
    stamp = str(int(time.time()))
    for n, new in enumerate(deliveries(count, size, seed=first, first=first)):
        name = f"msg-{first + n}"
        signed = f"{name}.{stamp}.".encode() + new.body
        signature = b64encode(hmac.new(key, signed, sha256).digest()).decode()
        headers = (
            f"webhook-id: {name}\r\nwebhook-timestamp: {stamp}\r\n"
            f"webhook-signature: v1,{signature}\r\n"
        )
        path = f"/hooks/{SOURCE}{n % sources}"
        yield request(path, new.body, "application/json", headers)


def mango(count: int, size: int, first: int, sources: int) -> Iterator[bytes]:
    """Yield Mango's summaries: a form around JSON, SHA-256 of key, JSON and salt."""
    key, salt = MANGO["vpbx_api_key"], MANGO["vpbx_api_salt"]
    for n in range(first, first + count):
        at = int(NOW.timestamp()) - 172_800 + n // 10
        text = json.dumps(
            {
                "entry_id": f"entry-{n}",
                "call_direction": 1,
                "from": {"number": number(n % size)[1:]},
                "to": {"extension": "101", "number": "74950000001"},
                "line_number": "74950000001",
                "create_time": at,
                "forward_time": at + 2,
                "talk_time": at + 8,
                "end_time": at + 90,
                "entry_result": 1,
                "disconnect_reason": 1110,
            }
        )
        sign = sha256((key + text + salt).encode()).hexdigest()
        body = urlencode({"vpbx_api_key": key, "sign": sign, "json": text}).encode()
        yield request(f"/hooks/mango{n % sources}/events/summary", body, FORM)


def zadarma(count: int, size: int, first: int, sources: int) -> Iterator[bytes]:
    """Yield Zadarma's NOTIFY_END: a form, HMAC-SHA1 over three of its fields."""
    for n in range(first, first + count):
        start = NOW - timedelta(days=2) + timedelta(seconds=n // 10)
        fields = {
            "event": "NOTIFY_END",
            "caller_id": number(n % size),
            "called_did": "74950000001",
            "call_start": f"{start:%Y-%m-%d %H:%M:%S}",
            "pbx_call_id": f"in_{n:032x}",
            "internal": "101",
            "duration": "82",
            "disposition": "answered",
            "status_code": "16",
            "is_recorded": "0",
        }
        signed = fields["caller_id"] + fields["called_did"] + fields["call_start"]
        digest = hmac.new(ZADARMA["api_secret"].encode(), signed.encode(), hashlib.sha1).hexdigest()
        headers = f"Signature: {b64encode(digest.encode()).decode()}\r\n"
        yield request(f"/hooks/zadarma{n % sources}", urlencode(fields).encode(), FORM, headers)


def question(caller: str, call: int) -> bytes:
    """Return MegaFon's `contact`: who is calling, and who is responsible?"""
    fields = (
        f"cmd=contact&phone={quote(caller[1:])}&callid=q{call}&diversion=74950000001"
        f"&crm_token={MEGAFON['crm_token']}"
    )
    return request("/hooks/asking", fields.encode(), FORM)


#: provider -> its requests, and the secrets of its sources
SENDERS: dict[str, tuple[Requests, dict[str, str]]] = {
    "generic": (generic, {"secret": SECRET}),
    "mango": (mango, MANGO),
    "zadarma": (zadarma, ZADARMA),
}
