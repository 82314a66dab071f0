"""HTTP Digest (RFC 7616) as switches speak it: a challenge without a memory, and its proof.

The nonce is our clock. Whoever does not know the password can prove nothing for any nonce, and a
proof that was overheard ends with the source's window, as that of a signed timestamp does. MD5,
because older libraries know nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ingest.domain.deliveries import Account, BadSignature, HookRequest, HookResponse
from ingest.telephony.signatures import require_fresh, require_proof, same

REALM = "keepline"
NAMES = ("basic_user", "basic_password")  #: the secrets of Basic serve here too
MAX_PROOF = 2_048  #: characters of the header
_FIELD = re.compile(r'([a-z]{1,16})=(?:"([^"\\]*)"|([^\s,"]+))', re.IGNORECASE)


def challenge(request: HookRequest, account: Account) -> HookResponse | None:
    """Answer the empty request by which a sender asks how to prove itself; None: it is none."""
    asks = request.method == "POST" and not request.body and not request.header("authorization")
    if not asks or not any(all(each.get(name) for name in NAMES) for each in account.secrets):
        return None
    nonce = int(request.received_at.timestamp())
    proof = f'Digest realm="{REALM}", nonce="{nonce}", qop="auth", algorithm=MD5'
    return HookResponse(status=401, body=b"refused\n", headers=(("WWW-Authenticate", proof),))


def is_digest(request: HookRequest) -> bool:
    """Tell whether the request brings a proof by Digest."""
    return (request.header("authorization") or "")[:7].lower() == "digest "


def require_digest(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Authorization proves name and password for this very request."""
    told = _told(request.header("authorization") or "")
    digest = _md5(f"{request.method}:{told.get('uri', '')}")
    tail = ":".join(told.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))

    def proves(secrets: Mapping[str, str]) -> bool:
        known = _md5(f"{secrets['basic_user']}:{REALM}:{secrets['basic_password']}")
        return same(told.get("response", "").lower(), _md5(f"{known}:{tail}:{digest}"))

    require_proof(request, account, NAMES, proves)
    if told.get("qop") != "auth" or told.get("uri") != _target(request):
        raise BadSignature("the proof is for another request")
    require_fresh(request, _moment(told.get("nonce", "")), account.tolerance_s)


def _told(header: str) -> dict[str, str]:
    if len(header) > MAX_PROOF:
        raise BadSignature(f"the proof is longer than {MAX_PROOF} characters")
    found = _FIELD.finditer(header.partition(" ")[2])
    return {each[1].lower(): each[2] if each[2] is not None else each[3] for each in found}


def _target(request: HookRequest) -> str:
    """Return the address without its host, as the sender named it in the request."""
    try:
        parts = urlsplit(request.url)
    except ValueError:
        raise BadSignature("the request's address is unreadable") from None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _moment(nonce: str) -> datetime:
    if not (nonce.isascii() and nonce.isdigit() and len(nonce) <= 11):
        raise BadSignature("the proof's nonce is none of ours")
    return datetime.fromtimestamp(int(nonce), UTC)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
